"""What the API shows of the audit trail and takes to narrow it."""

from ipaddress import ip_network
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from helpdesk_api.kit.db import Record
from helpdesk_api.kit.event_schema import ShownEvent
from helpdesk_api.kit.listing import Limit
from helpdesk_api.kit.schema import Instant, Output

_MOST_NAMES: Final = 50


class AuditActor(Output):
    """Who did it. After the person was erased the id is a pseudonym: nothing leads from it to the person any more."""

    type: Annotated[str, Field(examples=["api_key", "user", "contact", "system"])]
    id: Annotated[UUID | None, Field(description="Null for the system itself.")]


class AuditOrigin(Output):
    """From where it was done; all null for what the system did by itself."""

    credential_id: Annotated[UUID | None, Field(description="The API key or the session.")]
    ip: Annotated[str | None, Field(examples=["203.0.113.7"])]
    user_agent: Annotated[str | None, Field(description="As the program called itself, up to 300 characters.")]


class AuditCause(Output):
    """What set it off: the request, by its `X-Request-Id`, or what the system did by itself."""

    type: Annotated[str, Field(examples=["request", "job", "deadline", "command"])]
    id: str


class AuditEntry(ShownEvent):
    """One change or security event."""

    actor: AuditActor
    origin: AuditOrigin
    cause: AuditCause
    recorded_at: Annotated[AwareDatetime, Field(description="In real time, to the millisecond, also in a sandbox.")]


class AuditPageInfo(Output):
    """Where the older entries are."""

    next_cursor: Annotated[str | None, Field(description="Pass as `cursor` for what is older; null at the beginning.")]


class AuditPage(Output):
    """A stretch of the audit trail, newest first."""

    data: list[AuditEntry]
    page: AuditPageInfo


class AuditSeal(Output):
    """One link of the chain that makes tampering visible. Who keeps the newest one can prove later what was there."""

    number: Annotated[int, Field(description="Counts up from 1 without a gap.")]
    event_count: Annotated[int, Field(description="How many events it covers.")]
    previous_hash: Annotated[str, Field(description="The hash of the seal before it; zeros for the first.")]
    hash: Annotated[str, Field(description="SHA-256 over the events it covers and the hash before it, in hexadecimal.")]
    sealed_at: Annotated[AwareDatetime, Field(description="In real time, also in a sandbox.")]

    @classmethod
    def from_record(cls, record: Record) -> "AuditSeal":
        """Show hashes as people compare them."""
        values = {name: record[name] for name in cls.model_fields}
        return cls.trusted(values | {name: values[name].hex() for name in ("previous_hash", "hash")})


def _network(text: str) -> str:
    ip_network(text)
    return text


AUDIT_EXAMPLE: Final = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
    "type": "ticket.status_changed",
    "object_type": "ticket",
    "object_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "object_version": 4,
    "changes": {"status": ["open", "pending"]},
    "data": {},
    "actor": {"type": "api_key", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01"},
    "origin": {
        "credential_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01",
        "ip": "203.0.113.7",
        "user_agent": "crm-sync/2.1",
    },
    "cause": {"type": "request", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"},
    "occurred_at": "2026-11-23T09:30:00Z",
    "recorded_at": "2026-11-23T09:30:00.125000Z",
}
SEAL_EXAMPLE: Final = {
    "number": 1841,
    "event_count": 12,
    "previous_hash": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
    "hash": "5c0fd4f2a3e1c2b7a1d6d4ed0b2a8f6e5d7c9b3a1f0e8d6c4b2a0f9e7d5c3b1a",
    "sealed_at": "2026-11-23T09:31:00Z",
}

EventTypeName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.([a-z_]+|\*)$", max_length=100)]
NetworkText = Annotated[str, StringConstraints(max_length=50), AfterValidator(_network)]
ObjectTypeName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+$", max_length=100)]


def _several(description: str) -> object:
    return Field(max_length=_MOST_NAMES, description=f"{description} Repeat for any of several.")


class AuditQuery(BaseModel):
    """What of the audit trail is wanted."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    cursor: Annotated[
        str | None, Field(max_length=500, description="`next_cursor` of another page with the same filters.")
    ] = None
    actor_id: Annotated[list[UUID], _several("A user, a contact or an API key.")] = []
    actor_type: Annotated[list[ObjectTypeName], _several("Such as `api_key`, `user` or `system`.")] = []
    credential_id: Annotated[list[UUID], _several("An API key or a session.")] = []
    type: Annotated[list[EventTypeName], _several("Such as `api_key.created`, or `api_key.*`.")] = []
    object_type: Annotated[list[ObjectTypeName], _several("Such as `ticket`.")] = []
    object_id: Annotated[list[UUID], _several("Gives the history of an object.")] = []
    request_id: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=128)]],
        _several("The `X-Request-Id` of an answer."),
    ] = []
    ip: Annotated[list[NetworkText], _several("An address, or a network such as `203.0.113.0/24`.")] = []
    recorded_at__gte: Annotated[Instant | None, Field(alias="recorded_at[gte]")] = None
    recorded_at__gt: Annotated[Instant | None, Field(alias="recorded_at[gt]")] = None
    recorded_at__lte: Annotated[Instant | None, Field(alias="recorded_at[lte]")] = None
    recorded_at__lt: Annotated[Instant | None, Field(alias="recorded_at[lt]")] = None
