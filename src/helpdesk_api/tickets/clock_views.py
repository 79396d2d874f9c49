"""The SLA clocks of tickets as the API shows them, straight from their rows. Moving them is `tickets.clocks`."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain import sla
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.sla import ClockState
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.clocks import hours_by
from helpdesk_api.tickets.models import sla_clocks
from helpdesk_api.tickets.schemas import ClockShown

_SECOND = timedelta(seconds=1)
_NOTHING = timedelta()

_SHOWN = Statement(
    select(
        *(
            sla_clocks.c[name]
            for name in (
                "ticket_id", "metric", "state", "target", "elapsed", "since_at", "due_at", "warned_at", "breached_at",
                "stopped_at", "policy_id", "policy_version", "calendar_id", "calendar_version",
            )
        )
    )
    .where(
        sla_clocks.c.tenant_id == bindparam("tenant"),
        sla_clocks.c.ticket_id == any_(bindparam("ticket_ids", type_=ARRAY(sla_clocks.c.ticket_id.type))),
    )
    .order_by(sla_clocks.c.ticket_id, sla_clocks.c.metric, sla_clocks.c.instance)
)  # fmt: skip


async def shown(ctx: Ctx, ticket_ids: Sequence[UUID]) -> dict[UUID, list[ClockShown]]:
    """Give the clocks of several tickets as the API shows them.

    Lists are read most of all, so this goes straight from rows to what is shown, and reads the present position of each
    calendar once.
    """
    found: dict[UUID, list[ClockShown]] = {ticket_id: [] for ticket_id in ticket_ids}
    measures: dict[tuple[UUID | None, int | None], tuple[Calendar, timedelta]] = {}
    for row in await ctx.tx.rows(_SHOWN, {"tenant": ctx.tenant_id, "ticket_ids": list(ticket_ids)}):
        key = row["calendar_id"], row["calendar_version"]
        measure = measures.get(key)
        if measure is None:
            calendar = await hours_by(ctx, *key)
            measure = measures[key] = calendar, calendar.position(ctx.now)
        found[row["ticket_id"]].append(_shown(row, *measure))
    return found


def _shown(row: Record, calendar: Calendar, present: timedelta) -> ClockShown:
    state, target = row["state"], row["target"]
    left = None
    if state in sla.LIVE:
        # As `sla.remaining`, with the calendar's present position already known.
        left = target - row["elapsed"]
        if state == ClockState.RUNNING:
            left -= max(present - calendar.position(row["since_at"]), _NOTHING)
    return {
        "metric": row["metric"],
        "state": state,
        "hours": "calendar" if row["calendar_id"] is None else "business",
        "target_seconds": target // _SECOND,
        "remaining_seconds": None if left is None else left // _SECOND,
        "due_at": row["due_at"],
        "warned_at": row["warned_at"],
        "breached_at": row["breached_at"],
        "stopped_at": row["stopped_at"],
        "policy_id": row["policy_id"],
        "policy_version": row["policy_version"],
    }
