"""Who looks at a ticket or types on it: shown to colleagues while it lasts, stored nowhere.

It is as internal as a note: it takes the permissions of notes, which clients never have, so no client learns who reads
their ticket. Nothing is recorded, and the ticket stays as it is. Each change is told to the live stream at once.
"""

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field

from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.presence import LIFE, Mark
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input, Output
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.acting import AuthorRequiredError, NotOwnNameError
from helpdesk_api.tickets.resources import TICKETS

SEEN_WITH: Final = "notes:read"
_SHOWN_WITH: Final = "notes:write"


class PresenceInput(Input):
    """What somebody does at a ticket."""

    state: Literal["viewing", "typing"]
    user_id: Annotated[
        UUID | None,
        Field(description="Who it is; users may leave it out, and an integration has to name somebody."),
    ] = None


class Present(Output):
    """Somebody at a ticket."""

    user_id: UUID
    state: Annotated[str, Field(examples=["viewing", "typing"])]
    expires_at: Annotated[AwareDatetime, Field(description="Say it again before then, or you are gone.")]


class PresenceList(Output):
    """Everybody who is at a ticket now."""

    data: list[Present]


router = APIRouter(prefix="/v1/tickets", tags=["tickets"], route_class=UnitOfWorkRoute)


@router.get(
    "/{id}/presence",
    operation_id="tickets_get_presence",
    summary="See who is at a ticket",
    description=(
        "Lists the users who look at a ticket or type on it now. Empty while Valkey is away. The live stream tells "
        "changes with `presence=true`."
    ),
)
async def get_presence(id: UUID, request: Request, ctx: Annotated[Ctx, allowed(SEEN_WITH)]) -> PresenceList:
    """List who is there."""
    await crud.fetch(ctx, TICKETS, id)
    runtime: Runtime = request.app.state.runtime
    marks = await runtime.presence.of(ctx.tenant_id, id, ctx.real_now)
    return PresenceList(data=[_shown(mark) for mark in marks])


@router.put(
    "/{id}/presence",
    operation_id="tickets_set_presence",
    response_description="The mark, until it fades.",
    summary="Say that one is at a ticket",
    description=(
        "Tells colleagues that a user looks at a ticket or types on it, for 30 seconds; repeat it in time. It is no "
        "change of the ticket and leaves no event in the feed."
    ),
)
async def set_presence(
    id: UUID, body: PresenceInput, request: Request, ctx: Annotated[Ctx, allowed(_SHOWN_WITH)]
) -> Present:
    """Mark somebody as there."""
    await crud.fetch(ctx, TICKETS, id)
    runtime: Runtime = request.app.state.runtime
    mark = Mark(await _who(ctx, body.user_id), body.state, ctx.real_now + LIFE)
    await runtime.presence.set(ctx.tenant_id, id, mark)
    _tell(runtime, ctx, id, mark)
    return _shown(mark)


@router.delete(
    "/{id}/presence/{user_id}",
    status_code=204,
    operation_id="tickets_end_presence",
    summary="Say that one has left a ticket",
    description="Takes the mark of a user away before it fades. Users take only their own away.",
)
async def end_presence(id: UUID, user_id: UUID, request: Request, ctx: Annotated[Ctx, allowed(_SHOWN_WITH)]) -> None:
    """Take a mark away."""
    await crud.fetch(ctx, TICKETS, id)
    runtime: Runtime = request.app.state.runtime
    who = await _who(ctx, user_id)
    await runtime.presence.leave(ctx.tenant_id, id, who)
    _tell(runtime, ctx, id, Mark(who, "gone", ctx.real_now))


async def _who(ctx: Ctx, named: UUID | None) -> UUID:
    """Give who is meant; raises NotOwnNameError, AuthorRequiredError and UnknownReferenceError."""
    if ctx.principal.type == "user" and ctx.principal.id is not None:
        if named not in {None, ctx.principal.id}:
            message = "Users tell of themselves only."
            raise NotOwnNameError(message, pointer="/user_id")
        return ctx.principal.id
    if named is None:
        message = "Say who is at the ticket, in user_id."
        raise AuthorRequiredError(message, pointer="/user_id")
    if not await crud.fetch_many(ctx, USERS, [named]):
        message = f"There is no user {named}."
        raise UnknownReferenceError(message, pointer="/user_id")
    return named


def _tell(runtime: Runtime, ctx: Ctx, ticket_id: UUID, mark: Mark) -> None:
    runtime.signals.publish(
        ctx.tenant_id,
        {
            "event": "presence",
            "permission": SEEN_WITH,
            "object_type": TICKETS.name,
            "object_id": str(ticket_id),
            "data": {
                "ticket_id": str(ticket_id),
                "user_id": str(mark.who),
                "state": mark.state,
                "expires_at": mark.expires_at.isoformat().replace("+00:00", "Z"),
            },
        },
    )


def _shown(mark: Mark) -> Present:
    return Present(user_id=mark.who, state=mark.state, expires_at=mark.expires_at)
