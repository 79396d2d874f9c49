"""What a webhook endpoint receives: one small message per event, in the form of Standard Webhooks 1.0.

A message says what happened to which version of which object, and names the fields; their values are read through the
API, under the reader's own rights. So nothing that somebody wrote leaves in a message, and a late one misleads nobody.
Only an endpoint with `payload: full` is told the values too. Either may come in an envelope of CloudEvents 1.0. A test
says whatever its sender wants it to (`webhooks.test_messages`).
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue
from pydantic_core import to_json

from helpdesk_api.kit.db import Record
from helpdesk_api.kit.schema import Output

PING: Final = "webhook_endpoint.ping"
TEST: Final = "webhook_endpoint.test"
# Whatever an endpoint wants, these go to the one that they are about, and to no other.
FOR_ONE: Final = frozenset({PING, TEST})


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
    changes: Annotated[
        dict[str, Annotated[list[JsonValue], Field(min_length=2, max_length=2)]] | None,
        Field(description="With `payload: full` only: old and new value of each changed field."),
    ]
    details: Annotated[
        dict[str, JsonValue] | None, Field(description="With `payload: full` only: what the event tells besides.")
    ]


class WebhookMessage(Output):
    """The body of a webhook, the same for every attempt."""

    type: Annotated[str, Field(examples=["ticket.created"])]
    timestamp: Annotated[AwareDatetime, Field(description="When it happened, in the time of the tenant.")]
    data: WebhookData


class CloudEvent(Output):
    """The body of a webhook whose endpoint wants CloudEvents 1.0, structured."""

    specversion: Literal["1.0"]
    id: Annotated[UUID, Field(description="The event; the same as the header `webhook-id`.")]
    source: Annotated[str, Field(description="The tenant.", examples=["urn:uuid:0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e00"])]
    type: Annotated[str, Field(examples=["ticket.created"])]
    subject: Annotated[str, Field(examples=["ticket/0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"])]
    time: AwareDatetime
    datacontenttype: Literal["application/json"]
    data: WebhookData


def message_of(event: Record, *, tenant_id: UUID) -> tuple[str, bytes]:
    """Write the message of an event as its endpoint wants it: the media type, and the bytes to sign and send."""
    event_type, data = _played(event) or (event["type"], _told(event))
    if event["format"] == "cloudevents":
        return "application/cloudevents+json", to_json({
            "specversion": "1.0",
            "id": event["id"],
            "source": f"urn:uuid:{tenant_id}",
            "type": event_type,
            "subject": f"{data.get('object_type', event['object_type'])}/{data.get('object_id', event['object_id'])}",
            "time": event["occurred_at"],
            "datacontenttype": "application/json",
            "data": data,
        })  # fmt: skip
    return "application/json", to_json({"type": event_type, "timestamp": event["occurred_at"], "data": data})


def _told(event: Record) -> dict[str, Any]:
    is_full = event["payload"] == "full"
    return {
        "id": event["id"],
        "object_type": event["object_type"],
        "object_id": event["object_id"],
        "object_version": event["object_version"],
        "changed_fields": sorted(event["changes"]),
        "actor": {"type": event["actor_type"], "id": event["actor_id"]},
        "cause": {"type": event["cause_type"], "id": event["cause_id"]},
        "changes": event["changes"] if is_full else None,
        "details": event["data"] if is_full else None,
    }


def _played(event: Record) -> tuple[str, dict[str, Any]] | None:
    """Give the type and the data of a test that plays another event, or None for everything else."""
    message = event["data"].get("message") if event["type"] == TEST else None
    if message is None:
        return None
    data: dict[str, Any] = message["data"]
    return message["type"], data if message["is_free_form"] else data | {"id": event["id"]}
