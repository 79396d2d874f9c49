"""Two workers look for the same deadlines: each breach happens exactly once, never early and not long after."""

from tests.factories import a_policy
from tests.guarantees.load import Load
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell

TICKETS = 60 * SCALE
FIRED_WITHIN = 40.0
# Both workers share two cores with the rest of the suite; a deadline is told within a second or two on a quiet machine.
LATEST_SECONDS = 10.0

UNFIRED = "SELECT count(*) AS count FROM deadlines WHERE tenant_id = $1 AND fired_at IS NULL"
FIRED = """
SELECT data ->> 'clock_id' AS clock_id, data ->> 'metric' AS metric, type, events.cause_id,
  extract(epoch FROM occurred_at - deadlines.due_at)::float AS occurred_late,
  extract(epoch FROM deadlines.fired_at - deadlines.due_at)::float AS fired_late
FROM events
JOIN deadlines ON (deadlines.tenant_id, deadlines.object_id::text) = (events.tenant_id, data ->> 'clock_id')
WHERE events.tenant_id = $1 AND type = 'ticket.sla_breached'
"""
EARLY = """
SELECT count(*) AS count FROM deadlines WHERE tenant_id = $1 AND fired_at < due_at
"""


def test_each_deadline_fires_exactly_once_and_never_early(plant: Plant) -> None:
    targets = [
        {"metric": "first_response", "seconds": 1, "hours": "calendar", "warning_percent": None},
        {"metric": "resolution", "seconds": 2, "hours": "calendar", "warning_percent": None},
    ]
    with plant.api() as api, plant.client(api) as client, plant.worker() as one, plant.worker() as other:
        a_policy(client, calendar_id=None, targets=targets)
        with Load(client, clients=4) as load:
            load.wait_for_more(TICKETS)
        until(lambda: plant.sql(UNFIRED, client.tenant.id)[0]["count"] == 0, "all have fired", seconds=FIRED_WITHIN)

        fired = plant.sql(FIRED, client.tenant.id)
        early = plant.sql(EARLY, client.tenant.id)[0]["count"]
        clocks = {row["clock_id"] for row in fired}
        lags = sorted(row["fired_late"] for row in fired)
        missed = 2 * load.count - len(clocks)
        tell(
            "two_workers_fire_each_deadline_once",
            n=2 * load.count,
            faults=1,
            lost=missed,
            dup=len(fired) - len(clocks),
            early=early,
            lag_median=f"{lags[len(lags) // 2]:.2f}s",
            lag_max=f"{lags[-1]:.2f}s",
        )
        assert (missed, len(fired) - len(clocks), early) == (0, 0, 0)
        assert lags[-1] <= LATEST_SECONDS
        assert (one.defects, other.defects) == ([], [])
