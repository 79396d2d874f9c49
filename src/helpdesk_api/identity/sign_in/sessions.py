"""Sessions: what a sign-in opens, and how it is kept up and ended.

A session hands out an access token for minutes and a refresh token for days. A refresh token works once: using it gives
the next pair, and using it a second time means that two parties hold it, so the whole session ends. A session ends for
good at sign-out, with a changed password, or after a month; its access tokens end with it, within two seconds
everywhere. Sessions live in real time, also in a sandbox.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import DateTime, Uuid, bindparam, insert, or_, select, update

from helpdesk_api.domain.errors import UnauthenticatedError
from helpdesk_api.identity.sign_in.models import session_tokens, sessions
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import record
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import KeyToken, new_key

ACCESS: Final = timedelta(minutes=15)
REFRESH: Final = timedelta(days=7)
SESSION: Final = timedelta(days=30)

Method = Literal["password", "magic_link", "oidc"]
EndReason = Literal["signed_out", "password_changed", "refresh_token_reused", "ended_by_staff", "second_factor_reset"]


class InvalidTokenError(UnauthenticatedError):
    """The token is unknown, expired or used; the answer is the same for all three."""

    code = "invalid_token"
    title = "The token is not valid"


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in: a member of staff or a client's contact."""

    type: Literal["user", "contact"]
    id: UUID

    @property
    def columns(self) -> dict[str, UUID | None]:
        """Give the two columns that name a person."""
        is_user = self.type == "user"
        return {"user_id": self.id if is_user else None, "contact_id": None if is_user else self.id}


class SessionTokens(Output):
    """What a sign-in gives. Keep the refresh token where scripts of others cannot read it."""

    session_id: UUID
    token_type: Annotated[str, Field(description="How to send the access token.", examples=["Bearer"])]
    access_token: Annotated[str, Field(description="Send as `Authorization: Bearer …`.")]
    access_token_expires_at: AwareDatetime
    refresh_token: Annotated[str, Field(description="Gives the next pair, once. Using it twice ends the session.")]
    refresh_token_expires_at: AwareDatetime


_OPEN: Final = Statement(insert(sessions))
_PUT_TOKENS: Final = Statement(insert(session_tokens))
_FIND_TOKENS: Final = Statement(
    select(
        session_tokens.c.session_id,
        session_tokens.c.refresh_hash,
        session_tokens.c.refresh_expires_at,
        session_tokens.c.refreshed_at,
        sessions.c.user_id,
        sessions.c.contact_id,
        sessions.c.expires_at,
        sessions.c.ended_at,
    )
    .join(
        sessions,
        (sessions.c.tenant_id == session_tokens.c.tenant_id) & (sessions.c.id == session_tokens.c.session_id),
    )
    .where(session_tokens.c.tenant_id == bindparam("tenant"), session_tokens.c.id == bindparam("token"))
    # Both rows: twins with one token queue here, and the second finds it used.
    .with_for_update()
)
_instant = DateTime(timezone=True)
_USE: Final = Statement(
    update(session_tokens)
    .where(session_tokens.c.tenant_id == bindparam("tenant"), session_tokens.c.id == bindparam("token"))
    .values(refreshed_at=bindparam("now", type_=_instant))
)
_NOTE_REFRESH: Final = Statement(
    update(sessions)
    .where(sessions.c.tenant_id == bindparam("tenant"), sessions.c.id == bindparam("session"))
    .values(refreshed_at=bindparam("now", type_=_instant))
)
_END: Final = Statement(
    update(sessions)
    .where(
        sessions.c.tenant_id == bindparam("tenant"),
        sessions.c.ended_at.is_(None),
        or_(
            sessions.c.id == bindparam("session", type_=Uuid),
            sessions.c.user_id == bindparam("user", type_=Uuid),
            sessions.c.contact_id == bindparam("contact", type_=Uuid),
        ),
        sessions.c.id.is_distinct_from(bindparam("spared", type_=Uuid)),
    )
    .values(
        ended_at=bindparam("now", type_=_instant),
        end_reason=bindparam("reason"),
        updated_at=bindparam("now", type_=_instant),
        version=sessions.c.version + 1,
    )
    .returning(sessions.c.id, sessions.c.version)
)


async def open_session(ctx: Ctx, person: Person, method: Method, *, user_agent: str | None) -> SessionTokens:
    """Open a session for somebody who has proven to be that person, and record it."""
    session_id = new_id()
    expires_at = ctx.real_now + SESSION
    values: dict[str, Any] = {
        "tenant_id": ctx.tenant_id,
        "id": session_id,
        **person.columns,
        "method": method,
        "user_agent": user_agent,
        "expires_at": expires_at,
        "refreshed_at": ctx.real_now,
        "ended_at": None,
        "end_reason": None,
        "created_at": ctx.real_now,
        "updated_at": ctx.real_now,
        "version": 1,
    }
    await ctx.tx.run(_OPEN, values)
    data = {"method": method, f"{person.type}_id": str(person.id)}
    record(ctx, "session.created", object_id=session_id, version=1, data=data, occurred_at=ctx.real_now)
    return await _next_tokens(ctx, session_id, expires_at)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of a refresh token: whose it was, and the next pair, or None because it had been used before."""

    session_id: UUID
    person: Person
    tokens: SessionTokens | None


async def refresh(ctx: Ctx, token: KeyToken) -> Refreshed:
    """Give the next pair for a refresh token; one that was used before ends its session instead.

    Raises InvalidTokenError. The caller commits either way, and only then refuses a reused token.
    """
    row = await ctx.tx.row(_FIND_TOKENS, {"tenant": token.tenant_id, "token": token.key_id})
    if token.kind != "refresh" or row is None or not hmac.compare_digest(row["refresh_hash"], token.secret_hash):
        raise invalid_token()
    if row["ended_at"] is not None or min(row["refresh_expires_at"], row["expires_at"]) <= ctx.real_now:
        raise invalid_token()
    session_id: UUID = row["session_id"]
    person = Person("user", row["user_id"]) if row["user_id"] else Person("contact", row["contact_id"])
    if row["refreshed_at"] is not None:
        await end_session(ctx, session_id, "refresh_token_reused")
        return Refreshed(session_id, person, None)
    used = {"tenant": ctx.tenant_id, "token": token.key_id, "session": session_id, "now": ctx.real_now}
    await ctx.tx.run(_USE, used)
    await ctx.tx.run(_NOTE_REFRESH, used)
    return Refreshed(session_id, person, await _next_tokens(ctx, session_id, row["expires_at"]))


async def end_session(ctx: Ctx, session_id: UUID, reason: EndReason) -> list[UUID]:
    """End one session; ending it again changes nothing. Gives the ids of what was ended."""
    return await _end(ctx, reason, session=session_id)


async def end_sessions_of(ctx: Ctx, person: Person, reason: EndReason, *, spared: UUID | None = None) -> list[UUID]:
    """End every session of a person, but for one that may be spared."""
    return await _end(ctx, reason, **{person.type: person.id}, spared=spared)


async def _end(ctx: Ctx, reason: EndReason, **which: UUID | None) -> list[UUID]:
    names = ("session", "user", "contact", "spared")
    rows = await ctx.tx.rows(
        _END,
        {"tenant": ctx.tenant_id, "now": ctx.real_now, "reason": reason, **{name: which.get(name) for name in names}},
    )
    for row in rows:
        record(
            ctx,
            "session.ended",
            object_id=row["id"],
            version=row["version"],
            data={"reason": reason},
            occurred_at=ctx.real_now,
        )
    return [row["id"] for row in rows]


async def _next_tokens(ctx: Ctx, session_id: UUID, session_expires_at: datetime) -> SessionTokens:
    pair_id = new_id()
    access, access_hash = new_key(ctx.tenant_id, pair_id, "access")
    refresh_text, refresh_hash = new_key(ctx.tenant_id, pair_id, "refresh")
    access_expires_at = min(ctx.real_now + ACCESS, session_expires_at)
    refresh_expires_at = min(ctx.real_now + REFRESH, session_expires_at)
    values: dict[str, Any] = {
        "tenant_id": ctx.tenant_id,
        "id": pair_id,
        "session_id": session_id,
        "access_hash": access_hash,
        "access_expires_at": access_expires_at,
        "refresh_hash": refresh_hash,
        "refresh_expires_at": refresh_expires_at,
        "refreshed_at": None,
    }
    await ctx.tx.run(_PUT_TOKENS, values)
    return SessionTokens.trusted({
        "session_id": session_id,
        "token_type": "Bearer",
        "access_token": access,
        "access_token_expires_at": access_expires_at,
        "refresh_token": refresh_text,
        "refresh_token_expires_at": refresh_expires_at,
    })  # fmt: skip


def invalid_token() -> InvalidTokenError:
    """Word the refusal of a token, whatever is wrong with it."""
    return InvalidTokenError("The token is unknown, expired or was used before.")
