"""How often anybody may try: counters in PostgreSQL that are raised before anything is evaluated.

An attempt is counted, and the count committed, before the password or code is looked at; who comes after the limit is
refused without a look. Raising and reading the counter is one statement on one row, so parallel attempts over any
number of processes queue at the row, and no more than the limit are ever evaluated. Redis has no part in it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Text,
    UniqueConstraint,
    bindparam,
    case,
    delete,
    func,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.domain.errors import TooManyError
from helpdesk_api.kit.context import new_id
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement, tenant_table


class TooManyAttemptsError(TooManyError):
    """It was tried too often in a short time; the present attempt was not looked at."""

    code = "too_many_attempts"
    title = "Too many attempts"


sign_in_attempts = tenant_table(
    "sign_in_attempts",
    Column("purpose", Text, nullable=False),
    # A hash: an address that somebody mistyped is nobody's business here.
    Column("subject", LargeBinary, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "purpose", "subject"),
    Index(None, "expires_at"),
    versioned=False,
)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts at something in so much time, for one address or person."""

    purpose: str
    most: int
    within: timedelta


PASSWORD: Final = Limit("password", 10, timedelta(minutes=15))
SECOND_FACTOR: Final = Limit("second_factor", 5, timedelta(minutes=15))
LINK: Final = Limit("link", 3, timedelta(minutes=15))

_put = insert(sign_in_attempts).values(
    tenant_id=bindparam("tenant"),
    id=bindparam("attempt_id"),
    purpose=bindparam("purpose"),
    subject=bindparam("subject"),
    attempt_count=1,
    expires_at=func.now() + bindparam("within", type_=Interval),
)
_is_over = sign_in_attempts.c.expires_at <= func.now()
_COUNT = Statement(
    _put.on_conflict_do_update(
        index_elements=["tenant_id", "purpose", "subject"],
        set_={
            "attempt_count": case((_is_over, 1), else_=sign_in_attempts.c.attempt_count + 1),
            "expires_at": case((_is_over, _put.excluded.expires_at), else_=sign_in_attempts.c.expires_at),
        },
    ).returning(sign_in_attempts.c.attempt_count, sign_in_attempts.c.expires_at, func.now().label("now"))
)
_FORGET = Statement(
    update(sign_in_attempts)
    .where(
        sign_in_attempts.c.tenant_id == bindparam("tenant"),
        sign_in_attempts.c.purpose == bindparam("purpose_is"),
        sign_in_attempts.c.subject == bindparam("subject_is"),
    )
    .values(attempt_count=0)
)
_PURGE = Statement(delete(sign_in_attempts).where(sign_in_attempts.c.expires_at <= func.now()))


async def count_attempt(database: Database, tenant_id: UUID, limit: Limit, subject: str) -> bool:
    """Count an attempt and commit the count; gives whether it was the last one allowed.

    Raises TooManyAttemptsError past the limit. A tenant or address that does not exist is counted like any other.
    """
    arguments = {
        "tenant": tenant_id,
        "attempt_id": new_id(),
        "purpose": limit.purpose,
        "subject": hashed_subject(subject),
        "within": limit.within,
    }
    async with database.transaction(tenant_id) as transaction:
        row = await transaction.row(_COUNT, arguments)
    if row is None:
        message = "a statement with RETURNING gave no row"
        raise LookupError(message)
    made, expires_at, now = row["attempt_count"], row["expires_at"], row["now"]
    if made > limit.most:
        raise _too_many(expires_at, now)
    return bool(made == limit.most)


async def forget_attempts(database: Database, tenant_id: UUID, limit: Limit, subject: str) -> None:
    """Start counting anew, after a success."""
    arguments = {"tenant": tenant_id, "purpose_is": limit.purpose, "subject_is": hashed_subject(subject)}
    async with database.transaction(tenant_id) as transaction:
        await transaction.run(_FORGET, arguments)


async def purge_attempts(runtime: Runtime) -> None:
    """Forget the counters of every tenant whose time is over."""
    async with runtime.db.sweep() as transaction:
        await transaction.run(_PURGE)


def hashed_subject(subject: str) -> bytes:
    """Give what is stored instead of the address or id that an attempt was for."""
    return hashlib.sha256(subject.strip().lower().encode()).digest()


def _too_many(expires_at: datetime, now: datetime) -> TooManyAttemptsError:
    message = "Too many attempts; this one was not looked at. Try again later."
    return TooManyAttemptsError(message, retry_after=expires_at - now)
