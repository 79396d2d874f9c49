"""Clocks of many tickets at once: locked, loaded and stored by a few statements, however many they are.

For what time and edits of calendars do to clocks, which is the same for all of them. What a request does to the clocks
of its ticket is `tickets.clock_rows`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import DateTime, Update, Uuid, any_, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement, unnested
from helpdesk_api.tickets import clock_rows
from helpdesk_api.tickets.clock_entries import stored_escalation
from helpdesk_api.tickets.clock_rows import READ, TicketClock
from helpdesk_api.tickets.models import sla_clocks, tickets

_tickets_of_clocks = select(sla_clocks.c.ticket_id).where(
    sla_clocks.c.tenant_id == bindparam("tenant"),
    sla_clocks.c.id == any_(bindparam("clock_ids", type_=ARRAY(Uuid))),
)
_held = select(tickets.c.id, tickets.c.version, tickets.c.updated_at).order_by(tickets.c.id)
_HOLD = Statement(
    _held.where(
        tickets.c.tenant_id == bindparam("tenant"),
        tickets.c.id == any_(bindparam("ticket_ids", type_=ARRAY(Uuid))),
    ).with_for_update()
)
_HOLD_FREE = Statement(
    _held.where(tickets.c.tenant_id == bindparam("tenant"), tickets.c.id.in_(_tickets_of_clocks)).with_for_update(
        skip_locked=True, of=tickets
    )
)
_of_held = (
    sla_clocks.c.tenant_id == bindparam("tenant"),
    sla_clocks.c.ticket_id == any_(bindparam("ticket_ids", type_=ARRAY(Uuid))),
)
_BY_IDS = Statement(select(*READ).where(*_of_held, sla_clocks.c.id == any_(bindparam("clock_ids", type_=ARRAY(Uuid)))))
_KNOWN = Statement(
    select(sla_clocks.c.id).where(
        sla_clocks.c.tenant_id == bindparam("tenant"),
        sla_clocks.c.id == any_(bindparam("clock_ids", type_=ARRAY(Uuid))),
    )
)
_LIVE = Statement(select(*READ, sla_clocks.c.history).where(*_of_held, text("state IN ('running', 'paused')")))
_fresh = select(
    func.unnest(bindparam("ids", type_=ARRAY(Uuid))).label("id"),
    func.unnest(bindparam("times", type_=ARRAY(DateTime(timezone=True)))).label("at"),
    func.unnest(bindparam("due_times", type_=ARRAY(DateTime(timezone=True)))).label("due_at"),
).subquery("fresh")
_touched = update(tickets).where(tickets.c.tenant_id == bindparam("tenant"), tickets.c.id == _fresh.c.id)
_TOUCH = Statement(_touched.values(version=tickets.c.version + 1, updated_at=_fresh.c.at))
_TOUCH_DUE = Statement(_touched.values(version=tickets.c.version + 1, updated_at=_fresh.c.at, due_at=_fresh.c.due_at))


@dataclass(frozen=True, slots=True)
class HeldTicket:
    """A ticket that this transaction has locked."""

    id: UUID
    version: int
    updated_at: datetime


def _storing(columns: Sequence[str]) -> Update:
    """Give the statement that stores these columns of many clocks, with one array for each."""
    new = select(
        *(
            unnested(sla_clocks, name, is_text=name in {"history", "escalations"}).label(name)
            for name in ("id", *columns)
        )
    ).subquery("new")
    return (
        update(sla_clocks)
        .where(sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.id == new.c.id)
        .values({name: new.c[name] for name in columns})
    )


# What firing changes, and what measuring anew does.
_RECORDED = ("warned_at", "breached_at", "escalations")
_MEASURED = ("calendar_version", "elapsed", "paused", "due_at", "warning_at", *_RECORDED)
_STORE_RECORDED = Statement(_storing(_RECORDED))
_STORE_MEASURED = Statement(_storing((*_MEASURED, "history")))


async def hold(ctx: Ctx, ticket_ids: Sequence[UUID]) -> list[HeldTicket]:
    """Lock tickets in the order of their ids, waiting for whoever is at one."""
    return await ctx.tx.all(HeldTicket, _HOLD, {"tenant": ctx.tenant_id, "ticket_ids": list(ticket_ids)})


async def hold_free(ctx: Ctx, clock_ids: Sequence[UUID]) -> list[HeldTicket]:
    """Lock the tickets of these clocks, without those that somebody is at."""
    return await ctx.tx.all(HeldTicket, _HOLD_FREE, {"tenant": ctx.tenant_id, "clock_ids": list(clock_ids)})


async def of_held(ctx: Ctx, held: Sequence[HeldTicket], clock_ids: Sequence[UUID]) -> dict[UUID, TicketClock]:
    """Load those of these clocks whose tickets are held, by their ids."""
    params = {"tenant": ctx.tenant_id, "ticket_ids": [ticket.id for ticket in held], "clock_ids": list(clock_ids)}
    return {row["id"]: await clock_rows.from_row(ctx, row) for row in await ctx.tx.rows(_BY_IDS, params)}


async def known(ctx: Ctx, clock_ids: Sequence[UUID]) -> set[UUID]:
    """Tell which of these clocks there are, whoever is at their tickets."""
    rows = await ctx.tx.rows(_KNOWN, {"tenant": ctx.tenant_id, "clock_ids": list(clock_ids)})
    return {row["id"] for row in rows}


async def live_of_held(
    ctx: Ctx, held: Sequence[HeldTicket]
) -> dict[UUID, list[tuple[TicketClock, list[Mapping[str, Any]]]]]:
    """Load the running and paused clocks of held tickets, each with its stored history, by ticket."""
    params = {"tenant": ctx.tenant_id, "ticket_ids": [ticket.id for ticket in held]}
    found: dict[UUID, list[tuple[TicketClock, list[Mapping[str, Any]]]]] = {ticket.id: [] for ticket in held}
    for row in await ctx.tx.rows(_LIVE, params):
        found[row["ticket_id"]].append((await clock_rows.from_row(ctx, row), row["history"]))
    return found


async def touch(ctx: Ctx, times: Mapping[UUID, datetime]) -> None:
    """Give held tickets their next version, as of these times."""
    params = {"tenant": ctx.tenant_id, "ids": list(times), "times": list(times.values())}
    await ctx.tx.run(_TOUCH, params | {"due_times": [None] * len(times)})


async def touch_due(ctx: Ctx, times: Mapping[UUID, datetime], due: Mapping[UUID, datetime | None]) -> None:
    """Give held tickets their next version, and their next deadline."""
    params = {"tenant": ctx.tenant_id, "ids": list(times), "times": list(times.values())}
    await ctx.tx.run(_TOUCH_DUE, params | {"due_times": [due[ticket_id] for ticket_id in times]})


async def store_recorded(ctx: Ctx, clocks: Sequence[TicketClock]) -> None:
    """Store the warnings, breaches and steps of clocks; nothing else of them has changed."""
    columns: dict[str, list[Any]] = {name: [_value(item, name) for item in clocks] for name in _RECORDED}
    await ctx.tx.run(_STORE_RECORDED, {"tenant": ctx.tenant_id, "id": [item.id for item in clocks], **columns})


async def store_measured(ctx: Ctx, clocks: Sequence[tuple[TicketClock, Sequence[Mapping[str, Any]]]]) -> None:
    """Store clocks that were measured anew, with the history that they were made of."""
    measured: dict[str, list[Any]] = {
        name: [_value(item, name) for item, _ in clocks] for name in _MEASURED if name != "calendar_version"
    }
    await ctx.tx.run(
        _STORE_MEASURED,
        {
            "tenant": ctx.tenant_id,
            "id": [item.id for item, _ in clocks],
            "calendar_version": [item.source.calendar_version for item, _ in clocks],
            "history": [to_json(history).decode() for _, history in clocks],
            **measured,
        },
    )


def _value(item: TicketClock, name: str) -> Any:  # noqa: ANN401 - of whatever type the column is.
    if name == "escalations":
        return to_json([stored_escalation(one) for one in item.clock.escalations]).decode()
    return getattr(item.clock, name)
