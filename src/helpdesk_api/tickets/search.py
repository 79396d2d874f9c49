"""Finding tickets by a condition, and the catalogue of what a condition may ask about."""

from functools import lru_cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field

from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.condition_sql import sql_condition
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.paging import Narrowing
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Input, Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.condition_fields import OFFERED, Offered, Use, check_may_ask, columns_among, fields_among
from helpdesk_api.tickets.custom_conditions import custom_offered, offered_to
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.routes import reading

router = APIRouter(prefix="/v1", route_class=UnitOfWorkRoute)

CONDITION_EXAMPLE: Final[ConditionTree] = {
    "all": [
        {"field": "status", "op": "in", "value": ["new", "open"]},
        {"field": "priority", "op": "gte", "value": "high"},
        {"any": [
            {"field": "assignee_id", "op": "is_empty"},
            {"field": "updated_at", "op": "lt", "value": {"seconds_from_now": -14400}},
        ]},
        {"not": {"field": "tags", "op": "contains", "value": "parked"}},
    ]
}  # fmt: skip


class TicketSearch(Input):
    """What to look for."""

    condition: ConditionTree


class ConditionField(Output):
    """Something that conditions can ask about."""

    path: Annotated[str, Field(examples=["priority", "company.territory"])]
    type: Annotated[str, Field(examples=["text", "level"])]
    description: str
    operators: Annotated[list[str], Field(examples=[["eq", "ne", "in"]])]
    choices: Annotated[list[str], Field(description="The values it may have; those of a level, lowest first.")]
    is_nullable: Annotated[bool, Field(description="Without a value it fits no comparison but `ne` and `is_empty`.")]
    uses: Annotated[list[str], Field(description="Where it may be asked about.", examples=[["search", "webhook"]])]
    permission: Annotated[str | None, Field(description="What somebody who asks about it needs.")]
    field_group: Annotated[str | None, Field(description="The field group that somebody who asks about it needs.")]


class ConditionFieldList(Output):
    """Every field, in a stable order."""

    data: list[ConditionField]


@router.get(
    "/condition-fields",
    tags=["condition-fields"],
    operation_id="condition_fields_list",
    summary="List the fields of conditions",
    description=(
        "Lists what conditions can ask about: paths, types, operators and choices; `custom_fields.*` is what the "
        "tenant has added to its tickets, as far as the caller is shown it. The same language serves the search "
        "for tickets and the conditions of webhook endpoints."
    ),
)
async def list_condition_fields(ctx: Annotated[Ctx, allowed()]) -> ConditionFieldList:
    """List the fields."""
    known, custom = condition_field_list(), await custom_offered(ctx)
    seen = {path: each for path, each in custom.items() if each.group is None or ctx.principal.sees(each.group)}
    return ConditionFieldList(data=[*known.data, *described(seen)])


@lru_cache(maxsize=1)
def condition_field_list() -> ConditionFieldList:
    """Make the list once of what every tenant has: it is the same for everybody."""
    return ConditionFieldList(data=described(OFFERED))


def described(fields: Offered) -> list[ConditionField]:
    """Tell of fields what somebody who writes a condition wants to know."""
    return [
        ConditionField(
            path=path,
            type=offered.field.type,
            description=offered.field.meaning,
            operators=list(offered.field.operators),
            choices=list(offered.field.choices),
            is_nullable=offered.field.is_nullable,
            uses=sorted(offered.uses),
            permission=offered.permission,
            field_group=offered.group,
        )
        for path, offered in fields.items()
    ]


@router.post(
    "/tickets/search",
    tags=["tickets"],
    operation_id=operation(TICKETS, "search"),
    response_model=reading.shapes.page,
    openapi_extra=documented(reading.query_many),
    summary="Search tickets",
    description=(
        "Finds the tickets that fit a condition, with the query parameters and pages of the list of tickets. It may "
        "ask about what its sender is shown. Large and small letters are the same."
    ),
)
async def search_tickets(body: TicketSearch, request: Request, ctx: Annotated[Ctx, allowed("tickets:read")]) -> Any:  # noqa: ANN401 - the page is a model made at run time.
    """Search tickets."""
    offered = await offered_to(ctx, body.condition)
    condition = read_condition(body.condition, fields_among(offered, Use.SEARCH), pointer="/condition")
    check_may_ask(ctx.principal, condition, pointer="/condition", among=offered)
    where = sql_condition(condition, columns_among(offered, ctx.principal.reach.kind), now=ctx.now)
    query = read_query(request, reading.query_many)
    return await reading.page(request, ctx, query, narrowing=Narrowing(where, said=body.condition))


SEARCH_EXAMPLES: Final[dict[str, Any]] = {
    "TicketSearch": {"condition": CONDITION_EXAMPLE},
    "ConditionFieldList": {"data": [field.model_dump() for field in condition_field_list().data[4:6]]},
}
