"""Inviting a member of staff: a link to choose a password with, sent to the address that the user has."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from helpdesk_api.identity.sign_in.mailing import invite
from helpdesk_api.identity.users import USERS, User
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import operation, tag_response
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

router = APIRouter(prefix=f"/v1/{USERS.plural}", tags=[USERS.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/{id}/invite",
    status_code=202,
    operation_id=operation(USERS, "invite"),
    summary="Invite a user",
    description=(
        "Sends an active user a link to choose a password with; it works once, for seven days. Inviting again sends "
        "another."
    ),
)
async def invite_user(id: UUID, response: Response, ctx: Annotated[Ctx, allowed("users:write")]) -> User:
    """Invite a user."""
    user = await crud.fetch(ctx, USERS, id)
    await invite(ctx, user)
    tag_response(response, user)
    return user
