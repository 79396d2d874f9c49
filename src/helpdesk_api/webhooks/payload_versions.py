"""The forms that messages have had, named by the dates they came on, and how a newer one is made into an older one.

An endpoint keeps the form that it was made with until its owner moves it, so a receiver is never sent what it was not
written for. A message is written in the newest form and taken back from there, one version after the other, so only the
newest is known to the code that tells of events. What came with a version and why is ADR 0018.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue

from helpdesk_api.kit.schema import Output
from helpdesk_api.webhooks.messages import Actor, EventCause, WebhookMessage

# A message as it is written: `type`, `timestamp` and `data`, and `payload_version` in the forms that have it.
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PayloadVersion:
    """One form of messages: its schema, what came with it, and how to make of such a message one of the form before.

    `object_type_at` is the definition in the schema, and its property, that holds the type of the object.
    """

    name: str
    description: str
    model: type[Output]
    object_type_at: tuple[str, str]
    to_former: Callable[[Message], Message] | None = None


class PayloadVersions:
    """A chain of versions, given from the newest to the first; raises ValueError for one that has a gap."""

    def __init__(self, newest_first: Sequence[PayloadVersion]) -> None:
        names = [version.name for version in newest_first]
        if names != sorted(set(names), reverse=True):
            message = f"versions go from the newest to the first, each once: {names}"
            raise ValueError(message)
        stuck = [version.name for version in newest_first[:-1] if version.to_former is None]
        if stuck:
            message = f"nothing makes an older message of one of these versions: {stuck}"
            raise ValueError(message)
        self._versions = {version.name: version for version in newest_first}
        self.newest = names[0]

    @property
    def names(self) -> list[str]:
        """Give the names, newest first."""
        return list(self._versions)

    def __getitem__(self, name: str) -> PayloadVersion:
        return self._versions[name]

    def taken_back(self, message: Message, to: str, *, since: str | None = None) -> Message:
        """Give a message of the version `since`, the newest if absent, in the form of `to`, if that one is older."""
        names = self.names
        for name in names[names.index(since or self.newest) : names.index(to)]:
            to_former = self._versions[name].to_former
            # Only the first version has none, and nothing is older than that.
            message = message if to_former is None else to_former(message)
        return message


class FlatWebhookData(Output):
    """What happened, as it was told before 2026-11-22."""

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


class FlatWebhookMessage(Output):
    """The body of a webhook before 2026-11-22."""

    type: Annotated[str, Field(examples=["ticket.created"])]
    timestamp: Annotated[AwareDatetime, Field(description="When it happened, in the time of the tenant.")]
    data: FlatWebhookData


def _flatten(message: Message) -> Message:
    """Tell of the object in three fields beside each other, without its path, and do not name the version."""
    told = message["data"]
    flat = {
        "id": told["id"],
        "object_type": told["object"]["type"],
        "object_id": told["object"]["id"],
        "object_version": told["object"]["version"],
    }
    rest = {name: value for name, value in told.items() if name not in {"id", "object"}}
    return {"type": message["type"], "timestamp": message["timestamp"], "data": flat | rest}


FIRST: Final = "2026-11-01"
PAYLOAD_VERSIONS: Final = PayloadVersions(
    (
        PayloadVersion(
            "2026-11-22",
            "`data.object` holds type, id, version and path of the object, which were `object_type`, `object_id` and "
            "`object_version` without a path; the message names its `payload_version`.",
            WebhookMessage,
            ("MessageObject", "type"),
            _flatten,
        ),
        PayloadVersion(
            FIRST,
            "The first form of messages.",
            FlatWebhookMessage,
            ("FlatWebhookData", "object_type"),
        ),
    )
)


def _known(name: str) -> str:
    if name not in PAYLOAD_VERSIONS.names:
        message = "must be one of the versions at /v1/event-types"
        raise ValueError(message)
    return name


PayloadVersionName = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"enum": list[JsonValue](PAYLOAD_VERSIONS.names)})
]
