"""How a type of event is event: what it means, and an example of its message.

Which types there are is `webhooks.event_types`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from helpdesk_api.webhooks.messages import path_of
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS

CREATED_FIRST: Final = 1
_CHANGED_SINCE: Final = 4
_OBJECT_ID: Final = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. `example` is the whole message that a webhook endpoint receives for it, in the newest form.

    `since` is the first version of the product that records it; a type that comes later names its own.
    """

    description: str
    object_type: str
    example: Mapping[str, Any]
    since: str = "0.1.0"


def event(name: str, description: str, *changed_fields: str, version: int = _CHANGED_SINCE) -> tuple[str, EventType]:
    """Describe one type, by its name; gives an example that names these fields as changed."""
    object_type = name.partition(".")[0]
    example = {
        "type": name,
        "payload_version": PAYLOAD_VERSIONS.newest,
        "timestamp": "2026-11-23T09:30:00Z",
        "data": {
            "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
            "object": {
                "type": object_type,
                "id": _OBJECT_ID,
                "version": version,
                "path": path_of(object_type, _OBJECT_ID),
            },
            "changed_fields": sorted(changed_fields),
            "actor": {"type": "api_key", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01"},
            "cause": {"type": "request", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"},
            "changes": None,
            "details": None,
        },
    }
    return name, EventType(description, object_type, example)


def stored(name: str, called: str, *fields: str, changing: str, removable: bool = True) -> list[tuple[str, EventType]]:
    """Describe the life of a stored object: created, updated and, if it may be removed, deleted."""
    types = [
        event(f"{name}.created", f"{called} was created.", *fields, version=CREATED_FIRST),
        event(f"{name}.updated", f"{called} was changed.", changing),
    ]
    if removable:
        types.append(event(f"{name}.deleted", f"{called} was deleted; `changes` holds its last values.", *fields))
    return types
