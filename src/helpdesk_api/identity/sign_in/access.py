"""Who an access token stands for: the person of its session, with the rights that the person has now."""

import hmac
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, select

from helpdesk_api.identity.principals import principal_of_contact, principal_of_user
from helpdesk_api.identity.sign_in.models import session_tokens, sessions
from helpdesk_api.identity.sign_in.sessions import Person
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import KeyToken

_FIND: Final = Statement(
    select(
        session_tokens.c.session_id,
        session_tokens.c.access_hash,
        session_tokens.c.access_expires_at,
        sessions.c.user_id,
        sessions.c.contact_id,
    )
    .join(
        sessions,
        (sessions.c.tenant_id == session_tokens.c.tenant_id) & (sessions.c.id == session_tokens.c.session_id),
    )
    .where(
        session_tokens.c.tenant_id == bindparam("tenant"),
        session_tokens.c.id == bindparam("token"),
        session_tokens.c.access_expires_at > func.now(),
        sessions.c.ended_at.is_(None),
    )
)


async def principal_of_access(transaction: Transaction, token: KeyToken) -> tuple[Principal, datetime] | None:
    """Give the principal of an access token and when the token ends; None for one that is not, or no longer, good."""
    row = await transaction.row(_FIND, {"tenant": token.tenant_id, "token": token.key_id})
    if row is None or not hmac.compare_digest(row["access_hash"], token.secret_hash):
        return None
    person = Person("user", row["user_id"]) if row["user_id"] else Person("contact", row["contact_id"])
    principal = await principal_of(transaction, token.tenant_id, person, credential_id=row["session_id"])
    return None if principal is None else (principal, row["access_expires_at"])


async def principal_of(
    transaction: Transaction, tenant_id: UUID, person: Person, *, credential_id: UUID | None
) -> Principal | None:
    """Give the principal of a person, or None for one who may not come in."""
    find = principal_of_user if person.type == "user" else principal_of_contact
    return await find(transaction, tenant_id, person.id, credential_id=credential_id)
