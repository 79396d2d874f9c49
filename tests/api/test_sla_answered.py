"""What is owed once a ticket was answered or is finished, on a test clock at Monday 2026-03-02 08:00 UTC."""

from tests.conftest import MakeSandbox
from tests.factories import (
    a_contact,
    a_policy,
    a_reply,
    a_ticket,
    a_user,
    clock,
    get,
    patch,
)
from tests.stage import Client


def a_policy_for_urgent(api: Client) -> None:
    """Promise something for urgent tickets only."""
    a_policy(api, condition={"field": "priority", "op": "eq", "value": "urgent"})


def test_an_answered_ticket_owes_no_first_response_when_one_is_promised_later(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy_for_urgent(api)
    ticket = a_ticket(api)
    a_reply(api, ticket, author_user_id=a_user(api)["id"])

    urgent = patch(api, f"tickets/{ticket['id']}", priority="urgent")

    assert [item["metric"] for item in urgent["clocks"]] == ["resolution"]


def test_an_answer_while_nothing_is_promised_counts_when_it_is_again(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy_for_urgent(api)
    ticket = a_ticket(api, priority="urgent")
    patch(api, f"tickets/{ticket['id']}", priority="low")
    a_reply(api, ticket, author_user_id=a_user(api)["id"])

    urgent = patch(api, f"tickets/{ticket['id']}", priority="urgent")

    assert clock(urgent, "first_response")["state"] == "cancelled"
    assert clock(urgent, "resolution")["state"] == "running"


def test_an_answer_to_a_solved_ticket_counts_when_it_is_reopened(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    contact = a_contact(api)
    ticket = a_ticket(api, contact_id=contact["id"])
    patch(api, f"tickets/{ticket['id']}", status="solved")
    a_reply(api, ticket, author_user_id=a_user(api)["id"])

    a_reply(api, ticket, author_contact_id=contact["id"])

    reopened = get(api, f"tickets/{ticket['id']}")
    assert reopened["status"] == "open"
    assert clock(reopened, "first_response")["state"] == "cancelled"
    assert clock(reopened, "resolution")["state"] == "running"


def test_a_promise_for_a_finished_ticket_starts_no_clock_that_would_be_met_at_once(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy_for_urgent(api)
    ticket = a_ticket(api)
    patch(api, f"tickets/{ticket['id']}", status="solved")

    urgent = patch(api, f"tickets/{ticket['id']}", priority="urgent")

    assert urgent["clocks"] == []
