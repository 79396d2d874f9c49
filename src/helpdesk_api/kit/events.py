"""The event log: append-only, written in the transaction of the change, read in commit order.

It is at once the audit trail, the history of an object, the change feed and the source of webhooks: who did what, from
where, with which credential, set off by what. Events are collected during a unit of work and written by one statement
at its end, together with the job that will hand them to their subscribers.

Order: `(xid, seq)`. A reader only sees rows of transactions older than every transaction still running (`xid <
pg_snapshot_xmin`), so no row can appear behind a position that was already read. A plain "id > last" loses rows.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import UserDefinedType

from helpdesk_api.kit.context import Cause, Ctx, Principal, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.jobs import jobs
from helpdesk_api.kit.sql import Statement, insert_many, tenant_table

DISPATCH = "events.dispatch"

Changes = dict[str, tuple[Any, Any]]


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which never wraps."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Name the type in SQL."""
        del kw
        return "XID8"


class Snapshot(UserDefinedType[tuple[int, int, tuple[int, ...]]]):
    """PostgreSQL's snapshot: below which transactions had ended, from which none had begun, and who ran between."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Name the type in SQL."""
        del kw
        return "PG_SNAPSHOT"


events = tenant_table(
    "events",
    Column("xid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("type", Text, nullable=False),
    Column("object_type", Text, nullable=False),
    Column("object_id", Uuid, nullable=False),
    Column("object_version", Integer, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("actor_type", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("cause_type", Text, nullable=False),
    Column("cause_id", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("credential_id", Uuid),
    Column("ip", INET),
    Column("user_agent", Text),
    # Hashed together with what somebody wrote: without it, a short value could be guessed from its hash.
    Column("salt", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Index(None, "tenant_id", "xid", "seq"),
    Index(None, "tenant_id", "cause_id", "id"),
    Index(None, "tenant_id", "object_id", "xid", "seq"),
    # What the audit trail is searched by, newest first.
    Index(None, "tenant_id", "actor_id", "id"),
    Index(None, "tenant_id", "ip", "id", postgresql_where=text("ip IS NOT NULL")),
    Index(
        "ix_events_revealed",
        "tenant_id",
        "actor_id",
        "occurred_at",
        postgresql_where=text("type = 'contact.revealed'"),
    ),
    Index(
        "ix_events_purges_told",
        *("tenant_id", "xid", "seq"),
        postgresql_where=text("type = 'retention_run.events_purged'"),
    ),
    versioned=False,
)

# What followers of the log are told; the rest is for the audit trail.
TOLD: Final = (
    events.c.xid, events.c.seq, events.c.id, events.c.type, events.c.object_type, events.c.object_id,
    events.c.object_version, events.c.changes, events.c.data, events.c.actor_type, events.c.actor_id,
    events.c.cause_type, events.c.cause_id, events.c.occurred_at,
)  # fmt: skip
LAST_OF_TRANSACTION: Final = 2**63 - 1

_COLUMNS = (
    "tenant_id", "id", "type", "object_type", "object_id", "object_version", "changes", "data",
    "actor_type", "actor_id", "cause_type", "cause_id", "occurred_at", "credential_id", "ip", "user_agent",
)  # fmt: skip
_WRITE = Statement(
    insert(jobs)
    .values(
        tenant_id=bindparam("tenant"),
        id=bindparam("job_id"),
        kind=DISPATCH,
        payload=bindparam("payload", type_=JSONB),
        run_at=func.now(),
    )
    .add_cte(insert_many(events, _COLUMNS).cte("recorded"))
)


class Position(NamedTuple):
    """A place in commit order: behind this event, or with `LAST_OF_TRANSACTION` behind all of a transaction."""

    xid: int
    seq: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to one object; `changes` maps a field to its old and new value.

    What a unit of work does at once may have several causes: each deadline that fires is its own.
    """

    type: str
    object_type: str
    object_id: UUID
    object_version: int
    occurred_at: datetime
    cause: Cause
    actor: Principal
    changes: Changes = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)


def record(
    ctx: Ctx,
    event_type: str,
    *,
    object_id: UUID,
    version: int,
    changes: Changes | None = None,
    data: dict[str, Any] | None = None,
    occurred_at: datetime | None = None,
) -> None:
    """Note that something happened; it is stored when the unit of work ends, or not at all.

    The part of `event_type` before the dot names the object's type. `occurred_at` is given only by what is known to
    have happened at another instant than now.
    """
    ctx.events.append(
        Event(
            type=event_type,
            object_type=event_type.partition(".")[0],
            object_id=object_id,
            object_version=version,
            changes=changes or {},
            data=data or {},
            occurred_at=occurred_at or ctx.now,
            cause=ctx.cause,
            actor=ctx.principal,
        )
    )


async def write_recorded(ctx: Ctx) -> None:
    """Store the events of this unit of work and the job that dispatches them, in one statement."""
    noted = ctx.events
    if not noted:
        return
    size = len(noted)
    await ctx.tx.run(
        _WRITE,
        {
            "tenant_id": [ctx.tenant_id] * size,
            "id": [event.id for event in noted],
            "type": [event.type for event in noted],
            "object_type": [event.object_type for event in noted],
            "object_id": [event.object_id for event in noted],
            "object_version": [event.object_version for event in noted],
            "changes": [event.changes for event in noted],
            "data": [event.data for event in noted],
            "actor_type": [event.actor.type for event in noted],
            "actor_id": [event.actor.id for event in noted],
            "cause_type": [event.cause.type for event in noted],
            "cause_id": [event.cause.id for event in noted],
            "occurred_at": [event.occurred_at for event in noted],
            "credential_id": [event.actor.credential_id for event in noted],
            "ip": [event.cause.ip for event in noted],
            "user_agent": [event.cause.user_agent for event in noted],
            "tenant": ctx.tenant_id,
            "job_id": new_id(),
            "payload": {"event_ids": [str(event.id) for event in noted]},
        },
    )


def cause_of_event(event: Record) -> Cause:
    """Give what set off a stored event."""
    return Cause(event["cause_type"], event["cause_id"])


def is_settled() -> ColumnElement[bool]:
    """Give the condition under which an event can no longer be overtaken by one that commits later."""
    return events.c.xid < func.pg_snapshot_xmin(func.pg_current_snapshot())


def commit_order() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Give the columns that order events as they were committed."""
    return events.c.xid, events.c.seq
