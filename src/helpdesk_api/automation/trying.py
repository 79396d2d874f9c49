"""Trying a rule on a ticket before it bites: it is really done, under every guard there is, and taken back."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, Field, JsonValue
from pydantic_core import to_jsonable_python

from helpdesk_api.automation.actions.checking import check_may_act
from helpdesk_api.automation.actions.performing import perform
from helpdesk_api.automation.chains import FAULTS
from helpdesk_api.automation.compiled_rules import as_rule, compiled, facts_about
from helpdesk_api.automation.rule_writing import check_rule
from helpdesk_api.automation.rules import RULES
from helpdesk_api.automation.timers import OUT_OF_REACH, Timer
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Input, Output
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.custom_conditions import offered_to
from helpdesk_api.tickets.resources import TICKETS

router = APIRouter(prefix="/v1/rules/{id}", tags=["rules"], route_class=UnitOfWorkRoute)

TRIAL_EXAMPLES: Final = {
    "RuleTrialCreate": {"ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"},
    "RuleTrial": {
        "due_at": None,
        "holds": True,
        "changes": {"team_id": [None, "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02"], "tags": [[], ["night"]]},
        "refusal": None,
    },
}


class RuleTrialCreate(Input):
    """What to try a rule on."""

    ticket_id: UUID


class TrialRefusal(Output):
    """Why a rule could not do what it says."""

    code: Annotated[str, Field(examples=["inactive_user"])]
    detail: str


class RuleTrial(Output):
    """What a rule would do to a ticket as it is now."""

    due_at: Annotated[
        AwareDatetime | None,
        Field(
            description="When its time would be up; null without a timer, or without the instant that it counts from."
        ),
    ]
    holds: Annotated[bool, Field(description="Whether the condition holds, or there is none.")]
    changes: Annotated[
        dict[str, Annotated[list[JsonValue], Field(min_length=2, max_length=2)]],
        Field(description="Old and new value of each field that would change."),
    ]
    refusal: TrialRefusal | None


@router.post(
    "/try",
    operation_id=operation(RULES, "try"),
    summary="Try a rule on a ticket",
    description=(
        "Tells what a rule, a draft for one, would do to a ticket as it is, with nothing having happened to it. "
        "Nothing is changed and no event tells of it. It needs what writing the rule needs."
    ),
)
async def try_rule(id: UUID, body: RuleTrialCreate, ctx: Annotated[Ctx, allowed("rules:write")]) -> RuleTrial:
    """Try a rule."""
    rule = await crud.fetch(ctx, RULES, id)
    await check_rule(ctx, {}, rule)
    check_may_act(ctx, rule.actions, pointer="/actions")
    ticket = (await crud.fetch_many(ctx, TICKETS, [body.ticket_id])).get(body.ticket_id)
    if ticket is None:
        message = f"There is no ticket {body.ticket_id}."
        raise UnknownReferenceError(message, pointer="/ticket_id")
    tried = compiled(vars(rule), await offered_to(ctx, rule.condition, rule.timer))
    facts = await facts_about(ctx, ticket, tried.paths | ({tried.timer.since} if tried.timer else frozenset()))
    since = facts.get(tried.timer.since) if tried.timer else None
    due_at = None if tried.timer is None or since is None else await _due_at(ctx, tried.timer, since)
    holds = tried.holds(facts, ctx.now)
    changes: dict[str, list[JsonValue]] = {}
    refusal: TrialRefusal | None = None
    if holds:
        mark = len(ctx.events)
        try:
            async with undoable(ctx) as part:
                await perform(as_rule(ctx, rule.id), ticket, tried.actions)
                happened = [event for event in ctx.events[mark:] if event.object_id == ticket.id]
                made = {name: change for event in happened for name, change in event.changes.items()}
                shown = TICKETS.shown_changes(made, ctx.principal.field_groups)
                changes = {name: to_jsonable_python(list(change)) for name, change in shown.items()}
                part.undo()
        except Refusal as refused:
            if refused.kind not in FAULTS:
                raise
            refusal = TrialRefusal(code=refused.code, detail=refused.detail)
    return RuleTrial(due_at=due_at, holds=holds, changes=changes, refusal=refusal)


async def _due_at(ctx: Ctx, timer: Timer, since: datetime) -> datetime | None:
    try:
        return await timer.due_at(ctx, since)
    except OUT_OF_REACH:
        # A calendar that hardly ever opens.
        return None
