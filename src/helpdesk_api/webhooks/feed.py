"""Reading the event log for those who follow it: from a cursor on, in commit order, only what the caller may see.

A cursor is a position in commit order and holds for every filter, until events behind it are removed
(`webhooks.feed_start`); `end` stands for the one at the end, `oldest` for that before what is kept. Since only
settled events are told, nothing can appear behind a position once told (`kit.events`), at the price that a transaction
that runs long holds the followers up. Who asks, and how it is answered, is `events_feed` and `event_stream`.
"""

import json
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, func, literal, select, true

from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.event_schema import ShownEvent
from helpdesk_api.kit.events import LAST_OF_TRANSACTION, TOLD, Position, Xid8, commit_order, events, is_settled
from helpdesk_api.kit.following import before
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.webhooks.event_visibility import Resources
from helpdesk_api.webhooks.feed_start import EventsPurgedError, first_position, log_start
from helpdesk_api.webhooks.messages import Actor, EventCause

END: Final = "end"
OLDEST: Final = "oldest"
BEGINNING: Final = Position(0, 0)
_POSITION: Final = "feed"


class Event(ShownEvent):
    """Something that happened to one object."""

    actor: Actor
    cause: EventCause


EVENT_EXAMPLE = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
    "type": "ticket.status_changed",
    "object_type": "ticket",
    "object_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "object_version": 4,
    "changes": {"status": ["open", "pending"]},
    "data": {},
    "actor": {"type": "api_key", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01"},
    "cause": {"type": "request", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"},
    "occurred_at": "2026-11-23T09:30:00Z",
}


class Stretch(NamedTuple):
    """Events behind a position, the position to go on from, whether there is more, and since when all are kept."""

    rows: list[Record]
    end: Position
    has_more: bool
    kept_since: datetime | None


async def read_after(
    ctx: Ctx, signer: Signer, start: Position | None, conditions: list[ColumnElement[bool]], limit: int
) -> Stretch:
    """Read the next events that fulfil the conditions, or the oldest that are kept; raises EventsPurgedError."""
    order = commit_order()
    place = first_position(ctx) if start is None else func.row(literal(start.xid, Xid8), literal(start.seq, BigInteger))
    page = (
        select(*TOLD)
        .where(
            events.c.tenant_id == ctx.tenant_id,
            is_settled(),
            func.row(*order) > place,
            *conditions,
        )
        .order_by(*order)
        .limit(limit + 1)
        .subquery("page")
    )
    horizon = select(func.pg_snapshot_xmin(func.pg_current_snapshot()).label("settled_below")).subquery("horizon")
    kept = log_start(ctx).subquery("kept")
    found = await ctx.tx.rows(
        select(horizon.c.settled_below, *kept.c, *page.c)
        .select_from(horizon.outerjoin(kept, true()).outerjoin(page, true()))
        .order_by(page.c.xid, page.c.seq),
        ctx.principal.reach.values,
    )
    # One row says how far the feed is settled, also when there are no events.
    settled_below: int = found[0]["settled_below"]
    _check_start(ctx, signer, start, found[0])
    rows = [row for row in found if row["id"] is not None]
    has_more = len(rows) > limit
    del rows[limit:]
    # At the end the position is that up to which all was looked at: a rare type does not cost a look at all the others
    # with every call.
    end = Position(rows[-1]["xid"], rows[-1]["seq"]) if has_more else before(settled_below)
    return Stretch(rows, end, has_more, found[0]["kept_since"])


def _check_start(ctx: Ctx, signer: Signer, start: Position | None, horizon: Record) -> None:
    begins = horizon["after_xid"], horizon["after_seq"]
    if start is None or None in begins or start >= begins:
        return
    end = before(horizon["settled_below"])
    kept_since = horizon["kept_since"].isoformat()
    message = f"Events behind this position were removed: what was recorded before {kept_since} is no longer all kept."
    params = {
        "kept_since": kept_since,
        "oldest_cursor": cursor_of(signer, ctx.tenant_id, Position(*begins)),
        "end_cursor": cursor_of(signer, ctx.tenant_id, end),
    }
    raise EventsPurgedError(message, pointer="/after", location="query", params=params)


def shown(principal: Principal, resources: Resources, row: Record) -> Event:
    """Give an event as a principal who may see it is shown it."""
    values = dict(row.items())
    if (resource := resources.get(row["object_type"])) is not None:
        values["changes"] = resource.shown_changes(row["changes"], principal.field_groups)
    return Event.trusted({
        **{name: values[name] for name in Event.model_fields if name in values},
        "actor": Actor.trusted({"type": values["actor_type"], "id": values["actor_id"]}),
        "cause": EventCause.trusted({"type": values["cause_type"], "id": values["cause_id"]}),
    })  # fmt: skip


def own_left_out(principal: Principal) -> list[ColumnElement[bool]]:
    """Give the condition for events that the caller has not caused with the same credential, if it has one."""
    mine = principal.credential_id
    return [] if mine is None else [events.c.credential_id.is_distinct_from(mine)]


def cursor_of(signer: Signer, tenant_id: UUID, position: Position) -> str:
    """Write the cursor of a position."""
    return signer.sign(_POSITION, json.dumps([tenant_id.hex, *position], separators=(",", ":")).encode())


def position_of(signer: Signer, tenant_id: UUID, after: str | None, *, parameter: str = "after") -> Position:
    """Give the position to go on from: the beginning, the end, or what a cursor says; raises CursorMismatchError."""
    if after is None:
        return BEGINNING
    if after == END:
        return Position(LAST_OF_TRANSACTION, LAST_OF_TRANSACTION)
    payload = signer.verify(_POSITION, after)
    tenant, *position = (None,) if payload is None else json.loads(payload)
    if tenant != tenant_id.hex:
        message = "The cursor is not one of this feed, or is damaged; go on from the last one that was, or start anew."
        raise CursorMismatchError(message, pointer=f"/{parameter}", location="query")
    return Position(*position)
