"""The `webhooks` section of the document: what an endpoint of the client receives, one entry per type of event.

The types, their meaning and an example of each come from the catalogue of `webhooks.event_types`; how messages are
signed and sent is decided there too.
"""

from typing import Any

from helpdesk_api.openapi.operations import Components
from helpdesk_api.openapi.schemas import REF, Schema
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.messages import WebhookMessage

MESSAGE = WebhookMessage
_ANSWERS: Schema = {
    "2XX": {"description": "Received. Anything else is an attempt that failed, also a redirect."},
    "410": {"description": "The receiver wants no more: the endpoint is switched off."},
    "4XX": {"description": "Failed; tried again by the schedule."},
    "5XX": {"description": "Failed; tried again by the schedule, not before `Retry-After`."},
}


def section(components: Components) -> dict[str, Any]:
    """Describe the message of every type of event."""
    names = ("WebhookId", "WebhookTimestamp", "WebhookSignature", "WebhookPayloadVersion")
    headers = [components.parameter(name) for name in names]
    return {
        name: {
            "post": {
                "tags": ["webhook-endpoints"],
                "summary": event_type.description,
                "operationId": f"webhook_{name.replace('.', '_')}",
                "description": f"Sent to every webhook endpoint that wants `{name}`.",
                "security": [],
                "parameters": headers,
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": f"{REF}{MESSAGE.__name__}"},
                            "examples": {name: {"value": event_type.example}},
                        }
                    },
                },
                "responses": _ANSWERS,
            }
        }
        for name, event_type in EVENT_TYPES.items()
    }
