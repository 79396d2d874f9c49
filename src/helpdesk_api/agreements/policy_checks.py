"""What an SLA policy is refused for: what could not be measured, is not there, or its author may not do by himself."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.escalation_schemas import changes_tickets, read_step
from helpdesk_api.agreements.sla_policy_schemas import SLAPolicy
from helpdesk_api.domain.business_days import end_of_business_day
from helpdesk_api.domain.business_time import BudgetOutOfReachError
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sqlstate import UnknownReferenceError


class CalendarRequiredError(InvalidError):
    """Business time needs a calendar to be measured by."""

    code = "calendar_required"
    title = "A target in business hours needs a calendar"


class TargetOutOfReachError(InvalidError):
    """The calendar is open too seldom for the target ever to be used up."""

    code = "target_out_of_reach"
    title = "The target cannot be reached in the calendar's hours"


async def check_terms(ctx: Ctx, policy: SLAPolicy, before: SLAPolicy | None) -> None:
    """Refuse a policy that could not be measured, that names what does not exist, or that does what its author may not.

    Raises CalendarRequiredError, TargetOutOfReachError, UnknownReferenceError, and for steps that change tickets
    MissingPermissionError and ReachTooNarrowError.
    """
    if policy.calendar_id is None and any(target["hours"] == "business" for target in policy.targets):
        message = "A target in business hours needs calendar_id."
        raise CalendarRequiredError(message, pointer="/calendar_id")
    if before is None or before.targets != policy.targets:
        await _check_steps(ctx, policy)
    if policy.calendar_id is not None:
        calendar = await crud.fetch(ctx, CALENDARS, policy.calendar_id)
        check_reachable(ctx, await hours_of(ctx, calendar.id, calendar.version), policy)


async def _check_steps(ctx: Ctx, policy: SLAPolicy) -> None:
    """Refuse steps that name whom there is not, or that change tickets for somebody who may not change them all."""
    users: dict[str, str] = {}
    teams: dict[str, str] = {}
    for index, target in enumerate(policy.targets):
        for place, step in enumerate(target["escalations"]):
            if changes_tickets(step):
                _check_may_change(ctx)
            pointer = f"/targets/{index}/escalations/{place}"
            users |= {f"{pointer}/notify_user_ids/{at}": named for at, named in enumerate(step["notify_user_ids"])}
            if step["assignee_id"] is not None:
                users[f"{pointer}/assignee_id"] = step["assignee_id"]
            if step["team_id"] is not None:
                teams[f"{pointer}/team_id"] = step["team_id"]
    await _check_known(ctx, USERS, users)
    await _check_known(ctx, TEAMS, teams)


def _check_may_change(ctx: Ctx) -> None:
    ctx.principal.require("tickets:write")
    if not ctx.principal.reach.is_unlimited:
        message = "An escalation step changes any ticket of the tenant; this caller sees some of them."
        raise ReachTooNarrowError(message)


async def _check_known(ctx: Ctx, resource: Resource[Any], named: Mapping[str, str]) -> None:
    """Refuse references, by where they stand, to what is not there."""
    known = await crud.fetch_many(ctx, resource, [UUID(str(object_id)) for object_id in named.values()])
    for pointer, object_id in named.items():
        if UUID(str(object_id)) not in known:
            message = f"There is no {resource.name} {object_id}."
            raise UnknownReferenceError(message, pointer=pointer)


def check_reachable(ctx: Ctx, hours: Hours, policy: SLAPolicy) -> None:
    """Refuse hours in which a target or a step of a policy could never be reached."""
    for index, target in enumerate(policy.targets):
        if target["hours"] == "business":
            unit = "days" if target["seconds"] is None else "seconds"
            try:
                if target["seconds"] is not None:
                    allowed = timedelta(seconds=target["seconds"])
                else:
                    allowed = hours.between(ctx.now, end_of_business_day(hours, ctx.now, target["days"] or 0))
                hours.add(ctx.now, max([allowed, *(read_step(step).after(allowed) for step in target["escalations"])]))
            except BudgetOutOfReachError as error:
                raise TargetOutOfReachError(
                    f"{policy.name}: {error.detail}",
                    pointer=f"/targets/{index}/{unit}",
                    params={"sla_policy_id": str(policy.id)},
                ) from error
