"""Doing what a list of actions says, in its order.

Changes of fields that follow one another are one change of the ticket. Everything is done under the guards that
everybody's changes are under; whoever calls decides what becomes of what was done before something is refused.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.services import SERVICES
from helpdesk_api.automation.actions.assigning import least_loaded_of_team, next_of_team
from helpdesk_api.automation.actions.commenting import comment_on
from helpdesk_api.automation.actions.drafts import Draft
from helpdesk_api.automation.actions.notifying import notify
from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.automation.timers import instant_after
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.parties import default_team
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket
from helpdesk_api.tickets.watchers import unwatch, watch

Act = Callable[[Ctx, Draft, KeptAction, str], Awaitable[None]]


async def perform(ctx: Ctx, ticket: Ticket, actions: Sequence[KeptAction]) -> Ticket:
    """Do to a ticket what actions say; raises what doing each by itself raises, with pointers below `/actions`."""
    return (await performed(ctx, Draft(ticket), actions)).ticket


async def performed(ctx: Ctx, draft: Draft, actions: Sequence[KeptAction]) -> Draft:
    """Do to a ticket what actions say, and give what has become of it."""
    for index, action in enumerate(actions):
        await _ACTS[action["action"]](ctx, draft, action, f"/actions/{index}")
    await draft.store(ctx)
    return draft


async def _set(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del ctx
    for field, value in action["values"].items():
        here = f"{pointer}/values/{field}"
        if field == COLUMN:
            draft.put_custom_fields(value, pointer=here)
            continue
        draft.put({field: _read(field, value)}, pointer=here)


async def _add_tags(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del ctx
    draft.put({"tags": sorted({*draft.value("tags"), *action["tags"]})}, pointer=pointer)


async def _remove_tags(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del ctx
    draft.put({"tags": sorted({*draft.value("tags")} - {*action["tags"]})}, pointer=pointer)


async def _assign_round_robin(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    team_id, pointer = UUID(action["team_id"]), f"{pointer}/team_id"
    user_id = await next_of_team(ctx, team_id, pointer=pointer)
    draft.put({"team_id": team_id, "assignee_id": user_id}, pointer=pointer)


async def _assign_least_loaded(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    team_id, pointer = UUID(action["team_id"]), f"{pointer}/team_id"
    user_id = await least_loaded_of_team(ctx, team_id, ticket_id=draft.ticket.id, pointer=pointer)
    draft.put({"team_id": team_id, "assignee_id": user_id}, pointer=pointer)


async def _assign_default_team(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del action
    location = await _named(ctx, LOCATIONS, draft.value("location_id"))
    service = await _named(ctx, SERVICES, draft.value("service_id"))
    team_id = default_team(service, location, await _named(ctx, COMPANIES, draft.value("company_id")))
    if team_id is not None:
        draft.put({"team_id": team_id}, pointer=pointer)


async def _assign_responsible_user(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del action
    company = await _named(ctx, COMPANIES, draft.value("company_id"))
    if company is not None and company.responsible_user_id is not None:
        draft.put({"assignee_id": company.responsible_user_id}, pointer=pointer)


async def _snooze(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    calendar_id = None if action["calendar_id"] is None else UUID(action["calendar_id"])
    if calendar_id is not None and await _named(ctx, CALENDARS, calendar_id) is None:
        message = f"There is no calendar {calendar_id}."
        raise UnknownReferenceError(message, pointer=f"{pointer}/calendar_id")
    until = await instant_after(ctx, ctx.now, timedelta(seconds=action["seconds"]), calendar_id)
    draft.put({"snoozed_until": until}, pointer=pointer)


async def _comment(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del pointer
    ticket = await draft.store(ctx)
    comment = await comment_on(ctx, ticket, action, author_user_id=draft.author_user_id)
    if comment is None:
        return
    draft.comments.append(comment)
    if comment.kind == "reply":
        draft.ticket = await crud.fetch(ctx, TICKETS, ticket.id)


async def _add_watchers(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    await _watchers(ctx, draft, action, pointer, watch)


async def _remove_watchers(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    await _watchers(ctx, draft, action, pointer, unwatch)


async def _watchers(
    ctx: Ctx,
    draft: Draft,
    action: KeptAction,
    pointer: str,
    change: Callable[[Ctx, Ticket, str, list[UUID]], Awaitable[int]],
) -> None:
    ticket = await draft.store(ctx)
    for column in ("user_id", "contact_id"):
        try:
            changed = await change(ctx, ticket, column, [UUID(each) for each in action[f"{column}s"]])
        except Refusal as refusal:
            refusal.errors = tuple(replace(error, pointer=f"{pointer}/{column}s") for error in refusal.errors)
            raise
        if changed:
            # What is asked of its watchers may be another thing now.
            draft.has_effects = True
            draft.ticket = await crud.fetch(ctx, TICKETS, ticket.id)


async def _notify(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    del pointer
    await notify(ctx, await draft.store(ctx), action)
    draft.has_effects = True


async def _create_ticket(ctx: Ctx, draft: Draft, action: KeptAction, pointer: str) -> None:
    await draft.create(ctx, action, pointer=pointer)


def _read(field: str, value: Any) -> Any:  # noqa: ANN401 - of whatever type the field is.
    """Give a value as the field has it; an action is kept as plain JSON."""
    if value is None:
        return None
    if field == "snoozed_until":
        return datetime.fromisoformat(value)
    return UUID(value) if field.endswith("_id") else value


async def _named(ctx: Ctx, resource: Resource[R], object_id: UUID | None) -> R | None:
    """Give what a field of a ticket names, if it is to be seen."""
    return None if object_id is None else (await crud.fetch_many(ctx, resource, [object_id])).get(object_id)


_ACTS: Final[Mapping[str, Act]] = {
    "set": _set,
    "add_tags": _add_tags,
    "remove_tags": _remove_tags,
    "assign_round_robin": _assign_round_robin,
    "assign_least_loaded": _assign_least_loaded,
    "assign_default_team": _assign_default_team,
    "assign_responsible_user": _assign_responsible_user,
    "snooze": _snooze,
    "comment": _comment,
    "notify": _notify,
    "create_ticket": _create_ticket,
    "add_watchers": _add_watchers,
    "remove_watchers": _remove_watchers,
}
