"""The clocks of all tickets that are due next, as a list and as counts: overdue, due soon, by metric.

Paused clocks are due never, unless their deadline was set by hand, and are not among them. Both are read from indexes
that hold nothing else, in the order of the deadlines, so they cost the same however many tickets are open.
"""

from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, Field, create_model
from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Label,
    Text,
    bindparam,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.sla import Metric
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Listing, PageQuery, Sort
from helpdesk_api.kit.paging import COUNT_LIMIT, find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.schema import Instant, Output, Page, Total
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.visibility import RowRules, seen_rows
from helpdesk_api.tickets.attainment import RECORDED, recorded
from helpdesk_api.tickets.attainment_schemas import ClockRecord
from helpdesk_api.tickets.models import sla_clocks, tickets
from helpdesk_api.tickets.resources import TICKETS

router = APIRouter(prefix="/v1/sla-clocks", tags=["sla-clocks"], route_class=UnitOfWorkRoute)

# Written as the indexes have it.
_IS_DUE: Final = literal_column("sla_clocks.state IN ('running', 'paused') AND sla_clocks.due_at IS NOT NULL", Boolean)
_ROWS: Final[RowRules] = {
    kind: sla_clocks.c.ticket_id.in_(
        select(tickets.c.id).where(tickets.c.tenant_id == sla_clocks.c.tenant_id, condition)
    )
    for kind, condition in TICKETS.rows.items()
}
DUE_CLOCKS: Final = Listing(
    columns=RECORDED,
    tenant=sla_clocks.c.tenant_id,
    key=sla_clocks.c.id,
    filters=(Filter("due_at", sla_clocks.c.due_at, Instant, "range"),),
    sorts=(Sort("due_at", sla_clocks.c.due_at, "instant", is_filled=True),),
    default_sort="due_at",
    rows=_ROWS,
    always=(_IS_DUE,),
)
_OF_METRIC: Final[Any] = (Metric | None, Field(default=None, description="Of this metric only."))


def _query_model() -> type[PageQuery]:
    return create_model("DueQuery", __base__=DUE_CLOCKS.query_model, metric=_OF_METRIC)


_QUERY: Final = _query_model()


class DueCount(Output):
    """How many clocks of one metric are overdue, and due soon; counted up to 10,000 each."""

    metric: Metric
    overdue: Total
    due_soon: Total


class DueCounts(Output):
    """How many clocks are overdue, and how many are due soon, by metric."""

    as_of: AwareDatetime
    until: Annotated[AwareDatetime, Field(description="What is due after `as_of` and by this instant is due soon.")]
    data: list[DueCount]


@router.get(
    "",
    operation_id="sla_clocks_list_due",
    openapi_extra=documented(_QUERY),
    summary="List what is due next",
    description=(
        "Pages through the clocks of all tickets that have a deadline, those that are due first, or longest overdue, "
        "first: what is overdue is `due_at[lte]` now. Clocks that wait are not among them, unless their deadline was "
        "set by hand. `GET /v1/tickets` narrows tickets by the earliest deadline of their clocks and by all else."
    ),
)
async def list_due(request: Request, ctx: Annotated[Ctx, allowed("tickets:read")]) -> Page[ClockRecord]:
    """List clocks by their deadlines."""
    query = read_query(request, _QUERY)
    within = {name: value for name, value in query.model_dump(include={"metric"}).items() if value is not None}
    found = await find_page(ctx, DUE_CLOCKS, query, request.app.state.runtime.signer, **within)
    return Page[ClockRecord].trusted(
        {"data": await recorded(ctx, found.rows), "page": found.page, "total": found.total}
    )


@router.get(
    "/counts",
    operation_id="sla_clocks_count_due",
    summary="Count what is overdue and due soon",
    description="Counts for each metric how many deadlines have passed and how many come soon; at most 10,000 of each.",
)
async def count_due(
    ctx: Annotated[Ctx, allowed("tickets:read")],
    within_seconds: Annotated[int, Query(ge=1, le=31_622_400, description="What soon means.")] = 3_600,
) -> DueCounts:
    """Count clocks by their deadlines."""
    until = ctx.now + timedelta(seconds=within_seconds)
    reach = ctx.principal.reach
    params = {"tenant": ctx.tenant_id, "now": ctx.now, "until": until, "most": COUNT_LIMIT + 1, **reach.values}
    counts = {row["metric"]: row for row in await ctx.tx.rows(counts_seen_by(reach.kind), params)}
    data = [
        DueCount(metric=metric, overdue=_total(counts[metric]["overdue"]), due_soon=_total(counts[metric]["due_soon"]))
        for metric in Metric
    ]
    return DueCounts(as_of=ctx.now, until=until, data=data)


@cache
def counts_seen_by(kind: str) -> Statement:
    """Give the statement that counts what a kind of reach sees."""
    metrics = select(func.unnest(literal(list(Metric), ARRAY(Text))).label("metric")).subquery("metrics")
    now, until = (bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "until"))

    def count(name: str, *conditions: ColumnElement[bool]) -> Label[int]:
        found = (
            select(literal_column("1"))
            .select_from(sla_clocks)
            .where(
                sla_clocks.c.tenant_id == bindparam("tenant"),
                sla_clocks.c.metric == metrics.c.metric,
                _IS_DUE,
                *conditions,
                *seen_rows(_ROWS, kind),
            )
            .limit(bindparam("most", type_=Integer))
            .correlate(metrics)
            .subquery()
        )
        return select(func.count()).select_from(found).correlate(metrics).scalar_subquery().label(name)

    return Statement(
        select(
            metrics.c.metric,
            count("overdue", sla_clocks.c.due_at <= now),
            count("due_soon", sla_clocks.c.due_at > now, sla_clocks.c.due_at <= until),
        )
    )


def _total(count: int) -> Total:
    if count > COUNT_LIMIT:
        return Total(count=COUNT_LIMIT, relation="gte")
    return Total(count=count, relation="eq")
