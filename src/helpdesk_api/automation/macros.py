"""Macros: named lists of actions that people apply to tickets, with their own rights.

Whoever writes one could take its actions himself; whoever applies one has to be able to, too. What applying does is
`automation.applying`.
"""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Request
from pydantic import Field
from sqlalchemy import Boolean, Column, Index, Integer, Text, UniqueConstraint, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.automation.actions.checking import check_actions, check_may_act
from helpdesk_api.automation.actions.schemas import ActionList
from helpdesk_api.automation.applying import MOST_TICKETS, TicketsChanged, TicketsToChange, apply_actions
from helpdesk_api.domain.errors import ConflictError, ForbiddenError
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_create,
    add_delete,
    add_reading,
    add_update,
    operation,
)
from helpdesk_api.kit.schema import Count, Entity, Flag, Input, Line, Prose, patch_model
from helpdesk_api.kit.sql import Statement, reference, tenant_table
from helpdesk_api.kit.unit_of_work import allowed

MOST_MACROS: Final = 500

macros = tenant_table(
    "macros",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("position", Integer, nullable=False),
    Column("team_id", Uuid),
    Column("actions", JSONB, nullable=False),
    Column("is_active", Boolean, nullable=False),
    UniqueConstraint("tenant_id", "name"),
    reference("team_id", "teams"),
    Index(None, "tenant_id", "position", "id"),
    Index(None, "tenant_id", "team_id"),
)


class TooManyMacrosError(ConflictError):
    """The tenant has as many macros as it may have."""

    code = "too_many_macros"
    title = "There may be no more macros"


class InactiveMacroError(ConflictError):
    """A macro that is not active is not applied."""

    code = "inactive_macro"
    title = "The macro is not active"


class NotOwnMacroError(ForbiddenError):
    """The macro is for the members of a team that the caller is not in."""

    code = "not_own_macro"
    title = "The macro is for another team"


class MacroCreate(Input):
    """A new macro."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    position: Annotated[Count, Field(description="Where it stands among others, lowest first.")] = 0
    team_id: Annotated[UUID | None, Field(description="Only members of this team apply it; null for everybody.")] = None
    actions: ActionList
    is_active: Annotated[Flag, Field(description="One that is not active is kept, but not applied.")] = True


class Macro(Entity):
    """A named list of actions that people apply to tickets."""

    name: str
    description: str | None
    position: int
    team_id: UUID | None
    actions: ActionList
    is_active: bool


MACROS = Resource(
    name="macro",
    plural="macros",
    table=macros,
    read=Macro,
    example={
        "name": "Ask for the serial number",
        "description": None,
        "position": 10,
        "team_id": None,
        "actions": [
            {"action": "comment", "kind": "reply", "body": "Which serial number is on the device of #{{number}}?"},
            {"action": "set", "values": {"status": "pending"}},
        ],
        "is_active": True,
    },
    filters=(
        Filter("name", macros.c.name, str),
        Filter("team_id", macros.c.team_id, UUID),
        Filter("is_active", macros.c.is_active, bool),
    ),
    sorts=(Sort("position", macros.c.position, "integer"), Sort("name", macros.c.name, "text")),
    default_sort="position",
    includes=(Include("team", "team_id", TEAMS),),
    rows=SHARED,
)

_COUNT: Final = Statement(select(func.count()).select_from(macros).where(macros.c.tenant_id == bindparam("tenant")))


async def _checked(ctx: Ctx, given: dict[str, Any], before: Macro | None) -> dict[str, Any]:
    """Refuse actions that the author could not take, and more macros than there may be."""
    if "actions" in given:
        await check_actions(ctx, given["actions"], pointer="/actions")
    if before is None and await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_MACROS:
        message = f"A tenant may have {MOST_MACROS} macros."
        raise TooManyMacrosError(message, params={"most": MOST_MACROS})
    return given


router = ResourceRouter(MACROS)
add_reading(router, MACROS)
_RIGHTS = "It needs what taking its actions oneself needs."
add_create(router, MACROS, MacroCreate, check=_checked, note=_RIGHTS)
add_update(router, MACROS, patch_model(MacroCreate), check=_checked, note=_RIGHTS)
add_delete(router, MACROS)


@router.post(
    "/{id}/apply",
    operation_id=operation(MACROS, "apply"),
    summary=f"Apply a macro to up to {MOST_TICKETS} tickets",
    description=(
        "Does the actions of a macro to each ticket, in order, with the rights of the caller, and tells what became of "
        "each. All of them are done to a ticket or none; one that is refused leaves the others be. With `dry_run` "
        "everything is told and nothing done."
    ),
)
async def apply_macro(
    id: UUID, body: TicketsToChange, request: Request, ctx: Annotated[Ctx, allowed("macros:read")]
) -> TicketsChanged:
    """Apply a macro."""
    macro = await crud.fetch(ctx, MACROS, id)
    await _check_may_use(ctx, macro)
    check_may_act(ctx, macro.actions, pointer="/actions")
    return await apply_actions(ctx, macro.actions, body, instance=request.url.path)


async def _check_may_use(ctx: Ctx, macro: Macro) -> None:
    if not macro.is_active:
        message = f"The macro {macro.name} is not active."
        raise InactiveMacroError(message)
    # Integrations belong to no team: whoever made their keys answers for them.
    if macro.team_id is None or ctx.principal.type != "user" or ctx.principal.id is None:
        return
    user = (await crud.fetch_many(ctx, USERS, [ctx.principal.id])).get(ctx.principal.id)
    if user is None or user.team_id != macro.team_id:
        message = f"The macro {macro.name} is for the members of the team {macro.team_id}."
        raise NotOwnMacroError(message)
