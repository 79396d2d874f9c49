"""What becomes of tickets that no contract covers: one object per tenant, always there."""

from typing import Annotated, Final, Literal

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

coverage_settings = tenant_table(
    "coverage_settings",
    Column("uncovered_tickets", Text, nullable=False, server_default="allow"),
    CheckConstraint("uncovered_tickets IN ('allow', 'refuse')", name="uncovered_tickets"),
)

_MEANING: Final = (
    "`allow`: such a ticket is taken and marked `not_covered`, and work on it is billed. `refuse`: it is refused "
    "(409 `not_covered`), and so is a change that takes the cover away."
)


class CoverageSettingsUpdate(Input):
    """Changes to what becomes of tickets that no contract covers."""

    uncovered_tickets: Annotated[
        Literal["allow", "refuse"], Field(default_factory=lambda: "allow", description=_MEANING)
    ]


class CoverageSettings(Entity):
    """What becomes of tickets that no contract covers."""

    uncovered_tickets: Annotated[str, Field(description=_MEANING, examples=["allow", "refuse"])]


COVERAGE_SETTINGS = Resource(
    name="coverage_settings",
    plural="coverage-settings",
    table=coverage_settings,
    read=CoverageSettings,
    example={"uncovered_tickets": "refuse"},
    rows=SHARED,
)

# Every tenant has them from its beginning on; the row is written when they are first changed.
_BEGIN: Final = Statement(
    insert(coverage_settings)
    .from_select(
        ["tenant_id", "id", "created_at", "updated_at", "version"],
        select(tenants.c.id, tenants.c.id, tenants.c.created_at, tenants.c.created_at, 1).where(
            tenants.c.id == bindparam("tenant")
        ),
    )
    .on_conflict_do_nothing()
)
_BORN: Final = Statement(select(tenants.c.created_at).where(tenants.c.id == bindparam("tenant")))
_CHOSEN: Final = Statement(
    select(coverage_settings.c.uncovered_tickets).where(coverage_settings.c.tenant_id == bindparam("tenant"))
)

router = APIRouter(prefix="/v1/coverage-settings", tags=["coverage-settings"], route_class=UnitOfWorkRoute)


@router.get(
    "",
    operation_id="coverage_settings_get",
    summary="Get the coverage settings",
    description="Reads what becomes of tickets that no contract covers.",
)
async def get_settings(response: Response, ctx: Annotated[Ctx, allowed("contracts:read")]) -> CoverageSettings:
    """Read the settings."""
    rows = await crud.fetch_many(ctx, COVERAGE_SETTINGS, [ctx.tenant_id])
    found = rows.get(ctx.tenant_id) or await _untouched(ctx)
    tag_response(response, found)
    return found


@router.patch(
    "",
    operation_id="coverage_settings_update",
    summary="Change the coverage settings",
    description=(
        "Changes the given fields (RFC 7396) and records `coverage_settings.updated`. It holds for tickets that are "
        "opened or changed from now on."
    ),
)
async def update_settings(
    body: Annotated[CoverageSettingsUpdate, Body(media_type=MERGE_PATCH)],
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("contracts:write")],
) -> CoverageSettings:
    """Change the settings."""
    await ctx.tx.run(_BEGIN, {"tenant": ctx.tenant_id})
    changed = await crud.amend(ctx, COVERAGE_SETTINGS, ctx.tenant_id, body.given(), expected=expected)
    tag_response(response, changed)
    return changed


async def uncovered_are_refused(ctx: Ctx) -> bool:
    """Tell whether the tenant takes only tickets that a contract covers."""
    chosen: str | None = await ctx.tx.value(_CHOSEN, {"tenant": ctx.tenant_id})
    return chosen == "refuse"


async def _untouched(ctx: Ctx) -> CoverageSettings:
    born_at = await ctx.tx.value(_BORN, {"tenant": ctx.tenant_id})
    return CoverageSettings.trusted({
        "id": ctx.tenant_id,
        "created_at": born_at,
        "updated_at": born_at,
        "version": 1,
        "uncovered_tickets": "allow",
    })  # fmt: skip
