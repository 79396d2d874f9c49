"""Redis is a bell: flushed, killed or away, nothing is lost, the API writes on and the worker finds its work."""

from tests.factories import a_policy, a_ticket, create
from tests.guarantees.load import Load
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.receivers import WebhookReceiver
from tests.stage import Client

CLIENTS = 4
MORE = 40 * SCALE
CAUGHT_UP_WITHIN = 30.0
# Flushed, killed with the time away that follows, and flushed again.
FAULTS = 3

UNFINISHED = """
SELECT (SELECT count(*) FROM jobs WHERE tenant_id = $1 AND kind <> 'audit.seal')
     + (SELECT count(*) FROM deadlines WHERE tenant_id = $1 AND fired_at IS NULL) AS count
"""
DEADLINES = """
SELECT due_at, fired_at, count(events.id) AS told
FROM deadlines
LEFT JOIN events ON (events.tenant_id, events.data ->> 'clock_id') = (deadlines.tenant_id, deadlines.object_id::text)
  AND events.type = 'ticket.sla_breached'
WHERE deadlines.tenant_id = $1 AND fired_at IS NOT NULL
GROUP BY deadlines.id, due_at, fired_at
"""


def a_second_to_resolve(client: Client) -> None:
    """Promise so little time that deadlines fall due during the test."""
    targets = [{"metric": "resolution", "seconds": 1, "hours": "calendar", "warning_percent": None}]
    a_policy(client, calendar_id=None, targets=targets)


def test_nothing_is_lost_and_nobody_refused_while_redis_is_flushed_killed_and_away(plant: Plant) -> None:
    with WebhookReceiver() as receiver, plant.api() as api, plant.client(api) as client, plant.worker() as worker:
        a_second_to_resolve(client)
        create(client, "webhook-endpoints", url=receiver.url, event_types=["ticket.created"])
        pid = worker.pid
        with Load(client, clients=CLIENTS) as before:
            before.wait_for_more(MORE)
            plant.flush_valkey()
            before.wait_for_more(MORE)
            plant.kill_valkey()
            before.wait_for_more(MORE)
        until(lambda: unfinished(plant, client) == 0, "all is done without Redis", seconds=CAUGHT_UP_WITHIN)
        # Now all is quiet: this one is found by looking alone.
        alone = a_ticket(client)
        found_after = until(lambda: unfinished(plant, client) == 0, "it is found", seconds=CAUGHT_UP_WITHIN)
        plant.start_valkey()
        with Load(client, clients=CLIENTS) as after:
            after.wait_for_more(MORE)
            plant.flush_valkey()
        until(lambda: unfinished(plant, client) == 0, "all is done", seconds=CAUGHT_UP_WITHIN)

        accounts = (before.account, after.account)
        written = {str(ticket_id) for account in accounts for ticket_id in account.acknowledged.values()} | {
            alone["id"]
        }
        delivered = [request.message["data"]["object"]["id"] for request in receiver.received]
        lost = len(written - set(delivered))
        fired = plant.sql(DEADLINES, client.tenant.id)
        lag = max((row["fired_at"] - row["due_at"]).total_seconds() for row in fired)
        tell(
            "redis_loss_is_harmless",
            n=len(written),
            faults=FAULTS,
            lost=lost,
            dup=len(delivered) - len(set(delivered)),
            deadlines=len(fired),
            lag=f"{lag:.1f}s",
            slowest=f"{max(account.slowest for account in accounts):.2f}s",
            found_after=f"{found_after:.1f}s",
        )
        assert "doorbell.unheard" in worker.output
        for account in accounts:
            assert (account.unwelcome, account.cut, account.unconnected) == ([], 0, 0)
        assert lost == 0
        assert len(delivered) == len(set(delivered)) == len(written)
        assert len(fired) == len(written)
        assert all(row["told"] == 1 and row["fired_at"] >= row["due_at"] for row in fired)
        assert (worker.pid, worker.is_running) == (pid, True)
        assert (api.defects, worker.defects) == ([], [])


def unfinished(plant: Plant, client: Client) -> int:
    """Count the jobs and deadlines that wait."""
    return int(plant.sql(UNFINISHED, client.tenant.id)[0]["count"])
