"""Destruction records: what was erased, when, at whose request and why, signed, and holding nothing of the person."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from helpdesk_api.domain.audit_chain import redactions_hash
from helpdesk_api.identity.audit_redactions import redactions_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.signatures import Notary, is_signed
from helpdesk_api.privacy.erasures import Erasure


@dataclass(frozen=True, slots=True)
class Ledgered:
    """One line of the ledger, read."""

    tenant_id: UUID
    erasure_id: UUID
    person_type: str
    person_id: UUID
    messages: str


async def signed_record(ctx: Ctx, erasure: Erasure, notary: Notary, *, reason: str) -> dict[str, Any]:
    """Write and sign the record of an erasure that is through."""
    steps = await redactions_of(ctx.tx, ctx.tenant_id, erasure.id)
    document = to_jsonable_python({
        "erasure_id": erasure.id,
        "tenant_id": ctx.tenant_id,
        "person_type": erasure.person_type,
        "person_id": erasure.person_id,
        "reason": reason,
        "messages": erasure.messages,
        "requested_by": {"type": erasure.requested_by_type, "id": erasure.requested_by_id},
        "requested_at": erasure.created_at,
        "completed_at": ctx.real_now,
        "counts": erasure.counts,
        "redactions_sha256": redactions_hash(steps).hex(),
    })  # fmt: skip
    return {
        "document": document,
        "signature": base64.b64encode(notary.sign(document)).decode(),
        "public_key": base64.b64encode(notary.public_key).decode(),
    }


def is_authentic(record: dict[str, Any], public_key: bytes) -> bool:
    """Tell whether a record was signed by this key, as it is."""
    try:
        signature = base64.b64decode(record["signature"], validate=True)
        document = record["document"]
    except (KeyError, TypeError, binascii.Error):
        return False
    return isinstance(document, dict) and is_signed(document, signature, public_key)


def ledgered(record: dict[str, Any]) -> Ledgered:
    """Read an authentic record."""
    document = record["document"]
    return Ledgered(
        tenant_id=UUID(document["tenant_id"]),
        erasure_id=UUID(document["erasure_id"]),
        person_type=document["person_type"],
        person_id=UUID(document["person_id"]),
        messages=document["messages"],
    )


async def vouches_for_events(transaction: Transaction, tenant_id: UUID, record: dict[str, Any]) -> bool:
    """Tell whether what was done to events is still what the record says."""
    steps = await redactions_of(transaction, tenant_id, UUID(record["document"]["erasure_id"]))
    return bool(record["document"]["redactions_sha256"] == redactions_hash(steps).hex())
