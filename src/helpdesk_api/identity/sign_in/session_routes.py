"""Sessions over the API: those of everybody, for who administers the tenant, and one's own."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import Uuid, bindparam, or_, select

from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.identity.sign_in.models import sessions
from helpdesk_api.identity.sign_in.passwords import forget_all
from helpdesk_api.identity.sign_in.sessions import Person, end_session, end_sessions_of
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, operation, tag_response
from helpdesk_api.kit.schema import Entity, Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

_MOST_SHOWN: Final = 200


class SessionRequiredError(ForbiddenError):
    """Only somebody who has signed in can do this, not an API key."""

    code = "session_required"
    title = "This needs a session"


class Session(Entity):
    """A sign-in of a person. All times are real, also in a sandbox."""

    user_id: Annotated[UUID | None, Field(description="The member of staff, or null.")]
    contact_id: Annotated[UUID | None, Field(description="The client's contact, or null.")]
    method: Annotated[str, Field(examples=["password", "magic_link", "oidc"])]
    user_agent: Annotated[str | None, Field(description="What the browser said of itself.")]
    expires_at: Annotated[AwareDatetime, Field(description="When it ends by itself.")]
    refreshed_at: Annotated[AwareDatetime, Field(description="When its tokens were last renewed.")]
    ended_at: AwareDatetime | None
    end_reason: Annotated[str | None, Field(examples=["signed_out", "password_changed", "refresh_token_reused"])]


class OwnSessions(Output):
    """The sessions of the caller that have not ended."""

    data: Annotated[list[Session], Field(description="The newest first; at most 200.")]


SESSIONS = Resource(
    name="session",
    plural="sessions",
    table=sessions,
    read=Session,
    example={
        "user_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
        "contact_id": None,
        "method": "password",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "expires_at": "2026-12-23T09:00:00Z",
        "refreshed_at": "2026-11-23T09:15:00Z",
        "ended_at": None,
        "end_reason": None,
    },
    filters=(
        Filter("user_id", sessions.c.user_id, UUID),
        Filter("contact_id", sessions.c.contact_id, UUID),
        Filter("method", sessions.c.method, str),
    ),
)

_OWN: Final = Statement(
    select(*SESSIONS.columns)
    .where(
        sessions.c.tenant_id == bindparam("tenant"),
        or_(
            sessions.c.user_id == bindparam("user", type_=Uuid),
            sessions.c.contact_id == bindparam("contact", type_=Uuid),
        ),
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > bindparam("now", type_=sessions.c.expires_at.type),
    )
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .limit(_MOST_SHOWN)
)

router = ResourceRouter(SESSIONS)
add_reading(router, SESSIONS)
own_router = APIRouter(prefix="/v1/me", tags=["me"], route_class=UnitOfWorkRoute)


@router.post(
    "/{id}/end",
    operation_id=operation(SESSIONS, "end"),
    summary="End a session",
    description="Signs a person out of one session, within two seconds everywhere. Ending it again changes nothing.",
)
async def end_any_session(
    id: UUID, request: Request, response: Response, ctx: Annotated[Ctx, allowed("sessions:write")]
) -> Session:
    """End a session."""
    await crud.fetch_locked(ctx, SESSIONS, id)
    forget_all(request.app.state.runtime, await end_session(ctx, id, "ended_by_staff"))
    ended = await crud.fetch(ctx, SESSIONS, id)
    tag_response(response, ended)
    return ended


@own_router.get(
    "/sessions",
    operation_id="me_list_sessions",
    summary="List one's own sessions",
    description="Lists where the caller is signed in. An API key has no sessions.",
)
async def list_own_sessions(ctx: Annotated[Ctx, allowed()]) -> OwnSessions:
    """List one's own sessions."""
    person = person_of(ctx)
    if person is None:
        return OwnSessions.trusted({"data": []})
    key: dict[str, Any] = {"tenant": ctx.tenant_id, "now": ctx.real_now}
    columns = {"user": person.columns["user_id"], "contact": person.columns["contact_id"]}
    return OwnSessions.trusted({"data": await ctx.tx.all(Session, _OWN, key | columns)})


@own_router.post(
    "/sessions/{id}/end",
    status_code=204,
    operation_id="me_end_session",
    summary="Sign out of one session",
    description="Ends one of the caller's own sessions, this one or another.",
)
async def end_own_session(id: UUID, request: Request, ctx: Annotated[Ctx, allowed()]) -> None:
    """End one of one's own sessions."""
    person = person_of(ctx)
    found = await crud.fetch_many(ctx, SESSIONS, [id])
    if person is None or id not in found or {found[id].user_id, found[id].contact_id} != {person.id, None}:
        raise SESSIONS.missing(id)
    forget_all(request.app.state.runtime, await end_session(ctx, id, "signed_out"))


@own_router.post(
    "/sign-out",
    status_code=204,
    operation_id="me_sign_out",
    summary="Sign out",
    description="Ends the session that the access token belongs to.",
)
async def sign_out(request: Request, ctx: Annotated[Ctx, allowed()]) -> None:
    """Sign out."""
    session_id = await own_session(ctx)
    forget_all(request.app.state.runtime, await end_session(ctx, session_id, "signed_out"))


@own_router.post(
    "/sign-out-everywhere",
    status_code=204,
    operation_id="me_sign_out_everywhere",
    summary="Sign out everywhere",
    description="Ends every session of the caller, this one included.",
)
async def sign_out_everywhere(request: Request, ctx: Annotated[Ctx, allowed()]) -> None:
    """Sign out everywhere."""
    await own_session(ctx)
    person = person_of(ctx)
    if person is not None:
        forget_all(request.app.state.runtime, await end_sessions_of(ctx, person, "signed_out"))


_IS_SESSION: Final = Statement(
    select(sessions.c.id).where(sessions.c.tenant_id == bindparam("tenant"), sessions.c.id == bindparam("session"))
)


async def own_session(ctx: Ctx) -> UUID:
    """Give the session that the caller came with; raises SessionRequiredError for an API key."""
    session_id = ctx.principal.credential_id
    row: Record | None = await ctx.tx.row(_IS_SESSION, {"tenant": ctx.tenant_id, "session": session_id})
    if row is None or session_id is None:
        message = "An API key cannot do this; sign in as a person."
        raise SessionRequiredError(message)
    return session_id


def person_of(ctx: Ctx) -> Person | None:
    """Give the person who calls, or None for an API key."""
    principal = ctx.principal
    if principal.id is None or principal.type not in {"user", "contact"}:
        return None
    return Person("user" if principal.type == "user" else "contact", principal.id)
