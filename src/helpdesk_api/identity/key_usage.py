"""What API keys are used for: requests per key, operation and day.

It shows whether anybody still calls what is about to go, what a key really needs, and that a key is in the wrong hands.
Each process stores what it has counted (`kit.usage`) every few seconds, and once more when it stops.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, Column, Date, DateTime, Index, Text, UniqueConstraint, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from helpdesk_api.domain.errors import Refusal
from helpdesk_api.identity.api_keys import API_KEYS, api_keys
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import LocalDate, Output
from helpdesk_api.kit.sql import Statement, reference, tenant_table
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.usage import Count, Used

log = structlog.get_logger()

_SHOWN_UNLESS_ASKED = timedelta(days=30)

api_key_usage = tenant_table(
    "api_key_usage",
    Column("key_id", Uuid, nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("used_on", Date, nullable=False),
    Column("request_count", BigInteger, nullable=False),
    Column("refused_count", BigInteger, nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "key_id", "operation_id", "used_on"),
    Index(None, "tenant_id", "used_on"),
    reference("key_id", "api_keys", ondelete="CASCADE"),
    versioned=False,
)

USAGE_KEPT: Final = Kept(
    name="api_key_usage",
    meaning="What API keys were used for, after the day that is counted.",
    table=api_key_usage,
    since=api_key_usage.c.used_on,
    days=Days(default=400, least=30, most=1_095),
)

_COUNTED = ("id", "key_id", "operation_id", "used_on", "request_count", "refused_count", "last_used_at")
_counted = select(
    *(func.unnest(bindparam(name, type_=ARRAY(api_key_usage.c[name].type))).label(name) for name in _COUNTED)
).subquery("counted")
_add = insert(api_key_usage).from_select(
    ["tenant_id", *_COUNTED],
    # Only API keys are counted, not the sessions of people; and a key may be gone by now.
    select(api_keys.c.tenant_id, *_counted.c)
    .join(api_keys, api_keys.c.id == _counted.c.key_id)
    .where(api_keys.c.tenant_id == bindparam("tenant"))
    # Processes that store the same counters at once lock them in one order.
    .order_by(_counted.c.key_id, _counted.c.operation_id, _counted.c.used_on),
)
_ADD = Statement(
    _add.on_conflict_do_update(
        index_elements=["tenant_id", "key_id", "operation_id", "used_on"],
        set_={
            "request_count": api_key_usage.c.request_count + _add.excluded.request_count,
            "refused_count": api_key_usage.c.refused_count + _add.excluded.refused_count,
            "last_used_at": func.greatest(api_key_usage.c.last_used_at, _add.excluded.last_used_at),
        },
    )
)
_SUM = Statement(
    select(
        api_key_usage.c.operation_id,
        func.sum(api_key_usage.c.request_count).cast(BigInteger).label("request_count"),
        func.sum(api_key_usage.c.refused_count).cast(BigInteger).label("refused_count"),
        func.max(api_key_usage.c.last_used_at).label("last_used_at"),
    )
    .where(
        api_key_usage.c.tenant_id == bindparam("tenant"),
        api_key_usage.c.key_id == bindparam("key"),
        api_key_usage.c.used_on >= bindparam("since", type_=Date),
    )
    .group_by(api_key_usage.c.operation_id)
    .order_by(api_key_usage.c.operation_id)
)


class OperationUsage(Output):
    """How a key used one operation."""

    operation_id: Annotated[str, Field(description="The operation, as this document names it.")]
    request_count: int
    refused_count: Annotated[int, Field(description="How many of the requests were answered with a problem.")]
    last_used_at: Annotated[AwareDatetime, Field(description="In real time.")]


class ApiKeyUsage(Output):
    """How a key was used since a day, operation by operation."""

    since: Annotated[date, Field(description="The first day (UTC) that is counted.")]
    data: list[OperationUsage]


class _UsageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: Annotated[
        LocalDate | None, Field(description="Count from the beginning of this day (UTC) on; 30 days ago if absent.")
    ] = None


router = APIRouter(prefix=f"/v1/{API_KEYS.plural}", tags=[API_KEYS.plural], route_class=UnitOfWorkRoute)


@router.get(
    "/{id}/usage",
    operation_id="api_keys_usage",
    openapi_extra=documented(_UsageQuery),
    summary="Tell what an API key is used for",
    description=(
        "Counts the requests made with a key, by operation: to find out who still calls what is deprecated, and what a "
        "key needs. At most a minute behind."
    ),
)
async def read_usage(id: UUID, request: Request, ctx: Annotated[Ctx, allowed("api-keys:read")]) -> ApiKeyUsage:
    """Sum up the counters of a key."""
    query = read_query(request, _UsageQuery)
    await crud.fetch(ctx, API_KEYS, id)
    since = query.since or (ctx.real_now - _SHOWN_UNLESS_ASKED).date()
    used = await ctx.tx.all(OperationUsage, _SUM, {"tenant": ctx.tenant_id, "key": id, "since": since})
    return ApiKeyUsage.trusted({"since": since, "data": used})


async def keep_storing(runtime: Runtime, stopping: asyncio.Event, *, every_seconds: float) -> None:
    """Store what this process counts until `stopping` is set; then once more."""
    while not stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), every_seconds)
        try:
            await store(runtime)
        except Exception:
            log.exception("usage.store_failed")


async def store(runtime: Runtime) -> None:
    """Store what was counted, tenant by tenant; what cannot be stored now is kept for the next time."""
    by_tenant: defaultdict[UUID, dict[Used, Count]] = defaultdict(dict)
    for used, count in runtime.usage.take().items():
        by_tenant[used.tenant_id][used] = count
    for tenant_id, counts in by_tenant.items():
        try:
            async with runtime.db.transaction(tenant_id) as transaction:
                await transaction.run(_ADD, _columns(tenant_id, counts))
        except Refusal as refusal:
            runtime.usage.give_back(counts)
            log.warning("usage.not_stored", code=refusal.code)


def _columns(tenant_id: UUID, counts: dict[Used, Count]) -> dict[str, object]:
    return {
        "tenant": tenant_id,
        "id": [new_id() for _ in counts],
        "key_id": [used.credential_id for used in counts],
        "operation_id": [used.operation_id for used in counts],
        "used_on": [used.on for used in counts],
        "request_count": [count.requests for count in counts.values()],
        "refused_count": [count.refused for count in counts.values()],
        "last_used_at": [count.last_at for count in counts.values()],
    }
