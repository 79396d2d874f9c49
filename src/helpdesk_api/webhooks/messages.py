"""The newest form of what a webhook endpoint receives: one small message per event, as Standard Webhooks 1.0 has it.

A message says what happened to which version of which object, and names the fields; their values are read through the
API, under the reader's own rights. So nothing that somebody wrote leaves in a message, and a late one misleads nobody.
Only an endpoint with `payload: full` is told the values too. Older forms are `webhooks.payload_versions`, writing a
message in that of its endpoint is `webhooks.message_writing`.
"""

import re
from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue

from helpdesk_api.kit.schema import Output

PING: Final = "webhook_endpoint.ping"
TEST: Final = "webhook_endpoint.test"
# Whatever an endpoint wants, these go to the one that they are about, and to no other.
FOR_ONE: Final = frozenset({PING, TEST})

# Objects that have no address of their own: of some there is one in a tenant, others are told of and not kept.
_WITHOUT_PATH: Final = frozenset(
    {
        *("coverage_settings", "person", "retention_settings", "sign_in_settings", "tenant", "test_clock"),
        *("ticket_settings", "ticket_summary"),
    }
)
_ENDS_IN_IES: Final = re.compile(r"(?<![aeiou])y$")


class Actor(Output):
    """Who did it."""

    type: Annotated[str, Field(examples=["api_key", "system"])]
    id: Annotated[UUID | None, Field(description="Null for the system itself.")]


class EventCause(Output):
    """What set it off; one id leads from here through every consequence."""

    type: Annotated[str, Field(examples=["request", "job", "deadline", "command"])]
    id: str


class MessageObject(Output):
    """What it happened to."""

    type: Annotated[str, Field(examples=["ticket"])]
    id: UUID
    version: Annotated[int, Field(description="The version of the object after this; messages may overtake.")]
    path: Annotated[
        str | None,
        Field(
            description="Where it is read, beneath the address of the API; null for what has no address of its own.",
            examples=["/v1/tickets/0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"],
        ),
    ]


class WebhookData(Output):
    """What happened, without values; `GET /v1/events/{id}` has them."""

    id: Annotated[UUID, Field(description="The event; the same as the header `webhook-id`.")]
    object: MessageObject
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
    payload_version: Annotated[
        str,
        Field(
            description="The form of this message; also the header `webhook-payload-version`.", examples=["2026-11-22"]
        ),
    ]
    timestamp: Annotated[AwareDatetime, Field(description="When it happened, in the time of the tenant.")]
    data: WebhookData


def path_of(object_type: str, object_id: object) -> str | None:
    """Give where an object is read: in the collection that is named by the plural of its type."""
    if object_type in _WITHOUT_PATH:
        return None
    plural = _ENDS_IN_IES.sub("ie", object_type).replace("_", "-") + "s"
    return f"/v1/{plural}/{object_id}"
