"""A crowd of clocks is due within a minute, at 100,000 a minute: one worker is in time, and loses none by dying."""

from datetime import UTC, datetime, timedelta

from tests.factories import a_policy, a_ticket
from tests.guarantees.crowd import copy_ticket
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell

CLOCKS = 1_000 * SCALE
APART = timedelta(minutes=1) / 100_000
# Copying them takes time, and none of them may be due before that is done.
AHEAD = timedelta(seconds=3 + CLOCKS / 3_000)
LATEST_SECONDS = 10.0

FIRED = "SELECT count(*) AS count FROM deadlines WHERE tenant_id = $1 AND fired_at IS NOT NULL"
LAGS = """
SELECT extract(epoch FROM fired_at - due_at)::float AS late,
  -- While there was no worker nothing could be fired.
  extract(epoch FROM fired_at - CASE
    WHEN fired_at < $2::timestamptz THEN due_at ELSE greatest(due_at, least(fired_at, $3::timestamptz)) END
  )::float AS lag
FROM deadlines WHERE tenant_id = $1 AND fired_at IS NOT NULL ORDER BY lag
"""
TOLD = """
SELECT count(*) AS told, count(DISTINCT data ->> 'clock_id') AS clocks,
  count(*) FILTER (WHERE occurred_at <> (data ->> 'due_at')::timestamptz) AS displaced
FROM events WHERE tenant_id = $1 AND type = 'ticket.sla_breached'
"""


def test_one_worker_fires_a_crowd_in_time_and_loses_none_by_dying(plant: Plant) -> None:
    with plant.api() as api, plant.client(api) as client, plant.worker() as worker:
        target = {"metric": "resolution", "seconds": 86_400, "hours": "calendar", "warning_percent": None}
        a_policy(client, calendar_id=None, targets=[target])
        ticket = a_ticket(client)
        first_due_at = datetime.now(UTC) + AHEAD
        copy_ticket(plant.sql, ticket, CLOCKS, first_due_at=first_due_at, apart=APART)
        copied_at = datetime.now(UTC)

        def fired() -> int:
            return int(plant.sql(FIRED, client.tenant.id)[0]["count"])

        until(lambda: fired() > CLOCKS / 3, "a third has fired", seconds=AHEAD.total_seconds() + 40)
        worker.kill()
        killed_at = datetime.now(UTC)
        worker.start()
        started_at = datetime.now(UTC)
        plant.flush_valkey()
        until(lambda: fired() == CLOCKS, "all have fired", seconds=30 + CLOCKS / 500)
        done_at = datetime.now(UTC)

        fires = plant.sql(LAGS, client.tenant.id, killed_at, started_at)
        lags = [row["lag"] for row in fires]
        early = sum(row["late"] < 0 for row in fires)
        (told,) = plant.sql(TOLD, client.tenant.id)
        in_time = lags[len(lags) * 99 // 100]
        tell(
            "a_crowd_of_deadlines_fires_in_time",
            n=CLOCKS,
            faults=worker.kills + 1,
            lost=CLOCKS - told["clocks"],
            dup=told["told"] - told["clocks"],
            early=early,
            lag_median=f"{lags[len(lags) // 2]:.2f}s",
            lag_p99=f"{in_time:.2f}s",
            done_after_last=f"{(done_at - first_due_at - CLOCKS * APART).total_seconds():.1f}s",
        )
        assert copied_at < first_due_at
        assert (CLOCKS - told["clocks"], told["told"] - told["clocks"], told["displaced"]) == (0, 0, 0)
        assert early == 0
        assert in_time <= LATEST_SECONDS
        assert worker.defects == []
