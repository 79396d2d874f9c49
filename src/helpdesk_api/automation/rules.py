"""Rules: on which occasions, under which condition, in which order, and what is then done to the ticket.

Which of them fire is `automation.engine`. A rule acts for the tenant, with every right over its tickets, so it can only
be written by somebody who may change them all and is shown what it asks about and touches.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.automation.actions import TicketActionsInput, TicketActionsShown, check_actions
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.visibility import SHARED, ReachTooNarrowError
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import Count, Entity, Flag, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.tickets.condition_fields import Use, check_may_ask, fields_for

MOST_RULES: Final = 500

rules = tenant_table(
    "rules",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("position", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("occasions", ARRAY(Text), nullable=False),
    Column("condition", JSONB),
    Column("actions", JSONB, nullable=False),
    Column("stops", Boolean, nullable=False),
    # Failures in a row; they are no version of the rule.
    Column("failure_count", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('draft', 'published', 'disabled')", name="state"),
    UniqueConstraint("tenant_id", "name"),
    Index(None, "tenant_id", "position", "id"),
)


class Occasion(StrEnum):
    """What happens to a ticket, for rules to react to."""

    CREATED = "created"
    UPDATED = "updated"
    REPLIED = "replied"
    NOTED = "noted"
    SLA_WARNING = "sla_warning"
    SLA_BREACHED = "sla_breached"
    SLA_MET = "sla_met"
    SLA_MISSED = "sla_missed"


class RuleState(StrEnum):
    """Whether a rule fires: only a published one does."""

    DRAFT = "draft"
    PUBLISHED = "published"
    DISABLED = "disabled"


class TooManyRulesError(ConflictError):
    """The tenant has as many rules as it may have."""

    code = "too_many_rules"
    title = "There may be no more rules"


def _each_once(occasions: list[Occasion]) -> list[Occasion]:
    return sorted(set(occasions))


class RuleCreate(Input):
    """A new rule."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    position: Annotated[Count, Field(description="Rules are tried in this order, lowest first.")]
    state: Annotated[
        RuleState, Field(description="Only a `published` rule fires. One that fails five times in a row is `disabled`.")
    ] = RuleState.DRAFT
    occasions: Annotated[
        list[Occasion],
        Field(min_length=1, max_length=len(Occasion), description="It is tried when one of these happens to a ticket."),
        AfterValidator(_each_once),
    ]
    condition: Annotated[
        ConditionTree | None,
        Field(description="Of the ticket as earlier rules have left it, and of what happened; null for always."),
    ] = None
    actions: TicketActionsInput
    stops: Annotated[Flag, Field(description="Whether no further rule is tried once this one has fired.")] = False


class Rule(Entity):
    """What is done to tickets by itself."""

    name: str
    description: str | None
    position: int
    state: Annotated[str, Field(examples=list(RuleState))]
    occasions: Annotated[list[str], Field(examples=[list(Occasion)])]
    condition: ConditionTree | None
    actions: TicketActionsShown
    stops: bool


RULES = Resource(
    name="rule",
    plural="rules",
    table=rules,
    read=Rule,
    example={
        "name": "Urgent tickets of the north go to the night shift",
        "description": None,
        "position": 10,
        "state": "published",
        "occasions": ["created", "updated"],
        "condition": {
            "all": [
                {"field": "priority", "op": "eq", "value": "urgent"},
                {"field": "company.territory", "op": "eq", "value": "north"},
            ]
        },
        "actions": {
            "set": {"team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02"},
            "add_tags": ["night"],
            "remove_tags": [],
        },
        "stops": False,
    },
    filters=(Filter("name", rules.c.name, str), Filter("state", rules.c.state, RuleState)),
    sorts=(Sort("position", rules.c.position, "integer"), Sort("name", rules.c.name, "text")),
    default_sort="position",
    rows=SHARED,
)

_FORGIVEN = Statement(
    update(rules)
    .where(rules.c.tenant_id == bindparam("tenant"), rules.c.id == bindparam("rule"))
    .values(failure_count=0)
)
_COUNT = Statement(select(func.count()).select_from(rules).where(rules.c.tenant_id == bindparam("tenant")))


async def check_rule(ctx: Ctx, given: dict[str, Any], before: Rule | None) -> dict[str, Any]:
    """Refuse a rule that its author may not write; raises also what reading its condition raises."""
    ctx.principal.require("tickets:write")
    if not ctx.principal.reach.is_unlimited:
        message = "A rule changes every ticket of the tenant; this caller sees some of them."
        raise ReachTooNarrowError(message)
    whole: Mapping[str, Any] = given if before is None else {**vars(before), **given}
    if whole["condition"] is not None:
        condition = read_condition(whole["condition"], fields_for(Use.RULE), pointer="/condition")
        check_may_ask(ctx.principal, condition, pointer="/condition")
    if "actions" in given or given.get("state") == RuleState.PUBLISHED:
        await check_actions(ctx, whole["actions"], pointer="/actions")
    if before is None and await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_RULES:
        message = f"A tenant may have {MOST_RULES} rules."
        raise TooManyRulesError(message, params={"most": MOST_RULES})
    return given


async def begin_anew(ctx: Ctx, given: Mapping[str, Any], before: Rule | None, after: Rule) -> None:
    """Forget the failures of a rule that is published again: somebody has seen to what was wrong with it."""
    if before is not None and "state" in given:
        await ctx.tx.run(_FORGIVEN, {"tenant": ctx.tenant_id, "rule": after.id})


router = ResourceRouter(RULES)
add_reading(router, RULES)
_RIGHTS = "It needs `tickets:write` over all tickets too."
add_create(router, RULES, RuleCreate, check=check_rule, note=_RIGHTS)
add_update(router, RULES, patch_model(RuleCreate), check=check_rule, follow=begin_anew, note=_RIGHTS)
add_delete(router, RULES)
