"""What each metric measures, on a test clock at Monday 2026-03-02 08:00 UTC; every target counts all hours."""

from tests.api.test_sla import sla_events
from tests.conftest import MakeSandbox
from tests.factories import Json, a_contact, a_policy, a_reply, a_ticket, a_user, advance, clock, get, patch
from tests.stage import Client, Stage

HOUR = 3_600


def promised(api: Client, metric: str, **target: object) -> None:
    """Promise one thing: within ten hours of calendar time, without a warning."""
    defaults: Json = {"metric": metric, "seconds": 10 * HOUR, "hours": "calendar", "warning_percent": None}
    a_policy(api, calendar_id=None, targets=[defaults | target])


def shown(api: Client, ticket: Json, metric: str) -> Json:
    return clock(get(api, f"tickets/{ticket['id']}"), metric)


def told(item: Json) -> tuple[int, str, int | None]:
    """Give instance, state and hours left of a clock."""
    left = item["remaining_seconds"]
    return item["instance"], item["state"], None if left is None else left // HOUR


def at(api: Client, hour: int) -> None:
    advance(api, f"2026-03-02T{hour:02}:00:00Z")


def test_the_next_response_counts_from_the_oldest_message_that_waits_for_an_answer(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "next_response")
    user, contact = a_user(api), a_contact(api)
    ticket = a_ticket(api, contact_id=contact["id"])
    a_reply(api, ticket, author_contact_id=contact["id"])
    assert get(api, f"tickets/{ticket['id']}")["clocks"] == []

    a_reply(api, ticket, author_user_id=user["id"])
    at(api, 10)
    a_reply(api, ticket, author_contact_id=contact["id"])
    at(api, 12)
    a_reply(api, ticket, author_contact_id=contact["id"])
    second_message = shown(api, ticket, "next_response")
    at(api, 13)
    a_reply(api, ticket, author_user_id=user["id"])
    answered = shown(api, ticket, "next_response")
    at(api, 15)
    a_reply(api, ticket, author_contact_id=contact["id"])
    next_cycle = shown(api, ticket, "next_response")

    assert (told(second_message), second_message["due_at"]) == ((1, "running", 8), "2026-03-02T20:00:00Z")
    assert told(answered) == (1, "met", None)
    assert (told(next_cycle), next_cycle["due_at"]) == ((2, "running", 10), "2026-03-03T01:00:00Z")
    assert next_cycle["id"] != answered["id"]


def test_a_message_that_is_still_unanswered_counts_on_when_the_ticket_is_reopened(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "next_response")
    user, contact = a_user(api), a_contact(api)
    ticket = a_ticket(api, contact_id=contact["id"])
    a_reply(api, ticket, author_user_id=user["id"])
    a_reply(api, ticket, author_contact_id=contact["id"])
    at(api, 11)
    patch(api, f"tickets/{ticket['id']}", status="solved")
    solved = shown(api, ticket, "next_response")
    at(api, 20)

    a_reply(api, ticket, author_contact_id=contact["id"])

    assert told(solved) == (1, "cancelled", None)
    assert told(shown(api, ticket, "next_response")) == (1, "running", 7)


def test_an_internal_note_answers_nobody(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "next_response")
    user, contact = a_user(api), a_contact(api)
    ticket = a_ticket(api, contact_id=contact["id"])
    a_reply(api, ticket, author_user_id=user["id"])
    a_reply(api, ticket, author_contact_id=contact["id"])

    api.post(f"/v1/tickets/{ticket['id']}/comments", json={"kind": "note", "body": "?", "author_user_id": user["id"]})

    assert told(shown(api, ticket, "next_response")) == (1, "running", 10)


def test_each_reply_begins_the_time_to_the_next_update(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    promised(api, "periodic_update")
    user = a_user(api)
    ticket = a_ticket(api)
    a_reply(api, ticket, author_user_id=user["id"])
    at(api, 12)
    patch(api, f"tickets/{ticket['id']}", status="on_hold")
    a_reply(api, ticket, author_user_id=user["id"])
    advance(api, "2026-03-03T08:00:00Z")

    late = shown(api, ticket, "periodic_update")

    assert (told(late), late["breached_at"]) == ((2, "running", -10), "2026-03-02T22:00:00Z")
    assert sla_events(stage, ticket) == [
        ("started", "periodic_update", "02 08:00"),
        ("met", "periodic_update", "02 12:00"),
        ("started", "periodic_update", "02 12:00"),
        ("breached", "periodic_update", "02 22:00"),
    ]


def test_the_time_to_assign_ends_with_an_assignee_and_begins_anew_without_one(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, "time_to_assign")
    user = a_user(api)
    ticket = a_ticket(api)
    at(api, 9)
    assigned = patch(api, f"tickets/{ticket['id']}", assignee_id=user["id"])
    at(api, 10)
    taken_back = patch(api, f"tickets/{ticket['id']}", assignee_id=None)

    assert told(clock(assigned, "time_to_assign")) == (1, "met", None)
    assert told(clock(taken_back, "time_to_assign")) == (2, "running", 10)
    assert a_ticket(api, assignee_id=user["id"])["clocks"] == []


def test_the_wait_of_the_client_goes_on_where_the_work_of_agents_pauses(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(
        api,
        calendar_id=None,
        targets=[
            {"metric": metric, "seconds": 10 * HOUR, "hours": "calendar"} for metric in ("requester_wait", "agent_work")
        ],
    )
    ticket = a_ticket(api, status="on_hold")
    at(api, 10)
    pending = patch(api, f"tickets/{ticket['id']}", status="pending")
    at(api, 12)
    solved = patch(api, f"tickets/{ticket['id']}", status="solved")

    assert told(clock(pending, "requester_wait")) == (1, "paused", 8)
    assert told(clock(pending, "agent_work")) == (1, "paused", 10)
    assert [item["state"] for item in solved["clocks"]] == ["met", "met"]


def test_events_tell_metric_and_instance(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    promised(api, "time_to_assign")
    user = a_user(api)
    ticket = a_ticket(api)
    for assignee in (user["id"], None):
        patch(api, f"tickets/{ticket['id']}", assignee_id=assignee)

    rows = stage.sql(
        "SELECT data ->> 'metric' AS metric, (data ->> 'instance')::int AS instance FROM events"
        " WHERE object_id = $1 AND type = 'ticket.sla_started' ORDER BY xid, seq",
        ticket["id"],
    )

    assert [tuple(row) for row in rows] == [("time_to_assign", 1), ("time_to_assign", 2)]
