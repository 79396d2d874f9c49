"""The versions of rules: what was published, as it was, and which of them is in force.

A version has the number that its rule got by the publication, is never changed, and outlives its rule: runs name it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from pydantic_core import to_jsonable_python
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.automation.actions.schemas import ActionList
from helpdesk_api.automation.rules import TERMS, Rule, RuleState, rules
from helpdesk_api.automation.timers import KeptTimer
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement, tenant_table

MOST_SHOWN: Final = 1_000

rule_versions = tenant_table(
    "rule_versions",
    Column("rule_id", Uuid, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("position", Integer, nullable=False),
    Column("occasions", ARRAY(Text), nullable=False),
    Column("timer", JSONB),
    Column("condition", JSONB),
    Column("actions", JSONB, nullable=False),
    Column("stops", Boolean, nullable=False),
    CheckConstraint("(timer IS NOT NULL) = ('elapsed' = ANY (occasions))", name="timer_with_its_occasion"),
    UniqueConstraint("tenant_id", "rule_id", "rule_version"),
    versioned=False,
)


class UnknownRuleVersionError(InvalidError):
    """The rule has no such version; its versions are listed."""

    code = "unknown_rule_version"
    title = "The rule has no such version"


class RuleVersion(Output):
    """What a rule said when it was published."""

    id: UUID
    version: Annotated[int, Field(description="`ticket.rule_applied` names it.")]
    recorded_at: Annotated[AwareDatetime, Field(description="When it was published for the first time.")]
    position: int
    occasions: list[str]
    timer: KeptTimer | None
    condition: ConditionTree | None
    actions: ActionList
    stops: bool
    is_in_force: bool


class RuleVersions(Output):
    """The versions of a rule, newest first."""

    data: list[RuleVersion]


_of_rule = (rule_versions.c.tenant_id == bindparam("tenant"), rule_versions.c.rule_id == bindparam("rule"))
_terms = tuple(rule_versions.c[name] for name in TERMS)
_ONE = Statement(select(*_terms).where(*_of_rule, rule_versions.c.rule_version == bindparam("version")))
_LIST = Statement(
    select(
        rule_versions.c.id,
        rule_versions.c.rule_version.label("version"),
        rule_versions.c.recorded_at,
        *_terms,
        and_(rules.c.state == RuleState.PUBLISHED, rules.c.published_version == rule_versions.c.rule_version).label(
            "is_in_force"
        ),
    )
    .join(rules, and_(rules.c.tenant_id == rule_versions.c.tenant_id, rules.c.id == rule_versions.c.rule_id))
    .where(*_of_rule)
    .order_by(rule_versions.c.rule_version.desc())
    .limit(MOST_SHOWN)
)
# What is in force, in the order in which it is tried.
IN_FORCE: Final = Statement(
    select(rules.c.id, rule_versions.c.rule_version.label("version"), *_terms)
    .join(
        rule_versions,
        and_(
            rule_versions.c.tenant_id == rules.c.tenant_id,
            rule_versions.c.rule_id == rules.c.id,
            rule_versions.c.rule_version == rules.c.published_version,
        ),
    )
    .where(rules.c.tenant_id == bindparam("tenant"), rules.c.state == RuleState.PUBLISHED)
    .order_by(rule_versions.c.position, rules.c.id)
)


def terms_of(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a version would be made of, as it is stored."""
    return {name: to_jsonable_python(whole[name]) for name in TERMS}


async def version_of(ctx: Ctx, rule_id: UUID, version: int) -> dict[str, Any]:
    """Give what a version of a rule is made of; raises UnknownRuleVersionError."""
    row = await ctx.tx.row(_ONE, {"tenant": ctx.tenant_id, "rule": rule_id, "version": version})
    if row is None:
        message = f"The rule {rule_id} has no version {version}."
        raise UnknownRuleVersionError(message, pointer="/version")
    return {name: row[name] for name in TERMS}


async def versions_of(ctx: Ctx, rule_id: UUID) -> list[RuleVersion]:
    """List what was published of a rule, newest first."""
    return await ctx.tx.all(RuleVersion, _LIST, {"tenant": ctx.tenant_id, "rule": rule_id})


async def keep_version(ctx: Ctx, rule: Rule) -> None:
    """Keep what has just been published of a rule."""
    await ctx.tx.run(
        insert(rule_versions).values(
            tenant_id=ctx.tenant_id,
            id=new_id(),
            rule_id=rule.id,
            rule_version=rule.version,
            recorded_at=ctx.now,
            **{name: getattr(rule, name) for name in TERMS},
        )
    )
