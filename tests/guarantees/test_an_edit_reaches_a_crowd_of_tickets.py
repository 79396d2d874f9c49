"""A holiday is entered: the deadlines of a crowd of open tickets follow, and nobody who writes meanwhile is held up."""

import json
import time
from datetime import datetime, timedelta

from tests.conftest import MakeSandbox
from tests.factories import Json, a_calendar, a_policy, a_ticket, clock, get, patch
from tests.guarantees.crowd import copy_ticket
from tests.guarantees.report import SCALE, tell
from tests.stage import Client, Stage, utc

TICKETS = 500 * SCALE
PATIENCE = 30 + TICKETS / 200

COUNTED = "SELECT data FROM events WHERE tenant_id = $1 AND type = 'calendar.deadlines_recomputed'"
DUE = "SELECT due_at, count(*) AS count FROM sla_clocks WHERE tenant_id = $1 GROUP BY due_at"
ARRANGED = "SELECT due_at, try_at, count(*) AS count FROM deadlines WHERE tenant_id = $1 GROUP BY due_at, try_at"
TOLD = """
SELECT count(*) AS told, count(DISTINCT object_id) AS tickets FROM events
WHERE tenant_id = $1 AND type = 'ticket.sla_retargeted'
"""


def _write_until_counted(stage: Stage, client: Client, tickets: list[str]) -> tuple[Json, float]:
    """Change one ticket after the other until the edit has reached them all; gives its counts and the longest write.

    A write that has to wait for three seconds would be refused.
    """
    longest, turn, ends = 0.0, 0, time.monotonic() + PATIENCE
    while not (found := stage.sql(COUNTED, client.tenant.id)):
        assert time.monotonic() < ends, "the edit has not reached all tickets"
        started = time.monotonic()
        patch(client, f"tickets/{tickets[turn % len(tickets)]}", subject=f"Changed {turn}")
        longest, turn = max(longest, time.monotonic() - started), turn + 1
    counts: Json = json.loads(found[0]["data"])
    return counts, longest


def test_an_edit_of_a_calendar_reaches_every_open_ticket_and_holds_up_nobody(
    stage: Stage, sandbox: MakeSandbox
) -> None:
    client = sandbox()
    calendar = a_calendar(client)
    target = {"metric": "resolution", "seconds": 16 * 3_600, "warning_percent": None}
    a_policy(client, calendar_id=calendar["id"], targets=[target])
    ticket = a_ticket(client)
    due_at = datetime.fromisoformat(clock(ticket, "resolution")["due_at"])
    copy_ticket(stage.sql, ticket, TICKETS - 1, first_due_at=due_at, apart=timedelta())
    ids = [str(row["id"]) for row in stage.sql("SELECT id FROM tickets WHERE tenant_id = $1", client.tenant.id)]

    started = time.monotonic()
    patch(client, f"calendars/{calendar['id']}", holidays=[{"on": "2026-03-03", "name": "Flood"}])
    counts, longest = _write_until_counted(stage, client, ids)
    seconds = time.monotonic() - started

    (due,) = stage.sql(DUE, client.tenant.id)
    (arranged,) = stage.sql(ARRANGED, client.tenant.id)
    (told,) = stage.sql(TOLD, client.tenant.id)
    tell(
        "an_edit_reaches_a_crowd_of_tickets",
        n=TICKETS,
        faults=0,
        lost=TICKETS - told["tickets"],
        dup=told["told"] - told["tickets"],
        seconds=f"{seconds:.1f}",
        longest_write=f"{longest:.2f}s",
    )
    moved_to = utc(2026, 3, 4, 17)
    assert counts == {
        "calendar_version": 2,
        "ticket_count": TICKETS,
        "clock_count": TICKETS,
        "moved_count": TICKETS,
    }
    assert dict(due) == {"due_at": moved_to, "count": TICKETS}
    assert dict(arranged) == {"due_at": moved_to, "try_at": moved_to, "count": TICKETS}
    assert dict(told) == {"told": TICKETS, "tickets": TICKETS}
    assert get(client, f"tickets/{ids[-1]}")["due_at"] == "2026-03-04T17:00:00Z"
