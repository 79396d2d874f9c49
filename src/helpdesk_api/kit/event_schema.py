"""What every reader of the event log is shown of an event, whichever door it comes through.

Who did it and why is shown by the readers themselves: the audit trail tells more of it than the feed.
"""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue

from helpdesk_api.kit.schema import Output


class ShownEvent(Output):
    """Something that happened to one object."""

    id: Annotated[UUID, Field(description="UUIDv7; the same as `webhook-id` of its deliveries.")]
    type: Annotated[str, Field(examples=["ticket.status_changed"])]
    object_type: Annotated[str, Field(examples=["ticket"])]
    object_id: UUID
    object_version: Annotated[int, Field(description="The version of the object after this.")]
    changes: Annotated[
        dict[str, Annotated[list[JsonValue], Field(min_length=2, max_length=2)]],
        Field(description="For each changed field its old and its new value, as `[old, new]`."),
    ]
    data: Annotated[dict[str, JsonValue], Field(description="What else there is to know, by type of event.")]
    occurred_at: Annotated[AwareDatetime, Field(description="In the time of the tenant; the order is by commit.")]
