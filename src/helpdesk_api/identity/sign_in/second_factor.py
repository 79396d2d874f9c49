"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and recovery codes for when it is lost.

A code is good for half a minute on either side and works once: the step it belongs to is remembered, and neither it nor
an earlier one is accepted again. The shared secret must be read to check a code, so it is sealed; recovery codes are
random and long, so their hashes are kept. Attempts are counted per person, and a right password does not start the
count anew.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import pyotp
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    LargeBinary,
    UniqueConstraint,
    Uuid,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.domain.errors import ConflictError, UnauthenticatedError
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sealing import SealedColumn, Sealer
from helpdesk_api.kit.sql import Statement, insert_many, reference, tenant_table

PURPOSE: Final = "totp_factor"
RECOVERY_CODES: Final = 10
_STEP_SECONDS: Final = 30
_STEPS_AROUND: Final = (-1, 0, 1)
_SIX_DIGITS: Final = re.compile(r"[0-9]{6}")
# Without letters that look like digits.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4
_GROUP: Final = 4


class SecondFactorRequiredError(UnauthenticatedError):
    """The password is right, and this person has a second factor; send its code too."""

    code = "second_factor_required"
    title = "A code of the second factor is needed"


class SecondFactorActiveError(ConflictError):
    """There is a second factor already; remove it first."""

    code = "second_factor_active"
    title = "There is a second factor already"


class NoSecondFactorError(ConflictError):
    """There is no second factor to confirm or to remove."""

    code = "no_second_factor"
    title = "There is no second factor"


totp_factors = tenant_table(
    "totp_factors",
    Column("user_id", Uuid, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    # Until a code was shown to be right the factor asks nobody for anything.
    Column("confirmed_at", DateTime(timezone=True)),
    Column("last_step", BigInteger, nullable=False),
    UniqueConstraint("tenant_id", "user_id"),
    reference("user_id", "users", ondelete="CASCADE"),
    versioned=False,
)
recovery_codes = tenant_table(
    "recovery_codes",
    Column("user_id", Uuid, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("used_at", DateTime(timezone=True)),
    UniqueConstraint("tenant_id", "user_id", "code_hash"),
    reference("user_id", "users", ondelete="CASCADE"),
    versioned=False,
)

SEALED_SECRET: Final = SealedColumn(totp_factors.c.sealed_secret, PURPOSE)

_of_user = totp_factors.c.tenant_id == bindparam("tenant"), totp_factors.c.user_id == bindparam("user")
_FIND: Final = Statement(select(*totp_factors.c).where(*_of_user))
_put = insert(totp_factors).values(
    tenant_id=bindparam("tenant"),
    id=bindparam("factor"),
    user_id=bindparam("user"),
    sealed_secret=bindparam("sealed"),
    confirmed_at=None,
    last_step=0,
)
_PUT: Final = Statement(
    _put.on_conflict_do_update(
        index_elements=["tenant_id", "user_id"],
        set_={name: _put.excluded[name] for name in ("id", "sealed_secret", "last_step")},
        where=totp_factors.c.confirmed_at.is_(None),
    ).returning(totp_factors.c.id)
)
_TAKE_STEP: Final = Statement(
    update(totp_factors)
    .where(*_of_user, totp_factors.c.last_step < bindparam("step", type_=BigInteger))
    .values(last_step=bindparam("step", type_=BigInteger))
    .returning(totp_factors.c.id)
)
_CONFIRM: Final = Statement(
    update(totp_factors)
    .where(*_of_user, totp_factors.c.confirmed_at.is_(None))
    .values(confirmed_at=bindparam("now", type_=DateTime(timezone=True)))
)
_REMOVE: Final = Statement(delete(totp_factors).where(*_of_user).returning(totp_factors.c.id))
_PUT_CODES: Final = Statement(insert_many(recovery_codes, ("tenant_id", "id", "user_id", "code_hash")))
_codes_of_user = recovery_codes.c.tenant_id == bindparam("tenant"), recovery_codes.c.user_id == bindparam("user")
_TAKE_CODE: Final = Statement(
    update(recovery_codes)
    .where(*_codes_of_user, recovery_codes.c.code_hash == bindparam("code"), recovery_codes.c.used_at.is_(None))
    .values(used_at=bindparam("now", type_=DateTime(timezone=True)))
    .returning(recovery_codes.c.id)
)
_REMOVE_CODES: Final = Statement(delete(recovery_codes).where(*_codes_of_user))
_LEFT: Final = Statement(
    select(func.count()).select_from(recovery_codes).where(*_codes_of_user, recovery_codes.c.used_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class Factor:
    """The second factor of a member of staff."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    sealed_secret: bytes
    confirmed_at: datetime | None
    last_step: int


async def find_factor(transaction: Transaction, tenant_id: UUID, user_id: UUID) -> Factor | None:
    """Give the second factor of a user, confirmed or not."""
    return await transaction.first(Factor, _FIND, {"tenant": tenant_id, "user": user_id})


async def begin_factor(ctx: Ctx, sealer: Sealer, user_id: UUID) -> str:
    """Store a factor that is not asked for before it is confirmed; gives its secret, which is shown this once.

    Raises SecondFactorActiveError.
    """
    factor_id, secret = new_id(), pyotp.random_base32()
    sealed = sealer.seal(secret.encode(), tenant_id=ctx.tenant_id, purpose=PURPOSE, object_id=factor_id)
    row = await ctx.tx.row(_PUT, {"tenant": ctx.tenant_id, "user": user_id, "factor": factor_id, "sealed": sealed})
    if row is None:
        message = "There is a second factor already; remove it before adding another."
        raise SecondFactorActiveError(message)
    return secret


async def confirm_factor(ctx: Ctx, user_id: UUID, *, version: int) -> list[str]:
    """Ask for the factor from now on; gives the recovery codes, which are shown this once."""
    await ctx.tx.run(_CONFIRM, {"tenant": ctx.tenant_id, "user": user_id, "now": ctx.real_now})
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    await ctx.tx.run(_REMOVE_CODES, {"tenant": ctx.tenant_id, "user": user_id})
    values: dict[str, Any] = {
        "tenant_id": [ctx.tenant_id] * len(codes),
        "id": [new_id() for _ in codes],
        "user_id": [user_id] * len(codes),
        "code_hash": [_hashed(code) for code in codes],
    }
    await ctx.tx.run(_PUT_CODES, values)
    record(ctx, "user.second_factor_added", object_id=user_id, version=version, occurred_at=ctx.real_now)
    return codes


async def remove_factor(ctx: Ctx, user_id: UUID, *, version: int) -> None:
    """Ask for no second factor any more, and forget the recovery codes. Raises NoSecondFactorError."""
    key = {"tenant": ctx.tenant_id, "user": user_id}
    if await ctx.tx.row(_REMOVE, key) is None:
        message = "There is no second factor to remove."
        raise NoSecondFactorError(message)
    await ctx.tx.run(_REMOVE_CODES, key)
    record(ctx, "user.second_factor_removed", object_id=user_id, version=version, occurred_at=ctx.real_now)


async def takes_code(ctx: Ctx, sealer: Sealer, factor: Factor, code: str) -> bool:
    """Tell whether a code of the app or a recovery code is right, and use it up."""
    given = re.sub(r"[\s-]", "", code).lower()
    if _SIX_DIGITS.fullmatch(given):
        return await _takes_totp(ctx, sealer, factor, given)
    if factor.confirmed_at is None:
        return False
    key = {"tenant": ctx.tenant_id, "user": factor.user_id, "code": _hashed(given), "now": ctx.real_now}
    return await ctx.tx.row(_TAKE_CODE, key) is not None


async def codes_left(transaction: Transaction, tenant_id: UUID, user_id: UUID) -> int:
    """Count the recovery codes that were not used."""
    return int(await transaction.value(_LEFT, {"tenant": tenant_id, "user": user_id}))


async def _takes_totp(ctx: Ctx, sealer: Sealer, factor: Factor, given: str) -> bool:
    secret = sealer.open(factor.sealed_secret, tenant_id=ctx.tenant_id, purpose=PURPOSE, object_id=factor.id)
    app = pyotp.TOTP(secret.decode(), interval=_STEP_SECONDS)
    present = int(ctx.real_now.timestamp()) // _STEP_SECONDS
    for step in (present + around for around in _STEPS_AROUND):
        if hmac.compare_digest(app.generate_otp(step), given):
            key = {"tenant": ctx.tenant_id, "user": factor.user_id, "step": step}
            return await ctx.tx.row(_TAKE_STEP, key) is not None
    return False


def _new_code() -> str:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _hashed(code: str) -> bytes:
    return hashlib.sha256(code.replace("-", "").encode()).digest()
