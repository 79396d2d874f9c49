"""What a follower of events leaves out: by type, by type of object, by object; the same for the feed and the stream.

Which events somebody may see at all is `webhooks.event_visibility`.
"""

from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, any_, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events
from helpdesk_api.webhooks.event_patterns import EVERY_TYPE, PATTERNS, is_wanted

_MOST_NAMES: Final = 50


class UnknownEventTypeError(InvalidError):
    """No event is of this type; `GET /v1/event-types` lists them."""

    code = "unknown_event_type"
    title = "There are no events of this type"


class EventFilter(BaseModel):
    """What to leave out."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[
        list[str],
        Field(
            max_length=_MOST_NAMES,
            description="Type such as `ticket.created`, or `ticket.*`. Repeat for any of several.",
        ),
    ] = []
    object_type: Annotated[
        list[str], Field(max_length=_MOST_NAMES, description="Such as `ticket`. Repeat for any of several.")
    ] = []
    object_id: Annotated[
        list[UUID], Field(max_length=_MOST_NAMES, description="Gives the history of an object. Repeat for several.")
    ] = []

    def check(self) -> None:
        """Raise UnknownEventTypeError for a name that no event has."""
        object_types = [f"{name}.*" for name in self.object_type]
        for parameter, patterns in (("type", self.type), ("object_type", object_types)):
            for name in patterns:
                if name not in PATTERNS:
                    message = f"There is no event of the type {name[:60]!r}; see /v1/event-types."
                    raise UnknownEventTypeError(message, pointer=f"/{parameter}", location="query")

    def conditions(self) -> list[ColumnElement[bool]]:
        """Give what a statement must add to its WHERE."""
        conditions: list[ColumnElement[bool]] = []
        if self.type and EVERY_TYPE not in self.type:
            families = [name.removesuffix(".*") for name in self.type if name.endswith(".*")]
            conditions.append(or_(_any(events.c.type, self.type), _any(events.c.object_type, families)))
        if self.object_type:
            conditions.append(_any(events.c.object_type, self.object_type))
        if self.object_id:
            conditions.append(_any(events.c.object_id, self.object_id))
        return conditions

    def lets_through(self, row: Record) -> bool:
        """Tell of one event what `conditions` tell a statement."""
        return (
            (not self.type or is_wanted(row["type"], self.type))
            and (not self.object_type or row["object_type"] in self.object_type)
            and (not self.object_id or row["object_id"] in self.object_id)
        )


def _any(column: ColumnElement[object], values: list[str] | list[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(values, ARRAY(column.type)))
