"""Writing the message of an event as its endpoint wants it: thin or full, in its version, in its envelope.

Every message begins in the newest form and is taken back to that of its endpoint. A test says whatever its sender wants
it to (`webhooks.test_messages`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from helpdesk_api.kit.db import Record
from helpdesk_api.webhooks.event_visibility import Resources
from helpdesk_api.webhooks.messages import TEST, path_of
from helpdesk_api.webhooks.payload_versions import FIRST, PAYLOAD_VERSIONS, Message


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it goes out: its media type, its version, and the bytes to sign and send."""

    media_type: str
    payload_version: str
    body: bytes


def write_message(event: Record, resources: Resources, *, tenant_id: UUID) -> Written:
    """Write the message of an event; the version is that of its endpoint now, also for an attempt that comes late.

    So is what it tells: values of guarded fields only of the groups that its endpoint has now.
    """
    version: str = event["payload_version"]
    subject = f"{event['object_type']}/{event['object_id']}"
    test = event["data"].get("message") if event["type"] == TEST else None
    if test is None:
        message = PAYLOAD_VERSIONS.taken_back(_told(event, resources), version)
    else:
        subject = test.get("subject", subject)
        message, version = _played(event, test, version)
    if event["format"] == "cloudevents":
        envelope = {
            "specversion": "1.0",
            "id": event["id"],
            "source": f"urn:uuid:{tenant_id}",
            "type": message["type"],
            "subject": subject,
            "time": event["occurred_at"],
            "datacontenttype": "application/json",
            "payloadversion": version,
            "data": message["data"],
        }
        return Written("application/cloudevents+json", version, to_json(envelope))
    return Written("application/json", version, to_json(message))


def thin_message(event: Record | Mapping[str, Any], *, actor: Mapping[str, Any], cause: Mapping[str, Any]) -> Message:
    """Tell what happened in the newest form, without values."""
    return {
        "type": event["type"],
        "payload_version": PAYLOAD_VERSIONS.newest,
        "timestamp": event["occurred_at"],
        "data": {
            "id": event["id"],
            "object": {
                "type": event["object_type"],
                "id": event["object_id"],
                "version": event["object_version"],
                "path": path_of(event["object_type"], event["object_id"]),
            },
            "changed_fields": sorted(event["changes"]),
            "actor": actor,
            "cause": cause,
            "changes": None,
            "details": None,
        },
    }


def _told(event: Record, resources: Resources) -> Message:
    actor = {"type": event["actor_type"], "id": event["actor_id"]}
    cause = {"type": event["cause_type"], "id": event["cause_id"]}
    message = thin_message(event, actor=actor, cause=cause)
    if event["payload"] == "thin":
        return message
    resource = resources.get(event["object_type"])
    changes = event["changes"]
    if resource is not None:
        changes = resource.shown_changes(changes, frozenset(event["field_groups"]))
    return {**message, "data": message["data"] | {"changes": changes, "details": event["data"]}}


def _played(event: Record, test: Mapping[str, Any], version: str) -> tuple[Message, str]:
    """Give the message of a test and its version: no newer than when it was asked for, for none was known then."""
    if test["is_free_form"]:
        return {"type": test["type"], "timestamp": event["occurred_at"], "data": test["data"]}, version
    written_in = test.get("payload_version", FIRST)
    message = {
        "type": test["type"],
        "payload_version": written_in,
        "timestamp": event["occurred_at"],
        "data": test["data"] | {"id": event["id"]},
    }
    return PAYLOAD_VERSIONS.taken_back(message, version, since=written_in), min(version, written_in)
