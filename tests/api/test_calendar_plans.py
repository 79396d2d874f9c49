"""What an edit of a calendar would move, and making it; the test clock stands at Monday 2026-03-02 08:00 UTC."""

from datetime import UTC, datetime, timedelta

from helpdesk_api.kit.tokens import Signer
from tests.api.test_recomputing import FLOOD, a_promise, resolution
from tests.conftest import MakeSandbox
from tests.factories import Json, a_ticket, get, patch
from tests.jobs.webhooks import until
from tests.stage import Client, Stage


def planned(api: Client, calendar: Json, **edit: object) -> Json:
    answer = api.post(f"/v1/calendars/{calendar['id']}/plan", json=edit)
    assert answer.status_code == 200, answer.text
    plan: Json = answer.json()
    return plan


def applied(api: Client, calendar: Json, plan: str, **edit: object) -> tuple[int, str | None]:
    answer = api.post(f"/v1/calendars/{calendar['id']}/apply", json={"edit": edit, "plan": plan})
    return answer.status_code, answer.json().get("code")


def test_a_plan_tells_which_deadlines_an_edit_would_move_and_changes_nothing(
    sandbox: MakeSandbox, stage: Stage
) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket, paused, solved = a_ticket(api), a_ticket(api), a_ticket(api)
    patch(api, f"tickets/{paused['id']}", status="pending")
    patch(api, f"tickets/{solved['id']}", status="solved")

    plan = planned(api, calendar, holidays=[FLOOD])

    numbers = ("clock_count", "ticket_count", "moved_count", "earlier_count", "breaching_count", "calendar_version")
    assert [plan[name] for name in numbers] == [2, 1, 1, 0, 0, 2]
    assert plan["effective_from"] == "2026-03-02T08:00:00Z"
    (move,) = plan["moves"]
    assert (move["ticket_id"], move["metric"]) == (ticket["id"], "resolution")
    assert (move["due_before"], move["due_at"]) == ("2026-03-03T17:00:00Z", "2026-03-04T17:00:00Z")
    assert get(api, f"calendars/{calendar['id']}") == calendar
    assert resolution(api, ticket)["due_at"] == "2026-03-03T17:00:00Z"
    told = "SELECT 1 FROM events WHERE object_id = $1 AND type = 'calendar.updated'"
    assert stage.sql(told, calendar["id"]) == []
    longer = {"saturday": [{"start": "09:00", "end": "17:00"}], **calendar["weekly_hours"], "monday": []}
    early = planned(api, calendar, weekly_hours=longer, effective_from=None)
    assert (early["moved_count"], early["earlier_count"], early["effective_from"]) == (1, 0, None)


def test_a_plan_is_applied_as_it_was_told(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    plan = planned(api, calendar, holidays=[FLOOD])
    edit = {"holidays": [FLOOD], "effective_from": plan["effective_from"]}

    assert applied(api, calendar, plan["plan"], **edit) == (200, None)

    until(lambda: resolution(api, ticket)["due_at"] == plan["moves"][0]["due_at"] or None)
    assert get(api, f"calendars/{calendar['id']}")["version"] == plan["calendar_version"]
    # It would be an edit of what has been edited.
    assert applied(api, calendar, plan["plan"], **edit) == (409, "plan_outdated")


def test_a_plan_is_refused_when_reality_has_changed_since(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_promise(api)
    ticket = a_ticket(api)
    edit = {"holidays": [FLOOD], "effective_from": "2026-03-02T08:00:00Z"}
    plan = planned(api, calendar, **edit)["plan"]

    another = {**edit, "holidays": [FLOOD, {"on": "2026-03-05", "name": "Strike"}]}
    assert applied(api, calendar, plan, **another) == (409, "plan_outdated")
    patch(api, f"tickets/{ticket['id']}", status="pending")
    assert applied(api, calendar, plan, **edit) == (409, "plan_outdated")
    patch(api, f"tickets/{ticket['id']}", status="open")
    a_ticket(api)
    assert applied(api, calendar, plan, **edit) == (409, "plan_outdated")
    assert applied(api, calendar, "bm90IGEgcGxhbg", **edit) == (409, "plan_outdated")
    assert get(api, f"calendars/{calendar['id']}") == calendar

    signer: Signer = stage.runtime.signer
    yesterday = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    old = signer.sign("plan", f'["0", "{yesterday}"]'.encode())
    assert applied(api, calendar, old, **edit) == (410, "plan_expired")
