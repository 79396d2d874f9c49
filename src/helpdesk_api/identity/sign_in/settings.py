"""Where the front ends of a tenant are: the pages that links in its e-mail lead to.

One object per tenant, always there. The address of a page is never taken from a request that asks for a link: whoever
could choose it could have the token sent to himself.
"""

import re
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body, Response
from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import Column, Text, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import MERGE_PATCH, tag_response
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

sign_in_settings = tenant_table("sign_in_settings", Column("staff_url", Text), Column("portal_url", Text))

_PAGE: Final = re.compile(
    r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[!-~]*)?"
    r"|http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?(?:/[!-~]*)?",
    re.IGNORECASE,
)


def _page(value: str) -> str:
    if not _PAGE.fullmatch(value) or "#" in value:
        message = "must be the address of a page, https://… without user name or fragment (http:// for localhost only)"
        raise ValueError(message)
    return value


PageURL = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_page)]


class SignInSettingsUpdate(Input):
    """Changes to where the front ends are."""

    staff_url: Annotated[
        PageURL | None,
        Field(
            default_factory=lambda: None,
            description="The page where staff choose a password; the token follows as `#token=…`.",
        ),
    ]
    portal_url: Annotated[
        PageURL | None,
        Field(
            default_factory=lambda: None,
            description="The page of the portal that contacts of clients sign in at; the token follows as `#token=…`.",
        ),
    ]


class SignInSettings(Entity):
    """Where the front ends are; without an address an e-mail holds the bare token."""

    staff_url: str | None
    portal_url: str | None


SIGN_IN_SETTINGS = Resource(
    name="sign_in_settings",
    plural="sign-in-settings",
    table=sign_in_settings,
    read=SignInSettings,
    example={"staff_url": "https://desk.service.example/password", "portal_url": "https://help.service.example/enter"},
)

# Every tenant has them from its beginning on; the row is written when they are first changed.
_BEGIN: Final = Statement(
    insert(sign_in_settings)
    .from_select(
        ["tenant_id", "id", "created_at", "updated_at", "version"],
        select(tenants.c.id, tenants.c.id, tenants.c.created_at, tenants.c.created_at, 1).where(
            tenants.c.id == bindparam("tenant")
        ),
    )
    .on_conflict_do_nothing()
)
_FIND: Final = Statement(
    select(sign_in_settings.c.staff_url, sign_in_settings.c.portal_url).where(
        sign_in_settings.c.tenant_id == bindparam("tenant")
    )
)
_BORN: Final = Statement(select(tenants.c.created_at).where(tenants.c.id == bindparam("tenant")))

router = APIRouter(prefix="/v1/sign-in-settings", tags=["sign-in-settings"], route_class=UnitOfWorkRoute)


@router.get(
    "",
    operation_id="sign_in_settings_get",
    summary="Get the sign-in settings",
    description="Reads where the front ends of the tenant are.",
)
async def get_settings(response: Response, ctx: Annotated[Ctx, allowed("sign-in-settings:read")]) -> SignInSettings:
    """Read the settings."""
    rows = await crud.fetch_many(ctx, SIGN_IN_SETTINGS, [ctx.tenant_id])
    found = rows.get(ctx.tenant_id) or await _untouched(ctx)
    tag_response(response, found)
    return found


@router.patch(
    "",
    operation_id="sign_in_settings_update",
    summary="Change the sign-in settings",
    description=(
        "Changes the given fields (RFC 7396) and records `sign_in_settings.updated`. Links that were sent before lead "
        "where they led."
    ),
)
async def update_settings(
    body: Annotated[SignInSettingsUpdate, Body(media_type=MERGE_PATCH)],
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("sign-in-settings:write")],
) -> SignInSettings:
    """Change the settings."""
    await ctx.tx.run(_BEGIN, {"tenant": ctx.tenant_id})
    changed = await crud.amend(ctx, SIGN_IN_SETTINGS, ctx.tenant_id, body.given(), expected=expected)
    tag_response(response, changed)
    return changed


async def page_of(ctx: Ctx, audience: Literal["staff", "portal"]) -> str | None:
    """Give the page that links for staff or for contacts lead to, or None when none is set."""
    row = await ctx.tx.row(_FIND, {"tenant": ctx.tenant_id})
    return None if row is None else row[f"{audience}_url"]


async def _untouched(ctx: Ctx) -> SignInSettings:
    born_at = await ctx.tx.value(_BORN, {"tenant": ctx.tenant_id})
    return SignInSettings.trusted({
        "id": ctx.tenant_id,
        "created_at": born_at,
        "updated_at": born_at,
        "version": 1,
        "staff_url": None,
        "portal_url": None,
    })  # fmt: skip
