"""Writing rules: who may, what is published by it, and what stays a draft.

A rule acts for the tenant, with every right over its tickets, so it can only be written by somebody who may change them
all and is shown what it asks about and touches. An edit of a published rule is a draft until it is published; until
then the rule fires by the version that is in force.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from helpdesk_api.automation.actions.checking import check_actions
from helpdesk_api.automation.analysing import check_can_fire
from helpdesk_api.automation.elapsing import schedule_arming
from helpdesk_api.automation.rule_versions import keep_version, terms_of, version_of
from helpdesk_api.automation.rules import RULES, Occasion, Rule, RuleState, rules
from helpdesk_api.automation.timers import check_timer
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.condition_fields import Use, check_may_ask, fields_among
from helpdesk_api.tickets.custom_conditions import offered_to

MOST_RULES: Final = 500

_FORGIVEN = Statement(
    update(rules)
    .where(rules.c.tenant_id == bindparam("tenant"), rules.c.id == bindparam("rule"))
    .values(failure_count=0)
)
_COUNT = Statement(select(func.count()).select_from(rules).where(rules.c.tenant_id == bindparam("tenant")))


class TooManyRulesError(ConflictError):
    """The tenant has as many rules as it may have."""

    code = "too_many_rules"
    title = "There may be no more rules"


async def check_rule(ctx: Ctx, given: Mapping[str, Any], before: Rule | None) -> Mapping[str, Any]:
    """Refuse a rule that its author may not write; gives it whole. Raises also what reading its condition raises."""
    ctx.principal.require("tickets:write")
    if not ctx.principal.reach.is_unlimited:
        message = "A rule changes every ticket of the tenant; this caller sees some of them."
        raise ReachTooNarrowError(message)
    whole: Mapping[str, Any] = given if before is None else {**vars(before), **given}
    if whole["condition"] is not None:
        offered = await offered_to(ctx, whole["condition"])
        condition = read_condition(whole["condition"], fields_among(offered, Use.RULE), pointer="/condition")
        check_may_ask(ctx.principal, condition, pointer="/condition", among=offered)
    await check_timer(ctx, whole["timer"], is_occasion=Occasion.ELAPSED in whole["occasions"], pointer="/timer")
    if "actions" in given or given.get("state") == RuleState.PUBLISHED:
        await check_actions(ctx, whole["actions"], pointer="/actions")
    if given.get("state") == RuleState.PUBLISHED:
        await check_can_fire(ctx, terms_of(whole))
    return whole


async def check_written(ctx: Ctx, given: dict[str, Any], before: Rule | None) -> dict[str, Any]:
    """Refuse what may not be written, and say what is published by it; what is stated to be published is."""
    whole = await check_rule(ctx, given, before)
    if before is None and await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_RULES:
        message = f"A tenant may have {MOST_RULES} rules."
        raise TooManyRulesError(message, params={"most": MOST_RULES})
    published = None if before is None else before.published_version
    has_draft = published is None or terms_of(whole) != terms_of(await version_of(ctx, whole["id"], published))
    if has_draft and given.get("state") == RuleState.PUBLISHED:
        published, has_draft = 1 if before is None else before.version + 1, False
    return given | {"published_version": published, "has_draft": has_draft}


async def begin_anew(ctx: Ctx, given: Mapping[str, Any], before: Rule | None, after: Rule) -> None:
    """Keep what was published. Failures are forgotten: somebody has seen to what was wrong with the rule."""
    if after.published_version == after.version and (before is None or before.version != after.version):
        await keep_version(ctx, after)
    if before is not None and "state" in given:
        await ctx.tx.run(_FORGIVEN, {"tenant": ctx.tenant_id, "rule": after.id})
    if given.get("state") == RuleState.PUBLISHED and after.timer is not None:
        await schedule_arming(ctx, after.id)


async def publish(ctx: Ctx, rule_id: UUID, *, version: int | None, expected: int | None) -> Rule:
    """Publish a rule as it stands, or put a version that was published before in force again, draft and all.

    Raises UnknownRuleVersionError, StaleVersionError and what `check_rule` raises: what an old version refers to may
    be gone.
    """
    before = await crud.fetch_locked(ctx, RULES, rule_id)
    given: dict[str, Any] = {"state": RuleState.PUBLISHED}
    if version is None:
        values = await check_written(ctx, given, before)
    else:
        given |= await version_of(ctx, rule_id, version)
        await check_rule(ctx, given, before)
        values = given | {"published_version": version, "has_draft": False}
    after = await crud.amend(ctx, RULES, rule_id, values, expected=expected)
    await begin_anew(ctx, given, before, after)
    return after
