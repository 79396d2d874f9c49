"""The deadline table: everything that must happen at an instant of the tenant's time, one row each.

A deadline fires in its own transaction through the handler of its kind, at most once per (kind, object, instance), and
never early. For a real tenant the worker sweeps what is due; for a tenant on a test clock it fires when the clock is
advanced over it, in order, through the same `fire`. A handler that breaks does not hold up the others: its deadline is
tried again later.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Interval,
    Text,
    UniqueConstraint,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.tenancy import is_served

deadlines = tenant_table(
    "deadlines",
    Column("kind", Text, nullable=False),
    Column("object_id", Uuid, nullable=False),
    Column("instance", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("try_at", DateTime(timezone=True), nullable=False),
    Column("fired_at", DateTime(timezone=True)),
    Column("is_test_clock", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "kind", "object_id", "instance"),
    Index("ix_deadlines_due", "try_at", postgresql_where=text("fired_at IS NULL AND NOT is_test_clock")),
    Index("ix_deadlines_tenant_due", "tenant_id", "due_at", "id", postgresql_where=text("fired_at IS NULL")),
    versioned=False,
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something due at an instant of the tenant's time; `instance` tells repetitions apart."""

    kind: str
    object_id: UUID
    instance: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class DueDeadline:
    """A deadline that was found due, with its row's key."""

    tenant_id: UUID
    id: UUID
    kind: str
    object_id: UUID
    instance: int
    due_at: datetime


Handler = Callable[[Ctx, DueDeadline], Awaitable[None]]

_COLUMNS = ("tenant_id", "id", "kind", "object_id", "instance", "due_at", "try_at", "is_test_clock")
_arrays = select(*(func.unnest(bindparam(c, type_=ARRAY(deadlines.c[c].type))).label(c) for c in _COLUMNS))
_write = insert(deadlines).from_select(list(_COLUMNS), _arrays)
_ARRANGE = Statement(
    _write.on_conflict_do_update(
        index_elements=["tenant_id", "kind", "object_id", "instance"],
        set_={"due_at": _write.excluded.due_at, "try_at": _write.excluded.due_at},
        where=deadlines.c.fired_at.is_(None),
    )
)
_CANCEL = Statement(
    delete(deadlines).where(
        deadlines.c.tenant_id == bindparam("tenant_id"),
        deadlines.c.object_id == bindparam("object_id"),
        deadlines.c.kind == any_(bindparam("kinds", type_=ARRAY(Text))),
        deadlines.c.instance == bindparam("instance"),
        deadlines.c.fired_at.is_(None),
    )
)
_key = (deadlines.c.tenant_id, deadlines.c.id)
_whole = (*_key, deadlines.c.kind, deadlines.c.object_id, deadlines.c.instance, deadlines.c.due_at)
_FIND_DUE = Statement(
    select(*_whole)
    .where(
        deadlines.c.fired_at.is_(None),
        ~deadlines.c.is_test_clock,
        deadlines.c.try_at <= func.now(),
        is_served(deadlines.c.tenant_id),
    )
    .order_by(deadlines.c.try_at)
    .limit(bindparam("most", type_=Integer))
)
_FIND_NEXT = Statement(
    select(*_whole)
    .where(
        deadlines.c.tenant_id == bindparam("tenant_id"),
        deadlines.c.fired_at.is_(None),
        deadlines.c.due_at <= bindparam("until", type_=DateTime(timezone=True)),
    )
    .order_by(deadlines.c.due_at, deadlines.c.id)
    .limit(1)
)
_LOCK = Statement(
    select(*_whole)
    .where(
        deadlines.c.tenant_id == bindparam("tenant_id"),
        deadlines.c.id == bindparam("id"),
        deadlines.c.fired_at.is_(None),
        deadlines.c.due_at <= bindparam("now", type_=DateTime(timezone=True)),
    )
    .with_for_update(skip_locked=True)
)
_FIRED = Statement(
    update(deadlines)
    .where(deadlines.c.tenant_id == bindparam("tenant"), deadlines.c.id == bindparam("deadline"))
    .values(fired_at=bindparam("now", type_=DateTime(timezone=True)))
)
_LATER = Statement(
    update(deadlines)
    .where(deadlines.c.tenant_id == bindparam("tenant"), deadlines.c.id == bindparam("deadline"))
    .values(try_at=func.now() + bindparam("pause", type_=Interval))
)


async def arrange(ctx: Ctx, wanted: Sequence[Deadline]) -> None:
    """Set deadlines, moving those that exist already; one that has fired stays fired."""
    if not wanted:
        return
    size = len(wanted)
    await ctx.tx.run(
        _ARRANGE,
        {
            "tenant_id": [ctx.tenant_id] * size,
            "id": [new_id() for _ in wanted],
            "kind": [deadline.kind for deadline in wanted],
            "object_id": [deadline.object_id for deadline in wanted],
            "instance": [deadline.instance for deadline in wanted],
            "due_at": [deadline.due_at for deadline in wanted],
            "try_at": [deadline.due_at for deadline in wanted],
            "is_test_clock": [ctx.is_test_clock] * size,
        },
    )
    if not ctx.is_test_clock:
        ctx.due.extend(deadline.due_at for deadline in wanted)


async def cancel(ctx: Ctx, kinds: Sequence[str], *, object_id: UUID, instance: int) -> None:
    """Take back deadlines that have not fired."""
    await ctx.tx.run(
        _CANCEL,
        {"tenant_id": ctx.tenant_id, "kinds": list(kinds), "object_id": object_id, "instance": instance},
    )


async def find_due(database: Database, *, most: int) -> list[DueDeadline]:
    """Find what is due in real time for any tenant, longest overdue first."""
    async with database.sweep() as transaction:
        return await transaction.all(DueDeadline, _FIND_DUE, {"most": most})


async def find_next(ctx: Ctx, until: datetime) -> DueDeadline | None:
    """Find the tenant's earliest deadline that has not fired and is due at or before `until`."""
    return await ctx.tx.first(DueDeadline, _FIND_NEXT, {"tenant_id": ctx.tenant_id, "until": until})


async def fire(ctx: Ctx, found: DueDeadline, handler: Handler) -> bool:
    """Fire a deadline in the caller's transaction; False when another has fired it, moved it or is at it."""
    deadline = await ctx.tx.first(DueDeadline, _LOCK, {"tenant_id": ctx.tenant_id, "id": found.id, "now": ctx.now})
    if deadline is None:
        return False
    # First, so that the handler may take back what has not fired of the same object without taking this one.
    await ctx.tx.run(_FIRED, {"tenant": ctx.tenant_id, "deadline": deadline.id, "now": ctx.now})
    await handler(ctx, deadline)
    return True


async def postpone(database: Database, deadline: DueDeadline, pause: timedelta) -> None:
    """Try a deadline again later because it could not be fired; its `due_at` stays what was promised."""
    async with database.transaction(deadline.tenant_id) as transaction:
        await transaction.run(_LATER, {"tenant": deadline.tenant_id, "deadline": deadline.id, "pause": pause})
