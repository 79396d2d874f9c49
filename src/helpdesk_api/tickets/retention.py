"""How long closed tickets are kept: with a ticket go its comments, its clocks and their deadlines.

Whoever holds a copy is told by `ticket.deleted`, recorded in the transaction that removes.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Text, and_, any_, bindparam, delete, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.deadlines import deadlines
from helpdesk_api.kit.events import record
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.clock_rows import BREACH_KIND, STEP_KIND, WARNING_KIND
from helpdesk_api.tickets.models import sla_clocks, tickets
from helpdesk_api.tickets.snoozing import WAKE_KIND

_clocks = select(sla_clocks.c.id).where(
    sla_clocks.c.tenant_id == bindparam("tenant"),
    sla_clocks.c.ticket_id == any_(bindparam("tickets", type_=ARRAY(sla_clocks.c.ticket_id.type))),
)
_FORGET_DEADLINES = Statement(
    delete(deadlines).where(
        deadlines.c.tenant_id == bindparam("tenant"),
        or_(
            and_(
                deadlines.c.kind == any_(bindparam("kinds", type_=ARRAY(Text))),
                deadlines.c.object_id.in_(_clocks),
            ),
            and_(
                deadlines.c.kind == WAKE_KIND,
                deadlines.c.object_id == any_(bindparam("tickets", type_=ARRAY(deadlines.c.object_id.type))),
            ),
        ),
    )
)


async def _take_leave(ctx: Ctx, going: Sequence[Record], run_id: UUID) -> None:
    """Remove the deadlines of tickets that are about to go, and tell that they go."""
    ids = [row["id"] for row in going]
    kinds = [WARNING_KIND, BREACH_KIND, STEP_KIND]
    await ctx.tx.run(_FORGET_DEADLINES, {"tenant": ctx.tenant_id, "tickets": ids, "kinds": kinds})
    for row in going:
        data = {"number": row["number"], "retention_run_id": run_id}
        record(ctx, "ticket.deleted", object_id=row["id"], version=row["version"] + 1, data=data)


CLOSED_TICKETS_KEPT: Final = Kept(
    name="closed_tickets",
    meaning="Tickets with everything on them, after they were closed.",
    table=tickets,
    since=tickets.c.closed_at,
    days=Days(default=None, least=30, most=3_650),
    removable=tickets.c.status == "closed",
    in_real_time=False,
    at_once=50,
    told=(tickets.c.number, tickets.c.version),
    farewell=_take_leave,
)
