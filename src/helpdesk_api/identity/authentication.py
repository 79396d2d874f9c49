"""The one place that turns credentials into a principal: API keys, and the access tokens of sessions.

What was found good is believed for two seconds, so that a busy client does not cost a query per request; this is also
how long a revoked key, an ended session or a right that was taken away may live on in another process.
"""

import asyncio
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

from sqlalchemy import DateTime, bindparam, or_, select, update

from helpdesk_api.domain.errors import UnauthenticatedError
from helpdesk_api.identity.api_keys import api_keys
from helpdesk_api.identity.key_networks import check_address, parsed_networks
from helpdesk_api.identity.principals import (
    narrowed,
    principal_of_contact,
    principal_of_role,
    principal_of_user,
)
from helpdesk_api.identity.sign_in.access import principal_of_access
from helpdesk_api.kit.client_address import Address, Network
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.db import Record, Transaction
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.tokens import KeyToken, read_key

BELIEVED_SECONDS = 2.0
_MOST_REMEMBERED = 10_000
_USE_NOTED_EVERY = timedelta(minutes=1)

_FIND = Statement(
    select(
        api_keys.c.id,
        api_keys.c.tenant_id,
        api_keys.c.secret_hash,
        api_keys.c.previous_secret_hash,
        api_keys.c.previous_secret_expires_at,
        api_keys.c.scopes,
        api_keys.c.allowed_networks,
        api_keys.c.field_groups,
        api_keys.c.user_id,
        api_keys.c.contact_id,
        api_keys.c.role_id,
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
    networks: tuple[Network, ...]

    def is_fresh(self, not_before: float) -> bool:
        """Tell whether it is believed still, and was looked up since an instant."""
        return monotonic() <= self.until and self.until - BELIEVED_SECONDS >= not_before


class BearerAuthenticator:
    """Recognise API keys and access tokens given as `Authorization: Bearer hd_…`."""

    def __init__(self) -> None:
        self._believed: dict[str, _Believed] = {}
        self._confirmed: dict[KeyToken, _Believed] = {}
        self._confirming = asyncio.Lock()

    async def __call__(self, runtime: Runtime, authorization: str | None, address: Address | None) -> Principal:
        """Give the principal of an Authorization header that came from an address.

        Raises UnauthenticatedError with the same words whether a key is unknown, revoked or expired, and
        AddressNotAllowedError for a good key from elsewhere.
        """
        text = _key_in(authorization)
        known = self._believed.get(text)
        if known is None or known.until < monotonic():
            known = await self._look_up(runtime, text)
        return _good(known, address)

    def token_of(self, authorization: str | None) -> KeyToken:
        """Give what an Authorization header says of itself; raises UnauthenticatedError for one that says nothing."""
        token = read_key(_key_in(authorization))
        if token is None:
            raise _unknown_key()
        return token

    async def again(
        self, runtime: Runtime, token: KeyToken, address: Address | None, *, not_before: float
    ) -> Principal:
        """Give the principal that a token stands for now, looked up since an instant of the monotonic clock.

        For what outlasts a request. Raises UnauthenticatedError and AddressNotAllowedError like the first look.
        """
        known = self._confirmed.get(token)
        if known is None or not known.is_fresh(not_before):
            # One look at a time: thousands of streams may ask at once, and most of them for the same few tokens.
            async with self._confirming:
                known = self._confirmed.get(token)
                if known is None or not known.is_fresh(not_before):
                    known = await self._find(runtime, token)
                    if len(self._confirmed) >= _MOST_REMEMBERED:
                        self._confirmed.clear()
                    self._confirmed[token] = known
        return _good(known, address)

    def has_seen(self, authorization: str | None) -> bool:
        """Tell whether a key was found good before, be it still good or not."""
        return (authorization or "").partition(" ")[2].strip() in self._believed

    def forget(self, credential_id: UUID) -> None:
        """Stop believing a key in this process."""
        self._believed = {
            text: known for text, known in self._believed.items() if known.principal.credential_id != credential_id
        }
        self._confirmed = {
            token: known for token, known in self._confirmed.items() if known.principal.credential_id != credential_id
        }

    async def _look_up(self, runtime: Runtime, text: str) -> _Believed:
        token = read_key(text)
        if token is None:
            raise _unknown_key()
        known = await self._find(runtime, token)
        if len(self._believed) >= _MOST_REMEMBERED:
            self._believed.clear()
        self._believed[text] = known
        return known

    async def _find(self, runtime: Runtime, token: KeyToken) -> _Believed:
        # Counted from before the look: what is revoked while it lasts is not believed for longer.
        until = monotonic() + BELIEVED_SECONDS
        return await (self._of_session if token.kind == "access" else self._of_key)(runtime, token, until)

    async def _of_session(self, runtime: Runtime, token: KeyToken, until: float) -> _Believed:
        async with runtime.db.transaction(token.tenant_id, read_only=True) as transaction:
            found = await principal_of_access(transaction, token)
        if found is None:
            raise _unknown_key()
        principal, expires_at = found
        # A session may move between networks, as people do.
        return _Believed(principal, until, expires_at, ())

    async def _of_key(self, runtime: Runtime, token: KeyToken, until: float) -> _Believed:
        if token.kind not in {"live", "test"}:
            raise _unknown_key()
        async with runtime.db.transaction(token.tenant_id, read_only=True) as transaction:
            row = await transaction.row(_FIND, {"tenant_id": token.tenant_id, "key_id": token.key_id})
            if row is None or row["revoked_at"]:
                raise _unknown_key()
            expires_at = _end_of_secret(row, token.secret_hash)
            principal = await _principal_of_key(transaction, row)
        if principal is None:
            raise _unknown_key()
        now = datetime.now(UTC)
        if row["last_used_at"] is None or now - row["last_used_at"] >= _USE_NOTED_EVERY:
            async with runtime.db.transaction(token.tenant_id) as transaction:
                await transaction.run(_NOTE_USE, {"tenant": token.tenant_id, "key": token.key_id, "now": now})
        return _Believed(principal, until, expires_at, parsed_networks(row["allowed_networks"]))


def _good(known: _Believed, address: Address | None) -> Principal:
    """Give the principal unless its credential has ended, or came from elsewhere than it may."""
    if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
        raise _unknown_key()
    check_address(known.networks, address)
    return known.principal


def _end_of_secret(row: Record, secret_hash: bytes) -> datetime | None:
    """Tell until when a secret opens a key, None for ever; raises UnauthenticatedError when it never did."""
    ends: list[datetime | None] = [row["expires_at"]]
    if not hmac.compare_digest(row["secret_hash"], secret_hash):
        if not hmac.compare_digest(row["previous_secret_hash"] or b"", secret_hash):
            raise _unknown_key()
        ends.append(row["previous_secret_expires_at"])
    return min((end for end in ends if end is not None), default=None)


async def principal_of_key(transaction: Transaction, tenant_id: UUID, key_id: UUID) -> Principal | None:
    """Give the principal of a key by its id, as if it had been sent; None for one that no longer works."""
    row = await transaction.row(_FIND, {"tenant_id": tenant_id, "key_id": key_id})
    return None if row is None or row["revoked_at"] else await _principal_of_key(transaction, row)


async def _principal_of_key(transaction: Transaction, row: Record) -> Principal | None:
    """Give the principal of a key: of the person or role it stands for, narrowed to what it names, or of its own."""
    tenant_id, key_id = row["tenant_id"], row["id"]
    if row["user_id"] is not None:
        holder = await principal_of_user(transaction, tenant_id, row["user_id"], credential_id=key_id)
    elif row["contact_id"] is not None:
        holder = await principal_of_contact(transaction, tenant_id, row["contact_id"], credential_id=key_id)
    elif row["role_id"] is not None:
        holder = await principal_of_role(transaction, tenant_id, row["role_id"], key_id=key_id)
    else:
        return Principal(
            type="api_key",
            id=key_id,
            tenant_id=tenant_id,
            permissions=frozenset(row["scopes"]),
            field_groups=frozenset(row["field_groups"]),
            is_sandbox=row["is_sandbox"],
            credential_id=key_id,
        )
    return None if holder is None else narrowed(holder, row["scopes"], row["field_groups"])


def _key_in(authorization: str | None) -> str:
    """Give the bare token: what is remembered by it is of one length, however the header was padded."""
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        message = "Send an API key or an access token as `Authorization: Bearer hd_…`."
        raise UnauthenticatedError(message)
    return text.strip()


def _unknown_key() -> UnauthenticatedError:
    return UnauthenticatedError("The API key or access token is unknown, revoked or expired.")
