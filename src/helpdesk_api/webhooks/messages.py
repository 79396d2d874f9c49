"""What a webhook endpoint receives: one small message per event, in the form of Standard Webhooks 1.0.

A message says what happened to which version of which object, and names the fields; their values are read through the
API, under the reader's own scopes. So nothing that somebody wrote ever leaves in a message, and a late one misleads
nobody.
"""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field
from pydantic_core import to_json

from helpdesk_api.kit.db import Record
from helpdesk_api.kit.schema import Output


class Actor(Output):
    """Who did it."""

    type: Annotated[str, Field(examples=["api_key", "system"])]
    id: Annotated[UUID | None, Field(description="Null for the system itself.")]


class EventCause(Output):
    """What set it off; one id leads from here through every consequence."""

    type: Annotated[str, Field(examples=["request", "job", "deadline", "command"])]
    id: str


class WebhookData(Output):
    """What happened, without values; `GET /v1/events/{id}` has them."""

    id: Annotated[UUID, Field(description="The event; the same as the header `webhook-id`.")]
    object_type: Annotated[str, Field(examples=["ticket"])]
    object_id: UUID
    object_version: Annotated[int, Field(description="The version of the object after this; messages may overtake.")]
    changed_fields: Annotated[list[str], Field(description="Names of the fields that changed, sorted.")]
    actor: Actor
    cause: EventCause


class WebhookMessage(Output):
    """The body of a webhook, the same for every attempt."""

    type: Annotated[str, Field(examples=["ticket.created"])]
    timestamp: Annotated[AwareDatetime, Field(description="When it happened, in the time of the tenant.")]
    data: WebhookData


def message_of(event: Record) -> bytes:
    """Write the message of an event; these are the bytes that are signed and sent."""
    return to_json({
        "type": event["type"],
        "timestamp": event["occurred_at"],
        "data": {
            "id": event["id"],
            "object_type": event["object_type"],
            "object_id": event["object_id"],
            "object_version": event["object_version"],
            "changed_fields": sorted(event["changes"]),
            "actor": {"type": event["actor_type"], "id": event["actor_id"]},
            "cause": {"type": event["cause_type"], "id": event["cause_id"]},
        },
    })  # fmt: skip
