"""The deadline table: everything that must happen at an instant of the tenant's time, one row each.

A deadline fires through the handler of its kind, at most once per (kind, object, instance), and never early. For a
real tenant the worker sweeps what is due, and fires many of a tenant in one transaction; for a tenant on a test clock
they fire one by one when the clock is advanced over them, in order, through the same `fire`. A handler that breaks does
not hold up the others: its deadline is tried again later.

Whoever fires holds deadlines and must not wait for the objects that they are about: whoever changes such an object
holds it and may wait for its deadlines.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
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
    case,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from helpdesk_api.kit.context import Cause, Ctx, new_id
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
    # What set it, or moved it last; one from before does not tell.
    Column("cause_type", Text),
    Column("cause_id", Text),
    UniqueConstraint("tenant_id", "kind", "object_id", "instance"),
    Index("ix_deadlines_due", "try_at", postgresql_where=text("fired_at IS NULL AND NOT is_test_clock")),
    Index(None, "tenant_id", "cause_id"),
    Index("ix_deadlines_tenant_due", "tenant_id", "due_at", "id", postgresql_where=text("fired_at IS NULL")),
    versioned=False,
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something due at an instant of the tenant's time; `instance` tells repetitions apart.

    What set it is the cause of the unit of work, unless it is named: one may do what several deadlines have set off.
    """

    kind: str
    object_id: UUID
    instance: int
    due_at: datetime
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class DueDeadline:
    """A deadline that was found due, with its row's key."""

    tenant_id: UUID
    id: UUID
    kind: str
    object_id: UUID
    instance: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Unfired:
    """The ids of deadlines that did not fire.

    Those that are `waiting` do so because somebody else is at what they are about; of `orphans` that is gone.
    """

    waiting: Collection[UUID] = ()
    orphans: Collection[UUID] = ()


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of deadlines; in none of the three are what another has fired, moved, or is firing."""

    fired: Sequence[DueDeadline] = ()
    waiting: Sequence[DueDeadline] = ()
    orphans: Sequence[DueDeadline] = ()


Handler = Callable[[Ctx, Sequence[DueDeadline]], Awaitable[Unfired]]

_COLUMNS = (
    "tenant_id", "id", "kind", "object_id", "instance", "due_at", "try_at", "is_test_clock", "cause_type", "cause_id",
)  # fmt: skip
_NAMED = ("kind", "object_id", "instance")
_arrays = select(*(func.unnest(bindparam(c, type_=ARRAY(deadlines.c[c].type))).label(c) for c in _COLUMNS))
_write = insert(deadlines).from_select(list(_COLUMNS), _arrays)
_ARRANGE = Statement(
    _write.on_conflict_do_update(
        index_elements=["tenant_id", "kind", "object_id", "instance"],
        set_={
            "due_at": _write.excluded.due_at,
            "try_at": _write.excluded.due_at,
            "cause_type": _write.excluded.cause_type,
            "cause_id": _write.excluded.cause_id,
        },
        where=deadlines.c.fired_at.is_(None),
    )
)
_void = select(*(func.unnest(bindparam(c, type_=ARRAY(deadlines.c[c].type))).label(c) for c in _NAMED)).subquery("void")
_CANCEL = Statement(
    delete(deadlines).where(
        deadlines.c.tenant_id == bindparam("tenant"),
        *(deadlines.c[name] == _void.c[name] for name in _NAMED),
        deadlines.c.fired_at.is_(None),
    )
)
_CANCEL_ALL = Statement(
    delete(deadlines).where(
        deadlines.c.tenant_id == bindparam("tenant"),
        deadlines.c.kind == bindparam("kind"),
        deadlines.c.object_id == bindparam("object_id"),
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
_some = (
    deadlines.c.tenant_id == bindparam("tenant"),
    deadlines.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
)
_LOCK = Statement(
    select(*_whole)
    .where(
        *_some,
        deadlines.c.fired_at.is_(None),
        # In real time the clock of the database decides, as it did when they were found: that of a worker may jump.
        deadlines.c.due_at
        <= case((deadlines.c.is_test_clock, bindparam("now", type_=DateTime(timezone=True))), else_=func.now()),
    )
    .order_by(deadlines.c.due_at, deadlines.c.id)
    .with_for_update(skip_locked=True)
)
_FIRED = Statement(
    update(deadlines)
    .where(*_some)
    .values(fired_at=func.greatest(bindparam("at", type_=DateTime(timezone=True)), deadlines.c.due_at))
)
_REMOVE = Statement(delete(deadlines).where(*_some))
_NOT_FIRED = Statement(update(deadlines).where(*_some).values(fired_at=None))
_LATER = Statement(
    update(deadlines)
    .where(*_some, deadlines.c.fired_at.is_(None))
    .values(try_at=func.now() + bindparam("pause", type_=Interval))
)


async def arrange(ctx: Ctx, wanted: Sequence[Deadline]) -> None:
    """Set deadlines, moving those that exist already; one that has fired stays fired."""
    if not wanted:
        return
    size = len(wanted)
    causes = [deadline.cause or ctx.cause for deadline in wanted]
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
            "cause_type": [cause.type for cause in causes],
            "cause_id": [cause.id for cause in causes],
        },
    )
    if not ctx.is_test_clock:
        ctx.due.extend(deadline.due_at for deadline in wanted)


async def cancel(ctx: Ctx, void: Sequence[Deadline]) -> None:
    """Take back deadlines that have not fired, whenever they are due by now."""
    if not void:
        return
    named = {name: [getattr(deadline, name) for deadline in void] for name in _NAMED}
    await ctx.tx.run(_CANCEL, {"tenant": ctx.tenant_id, **named})


async def cancel_all(ctx: Ctx, kind: str, object_id: UUID) -> None:
    """Take back every deadline of a kind and an object that has not fired."""
    await ctx.tx.run(_CANCEL_ALL, {"tenant": ctx.tenant_id, "kind": kind, "object_id": object_id})


async def find_due(database: Database, *, most: int) -> list[DueDeadline]:
    """Find what is due in real time for any tenant, longest overdue first."""
    async with database.sweep() as transaction:
        return await transaction.all(DueDeadline, _FIND_DUE, {"most": most})


async def find_next(ctx: Ctx, until: datetime) -> DueDeadline | None:
    """Find the tenant's earliest deadline that has not fired and is due at or before `until`."""
    return await ctx.tx.first(DueDeadline, _FIND_NEXT, {"tenant_id": ctx.tenant_id, "until": until})


async def fire(ctx: Ctx, found: Sequence[DueDeadline], handler: Handler) -> Fired:
    """Fire deadlines of one handler in the caller's transaction; those of what is gone are removed."""
    params = {"tenant": ctx.tenant_id, "ids": [deadline.id for deadline in found], "now": ctx.now}
    due = await ctx.tx.all(DueDeadline, _LOCK, params)
    if not due:
        return Fired()
    # First, so that the handler may take back what has not fired of the same objects without taking these.
    await ctx.tx.run(_FIRED, {"tenant": ctx.tenant_id, "ids": [deadline.id for deadline in due], "at": ctx.now})
    unfired = await handler(ctx, due)
    if unfired.waiting:
        await ctx.tx.run(_NOT_FIRED, {"tenant": ctx.tenant_id, "ids": list(unfired.waiting)})
    if unfired.orphans:
        await ctx.tx.run(_REMOVE, {"tenant": ctx.tenant_id, "ids": list(unfired.orphans)})
    return Fired(
        fired=[one for one in due if one.id not in unfired.waiting and one.id not in unfired.orphans],
        waiting=[one for one in due if one.id in unfired.waiting],
        orphans=[one for one in due if one.id in unfired.orphans],
    )


async def postpone(database: Database, some: Sequence[DueDeadline], pause: timedelta) -> None:
    """Try deadlines of one tenant later because they could not be fired; `due_at` stays what was promised."""
    tenant_id = some[0].tenant_id
    async with database.transaction(tenant_id) as transaction:
        await transaction.run(_LATER, {"tenant": tenant_id, "ids": [one.id for one in some], "pause": pause})
