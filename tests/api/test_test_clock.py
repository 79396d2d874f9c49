"""The test clock over HTTP where a stretch is long, or where calls meet."""

from time import monotonic, sleep

from tests.conftest import MakeSandbox
from tests.factories import Json, a_policy, a_ticket, get
from tests.stage import Client, Stage

# More deadlines than one call fires: each of these metrics counts from the beginning of a ticket.
_METRICS = ("first_response", "time_to_assign", "requester_wait", "agent_work", "resolution")
_TICKETS = 500 // len(_METRICS) + 1
_DUE = "2026-03-02T09:00:00Z"
_AN_HOUR = [{"metric": metric, "seconds": 3_600, "hours": "calendar", "warning_percent": None} for metric in _METRICS]


def until_it_stands(api: Client) -> Json:
    """Wait for a clock that is on its way."""
    patience = monotonic() + 20
    while (shown := get(api, "test-clock"))["advancing_to"] is not None:
        assert monotonic() < patience, shown
        sleep(0.05)
    return shown


def test_many_deadlines_at_the_very_target_all_fire_before_the_clock_has_arrived(
    sandbox: MakeSandbox, stage: Stage
) -> None:
    api = sandbox()
    a_policy(api, targets=_AN_HOUR, calendar_id=None)
    for _ in range(_TICKETS):
        a_ticket(api)

    moved = api.post("/v1/test-clock/advance", json={"to": _DUE})
    arrived = until_it_stands(api)

    assert (moved.status_code, moved.json()["advancing_to"]) == (202, _DUE)
    assert arrived["now"] == _DUE
    unfired = "SELECT count(*) FROM deadlines WHERE tenant_id = $1 AND fired_at IS NULL"
    assert stage.sql(unfired, api.tenant.id)[0][0] == 0
