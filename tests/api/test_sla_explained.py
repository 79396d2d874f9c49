"""The explanation of a deadline over HTTP, on a test clock that stands at Monday 2026-03-02 08:00 UTC."""

from datetime import datetime
from typing import Any

import pytest

from tests.conftest import MakeSandbox
from tests.domain.clock_replayer import Replay
from tests.factories import (
    Json,
    a_calendar,
    a_contact,
    a_policy,
    a_reply,
    a_ticket,
    a_user,
    advance,
    clock,
    create,
    get,
    patch,
)
from tests.signing_in import role_of
from tests.stage import Client, Stage


def explained(api: Client, ticket: Json, of: str = "resolution", language: str = "en") -> Json:
    answer = api.get(f"/v1/tickets/{ticket['id']}/sla/{of}/explain", headers={"accept-language": language})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-language"] == answer.json()["language"]
    found: Json = answer.json()
    return found


def replayed(explanation: Json) -> datetime | None:
    """Work the deadline out from the steps as they were sent."""
    steps: list[dict[str, Any]] = [
        step
        | {name: datetime.fromisoformat(step[name]) for name in ("from_at", "to_at")}
        | {"calendar": (step["calendar_id"], step["calendar_version"])}
        | {"due_at": step["due_at"] and datetime.fromisoformat(step["due_at"])}
        for step in explanation["steps"]
    ]
    return Replay().deadline(steps)


def a_lived_ticket(api: Client) -> Json:
    """Make a ticket that waited over a night and then became urgent."""
    targets = [
        {"metric": "resolution", "seconds": 8 * 3_600},
        {"metric": "resolution", "priority": "urgent", "seconds": 4 * 3_600},
    ]
    holidays = [{"on": "2026-03-04", "name": "Founders' day"}]
    either = {"field": "type", "op": "in", "value": ["incident", "question"]}
    a_policy(api, targets=targets, calendar_id=a_calendar(api, holidays=holidays)["id"], condition=either)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T16:00:00Z")
    patch(api, f"tickets/{ticket['id']}", status="pending")
    advance(api, "2026-03-03T10:00:00Z")
    patch(api, f"tickets/{ticket['id']}", status="open")
    patch(api, f"tickets/{ticket['id']}", priority="urgent")
    return patch(api, f"tickets/{ticket['id']}", priority="normal", type="question")


def test_a_person_reads_how_a_deadline_came_about(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_lived_ticket(api)

    told = explained(api, ticket)

    assert [step["text"] for step in told["steps"]] == [
        "2026-03-02 08:00:00: the clock started. Target: 8 h.",
        "2026-03-02 08:00:00 to 2026-03-02 09:00:00: outside of working hours, nothing counted.",
        "2026-03-02 09:00:00 to 2026-03-02 16:00:00: 7 h counted.",
        (
            "2026-03-02 16:00:00 to 2026-03-03 10:00:00: paused, because the status was pending; "
            "2 h of working time waited."
        ),
        "2026-03-03 10:00:00: the clock ran again, because the status became open.",
        "2026-03-03 10:00:00: the target was used up; the deadline was missed, which stays recorded.",
        "2026-03-03 10:00:00: other terms, because of: priority. Target: 4 h; counted so far: 7 h.",
        "2026-03-03 10:00:00: other terms, because of: priority, type. Target: 8 h; counted so far: 7 h.",
        "2026-03-03 10:00:00 to 2026-03-03 11:00:00: 1 h counted. (if nothing else happens)",
        "2026-03-03 11:00:00: the deadline. 8 h counted of 8 h.",
    ]
    assert told["conclusion"] == "Due 2026-03-03 11:00:00."


def test_a_program_reads_the_same_as_typed_steps_that_replay_to_the_deadline(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_lived_ticket(api)

    told = explained(api, ticket)

    assert told["due_at"] == clock(ticket, "resolution")["due_at"] == "2026-03-03T11:00:00Z"
    assert replayed(told) == datetime.fromisoformat(told["due_at"])
    assert (told["elapsed_seconds"], told["remaining_seconds"]) == (7 * 3_600, 3_600)
    paused = next(step for step in told["steps"] if step["kind"] == "paused")
    assert (paused["reason"], paused["status"], paused["waited_seconds"]) == ("status", "pending", 2 * 3_600)
    retargeted = [step for step in told["steps"] if step["kind"] == "retargeted"]
    assert [step["changed_fields"] for step in retargeted] == [["priority"], ["priority", "type"]]
    assert [step["target_seconds"] for step in retargeted] == [4 * 3_600, 8 * 3_600]


def test_a_holiday_is_told_by_its_name(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_lived_ticket(api)
    advance(api, "2026-03-05T10:00:00Z")

    told = explained(api, ticket)

    assert [(step["holidays"], step["text"]) for step in told["steps"] if step["kind"] == "holiday"] == [
        (
            ["Founders' day"],
            "2026-03-03 17:00:00 to 2026-03-05 09:00:00: holiday (Founders' day), nothing counted.",
        )
    ]
    assert told["conclusion"] == "Overdue since 2026-03-03 11:00:00."


@pytest.mark.parametrize(
    ("asked", "language", "started"),
    [
        ("ru", "ru", "02.03.2026 08:00:00: отсчёт начат. Норматив: 8 ч."),
        ("es-MX, en;q=0.5", "es", "02/03/2026 08:00:00: el reloj empezó. Objetivo: 8 h."),
        ("fr, xx;q=broken", "en", "2026-03-02 08:00:00: the clock started. Target: 8 h."),
    ],
)
def test_the_texts_are_in_the_language_that_is_asked_for(
    sandbox: MakeSandbox, asked: str, language: str, started: str
) -> None:
    api = sandbox()
    a_policy(api)

    told = explained(api, a_ticket(api), language=asked)

    assert (told["language"], told["steps"][0]["text"]) == (language, started)


def test_without_a_wish_the_texts_are_in_the_language_of_the_tenant(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    a_policy(api)
    stage.sql("UPDATE tenants SET language = 'ru' WHERE id = $1", api.tenant.id)

    assert explained(api, a_ticket(api), language="*;q=0")["language"] == "ru"


def test_a_clock_that_has_stopped_or_waits_is_explained_too(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T09:30:00Z")
    a_reply(api, ticket, author_user_id=a_user(api)["id"])
    patch(api, f"tickets/{ticket['id']}", status="pending")

    answered, waiting = explained(api, ticket, "first_response"), explained(api, ticket, "resolution")

    assert answered["conclusion"] == "Stopped in time, 2026-03-02 09:30:00."
    assert [step["kind"] for step in answered["steps"]] == ["started", "night", "counted", "met", "counted", "due"]
    assert replayed(answered) == datetime.fromisoformat("2026-03-02T10:00:00Z")
    assert waiting["conclusion"] == "Paused with 7 h 30 min left; nothing is due until it runs again."
    assert (waiting["due_at"], replayed(waiting)) == (None, None)


def test_a_clock_is_named_by_its_id_as_well(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api)

    of = clock(ticket, "first_response")["id"]

    assert explained(api, ticket, of)["clock_id"] == of
    assert explained(api, ticket, of)["metric"] == "first_response"


def test_what_a_ticket_has_no_clock_of_is_not_found(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket, other = a_ticket(api), a_ticket(api)
    a_policy(api)
    foreign = clock(a_ticket(api), "resolution")["id"]

    for path in ("resolution", foreign, "nonsense"):
        assert api.get(f"/v1/tickets/{ticket['id']}/sla/{path}/explain").status_code == 404
    assert get(api, f"tickets/{other['id']}")["clocks"] == []


def test_a_client_is_explained_the_clocks_of_its_own_tickets_only(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    a_policy(api)
    contact = a_contact(api, portal_role_id=role_of(api, "contact"))
    key = create(api, "api-keys", name="Portal", contact_id=contact["id"])["key"]
    own, other = a_ticket(api, contact_id=contact["id"]), a_ticket(api)

    with stage.client(api.tenant, key) as client:
        told = explained(client, own)
        foreign = client.get(f"/v1/tickets/{other['id']}/sla/resolution/explain")

    assert told["due_at"] == clock(own, "resolution")["due_at"]
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")


def test_a_clock_older_than_the_keeping_of_histories_says_so(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    a_policy(api)
    ticket = a_ticket(api)
    stage.sql("UPDATE sla_clocks SET history = '[]' WHERE ticket_id = $1", ticket["id"])
    patch(api, f"tickets/{ticket['id']}", status="pending")

    answer = api.get(f"/v1/tickets/{ticket['id']}/sla/resolution/explain")

    assert (answer.status_code, answer.json()["code"]) == (409, "history_incomplete")
