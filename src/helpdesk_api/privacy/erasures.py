"""Erasures: who asked for whom to be erased, why, how far it is, and the signed proof that it was done.

Rows are never removed: together they are the ledger of erased ids, which a restored backup is replayed from. A worker
does the erasing (`privacy.erasing`); the proof is `privacy.records`.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import CheckConstraint, Column, DateTime, Index, Text, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import JSONB
from typing_extensions import TypedDict

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Input, Line
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.privacy.people import RESOURCES, PersonType

ERASE: Final = "privacy.erase"

erasures = tenant_table(
    "erasures",
    Column("person_type", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by_type", Text, nullable=False),
    Column("requested_by_id", Uuid),
    Column("counts", JSONB, nullable=False),
    # What is looked for; it names the person, and so it goes when the erasure is done.
    Column("wanted", JSONB),
    Column("completed_at", DateTime(timezone=True)),
    Column("record", JSONB),
    CheckConstraint("person_type IN ('contact', 'user')", name="person_type"),
    CheckConstraint("messages IN ('erase', 'redact')", name="messages"),
    CheckConstraint("state IN ('pending', 'done')", name="state"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "person_id"),
)

_PENDING = Statement(
    select(erasures.c.id).where(
        erasures.c.tenant_id == bindparam("tenant"),
        erasures.c.person_id == bindparam("person", type_=Uuid),
        erasures.c.state == "pending",
    )
)


class ErasurePendingError(ConflictError):
    """The person is being erased already."""

    code = "erasure_pending"
    title = "The person is being erased"


class ErasureCreate(Input):
    """Why a person is to be erased, and what becomes of what they wrote."""

    reason: Annotated[Line, Field(description="Who asked for it, and on which ground; stands in the record.")]
    messages: Annotated[
        Literal["erase", "redact"],
        Field(
            description=(
                "`erase` empties every message that the person wrote; `redact` takes only names, addresses and "
                "telephone numbers out of them."
            )
        ),
    ] = "erase"


class SignedRecord(TypedDict):
    """The proof that a person was erased, which holds nothing of them but the id."""

    document: Annotated[
        dict[str, Any], Field(description="Who was erased, when, why, at whose request, and how much was found.")
    ]
    signature: Annotated[
        str, Field(description="Ed25519 over the document as JSON with sorted keys and no spaces; base64.")
    ]
    public_key: Annotated[str, Field(description="Of the installation that signed; base64.")]


class Erasure(Entity):
    """One erasure of one person. All times are real, also in a sandbox."""

    person_type: Annotated[str, Field(examples=["contact", "user"])]
    person_id: Annotated[UUID, Field(description="Stays as a pseudonym, wherever others refer to the person.")]
    reason: str
    messages: Annotated[str, Field(examples=["erase", "redact"])]
    state: Annotated[str, Field(description="`pending` until a worker is through.", examples=["pending", "done"])]
    requested_by_type: Annotated[str, Field(examples=["api_key", "user"])]
    requested_by_id: UUID | None
    counts: Annotated[dict[str, int], Field(description="How many rows of which table were changed.")]
    completed_at: AwareDatetime | None
    record: Annotated[SignedRecord | None, Field(description="Null until it is done.")]


ERASURES = Resource(
    name="erasure",
    plural="erasures",
    table=erasures,
    read=Erasure,
    example={
        "person_type": "contact",
        "person_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11",
        "reason": "Asked for by letter of 20 November 2026, GDPR article 17",
        "messages": "erase",
        "state": "pending",
        "requested_by_type": "api_key",
        "requested_by_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01",
        "counts": {},
        "completed_at": None,
        "record": None,
    },
    filters=(
        Filter("person_id", erasures.c.person_id, UUID),
        Filter("person_type", erasures.c.person_type, Literal["contact", "user"]),
        Filter("state", erasures.c.state, Literal["pending", "done"]),
    ),
)


async def request_erasure(
    ctx: Ctx,
    person_type: PersonType,
    person_id: UUID,
    *,
    reason: str,
    messages: str,
    erasure_id: UUID | None = None,
) -> Erasure:
    """Note that a person is to be erased, and put the job; `ctx` is in real time. Raises ErasurePendingError."""
    await crud.fetch_locked(ctx, RESOURCES[person_type], person_id)
    pending = await ctx.tx.value(_PENDING, {"tenant": ctx.tenant_id, "person": person_id})
    if pending is not None:
        message = f"The {person_type} {person_id} is being erased already, by {pending}."
        raise ErasurePendingError(message, params={"erasure_id": str(pending)})
    created = await crud.add(
        ctx,
        ERASURES,
        {
            "person_type": person_type,
            "person_id": person_id,
            "reason": reason,
            "messages": messages,
            "state": "pending",
            "requested_by_type": ctx.principal.type,
            "requested_by_id": ctx.principal.id,
            "counts": {},
            "wanted": {},
        },
        object_id=erasure_id,
    )
    await jobs.put(ctx, [NewJob(ERASE, {"erasure_id": str(created.id)}, ctx.real_now, cause=ctx.cause)])
    return created
