"""What is promised for a ticket: per metric the target of the first active policy that fits it.

The policies themselves are `agreements.sla_policies`; the clocks that measure a promise live on the ticket.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, true

from helpdesk_api.agreements.calendars import calendars
from helpdesk_api.agreements.sla_policies import TargetHours, sla_policies
from helpdesk_api.domain.sla import Metric
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.sql import Statement

_ACTIVE = Statement(
    select(
        sla_policies.c.id,
        sla_policies.c.version,
        sla_policies.c.conditions,
        sla_policies.c.targets,
        sla_policies.c.calendar_id,
        calendars.c.version.label("calendar_version"),
    )
    .outerjoin(
        calendars,
        (calendars.c.tenant_id == sla_policies.c.tenant_id) & (calendars.c.id == sla_policies.c.calendar_id),
    )
    .where(sla_policies.c.tenant_id == bindparam("tenant_id"), sla_policies.c.is_active == true())
    .order_by(sla_policies.c.position, sla_policies.c.id)
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised for one metric of one ticket, and by which version of which policy and calendar."""

    metric: Metric
    seconds: int
    warning_seconds: int | None
    hours: TargetHours
    policy_id: UUID
    policy_version: int
    calendar_id: UUID | None
    calendar_version: int | None


async def promises_for(ctx: Ctx, *, company_id: UUID | None, priority: str, ticket_type: str) -> dict[Metric, Promise]:
    """Find what is promised for such a ticket: per metric the first policy that fits and has a target."""
    found: dict[Metric, Promise] = {}
    for row in await ctx.tx.rows(_ACTIVE, {"tenant_id": ctx.tenant_id}):
        conditions = row["conditions"]
        if (
            (conditions["company_ids"] and str(company_id) not in conditions["company_ids"])
            or (conditions["priorities"] and priority not in conditions["priorities"])
            or (conditions["types"] and ticket_type not in conditions["types"])
        ):
            continue
        for metric in Metric:
            target = _target(row["targets"], metric, priority)
            if metric not in found and target is not None:
                found[metric] = _promise(row, metric, target)
        if len(found) == len(Metric):
            break
    return found


def _target(targets: list[dict[str, Any]], metric: Metric, priority: str) -> dict[str, Any] | None:
    """Choose the target of a metric: that of the very priority before the one for all."""
    fitting = [t for t in targets if t["metric"] == metric and t["priority"] in {priority, None}]
    return max(fitting, key=lambda t: t["priority"] is not None, default=None)


def _promise(row: Record, metric: Metric, target: dict[str, Any]) -> Promise:
    percent = target["warning_percent"]
    in_business = target["hours"] == "business"
    return Promise(
        metric=metric,
        seconds=target["seconds"],
        warning_seconds=None if percent is None else target["seconds"] * percent // 100,
        hours=target["hours"],
        policy_id=row["id"],
        policy_version=row["version"],
        calendar_id=row["calendar_id"] if in_business else None,
        calendar_version=row["calendar_version"] if in_business else None,
    )
