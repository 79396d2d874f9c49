"""What policies promise a ticket: per metric the target of the first policy that has one.

The policies themselves are `agreements.sla_policies`, which of them are for a ticket is `tickets.policy_choice`; the
clocks that measure a promise live on the ticket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, select, true

from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.calendars import calendars
from helpdesk_api.agreements.coverage import HAS_CONTRACTS
from helpdesk_api.agreements.escalation_schemas import read_steps
from helpdesk_api.agreements.sla_policies import sla_policies
from helpdesk_api.agreements.sla_policy_schemas import TargetHours
from helpdesk_api.directory.locations import locations
from helpdesk_api.domain.business_days import end_of_business_day
from helpdesk_api.domain.escalation import EscalationStep
from helpdesk_api.domain.sla import Metric
from helpdesk_api.domain.workflow import DEFAULT_PAUSES, Conduct, OnChange, OnReopen, Status
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import Statement

_of_tenant = sla_policies.c.tenant_id == bindparam("tenant_id")
_columns = (
    sla_policies.c.id,
    sla_policies.c.version,
    sla_policies.c.condition,
    sla_policies.c.targets,
    sla_policies.c.calendar_id,
    sla_policies.c.uses_location_calendar,
    calendars.c.version.label("calendar_version"),
)
_measures = (calendars.c.tenant_id == sla_policies.c.tenant_id) & (calendars.c.id == sla_policies.c.calendar_id)
_tenant = select(HAS_CONTRACTS.label("has_contracts")).subquery("tenant")
# One row at least, which tells whether there are contracts.
_ACTIVE = Statement(
    select(_tenant.c.has_contracts, *_columns)
    .select_from(
        _tenant.outerjoin(
            sla_policies,
            and_(_of_tenant, sla_policies.c.is_active == true(), sla_policies.c.state == "published"),
        ).outerjoin(calendars, _measures)
    )
    .order_by(sla_policies.c.position, sla_policies.c.id)
)
_AGREED = Statement(
    select(*_columns)
    .outerjoin(calendars, _measures)
    .where(_of_tenant, sla_policies.c.id == bindparam("policy"), sla_policies.c.state == "published")
)
_CALENDAR = Statement(
    select(calendars.c.version).where(
        calendars.c.tenant_id == bindparam("tenant"), calendars.c.id == bindparam("calendar")
    )
)
_OF_LOCATION = Statement(
    select(calendars.c.id, calendars.c.version)
    .join(locations, (locations.c.tenant_id == calendars.c.tenant_id) & (locations.c.calendar_id == calendars.c.id))
    .where(locations.c.tenant_id == bindparam("tenant"), locations.c.id == bindparam("location"))
)


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies that promise something to whom they fit, in order; and whether the tenant has contracts."""

    rows: Sequence[Record]
    has_contracts: bool


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised for one metric of one ticket, and by which version of which policy and calendar."""

    metric: Metric
    seconds: float
    warning_seconds: float | None
    hours: TargetHours
    policy_id: UUID
    policy_version: int
    calendar_id: UUID | None
    calendar_version: int | None
    conduct: Conduct
    steps: tuple[EscalationStep, ...] = ()


@dataclass(frozen=True, slots=True)
class _Measure:
    """The calendar of targets in business hours, and which version of it; a policy without such targets has none."""

    calendar_id: UUID
    version: int


async def active_policies(ctx: Ctx) -> Policies:
    """Read the policies that are in force."""
    rows = await ctx.tx.rows(_ACTIVE, {"tenant_id": ctx.tenant_id})
    return Policies([row for row in rows if row["id"] is not None], rows[0]["has_contracts"])


async def promises_by(
    ctx: Ctx, fitting: Sequence[Record], ticket: Mapping[str, Any], *, since: datetime
) -> dict[Metric, Promise]:
    """Find what is promised for a ticket of these values by the policies that are for it, given in their order.

    The policy that its contract or service brings (`sla_policy_id`) goes before all of them, whatever its condition,
    also when it is not active; their calendar measures all targets in business hours. Else it is that of the location,
    if the policy says so and there is one, else that of the policy. `since` is when the ticket was created, from which
    business days are counted.
    """
    rows = [*await _agreed(ctx, ticket["sla_policy_id"]), *fitting]
    agreed = await _calendar(ctx, ticket["calendar_id"])
    by_place = agreed is None and any(row["uses_location_calendar"] for row in rows)
    of_place = await _calendar_of_location(ctx, ticket["location_id"]) if by_place else None
    found: dict[Metric, Promise] = {}
    for row in rows:
        measure = agreed or (of_place if row["uses_location_calendar"] else None) or _own(row)
        for metric in Metric:
            target = _target(row["targets"], metric, ticket["priority"])
            if metric not in found and target is not None:
                found[metric] = await _promise(ctx, row, metric, target, since=since, measure=measure)
        if len(found) == len(Metric):
            break
    return found


async def _agreed(ctx: Ctx, policy_id: UUID | None) -> Sequence[Record]:
    if policy_id is None:
        return ()
    return await ctx.tx.rows(_AGREED, {"tenant_id": ctx.tenant_id, "policy": policy_id})


async def _calendar(ctx: Ctx, calendar_id: UUID | None) -> _Measure | None:
    """Give the calendar that was agreed, as it is known now; one that is gone measures nothing any more."""
    if calendar_id is None:
        return None
    version = await ctx.tx.value(_CALENDAR, {"tenant": ctx.tenant_id, "calendar": calendar_id})
    return None if version is None else _Measure(calendar_id, version)


async def _calendar_of_location(ctx: Ctx, location_id: UUID | None) -> _Measure | None:
    if location_id is None:
        return None
    row = await ctx.tx.row(_OF_LOCATION, {"tenant": ctx.tenant_id, "location": location_id})
    return None if row is None else _Measure(row["id"], row["version"])


def _own(row: Record) -> _Measure | None:
    return None if row["calendar_id"] is None else _Measure(row["calendar_id"], row["calendar_version"])


def _target(targets: list[dict[str, Any]], metric: Metric, priority: str) -> dict[str, Any] | None:
    """Choose the target of a metric: that of the very priority before the one for all."""
    fitting = [t for t in targets if t["metric"] == metric and t["priority"] in {priority, None}]
    return max(fitting, key=lambda t: t["priority"] is not None, default=None)


async def _promise(
    ctx: Ctx, row: Record, metric: Metric, target: dict[str, Any], *, since: datetime, measure: _Measure | None
) -> Promise:
    percent = target["warning_percent"]
    measure = measure if target["hours"] == "business" else None
    seconds = target["seconds"]
    if seconds is None and measure is not None:
        # A budget of open time that ends with the day: a pause moves it by the open time that was waited.
        hours = await hours_of(ctx, measure.calendar_id, measure.version)
        ends_at = end_of_business_day(hours, since, target["days"])
        seconds = hours.between(since, ends_at).total_seconds()
    return Promise(
        metric=metric,
        seconds=seconds,
        warning_seconds=None if percent is None else seconds * percent // 100,
        hours=target["hours"],
        policy_id=row["id"],
        policy_version=row["version"],
        calendar_id=None if measure is None else measure.calendar_id,
        calendar_version=None if measure is None else measure.version,
        conduct=_conduct(metric, target),
        steps=read_steps(target["escalations"]),
    )


def _conduct(metric: Metric, target: dict[str, Any]) -> Conduct:
    pauses_in = target["pauses_in"]
    return Conduct(
        pauses_in=DEFAULT_PAUSES[metric] if pauses_in is None else frozenset(map(Status, pauses_in)),
        on_reopen=OnReopen(target["on_reopen"]),
        on_change=OnChange(target["on_change"]),
    )
