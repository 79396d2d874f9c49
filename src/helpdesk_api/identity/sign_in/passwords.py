"""Signing in with an e-mail address and a password, and setting one by a link.

The order matters. An attempt is counted before anything is looked at; no connection is held while the password is
verified; an address that nobody has costs the same verification as a wrong password, and gets the same answer. Which
tenant is meant is said by its id: the front end belongs to one and knows it.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.identity.sign_in.attempts import PASSWORD, count_attempt, forget_attempts
from helpdesk_api.identity.sign_in.credentials import invalid_credentials
from helpdesk_api.identity.sign_in.factor_proof import prove_second_factor
from helpdesk_api.identity.sign_in.links import find_link, use_link, void_links
from helpdesk_api.identity.sign_in.models import passwords
from helpdesk_api.identity.sign_in.sessions import (
    EndReason,
    Person,
    SessionTokens,
    end_sessions_of,
    invalid_token,
)
from helpdesk_api.identity.sign_in.visits import Visit, enter, record_failure
from helpdesk_api.identity.users import users
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record, Transaction
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import KeyToken

_PERSON = (users.c.id, users.c.name, users.c.email, users.c.is_active, users.c.version, passwords.c.hash)
_WITH_PASSWORD = (passwords.c.tenant_id == users.c.tenant_id) & (passwords.c.user_id == users.c.id)
_BY_EMAIL: Final = Statement(
    select(*_PERSON)
    .outerjoin(passwords, _WITH_PASSWORD)
    .where(users.c.tenant_id == bindparam("tenant"), func.lower(users.c.email) == func.lower(bindparam("email")))
    # Two people may differ by case only; then each has to write it as it is.
    .order_by((users.c.email == bindparam("email")).desc(), users.c.id)
    .limit(1)
)
_BY_ID: Final = Statement(
    select(*_PERSON)
    .outerjoin(passwords, _WITH_PASSWORD)
    .where(users.c.tenant_id == bindparam("tenant"), users.c.id == bindparam("user"))
)
_put = insert(passwords).values(
    tenant_id=bindparam("tenant"),
    id=bindparam("password_id"),
    user_id=bindparam("user"),
    hash=bindparam("new_hash"),
    changed_at=bindparam("now", type_=DateTime(timezone=True)),
)
_PUT: Final = Statement(
    _put.on_conflict_do_update(
        index_elements=["tenant_id", "user_id"],
        set_={"hash": _put.excluded.hash, "changed_at": _put.excluded.changed_at},
    )
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody claims to be and to know."""

    tenant_id: UUID
    email: str
    password: str
    code: str | None = None


async def sign_in(runtime: Runtime, visit: Visit, given: Credentials) -> SessionTokens:
    """Open a session for who knows the password.

    Raises InvalidCredentialsError, TooManyAttemptsError and SecondFactorRequiredError.
    """
    is_last = await count_attempt(runtime.db, given.tenant_id, PASSWORD, given.email)
    async with runtime.db.transaction(given.tenant_id, read_only=True) as transaction:
        found = await find_user_by_email(transaction, given.tenant_id, given.email)
    fits = await runtime.passwords.verify(found["hash"] if found else None, given.password)
    if found is None or not fits or not found["is_active"]:
        await record_failure(
            runtime,
            visit,
            given.tenant_id,
            method="password",
            reason="locked" if is_last else "wrong_credentials",
            person=None if found is None else Person("user", found["id"]),
        )
        raise invalid_credentials()
    await forget_attempts(runtime.db, given.tenant_id, PASSWORD, given.email)
    await prove_second_factor(runtime, visit, given.tenant_id, found["id"], given.code)
    tokens = await enter(runtime, visit, given.tenant_id, Person("user", found["id"]), "password")
    if tokens is None:
        raise invalid_credentials()
    return tokens


async def set_password_by_link(runtime: Runtime, visit: Visit, read: KeyToken, *, password: str) -> None:
    """Set the password of who was sent a link. Raises InvalidTokenError and WeakPasswordError; a link survives both."""
    async with runtime.db.transaction(read.tenant_id, read_only=True) as transaction:
        link = await find_link(transaction, read, "invitation", "password_reset")
        user = await _addressee(transaction, read.tenant_id, link.person, link.email)
    await runtime.passwords.check_strength(password, personal=personal_words(user), pointer="/password")
    hashed = await runtime.passwords.hashed(password)
    async with visit.work(runtime, read.tenant_id, link.person) as ctx:
        await use_link(ctx, link)
        # Looked at again: the address may have been changed while the password was hashed.
        user = await _addressee(ctx.tx, read.tenant_id, link.person, link.email)
        ended = await store_password(ctx, user, hashed)
    forget_all(runtime, ended)


async def store_password(
    ctx: Ctx, user: Record, hashed: str, *, reason: EndReason = "password_changed", spared: UUID | None = None
) -> list[UUID]:
    """Store a password, end the other sessions and void every link; gives the sessions that were ended."""
    person = Person("user", user["id"])
    values: dict[str, Any] = {
        "tenant": ctx.tenant_id,
        "password_id": new_id(),
        "user": person.id,
        "new_hash": hashed,
        "now": ctx.real_now,
    }
    await ctx.tx.run(_PUT, values)
    await void_links(ctx, person)
    record(ctx, "user.password_changed", object_id=person.id, version=user["version"], occurred_at=ctx.real_now)
    return await end_sessions_of(ctx, person, reason, spared=spared)


async def find_user_by_email(transaction: Transaction, tenant_id: UUID, email: str) -> Record | None:
    """Find a member of staff by address, however it is capitalised."""
    return await transaction.row(_BY_EMAIL, {"tenant": tenant_id, "email": email.strip()})


async def find_user(transaction: Transaction, tenant_id: UUID, user_id: UUID) -> Record | None:
    """Find a member of staff with the hash of the password."""
    return await transaction.row(_BY_ID, {"tenant": tenant_id, "user": user_id})


def personal_words(user: Record) -> list[str]:
    """Give the words that somebody's password should not be made of."""
    local, _, domain = str(user["email"]).partition("@")
    return [*str(user["name"]).split(), local, *local.split("."), *domain.split("."), "helpdesk"]


def forget_all(runtime: Runtime, session_ids: list[UUID]) -> None:
    """Stop believing sessions in this process at once."""
    for session_id in session_ids:
        runtime.authenticate.forget(session_id)


async def _addressee(transaction: Transaction, tenant_id: UUID, person: Person, email: str) -> Record:
    user = await find_user(transaction, tenant_id, person.id) if person.type == "user" else None
    if user is None or not user["is_active"] or user["email"] != email:
        raise invalid_token()
    return user
