"""The one place that turns credentials into a principal.

A key that was found good is believed for two seconds, so that a busy client does not cost a query per request; this is
also how long a revoked key may live on in another process.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

from sqlalchemy import DateTime, bindparam, or_, select, update

from helpdesk_api.domain.errors import UnauthenticatedError
from helpdesk_api.identity.api_keys import api_keys
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.tokens import read_key

BELIEVED_SECONDS = 2.0
_MOST_REMEMBERED = 10_000
_USE_NOTED_EVERY = timedelta(minutes=1)

_FIND = Statement(
    select(
        api_keys.c.id,
        api_keys.c.tenant_id,
        api_keys.c.secret_hash,
        api_keys.c.scopes,
        api_keys.c.expires_at,
        api_keys.c.last_used_at,
        api_keys.c.revoked_at,
        tenants.c.clock_at.is_not(None).label("is_sandbox"),
    )
    .join(tenants, tenants.c.id == api_keys.c.tenant_id)
    .where(api_keys.c.tenant_id == bindparam("tenant_id"), api_keys.c.id == bindparam("key_id"))
)
_now = bindparam("now", type_=DateTime(timezone=True))
_NOTE_USE = Statement(
    update(api_keys)
    .where(
        api_keys.c.tenant_id == bindparam("tenant"),
        api_keys.c.id == bindparam("key"),
        or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < _now),
    )
    .values(last_used_at=_now)
)


@dataclass(frozen=True, slots=True)
class _Believed:
    principal: Principal
    until: float
    expires_at: datetime | None


class KeyAuthenticator:
    """Recognise API keys given as `Authorization: Bearer hd_…`."""

    def __init__(self) -> None:
        self._believed: dict[str, _Believed] = {}

    async def __call__(self, runtime: Runtime, authorization: str | None) -> Principal:
        """Give the principal of an Authorization header.

        Raises UnauthenticatedError with the same words whether a key is unknown, revoked or expired.
        """
        known = self._believed.get(authorization or "")
        if known is None or known.until < monotonic():
            known = await self._look_up(runtime, authorization)
        if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
            raise _unknown_key()
        return known.principal

    def forget(self, credential_id: UUID) -> None:
        """Stop believing a key in this process."""
        self._believed = {
            header: known for header, known in self._believed.items() if known.principal.id != credential_id
        }

    async def _look_up(self, runtime: Runtime, authorization: str | None) -> _Believed:
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            message = "Send an API key as `Authorization: Bearer hd_…`."
            raise UnauthenticatedError(message)
        token = read_key(text.strip())
        if token is None:
            raise _unknown_key()
        async with runtime.db.transaction(token.tenant_id, read_only=True) as transaction:
            row = await transaction.row(_FIND, {"tenant_id": token.tenant_id, "key_id": token.key_id})
        if row is None or not hmac.compare_digest(row["secret_hash"], token.secret_hash) or row["revoked_at"]:
            raise _unknown_key()
        now = datetime.now(UTC)
        if row["last_used_at"] is None or now - row["last_used_at"] >= _USE_NOTED_EVERY:
            async with runtime.db.transaction(token.tenant_id) as transaction:
                await transaction.run(_NOTE_USE, {"tenant": token.tenant_id, "key": token.key_id, "now": now})
        if len(self._believed) >= _MOST_REMEMBERED:
            self._believed.clear()
        principal = Principal(
            type="api_key",
            id=row["id"],
            tenant_id=row["tenant_id"],
            scopes=frozenset(row["scopes"]),
            is_sandbox=row["is_sandbox"],
        )
        known = _Believed(principal, monotonic() + BELIEVED_SECONDS, row["expires_at"])
        self._believed[authorization or ""] = known
        return known


def _unknown_key() -> UnauthenticatedError:
    return UnauthenticatedError("The API key is unknown, revoked or expired.")
