"""SLA policies: an ordered list of promises, of which every version is kept.

For which tickets a policy is says its condition, which `tickets.policy_choice` reads; what it promises them is
`agreements.promises`. The clocks that measure it live on the ticket and keep the version they were started with.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
    bindparam,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.policy_checks import check_reachable, check_terms
from helpdesk_api.agreements.sla_policy_schemas import (
    SLAPolicy,
    SLAPolicyCreate,
    SLAPolicyVersion,
    SLAPolicyVersions,
)
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.checked_changes import create
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.sql import Statement, reference, tenant_table

MOST_VERSIONS = 1_000
_TERMS = ("position", "is_active", "state", "calendar_id", "uses_location_calendar", "condition", "targets")

sla_policies = tenant_table(
    "sla_policies",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("position", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("calendar_id", Uuid),
    Column("uses_location_calendar", Boolean, nullable=False, server_default="false"),
    Column("condition", JSONB),
    Column("targets", JSONB, nullable=False),
    CheckConstraint("state IN ('draft', 'published')", name="state"),
    UniqueConstraint("tenant_id", "name"),
    reference("calendar_id", "calendars"),
    Index(None, "tenant_id", "calendar_id"),
    Index(None, "tenant_id", "position", "id"),
)

# A version refers to its policy by id only: clocks that were promised by it outlive the policy.
sla_policy_versions = tenant_table(
    "sla_policy_versions",
    Column("policy_id", Uuid, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("position", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("calendar_id", Uuid),
    Column("uses_location_calendar", Boolean, nullable=False, server_default="false"),
    Column("condition", JSONB),
    Column("targets", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "policy_id", "policy_version"),
    versioned=False,
)


class PolicyPublishedError(ConflictError):
    """What has been promised does not become a draft again; it can be made inactive."""

    code = "policy_published"
    title = "The policy has been published"


SLA_POLICIES = Resource(
    name="sla_policy",
    plural="sla-policies",
    table=sla_policies,
    read=SLAPolicy,
    example={
        "name": "Gold",
        "description": "Contract class Gold: four hours to resolve what is urgent.",
        "position": 10,
        "is_active": True,
        "state": "published",
        "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
        "uses_location_calendar": False,
        "condition": {
            "all": [
                {"field": "company.category", "op": "eq", "value": "gold"},
                {"field": "priority", "op": "gte", "value": "high"},
            ]
        },
        "targets": [
            {
                "metric": "first_response",
                "priority": None,
                "seconds": 3600,
                "days": None,
                "hours": "business",
                "warning_percent": 75,
                "pauses_in": [],
                "on_reopen": "resume",
                "on_change": "keep",
                "escalations": [],
            },
            {
                "metric": "resolution",
                "priority": "urgent",
                "seconds": 14400,
                "days": None,
                "hours": "calendar",
                "warning_percent": 50,
                "pauses_in": None,
                "on_reopen": "resume",
                "on_change": "keep",
                "escalations": [
                    {
                        "key": "lead",
                        "percent": 75,
                        "offset_seconds": None,
                        "notify_assignee": True,
                        "notify_team": False,
                        "notify_user_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e05"],
                        "team_id": None,
                        "assignee_id": None,
                        "raise_priority_to": "urgent",
                    }
                ],
            },
        ],
    },
    filters=(
        Filter("name", sla_policies.c.name, str),
        Filter("is_active", sla_policies.c.is_active, bool),
        Filter("state", sla_policies.c.state, str),
    ),
    sorts=(Sort("position", sla_policies.c.position, "integer"), Sort("name", sla_policies.c.name, "text")),
    default_sort="position",
    includes=(Include("calendar", "calendar_id", CALENDARS),),
    rows=SHARED,
)

_BY_CALENDAR = Statement(
    select(*SLA_POLICIES.columns).where(
        sla_policies.c.tenant_id == bindparam("tenant"), sla_policies.c.calendar_id == bindparam("calendar")
    )
)
_VERSIONS = Statement(
    select(
        sla_policy_versions.c.id,
        sla_policy_versions.c.policy_version.label("version"),
        sla_policy_versions.c.recorded_at,
        *(sla_policy_versions.c[name] for name in _TERMS),
    )
    .where(
        sla_policy_versions.c.tenant_id == bindparam("tenant"), sla_policy_versions.c.policy_id == bindparam("policy")
    )
    .order_by(sla_policy_versions.c.policy_version)
    .limit(MOST_VERSIONS)
)


async def keep_version(ctx: Ctx, given: Mapping[str, Any], before: SLAPolicy | None, after: SLAPolicy) -> None:
    """Keep a version of a policy that promises something else than before.

    Raises PolicyPublishedError, and what `policy_checks.check_terms` raises.
    """
    del given
    if before is not None and before.version == after.version:
        return
    if before is not None and (before.state, after.state) == ("published", "draft"):
        message = "A published policy does not become a draft again; make it inactive instead."
        raise PolicyPublishedError(message, pointer="/state")
    await check_terms(ctx, after, before)
    await ctx.tx.run(
        insert(sla_policy_versions).values(
            tenant_id=ctx.tenant_id,
            id=new_id(),
            policy_id=after.id,
            policy_version=after.version,
            recorded_at=ctx.now,
            **{name: getattr(after, name) for name in _TERMS},
        )
    )


async def add_policy(ctx: Ctx, policy: SLAPolicyCreate) -> SLAPolicy:
    """Store a policy of the product's own, whose condition takes nobody's rights, and its first version.

    Raises what `keep_version` raises.
    """
    return await create(ctx, SLA_POLICIES, policy.model_dump(), follow=keep_version)


async def versions_of(ctx: Ctx, policy_id: UUID) -> SLAPolicyVersions:
    """Give the versions of a policy, oldest first; raises NotFoundError."""
    await crud.fetch(ctx, SLA_POLICIES, policy_id)
    return SLAPolicyVersions.trusted(
        {"data": await ctx.tx.all(SLAPolicyVersion, _VERSIONS, {"tenant": ctx.tenant_id, "policy": policy_id})}
    )


async def check_policies_of(ctx: Ctx, calendar_id: UUID, hours: Hours) -> None:
    """Refuse hours in which the targets of a policy measured by them could never be reached."""
    for policy in await ctx.tx.all(SLAPolicy, _BY_CALENDAR, {"tenant": ctx.tenant_id, "calendar": calendar_id}):
        check_reachable(ctx, hours, policy)
