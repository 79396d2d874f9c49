"""What becomes of linked tickets when one of them is finished: one object per tenant, always there."""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Body, Response
from pydantic import Field
from sqlalchemy import CheckConstraint, Column, Text, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import MERGE_PATCH, tag_response
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed


class OpenChildren(StrEnum):
    """What open children mean for a parent that is to be finished."""

    BLOCK = "block"
    FINISH = "finish"
    IGNORE = "ignore"


class OpenDuplicates(StrEnum):
    """What becomes of the open duplicates of a ticket that is finished."""

    FINISH = "finish"
    IGNORE = "ignore"


ticket_settings = tenant_table(
    "ticket_settings",
    Column("open_children", Text, nullable=False, server_default="block"),
    Column("open_duplicates", Text, nullable=False, server_default="finish"),
    CheckConstraint("open_children IN ('block', 'finish', 'ignore')", name="open_children"),
    CheckConstraint("open_duplicates IN ('finish', 'ignore')", name="open_duplicates"),
)

_CHILDREN: Final = (
    "When a ticket is to be solved or closed that has open children: `block` refuses it (409 `open_children`), "
    "`finish` gives them the same status, and `ignore` lets them be."
)
_DUPLICATES: Final = (
    "When a ticket is solved or closed of which others are duplicates: `finish` gives the open ones the same status, "
    "and `ignore` lets them be."
)


class TicketSettingsUpdate(Input):
    """Changes to what becomes of linked tickets."""

    open_children: Annotated[OpenChildren, Field(default_factory=lambda: OpenChildren.BLOCK, description=_CHILDREN)]
    open_duplicates: Annotated[
        OpenDuplicates, Field(default_factory=lambda: OpenDuplicates.FINISH, description=_DUPLICATES)
    ]


class TicketSettings(Entity):
    """What becomes of linked tickets when one of them is finished."""

    open_children: Annotated[str, Field(description=_CHILDREN, examples=list(OpenChildren))]
    open_duplicates: Annotated[str, Field(description=_DUPLICATES, examples=list(OpenDuplicates))]


TICKET_SETTINGS = Resource(
    name="ticket_settings",
    plural="ticket-settings",
    table=ticket_settings,
    read=TicketSettings,
    example={"open_children": "block", "open_duplicates": "finish"},
    rows=SHARED,
)

TICKET_SETTINGS_EXAMPLES: Final = {
    "TicketSettingsUpdate": {"open_children": "finish", "open_duplicates": "ignore"},
}

# Every tenant has them from its beginning on; the row is written when they are first changed.
_BEGIN: Final = Statement(
    insert(ticket_settings)
    .from_select(
        ["tenant_id", "id", "created_at", "updated_at", "version"],
        select(tenants.c.id, tenants.c.id, tenants.c.created_at, tenants.c.created_at, 1).where(
            tenants.c.id == bindparam("tenant")
        ),
    )
    .on_conflict_do_nothing()
)
_BORN: Final = Statement(select(tenants.c.created_at).where(tenants.c.id == bindparam("tenant")))

router = APIRouter(prefix="/v1/ticket-settings", tags=["ticket-settings"], route_class=UnitOfWorkRoute)


@router.get(
    "",
    operation_id="ticket_settings_get",
    summary="Get the ticket settings",
    description="Reads what becomes of linked tickets when one of them is finished.",
)
async def get_settings(response: Response, ctx: Annotated[Ctx, allowed("ticket-settings:read")]) -> TicketSettings:
    """Read the settings."""
    found = await settings_of(ctx)
    tag_response(response, found)
    return found


@router.patch(
    "",
    operation_id="ticket_settings_update",
    summary="Change the ticket settings",
    description=(
        "Changes the given fields (RFC 7396) and records `ticket_settings.updated`. It holds for tickets that are "
        "finished from now on."
    ),
)
async def update_settings(
    body: Annotated[TicketSettingsUpdate, Body(media_type=MERGE_PATCH)],
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("ticket-settings:write")],
) -> TicketSettings:
    """Change the settings."""
    await ctx.tx.run(_BEGIN, {"tenant": ctx.tenant_id})
    changed = await crud.amend(ctx, TICKET_SETTINGS, ctx.tenant_id, body.given(), expected=expected)
    tag_response(response, changed)
    return changed


async def settings_of(ctx: Ctx) -> TicketSettings:
    """Give the settings of the tenant, as it chose them or as they are at first."""
    found = (await crud.fetch_many(ctx, TICKET_SETTINGS, [ctx.tenant_id])).get(ctx.tenant_id)
    if found is not None:
        return found
    born_at = await ctx.tx.value(_BORN, {"tenant": ctx.tenant_id})
    return TicketSettings.trusted({
        "id": ctx.tenant_id,
        "created_at": born_at,
        "updated_at": born_at,
        "version": 1,
        "open_children": OpenChildren.BLOCK,
        "open_duplicates": OpenDuplicates.FINISH,
    })  # fmt: skip
