"""The life of a ticket over HTTP: numbers, references, status, comments, and what is recorded of it."""

import json
from uuid import uuid4

from tests.factories import Json, a_company, a_contact, a_note, a_reply, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage


def recorded(stage: Stage, ticket: Json) -> list[tuple[str, int, Json]]:
    """Give type, version and changes of what was recorded of a ticket, in order."""
    rows = stage.sql(
        "SELECT type, object_version, changes FROM events WHERE object_id = $1 ORDER BY xid, seq", ticket["id"]
    )
    return [(row["type"], row["object_version"], json.loads(row["changes"])) for row in rows]


def test_tickets_are_numbered_from_one_within_the_tenant(api: Client, stage: Stage) -> None:
    a_ticket(api)

    with stage.tenant() as other:
        assert (a_ticket(api)["number"], a_ticket(other)["number"]) == (2, 1)


def test_a_ticket_without_company_takes_that_of_its_contact(api: Client) -> None:
    company = a_company(api)
    contact = a_contact(api, company_id=company["id"])

    assert a_ticket(api, contact_id=contact["id"])["company_id"] == company["id"]


def test_a_contact_of_another_company_is_refused(api: Client) -> None:
    contact = a_contact(api, company_id=a_company(api)["id"])

    answer = api.post(
        "/v1/tickets", json={"subject": "x", "company_id": a_company(api)["id"], "contact_id": contact["id"]}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "contact_not_of_company")
    assert answer.json()["errors"][0]["pointer"] == "#/contact_id"
    assert get(api, "tickets")["data"] == []


def test_an_inactive_user_gets_no_tickets(api: Client) -> None:
    user = a_user(api, is_active=False)

    answer = api.post("/v1/tickets", json={"subject": "x", "assignee_id": user["id"]})

    assert (answer.status_code, answer.json()["code"]) == (422, "inactive_user")


def test_nothing_returns_to_new(api: Client) -> None:
    ticket = a_ticket(api, status="open")

    answer = api.patch(f"/v1/tickets/{ticket['id']}", json={"status": "new", "subject": "other"})

    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert answer.json()["params"] == {"from": "open", "to": "new"}
    assert get(api, f"tickets/{ticket['id']}")["subject"] == ticket["subject"]


def test_solving_closing_and_reopening_set_times_and_count(api: Client) -> None:
    ticket = a_ticket(api)

    solved = patch(api, f"tickets/{ticket['id']}", status="solved")
    closed = patch(api, f"tickets/{ticket['id']}", status="closed")
    reopened = patch(api, f"tickets/{ticket['id']}", status="open")

    assert solved["solved_at"] is not None
    assert solved["closed_at"] is None
    assert (closed["solved_at"], closed["closed_at"] is not None) == (solved["solved_at"], True)
    assert (reopened["solved_at"], reopened["closed_at"], reopened["reopen_count"]) == (None, None, 1)


def test_each_changed_field_is_told_by_exactly_one_event(api: Client, stage: Stage) -> None:
    ticket = a_ticket(api)
    user = a_user(api)

    patch(api, f"tickets/{ticket['id']}", status="open", assignee_id=user["id"], priority="high", subject="Jammed")

    told = {event: (version, changes) for event, version, changes in recorded(stage, ticket)[1:]}
    assert told == {
        "ticket.status_changed": (2, {"status": ["new", "open"]}),
        "ticket.assigned": (2, {"assignee_id": [None, user["id"]]}),
        "ticket.updated": (2, {"priority": ["normal", "high"], "subject": [ticket["subject"], "Jammed"]}),
    }


def test_a_patch_that_changes_nothing_leaves_no_trace(api: Client, stage: Stage) -> None:
    ticket = a_ticket(api, tags=["b", "a"])

    same = patch(api, f"tickets/{ticket['id']}", subject=ticket["subject"], tags=["A", "b", "b"])

    assert same == ticket
    assert [event[0] for event in recorded(stage, ticket)] == ["ticket.created"]


def test_a_clients_reply_opens_a_ticket_that_waits_or_is_finished(api: Client) -> None:
    contact = a_contact(api)
    reopened = dict.fromkeys(("pending", "solved", "closed"), "open")

    for before in ("new", "open", "pending", "on_hold", "solved", "closed"):
        ticket = a_ticket(api, status=before, contact_id=contact["id"])
        a_reply(api, ticket, author_contact_id=contact["id"])
        assert get(api, f"tickets/{ticket['id']}")["status"] == reopened.get(before, before)


def test_a_reply_and_the_status_it_changes_share_a_version(api: Client, stage: Stage) -> None:
    contact = a_contact(api)
    ticket = a_ticket(api, status="pending", contact_id=contact["id"])

    a_reply(api, ticket, author_contact_id=contact["id"])

    assert recorded(stage, ticket)[1:] == [
        ("ticket.reply_added", 2, {}),
        ("ticket.status_changed", 2, {"status": ["pending", "open"]}),
    ]
    assert get(api, f"tickets/{ticket['id']}")["version"] == 2


def test_only_the_first_public_reply_of_a_user_is_the_first_response(api: Client) -> None:
    contact, user = a_contact(api), a_user(api)
    ticket = a_ticket(api, contact_id=contact["id"])

    a_note(api, ticket, author_user_id=user["id"])
    a_reply(api, ticket, author_contact_id=contact["id"])
    assert get(api, f"tickets/{ticket['id']}")["first_responded_at"] is None

    reply = a_reply(api, ticket, author_user_id=user["id"])
    a_reply(api, ticket, author_user_id=user["id"])
    assert get(api, f"tickets/{ticket['id']}")["first_responded_at"] == reply["created_at"]


def test_a_contact_of_another_company_cannot_reply(api: Client) -> None:
    ticket = a_ticket(api, company_id=a_company(api)["id"])
    stranger = a_contact(api, company_id=a_company(api)["id"])

    answer = api.post(
        f"/v1/tickets/{ticket['id']}/comments",
        json={"kind": "reply", "body": "Hello", "author_contact_id": stranger["id"]},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "contact_not_of_company")
    assert get(api, f"tickets/{ticket['id']}/comments")["data"] == []


def test_a_comment_has_exactly_one_author_and_contacts_write_no_notes(api: Client) -> None:
    contact, user, ticket = a_contact(api), a_user(api), a_ticket(api)
    wrong = [
        {"kind": "reply", "body": "x"},
        {"kind": "reply", "body": "x", "author_user_id": user["id"], "author_contact_id": contact["id"]},
        {"kind": "note", "body": "x", "author_contact_id": contact["id"]},
        {"kind": "reply", "body": "", "author_user_id": user["id"]},
    ]

    codes = [api.post(f"/v1/tickets/{ticket['id']}/comments", json=body).status_code for body in wrong]

    assert codes == [422, 422, 422, 422]


def test_comments_come_oldest_first_and_belong_to_their_ticket(api: Client) -> None:
    user, ticket, other = a_user(api), a_ticket(api), a_ticket(api)
    first = a_reply(api, ticket, author_user_id=user["id"])
    second = a_note(api, ticket, author_user_id=user["id"])

    assert [comment["id"] for comment in get(api, f"tickets/{ticket['id']}/comments")["data"]] == [
        first["id"],
        second["id"],
    ]
    assert get(api, f"tickets/{ticket['id']}/comments?kind=note")["data"] == [second]
    assert get(api, f"tickets/{ticket['id']}/comments/{first['id']}") == first
    assert api.get(f"/v1/tickets/{other['id']}/comments/{first['id']}").status_code == 404
    assert api.get(f"/v1/tickets/{uuid4()}/comments").status_code == 404


def test_related_objects_come_along_when_asked_for(api: Client) -> None:
    company = a_company(api)
    user = a_user(api)
    ticket = a_ticket(api, company_id=company["id"], assignee_id=user["id"])

    one = get(api, f"tickets/{ticket['id']}?include=company")
    page = get(api, "tickets?include=company,assignee")

    assert one["included"] == {
        "assets": {},
        "companies": {company["id"]: company},
        "contacts": {},
        "locations": {},
        "services": {},
        "contracts": {},
        "teams": {},
        "users": {},
    }
    assert page["included"]["users"] == {user["id"]: user}
    assert api.get("/v1/tickets?include=nonsense").status_code == 422


def test_filters_narrow_and_repeat_as_any_of(api: Client) -> None:
    a_ticket(api, status="open", tags=["vip"])
    a_ticket(api, status="pending", priority="urgent")
    a_ticket(api, status="solved")

    def numbers(query: str) -> list[int]:
        return [ticket["number"] for ticket in get(api, f"tickets?sort=number&{query}")["data"]]

    assert numbers("status=open&status=pending") == [1, 2]
    assert numbers("status=pending&priority=urgent") == [2]
    assert numbers("tag=vip") == [1]
    assert numbers("number=2&number=3") == [2, 3]
    assert numbers("created_at[gte]=2099-01-01T00:00:00Z") == []


def test_a_team_and_a_user_are_assigned_together(api: Client, stage: Stage) -> None:
    team = create(api, "teams", name="Network")
    user = a_user(api, team_id=team["id"])
    ticket = a_ticket(api)

    patch(api, f"tickets/{ticket['id']}", team_id=team["id"], assignee_id=user["id"])
    cleared = patch(api, f"tickets/{ticket['id']}", assignee_id=None)

    assert (cleared["team_id"], cleared["assignee_id"]) == (team["id"], None)
    assert [event[0] for event in recorded(stage, ticket)] == ["ticket.created", "ticket.assigned", "ticket.assigned"]
