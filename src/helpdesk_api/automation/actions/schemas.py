"""How actions look in JSON, going in and coming out: a list of objects, each named by its `action`.

They are kept as they were given and done in their order. What they refer to is checked in `actions.checking`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, with_config
from typing_extensions import TypedDict

from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.directory.custom_fields.definitions import CustomFieldsInput
from helpdesk_api.domain.workflow import Status
from helpdesk_api.kit.schema import Instant, Label, Line, Prose
from helpdesk_api.tickets.links import LinkType
from helpdesk_api.tickets.schemas import CommentKind, TicketType

MOST_ACTIONS: Final = 20

# What may go from one ticket to another that is created for it.
CopiedField = Literal["company_id", "contact_id", "location_id", "asset_id", "service_id", "type", "priority"]

Recipient = Literal["assignee", "team", "requester", "watchers"]

# An action as it is kept: plain JSON.
KeptAction = Mapping[str, Any]

# Also within an answer, whose fields are always there, a value that is not set is absent.
_SHAPE: Final = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=False)


def _something(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if not values:
        message = "set at least one field"
        raise ValueError(message)
    return values


def _sorted_unique(tags: list[str]) -> list[str]:
    return sorted({tag.lower() for tag in tags})


def _written(body: str) -> str:
    if not body.strip():
        message = "must not be blank"
        raise ValueError(message)
    return body


_TagList = Annotated[
    list[Label],
    Field(min_length=1, max_length=50, description="Kept in lower case, sorted, each once."),
    AfterValidator(_sorted_unique),
]
_People = Annotated[list[UUID], Field(max_length=50)]
_Team = Annotated[UUID, Field(description="The team, which the ticket is given to along with its member.")]


@with_config(_SHAPE)
class TicketValues(TypedDict, total=False):
    """New values of fields; what is absent stays, null empties."""

    subject: Line
    status: Status
    priority: Priority
    type: TicketType
    company_id: UUID | None
    contact_id: UUID | None
    location_id: UUID | None
    team_id: UUID | None
    assignee_id: UUID | None
    snoozed_until: Instant | None
    custom_fields: CustomFieldsInput


@with_config(_SHAPE)
class SetAction(TypedDict):
    """Give fields new values, or empty them; a status has to follow the present one."""

    action: Literal["set"]
    values: Annotated[TicketValues, AfterValidator(_something), Field(json_schema_extra={"minProperties": 1})]


@with_config(_SHAPE)
class AddTagsAction(TypedDict):
    """Add tags to those there are."""

    action: Literal["add_tags"]
    tags: _TagList


@with_config(_SHAPE)
class RemoveTagsAction(TypedDict):
    """Take tags away, where they are there."""

    action: Literal["remove_tags"]
    tags: _TagList


@with_config(_SHAPE)
class AssignRoundRobinAction(TypedDict):
    """Assign it to the active member of a team whose turn it is: whoever got none of its tickets for longest."""

    action: Literal["assign_round_robin"]
    team_id: _Team


@with_config(_SHAPE)
class AssignLeastLoadedAction(TypedDict):
    """Assign it to the active member of a team with the fewest unfinished tickets; of several, to whose turn it is."""

    action: Literal["assign_least_loaded"]
    team_id: _Team


@with_config(_SHAPE)
class AssignDefaultTeamAction(TypedDict):
    """Give it to the team of its location, else to that of its company; without either it stays where it is."""

    action: Literal["assign_default_team"]


@with_config(_SHAPE)
class AssignResponsibleUserAction(TypedDict):
    """Assign it to who answers for its company; where nobody does, it stays with whom it is."""

    action: Literal["assign_responsible_user"]


@with_config(_SHAPE)
class SnoozeAction(TypedDict):
    """Put it off for a time that counts from when this is done."""

    action: Literal["snooze"]
    seconds: Annotated[int, Field(ge=1, le=366 * 24 * 3_600, strict=True)]
    calendar_id: Annotated[UUID | None, Field(description="Only open time of this calendar counts; null for all time.")]


@with_config(_SHAPE)
class CommentAction(TypedDict):
    """Write a public reply or an internal note, unless it comes out blank."""

    action: Literal["comment"]
    kind: CommentKind
    body: Annotated[
        Prose,
        AfterValidator(_written),
        Field(
            description="A template: `{{subject}}` becomes the value of a field that `GET /v1/condition-fields` lists.",
            json_schema_extra={"pattern": r"\S"},
        ),
    ]


@with_config(_SHAPE)
class AddWatchersAction(TypedDict):
    """Let people watch it who do not yet."""

    action: Literal["add_watchers"]
    user_ids: _People
    contact_ids: _People


@with_config(_SHAPE)
class RemoveWatchersAction(TypedDict):
    """Let people watch it no longer who do."""

    action: Literal["remove_watchers"]
    user_ids: _People
    contact_ids: _People


@with_config(_SHAPE)
class NotifyAction(TypedDict):
    """Write an e-mail to people who see the ticket; each gets one, with what that one is shown."""

    action: Literal["notify"]
    to: Annotated[list[Recipient], Field(max_length=10, description="By what they are to the ticket.")]
    user_ids: _People
    team_ids: _People
    role_ids: _People
    contact_ids: _People
    subject: Annotated[Line, Field(description="A template, cut at 200 characters.")]
    body: Annotated[
        Prose,
        AfterValidator(_written),
        Field(
            description="A template; nothing is sent where it comes out blank.", json_schema_extra={"pattern": r"\S"}
        ),
    ]


@with_config(_SHAPE)
class NewTicketValues(TypedDict, total=False):
    """What a new ticket starts with; what is absent is as with every new ticket."""

    type: TicketType
    priority: Priority
    team_id: UUID
    assignee_id: UUID
    tags: _TagList


@with_config(_SHAPE)
class CreateTicketAction(TypedDict):
    """Create another ticket and link it to this one; nothing else of this one is copied than is said."""

    action: Literal["create_ticket"]
    link_type: Annotated[LinkType, Field(description="What the new ticket is to this one: `child_of` it, for one.")]
    subject: Annotated[Line, Field(description="A template, cut at 200 characters.")]
    description: Annotated[Prose, Field(description="A template; may be empty.")]
    copied_fields: Annotated[
        list[CopiedField],
        Field(max_length=10, description="The fields whose values the new ticket gets from this one."),
    ]
    values: Annotated[NewTicketValues, Field(description="They go before what is copied.")]


Action = Annotated[
    SetAction
    | AddTagsAction
    | RemoveTagsAction
    | AssignRoundRobinAction
    | AssignLeastLoadedAction
    | AssignDefaultTeamAction
    | AssignResponsibleUserAction
    | SnoozeAction
    | CommentAction
    | AddWatchersAction
    | RemoveWatchersAction
    | NotifyAction
    | CreateTicketAction,
    Field(discriminator="action"),
]

ActionList = Annotated[
    list[Action],
    Field(min_length=1, max_length=MOST_ACTIONS, description="Done in this order, as one whole."),
    # What comes out was read when it came in.
    PlainSerializer(lambda actions: actions),
]
