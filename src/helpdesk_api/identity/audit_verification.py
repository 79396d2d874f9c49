"""Verifying the audit trail: whether every event still has the hash that was sealed, and whether no seal is missing.

The chain proves itself from its first seal to its last. That its end was not cut off only somebody outside can know:
who has kept a seal, as `GET /v1/audit/seals` tells them, names it as `kept`.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, select

from helpdesk_api.domain.audit_chain import Break, Position, Seal, first_break
from helpdesk_api.identity.audit_purges import Purges, load_purges
from helpdesk_api.identity.audit_redactions import Redactions, load_redactions
from helpdesk_api.identity.audit_seals import audit_seals, covered_events, seal_of
from helpdesk_api.kit.db import Database, Record, Transaction
from helpdesk_api.kit.events import Xid8, commit_order, events
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_sandbox_tenant

_SEALS_AT_ONCE = 50

_SEALS = Statement(
    select(audit_seals)
    .where(
        audit_seals.c.tenant_id == bindparam("tenant"),
        audit_seals.c.number > bindparam("after", type_=BigInteger),
    )
    .order_by(audit_seals.c.number)
    .limit(_SEALS_AT_ONCE)
)
_UNSEALED = Statement(
    select(func.count()).where(
        events.c.tenant_id == bindparam("tenant"),
        func.row(*commit_order())
        > func.row(bindparam("last_xid", type_=Xid8), bindparam("last_seq", type_=BigInteger)),
    )
)


@dataclass(frozen=True, slots=True)
class KeptSeal:
    """A seal that somebody wrote down, outside of the reach of whoever runs the database."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found of one tenant: how much was compared, the last good seal, and the first broken place."""

    tenant_id: UUID
    seal_count: int
    event_count: int
    unsealed_count: int
    head: Seal | None
    broken: Break | None


async def verify(database: Database, tenant_id: UUID, kept: KeptSeal | None = None) -> Verification:
    """Recompute the chain of a tenant up to its end or its first break."""
    async with database.snapshot(tenant_id) as transaction:
        head: Seal | None = None
        event_count = 0
        redactions = await load_redactions(transaction, tenant_id)
        purges = await load_purges(transaction, tenant_id)
        # A sandbox moves its own clock; nothing there is proof of anything in real time.
        is_sandbox = await is_sandbox_tenant(transaction, tenant_id)
        while True:
            after = 0 if head is None else head.number
            rows = await transaction.rows(_SEALS, {"tenant": tenant_id, "after": after})
            for row in rows:
                seal = seal_of(row)
                covered = await covered_events(transaction, head, seal)
                hashed = [redactions.hashed(event) for event in covered]
                broken = (
                    (None if is_sandbox else _purged_too_early(seal, purges))
                    or first_break(head, seal, hashed, kept=purges.kept(seal.number))
                    or _forged(seal, covered, redactions)
                    or _differs(seal, kept)
                )
                if broken is not None:
                    return await _ended(transaction, tenant_id, head, event_count, broken)
                head = seal
                event_count += len(covered)
            if len(rows) < _SEALS_AT_ONCE:
                is_cut_off = kept is not None and (head is None or head.number < kept.number)
                missing = Break(kept.number, "seal_missing") if kept is not None and is_cut_off else None
                return await _ended(transaction, tenant_id, head, event_count, missing)


def _forged(seal: Seal, covered: list[Record], redactions: Redactions) -> Break | None:
    for event in covered if redactions.forged else ():
        if any(step.erasure_id in redactions.forged for step in redactions.of_event.get(event["id"], ())):
            return Break(seal.number, "redaction_forged", event["id"])
    return None


def _purged_too_early(seal: Seal, purges: Purges) -> Break | None:
    return Break(seal.number, "purge_forged") if purges.is_too_early(seal.number, seal.sealed_at) else None


def _differs(seal: Seal, kept: KeptSeal | None) -> Break | None:
    if kept is None or kept.number != seal.number or kept.hash == seal.hash:
        return None
    return Break(seal.number, "seal_changed")


async def _ended(
    transaction: Transaction, tenant_id: UUID, head: Seal | None, event_count: int, broken: Break | None
) -> Verification:
    last = Position(0, 0) if head is None else head.last
    unsealed = 0
    if broken is None:
        unsealed = await transaction.value(
            _UNSEALED, {"tenant": tenant_id, "last_xid": last.xid, "last_seq": last.seq}
        )  # fmt: skip
    return Verification(
        tenant_id=tenant_id,
        seal_count=0 if head is None else head.number,
        event_count=event_count,
        unsealed_count=unsealed,
        head=head,
        broken=broken,
    )
