"""SLA policies: an ordered list of promises.

Which of them counts for a ticket is `agreements.promises`; the clocks that measure it live on the ticket
(`tickets.clocks`) and keep the version they were started with.
"""

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Body, Request, Response
from pydantic import AfterValidator, Field
from sqlalchemy import Boolean, Column, Index, Integer, Text, UniqueConstraint, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import JSONB
from typing_extensions import TypedDict

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.domain.business_time import BudgetOutOfReachError
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.sla import Metric
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import (
    MERGE_PATCH,
    ResourceRouter,
    add_delete,
    add_reading,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Count, Entity, Flag, Input, Label, Line, Prose, Seconds, patch_model
from helpdesk_api.kit.sql import Statement, reference, tenant_table
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.unit_of_work import allowed

Priority = Literal["low", "normal", "high", "urgent"]
TargetHours = Literal["business", "calendar"]

sla_policies = tenant_table(
    "sla_policies",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("position", Integer, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("calendar_id", Uuid),
    Column("conditions", JSONB, nullable=False),
    Column("targets", JSONB, nullable=False),
    UniqueConstraint("tenant_id", "name"),
    reference("calendar_id", "calendars"),
    Index(None, "tenant_id", "calendar_id"),
    Index(None, "tenant_id", "position", "id"),
)


class CalendarRequiredError(InvalidError):
    """Business time needs a calendar to be measured by."""

    code = "calendar_required"
    title = "A target in business hours needs a calendar"


class TargetOutOfReachError(InvalidError):
    """The calendar is open too seldom for the target ever to be used up."""

    code = "target_out_of_reach"
    title = "The target cannot be reached in the calendar's hours"


class ConditionsInput(Input):
    """Which tickets a policy is for; an empty list means any."""

    company_ids: Annotated[list[UUID], Field(max_length=1_000)] = Field(default=[])
    priorities: Annotated[list[Priority], Field(max_length=10)] = Field(default=[])
    types: Annotated[list[Label], Field(max_length=50)] = Field(default=[])


class TargetInput(Input):
    """How fast something must happen."""

    metric: Annotated[Metric, Field(description="What is measured.")]
    priority: Annotated[Priority | None, Field(description="For tickets of this priority; null for all others.")] = None
    seconds: Annotated[Seconds, Field(le=31_622_400, description="The time allowed, at most 366 days.")]
    hours: Annotated[
        TargetHours, Field(description="`business`: only the calendar's open time counts. `calendar`: all time counts.")
    ] = "business"
    warning_percent: Annotated[
        int | None,
        Field(
            strict=True, ge=1, le=99, description="Warn when this share of the time is used up; null for no warning."
        ),
    ] = 75


def _one_per_metric_and_priority(targets: list[TargetInput]) -> list[TargetInput]:
    if len({(target.metric, target.priority) for target in targets}) != len(targets):
        message = "there may be one target per metric and priority"
        raise ValueError(message)
    return targets


class SLAPolicyCreate(Input):
    """A new policy."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    position: Annotated[Count, Field(description="Policies are tried in this order, lowest first.")]
    is_active: Annotated[Flag, Field(description="Inactive policies start no clocks.")] = True
    calendar_id: Annotated[UUID | None, Field(description="Measures targets in business hours.")] = None
    conditions: ConditionsInput = Field(default_factory=ConditionsInput)
    targets: Annotated[
        list[TargetInput], Field(min_length=1, max_length=50), AfterValidator(_one_per_metric_and_priority)
    ]


class ConditionsShown(TypedDict):
    """Which tickets a policy is for; an empty list means any."""

    company_ids: list[Annotated[str, Field(json_schema_extra={"format": "uuid"})]]
    priorities: list[str]
    types: list[str]


class TargetShown(TypedDict):
    """How fast something must happen."""

    metric: str
    priority: str | None
    seconds: int
    hours: str
    warning_percent: int | None


class SLAPolicy(Entity):
    """A promise of how fast tickets are answered and resolved."""

    name: str
    description: str | None
    position: int
    is_active: bool
    calendar_id: UUID | None
    conditions: ConditionsShown
    targets: list[TargetShown]


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
        "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
        "conditions": {
            "company_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10"],
            "priorities": ["high", "urgent"],
            "types": [],
        },
        "targets": [
            {
                "metric": "first_response",
                "priority": None,
                "seconds": 3600,
                "hours": "business",
                "warning_percent": 75,
            },
            {
                "metric": "resolution",
                "priority": "urgent",
                "seconds": 14400,
                "hours": "calendar",
                "warning_percent": 50,
            },
        ],
    },
    filters=(Filter("name", sla_policies.c.name, str), Filter("is_active", sla_policies.c.is_active, bool)),
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

router = ResourceRouter(SLA_POLICIES)
add_reading(router, SLA_POLICIES)
add_delete(router, SLA_POLICIES)


@router.post(
    "",
    status_code=201,
    operation_id=operation(SLA_POLICIES, "create"),
    summary="Create an SLA policy",
    description="Stores a new policy and records `sla_policy.created`. It holds for clocks started from now on.",
)
async def create_policy(
    body: SLAPolicyCreate, request: Request, response: Response, ctx: Annotated[Ctx, allowed("sla-policies:write")]
) -> SLAPolicy:
    """Create a policy."""
    created = await add_policy(ctx, body)
    announce_created(request, response, created)
    return created


@router.patch(
    "/{id}",
    operation_id=operation(SLA_POLICIES, "update"),
    summary="Change an SLA policy",
    description="Changes the given fields and records `sla_policy.updated`. Clocks already running keep their targets.",
)
async def update_policy(
    id: UUID,
    body: Annotated[patch_model(SLAPolicyCreate), Body(media_type=MERGE_PATCH)],  # type: ignore[valid-type]  # made at run time.
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("sla-policies:write")],
) -> SLAPolicy:
    """Change a policy."""
    changed = await crud.amend(ctx, SLA_POLICIES, id, body.given(), expected=expected)
    await _check(ctx, changed)
    tag_response(response, changed)
    return changed


async def add_policy(ctx: Ctx, policy: SLAPolicyCreate) -> SLAPolicy:
    """Store a policy; raises CalendarRequiredError and UnknownReferenceError."""
    created = await crud.add(ctx, SLA_POLICIES, policy.model_dump())
    await _check(ctx, created)
    return created


async def _check(ctx: Ctx, policy: SLAPolicy) -> None:
    """Refuse a policy that could not be measured or names companies that do not exist."""
    if policy.calendar_id is None and any(target["hours"] == "business" for target in policy.targets):
        message = "A target in business hours needs calendar_id."
        raise CalendarRequiredError(message, pointer="/calendar_id")
    wanted = [UUID(str(company_id)) for company_id in policy.conditions["company_ids"]]
    known = await crud.fetch_many(ctx, COMPANIES, wanted)
    for index, company_id in enumerate(wanted):
        if company_id not in known:
            message = f"There is no company {company_id}."
            raise UnknownReferenceError(message, pointer=f"/conditions/company_ids/{index}")
    if policy.calendar_id is not None:
        calendar = await crud.fetch(ctx, CALENDARS, policy.calendar_id)
        _check_reachable(ctx, await hours_of(ctx, calendar.id, calendar.version), policy)


async def check_policies_of(ctx: Ctx, calendar_id: UUID, hours: Hours) -> None:
    """Refuse hours in which the targets of a policy measured by them could never be reached."""
    for policy in await ctx.tx.all(SLAPolicy, _BY_CALENDAR, {"tenant": ctx.tenant_id, "calendar": calendar_id}):
        _check_reachable(ctx, hours, policy)


def _check_reachable(ctx: Ctx, hours: Hours, policy: SLAPolicy) -> None:
    for index, target in enumerate(policy.targets):
        if target["hours"] == "business":
            try:
                hours.add(ctx.now, timedelta(seconds=target["seconds"]))
            except BudgetOutOfReachError as error:
                raise TargetOutOfReachError(
                    f"{policy.name}: {error.detail}",
                    pointer=f"/targets/{index}/seconds",
                    params={"sla_policy_id": str(policy.id)},
                ) from error
