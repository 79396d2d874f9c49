"""Where the feed begins: with the first event, or, once old ones were removed, behind the last place of a removal.

What is left of before, events about security, is in the audit trail only. Who wants to go on from before is refused,
and told how to begin anew.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, func, literal, select

from helpdesk_api.domain.errors import GoneError
from helpdesk_api.identity.event_purging import event_log_starts
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.events import Position, Xid8
from helpdesk_api.kit.id_times import first_id
from helpdesk_api.kit.sql import Statement


class EventsPurgedError(GoneError):
    """Events behind this position were removed under the rules of retention; `params` tells from where to go on.

    To have a whole copy again: keep `end_cursor`, page through the collections, then follow the feed from that cursor.
    To go on with what is left instead: follow it from `oldest_cursor`, and know that something is missing.
    """

    code = "events_purged"
    title = "Events behind this position are no longer kept"


_KEPT_SINCE = Statement(
    select(event_log_starts.c.kept_since).where(event_log_starts.c.tenant_id == bindparam("tenant"))
)
_BEGINS = Statement(
    select(event_log_starts.c.after_xid, event_log_starts.c.after_seq).where(
        event_log_starts.c.tenant_id == bindparam("tenant")
    )
)


def log_start(ctx: Ctx) -> Select[tuple[int, int, datetime]]:
    """Give where the log begins by now, and since when it is whole; no row while nothing was removed.

    It is part of the statement that reads: what is removed meanwhile would be missed without a word.
    """
    table = event_log_starts
    return select(table.c.after_xid, table.c.after_seq, table.c.kept_since).where(table.c.tenant_id == ctx.tenant_id)


def first_position(ctx: Ctx) -> ColumnElement[object]:
    """Give the place that the feed begins behind, as part of a statement."""
    start = log_start(ctx).subquery("start")
    return func.row(
        func.coalesce(select(start.c.after_xid).scalar_subquery(), literal(0, Xid8)),
        func.coalesce(select(start.c.after_seq).scalar_subquery(), literal(0, BigInteger)),
    )


async def oldest_position(transaction: Transaction, tenant_id: UUID) -> Position | None:
    """Give the place that the feed begins behind by now; None while everything is kept."""
    row = await transaction.row(_BEGINS, {"tenant": tenant_id})
    return None if row is None or row["after_xid"] is None else Position(row["after_xid"], row["after_seq"])


async def check_position(ctx: Ctx, position: Position) -> None:
    """Raise EventsPurgedError when events behind a position were removed."""
    row = await ctx.tx.row(log_start(ctx))
    if row is not None and row["after_xid"] is not None and position < (row["after_xid"], row["after_seq"]):
        kept_since = row["kept_since"].isoformat()
        message = f"Events behind this position were removed: what was recorded before {kept_since} is not all kept."
        raise EventsPurgedError(message, pointer="/after", params={"kept_since": kept_since})


async def check_kept(ctx: Ctx, event_id: UUID) -> None:
    """Raise EventsPurgedError for an id from the time before: whether there was such an event nobody is told."""
    kept_since = await ctx.tx.value(_KEPT_SINCE, {"tenant": ctx.tenant_id})
    if kept_since is not None and event_id < first_id(kept_since):
        message = f"What was recorded before {kept_since.isoformat()} is no longer kept."
        raise EventsPurgedError(message, params={"kept_since": kept_since.isoformat()})
