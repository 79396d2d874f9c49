"""Calendars over HTTP."""

from tests.conftest import MakeSandbox
from tests.factories import a_calendar, a_company, a_policy, a_ticket, clock, get
from tests.stage import Stage


def test_the_hours_of_a_clock_outlive_their_calendar(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    a_policy(api, calendar_id=calendar["id"])
    (policy,) = get(api, "sla-policies")["data"]
    ticket = a_ticket(api, company_id=a_company(api)["id"])
    api.delete(f"/v1/sla-policies/{policy['id']}").raise_for_status()

    removed = api.delete(f"/v1/calendars/{calendar['id']}")

    assert removed.status_code == 204
    # The process that answers may remember the hours; another one reads them.
    kept = "SELECT calendar_version FROM calendar_versions WHERE calendar_id = $1"
    assert [row[0] for row in stage.sql(kept, calendar["id"])] == [1]
    assert clock(get(api, f"tickets/{ticket['id']}"), "resolution")["remaining_seconds"] == 8 * 3_600
