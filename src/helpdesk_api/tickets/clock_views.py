"""The SLA clocks of tickets as the API shows them, straight from their rows. Moving them is `tickets.clocks`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import any_, bindparam, select, true
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from helpdesk_api.domain import sla
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.sla import ClockState
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import seen_rows
from helpdesk_api.tickets.clock_rows import hours_by
from helpdesk_api.tickets.models import sla_clocks, tickets
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import ClockShown, Ticket

_SECOND = timedelta(seconds=1)
_NOTHING = timedelta()

_COLUMNS = tuple(
    sla_clocks.c[name]
    for name in (
        "id", "ticket_id", "metric", "instance", "state", "target", "elapsed", "extension", "since_at", "manual_due_at",
        "due_at", "warned_at", "breached_at", "stopped_at",
        "policy_id", "policy_version", "calendar_id", "calendar_version",
    )
)  # fmt: skip
_SHOWN = Statement(
    select(*_COLUMNS)
    .ext(distinct_on(sla_clocks.c.ticket_id, sla_clocks.c.metric))
    .where(
        sla_clocks.c.tenant_id == bindparam("tenant"),
        sla_clocks.c.ticket_id == any_(bindparam("ticket_ids", type_=ARRAY(sla_clocks.c.ticket_id.type))),
    )
    .order_by(sla_clocks.c.ticket_id, sla_clocks.c.metric, sla_clocks.c.instance.desc())
)
_OF_TICKET = tuple(column.name for column in TICKETS.columns)
# The columns of clocks, with what they are called beside those of a ticket.
_BESIDE = tuple((column.name, f"clock_{column.name}") for column in _COLUMNS)


@cache
def _with_clocks(kind: str) -> Statement:
    """Fetch one of the tickets that a kind of reach sees, in a row for the latest clock of each metric."""
    latest = (
        select(*_COLUMNS)
        .ext(distinct_on(sla_clocks.c.metric))
        .where(sla_clocks.c.tenant_id == tickets.c.tenant_id, sla_clocks.c.ticket_id == tickets.c.id)
        .order_by(sla_clocks.c.metric, sla_clocks.c.instance.desc())
        .lateral("latest")
    )
    return Statement(
        select(*TICKETS.columns, *(latest.c[name].label(beside) for name, beside in _BESIDE))
        .select_from(tickets.outerjoin(latest, true()))
        .where(
            tickets.c.tenant_id == bindparam("tenant"),
            tickets.c.id == bindparam("key"),
            *seen_rows(TICKETS.rows, kind),
        )
        .order_by(latest.c.metric)
    )


async def fetch_shown(ctx: Ctx, ticket_id: UUID) -> Ticket:
    """Read one ticket with its clocks, by one statement: nothing is read more often. Raises NotFoundError."""
    reach = ctx.principal.reach
    params = {"tenant": ctx.tenant_id, "key": ticket_id, **reach.values}
    rows = await ctx.tx.rows(_with_clocks(reach.kind), params)
    if not rows:
        raise TICKETS.missing(ticket_id)
    first = rows[0]
    clocks = [{name: row[beside] for name, beside in _BESIDE} for row in rows if row["clock_metric"] is not None]
    values = {name: first[name] for name in _OF_TICKET}
    return Ticket.trusted({**values, "clocks": await _all_shown(ctx, clocks)})


async def shown(ctx: Ctx, ticket_ids: Sequence[UUID]) -> dict[UUID, list[ClockShown]]:
    """Give the clocks of several tickets as the API shows them.

    Lists are read most of all, so this goes straight from rows to what is shown, and reads the present position of each
    calendar once.
    """
    found: dict[UUID, list[ClockShown]] = {ticket_id: [] for ticket_id in ticket_ids}
    rows = await ctx.tx.rows(_SHOWN, {"tenant": ctx.tenant_id, "ticket_ids": list(ticket_ids)})
    for row, clock in zip(rows, await _all_shown(ctx, rows), strict=True):
        found[row["ticket_id"]].append(clock)
    return found


async def _all_shown(ctx: Ctx, rows: Sequence[Record | Mapping[str, Any]]) -> list[ClockShown]:
    measures: dict[tuple[UUID | None, int | None], tuple[Calendar, timedelta]] = {}
    clocks: list[ClockShown] = []
    for row in rows:
        key = row["calendar_id"], row["calendar_version"]
        measure = measures.get(key)
        if measure is None:
            calendar = await hours_by(ctx, *key)
            measure = measures[key] = calendar, calendar.position(ctx.now)
        clocks.append(_shown(row, *measure))
    return clocks


def _shown(row: Record | Mapping[str, Any], calendar: Calendar, present: timedelta) -> ClockShown:
    state, target = row["state"], row["target"]
    left = None
    if state in sla.LIVE:
        # As `attainment.remaining`, with the calendar's present position already known.
        since, by_hand = calendar.position(row["since_at"]), row["manual_due_at"]
        if by_hand is not None:
            left = calendar.position(by_hand) - max(present, since)
        else:
            left = target + row["extension"] - row["elapsed"]
            if state == ClockState.RUNNING:
                left -= max(present - since, _NOTHING)
    return {
        "id": row["id"],
        "metric": row["metric"],
        "instance": row["instance"],
        "state": state,
        "hours": "calendar" if row["calendar_id"] is None else "business",
        "target_seconds": target // _SECOND,
        "extension_seconds": row["extension"] // _SECOND,
        "is_manual": row["manual_due_at"] is not None,
        "remaining_seconds": None if left is None else left // _SECOND,
        "due_at": row["due_at"],
        "warned_at": row["warned_at"],
        "breached_at": row["breached_at"],
        "stopped_at": row["stopped_at"],
        "policy_id": row["policy_id"],
        "policy_version": row["policy_version"],
    }
