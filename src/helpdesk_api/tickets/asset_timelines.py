"""What has happened to an asset, in order: where it went, and the tickets about it.

Both are told as far as the caller sees them: tickets by the rules for tickets, stays by the client whom the asset was
with.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field
from sqlalchemy import Text, Uuid, and_, cast, literal, null, or_, select, union_all
from typing_extensions import TypedDict

from helpdesk_api.assets.assets import ASSETS
from helpdesk_api.assets.placements import asset_placements
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.listing import Filter, Listing, Sort
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.schema import Output, Page
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.models import tickets

router = APIRouter(prefix="/v1/assets", tags=["assets"], route_class=UnitOfWorkRoute)

StepType = Literal["placement", "ticket"]


class TicketOfAsset(TypedDict):
    """A ticket, in short."""

    number: int
    subject: str
    status: str


class AssetStep(Output):
    """Something that happened to an asset."""

    id: Annotated[UUID, Field(description="Of the placement or of the ticket.")]
    type: StepType
    at: Annotated[AwareDatetime, Field(description="When the stay began, or the ticket was created.")]
    company_id: UUID | None
    location_id: UUID | None
    ticket: TicketOfAsset | None


_nobody = cast(null(), Uuid)
_steps = union_all(
    select(
        asset_placements.c.tenant_id,
        asset_placements.c.id,
        asset_placements.c.asset_id,
        literal("placement", Text).label("type"),
        asset_placements.c.since_at.label("at"),
        asset_placements.c.company_id,
        asset_placements.c.location_id,
        *(_nobody.label(name) for name in ("contact_id", "team_id", "assignee_id")),
        cast(null(), tickets.c.number.type).label("number"),
        *(cast(null(), Text).label(name) for name in ("subject", "status")),
    ),
    select(
        tickets.c.tenant_id,
        tickets.c.id,
        tickets.c.asset_id,
        literal("ticket", Text),
        tickets.c.created_at,
        *(tickets.c[name] for name in ("company_id", "location_id", "contact_id", "team_id", "assignee_id")),
        *(tickets.c[name] for name in ("number", "subject", "status")),
    ).where(tickets.c.asset_id.is_not(None)),
).subquery("steps")
_columns: Any = _steps.c
_of_tickets = rows_of(
    company=_columns.company_id,
    contact=_columns.contact_id,
    team=_columns.team_id,
    assignee=_columns.assignee_id,
)
_of_placements = rows_of(company=_columns.company_id)
_SHOWN: Final = ("id", "type", "at", "company_id", "location_id", "number", "subject", "status")
TIMELINE: Final = Listing(
    columns=tuple(_columns[name] for name in _SHOWN),
    tenant=_columns.tenant_id,
    key=_columns.id,
    filters=(Filter("type", _columns.type, StepType),),
    sorts=(Sort("at", _columns.at, "instant", is_filled=True),),
    default_sort="-at",
    rows={
        kind: or_(
            and_(_columns.type == "ticket", _of_tickets[kind]),
            and_(_columns.type == "placement", _of_placements.get(kind, _of_tickets[kind])),
        )
        for kind in _of_tickets
    },
)


TIMELINE_EXAMPLES: Final[dict[str, Any]] = {
    "AssetStepPage": {
        "data": [
            {
                "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
                "type": "ticket",
                "at": "2026-11-23T09:00:00Z",
                "company_id": ASSETS.example["company_id"],
                "location_id": ASSETS.example["location_id"],
                "ticket": {"number": 1042, "subject": "The label printer prints blank labels", "status": "open"},
            }
        ],
        "page": {"next_cursor": None, "prev_cursor": None},
        "total": None,
    }
}


@router.get(
    "/{id}/timeline",
    operation_id="assets_list_timeline",
    openapi_extra=documented(TIMELINE.query_model),
    summary="List what has happened to an asset",
    description=(
        "Pages through where an asset went and the tickets about it, the latest first unless `sort` says otherwise. "
        "Needs `tickets:read` as well. Stays with clients and tickets that the caller does not see are left out."
    ),
)
async def list_timeline(id: UUID, request: Request, ctx: Annotated[Ctx, allowed("assets:read")]) -> Page[AssetStep]:
    """List what has happened to an asset."""
    await crud.fetch(ctx, ASSETS, id)
    ctx.principal.require("tickets:read")
    query = read_query(request, TIMELINE.query_model)
    found = await find_page(ctx, TIMELINE, query, request.app.state.runtime.signer, asset_id=id)
    return Page[AssetStep].trusted(
        {"data": [_step(row) for row in found.rows], "page": found.page, "total": found.total}
    )


def _step(row: Record) -> AssetStep:
    known = dict(row.items())
    ticket = {name: known.pop(name) for name in ("number", "subject", "status")}
    return AssetStep.trusted(known | {"ticket": ticket if known["type"] == "ticket" else None})
