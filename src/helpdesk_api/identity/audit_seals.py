"""Sealing the audit trail: a worker adds what has settled to the chain of its tenant, in commit order.

No write ever waits for a seal, and none waits for another: events are sealed about a minute after they were committed,
in stretches, by a job that the dispatch of events puts once for all that happen in the same minute. What a hash covers
is `domain.audit_chain`; finding out whether it still fits, `identity.audit_verification`.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    not_,
    select,
)
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects.postgresql import JSONB, insert

from helpdesk_api.domain.audit_chain import Position, Seal, next_seal
from helpdesk_api.identity.audit_hashing import hashable
from helpdesk_api.identity.audit_redactions import redactions_of_events
from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, Ctx, new_id, system
from helpdesk_api.kit.db import Record, Transaction
from helpdesk_api.kit.events import Xid8, commit_order, events, is_settled
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.kit.unit_of_work import unit_of_work

SEAL = "audit.seal"
SEALED_AT_ONCE = 5_000
_EVERY_SECONDS = 60
BEGINNING = Position(0, 0)

audit_seals = tenant_table(
    "audit_seals",
    Column("number", BigInteger, nullable=False),
    Column("last_xid", Xid8, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("event_hashes", LargeBinary, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "number"),
    Index(None, "tenant_id", "sealed_at"),
    CheckConstraint("octet_length(event_hashes) = 32 * event_count", name="a_hash_for_each_event"),
    CheckConstraint("event_count > 0", name="never_empty"),
    versioned=False,
)

# By the clock of the database: what was committed before this minute ended is seen by the job that runs after it.
_minute = func.floor(func.extract("epoch", func.now()) / _EVERY_SECONDS)
_SCHEDULE = Statement(
    insert(jobs.jobs)
    .values(
        tenant_id=bindparam("tenant"),
        id=cast(func.md5(func.concat(literal(SEAL, Text), _minute)), Uuid),
        kind=SEAL,
        payload=literal({}, JSONB),
        run_at=func.to_timestamp((_minute + 1) * _EVERY_SECONDS),
    )
    .on_conflict_do_nothing()
)
_LATEST = Statement(
    select(audit_seals)
    .where(audit_seals.c.tenant_id == bindparam("tenant"))
    .order_by(audit_seals.c.number.desc())
    .limit(1)
)
_ADD = Statement(
    plain_insert(audit_seals).values({column.name: bindparam(column.name) for column in audit_seals.c})
)  # fmt: skip
_beyond = func.row(*commit_order()) > func.row(
    bindparam("after_xid", type_=Xid8), bindparam("after_seq", type_=BigInteger)
)  # fmt: skip


_following = hashable().where(events.c.tenant_id == bindparam("tenant"), _beyond).order_by(*commit_order())
_SETTLED = Statement(_following.where(is_settled()).limit(SEALED_AT_ONCE))
_COVERED = Statement(
    _following.where(
        func.row(*commit_order())
        <= func.row(bindparam("last_xid", type_=Xid8), bindparam("last_seq", type_=BigInteger))
    )
)
_UNSETTLED = Statement(
    select(select(events.c.id).where(events.c.tenant_id == bindparam("tenant"), _beyond, not_(is_settled())).exists())
)


async def schedule_sealing(ctx: Ctx, happened: Sequence[Record]) -> None:
    """See to it that what happened is sealed once this minute is over."""
    if happened:
        await ctx.tx.run(_SCHEDULE, {"tenant": ctx.tenant_id})


async def seal_events(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Seal everything that has settled, one transaction for each stretch."""
    principal = system(tenant_id)
    cause = Cause("job", str(claimed[0].id))
    has_more = True
    while has_more:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            sealed = await seal_next(ctx)
            has_more = sealed == SEALED_AT_ONCE
            if not has_more:
                await jobs.complete(ctx.tx, claimed)


async def seal_next(ctx: Ctx) -> int:
    """Seal the next stretch of settled events; gives how many. What has not settled yet is left to the next minute."""
    await take_turn(ctx, f"{SEAL} {ctx.tenant_id}")
    row = await ctx.tx.row(_LATEST, {"tenant": ctx.tenant_id})
    before = None if row is None else seal_of(row)
    after = _after(ctx.tenant_id, BEGINNING if before is None else before.last)
    rows = await ctx.tx.rows(_SETTLED, after)
    if rows:
        last = Position(rows[-1]["xid"], rows[-1]["seq"])
        # After the events: what was redacted in between is then hashed as it was read.
        redactions = await redactions_of_events(ctx.tx, ctx.tenant_id, [row["id"] for row in rows])
        hashed = [redactions.hashed(row) for row in rows]
        await _add(ctx, next_seal(ctx.tenant_id, before, hashed, last, ctx.real_now))
        after = _after(ctx.tenant_id, last)
    if len(rows) < SEALED_AT_ONCE and await ctx.tx.value(_UNSETTLED, after):
        await ctx.tx.run(_SCHEDULE, {"tenant": ctx.tenant_id})
    return len(rows)


async def covered_events(transaction: Transaction, before: Seal | None, seal: Seal) -> list[Record]:
    """Fetch the events that a seal covers as they are now, in commit order."""
    after = _after(seal.tenant_id, BEGINNING if before is None else before.last)
    return await transaction.rows(_COVERED, after | {"last_xid": seal.last.xid, "last_seq": seal.last.seq})


def seal_of(row: Record) -> Seal:
    """Read a stored seal."""
    return Seal(
        tenant_id=row["tenant_id"],
        number=row["number"],
        last=Position(row["last_xid"], row["last_seq"]),
        event_hashes=row["event_hashes"],
        previous_hash=row["previous_hash"],
        hash=row["hash"],
        sealed_at=row["sealed_at"],
    )


def _after(tenant_id: UUID, position: Position) -> dict[str, Any]:
    return {"tenant": tenant_id, "after_xid": position.xid, "after_seq": position.seq}


async def _add(ctx: Ctx, seal: Seal) -> None:
    await ctx.tx.run(
        _ADD,
        {
            "tenant_id": seal.tenant_id,
            "id": new_id(),
            "number": seal.number,
            "last_xid": seal.last.xid,
            "last_seq": seal.last.seq,
            "event_count": len(seal.hashes),
            "event_hashes": seal.event_hashes,
            "previous_hash": seal.previous_hash,
            "hash": seal.hash,
            "sealed_at": seal.sealed_at,
        },
    )
