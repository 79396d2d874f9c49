"""What automation can do to a ticket, as it is said in JSON, and doing it.

All that one rule does is one change, under the guards that everybody's changes are under: it is done whole, or not.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import ConfigDict, Field, TypeAdapter, model_validator, with_config
from typing_extensions import TypedDict

from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.domain.workflow import Status
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import check_fields
from helpdesk_api.tickets import service
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Tags, Ticket, TicketType


@with_config(ConfigDict(extra="forbid"))
class TicketValuesInput(TypedDict, total=False):
    """New values of fields; what is absent stays, null empties."""

    status: Status
    priority: Priority
    type: TicketType
    team_id: UUID | None
    assignee_id: UUID | None


class TicketActionsInput(Input):
    """What is done to a ticket, as one change."""

    set: Annotated[TicketValuesInput, Field(description="New values; a status has to follow the present one.")] = Field(
        default_factory=TicketValuesInput
    )
    add_tags: Tags = Field(default=[])
    remove_tags: Tags = Field(default=[])

    @model_validator(mode="after")
    def _does_something(self) -> "TicketActionsInput":
        if not (self.set or self.add_tags or self.remove_tags):
            message = "do something: set, add_tags or remove_tags"
            raise ValueError(message)
        if both := set(self.add_tags) & set(self.remove_tags):
            message = f"the tag {min(both)!r} is both added and removed"
            raise ValueError(message)
        return self


class TicketActionsShown(TypedDict):
    """What is done to a ticket, as one change."""

    set: Annotated[dict[str, str | None], Field(description="New values, by the name of the field.")]
    add_tags: list[str]
    remove_tags: list[str]


_VALUES: Final = TypeAdapter(TicketValuesInput)
_REFERENCES: Final[Mapping[str, Resource[Any]]] = {"team_id": TEAMS, "assignee_id": USERS}


def read_values(actions: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values that stored actions set, as a ticket has them."""
    return dict(_VALUES.validate_python(actions["set"]))


def check_touched(ctx: Ctx, actions: Mapping[str, Any], *, pointer: str) -> None:
    """Refuse actions on fields that their author is not shown."""
    touched = {f"{pointer[1:]}/set/{name}": name for name in actions["set"]}
    if actions["add_tags"] or actions["remove_tags"]:
        touched[f"{pointer[1:]}/add_tags"] = "tags"
    check_fields(TICKETS.groups, ctx.principal.field_groups, touched)


async def check_actions(ctx: Ctx, actions: Mapping[str, Any], *, pointer: str) -> None:
    """Refuse actions that their author could not take, and references to what is not there."""
    check_touched(ctx, actions, pointer=pointer)
    for name, resource in _REFERENCES.items():
        wanted = actions["set"].get(name)
        if wanted is not None and not await crud.fetch_many(ctx, resource, [wanted]):
            message = f"There is no {resource.name} {wanted}."
            raise UnknownReferenceError(message, pointer=f"{pointer}/set/{name}")


async def perform(ctx: Ctx, ticket: Ticket, actions: Mapping[str, Any], values: Mapping[str, Any]) -> Ticket:
    """Do to a ticket what actions say, whose `values` have been read; raises what changing a ticket raises."""
    changes = dict(values)
    if actions["add_tags"] or actions["remove_tags"]:
        changes["tags"] = sorted({*ticket.tags, *actions["add_tags"]} - set(actions["remove_tags"]))
    return await service.update_ticket(ctx, ticket.id, changes, expected=None)
