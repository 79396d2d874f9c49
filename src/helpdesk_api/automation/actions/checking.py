"""Who may write which actions: nobody has done what he could not do, nor touches what he is not shown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.automation.actions.templating import check_template
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.custom_fields.values import check_custom_fields
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.identity.permissions import CLIENT_INTERNAL
from helpdesk_api.identity.roles import ROLES
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import FieldNotAllowedError, check_fields
from helpdesk_api.tickets.links import TICKET_LINKS
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.watchers import TICKET_WATCHERS

_REFERENCES: Final[Mapping[str, Resource[Any]]] = {
    "company_id": COMPANIES,
    "contact_id": CONTACTS,
    "location_id": LOCATIONS,
    "team_id": TEAMS,
    "assignee_id": USERS,
    "calendar_id": CALENDARS,
    "role_id": ROLES,
}
_TAGS: Final = frozenset({"add_tags", "remove_tags"})
_BY_CLIENT: Final[Mapping[str, str]] = {
    "assign_default_team": "team_id",
    "assign_responsible_user": "assignee_id",
}
_WITH_VALUES: Final = frozenset({"set", "create_ticket"})
_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "comment": ("body",),
    "create_ticket": ("subject", "description"),
    "notify": ("subject", "body"),
}
_PEOPLE: Final[Mapping[str, str]] = {
    "user_ids": "assignee_id",
    "contact_ids": "contact_id",
    "team_ids": "team_id",
    "role_ids": "role_id",
}
_BY_TURN: Final = frozenset({"assign_round_robin", "assign_least_loaded"})


def touched_fields(action: KeptAction) -> frozenset[str]:
    """Name the fields of a ticket that an action may change."""
    kind = action["action"]
    if kind in _WITH_VALUES:
        return frozenset(action["values"])
    if kind in _TAGS:
        return frozenset({"tags"})
    if kind in _BY_TURN:
        return frozenset({"team_id", "assignee_id"})
    if kind == "snooze":
        return frozenset({"snoozed_until"})
    return frozenset({_BY_CLIENT[kind]} if kind in _BY_CLIENT else ())


def check_may_act(ctx: Ctx, actions: Sequence[KeptAction], *, pointer: str) -> None:
    """Refuse actions that the caller could not take.

    Raises MissingPermissionError, FieldNotAllowedError, and what reading a template raises.
    """
    for index, action in enumerate(actions):
        here = f"{pointer}/{index}"
        for permission in _permissions_for(action):
            ctx.principal.require(permission)
        for name in _TEMPLATES.get(action["action"], ()):
            check_template(ctx.principal, action[name], pointer=f"{here}/{name}")
        inside = f"{here[1:]}/values/" if action["action"] in _WITH_VALUES else None
        named = {here[1:] if inside is None else inside + name: name for name in sorted(touched_fields(action))}
        check_fields(TICKETS.groups, ctx.principal.field_groups, named)
        if action["action"] in _BY_CLIENT:
            _check_sees_who_serves(ctx, pointer=here)


async def check_actions(ctx: Ctx, actions: Sequence[KeptAction], *, pointer: str) -> None:
    """Refuse actions that their author could not take, and references to what is not there, or not to be seen."""
    check_may_act(ctx, actions, pointer=pointer)
    await check_custom_values(ctx, actions, pointer=pointer)
    for index, action in enumerate(actions):
        for place, field, wanted in _references(action):
            resource = _REFERENCES[field]
            if not await crud.fetch_many(ctx, resource, [UUID(str(wanted))]):
                message = f"There is no {resource.name} {wanted}."
                raise UnknownReferenceError(message, pointer=f"{pointer}/{index}/{place}")


async def check_custom_values(ctx: Ctx, actions: Sequence[KeptAction], *, pointer: str) -> None:
    """Refuse values of custom fields that no ticket could have, or that the caller is not shown."""
    for index, action in enumerate(actions):
        if action["action"] == "set" and COLUMN in action["values"]:
            here = f"{pointer}/{index}/values/{COLUMN}"
            await check_custom_fields(ctx, TICKETS, action["values"][COLUMN], pointer=here)


def _permissions_for(action: KeptAction) -> tuple[str, ...]:
    match action:
        case {"action": "comment", "kind": "note"}:
            return ("notes:write",)
        case {"action": "comment"}:
            return ("comments:write",)
        case {"action": "add_watchers" | "remove_watchers"}:
            return ("tickets:write", f"{TICKET_WATCHERS.plural}:write")
        case {"action": "notify"}:
            # What it says is as public as a reply.
            return ("tickets:write", "comments:write")
        case {"action": "create_ticket"}:
            return ("tickets:write", f"{TICKET_LINKS.plural}:write")
        case _:
            return ("tickets:write",)


def _references(action: KeptAction) -> list[tuple[str, str, Any]]:
    """Give what an action refers to: the place in it, the field of a ticket that it stands for, and the id."""
    has_values = action["action"] in _WITH_VALUES
    given = action["values"] if has_values else action
    prefix = "values/" if has_values else ""
    people = [
        (f"{member}/{index}", name, each)
        for member, name in _PEOPLE.items()
        for index, each in enumerate(action.get(member, ()))
    ]
    return [(prefix + name, name, given[name]) for name in _REFERENCES if given.get(name) is not None] + people


def _check_sees_who_serves(ctx: Ctx, *, pointer: str) -> None:
    ctx.principal.require(f"{COMPANIES.plural}:read")
    if not ctx.principal.sees(CLIENT_INTERNAL):
        message = f"Who looks after a client needs the field group {CLIENT_INTERNAL}."
        raise FieldNotAllowedError(message, pointer=pointer, params={"field_group": CLIENT_INTERNAL})
