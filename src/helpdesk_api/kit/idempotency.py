"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a write repeated with its key has one effect.

The stored answer is written in the transaction of the change itself, so the two cannot come apart. A twin that arrives
while the first is still running is told so (409) instead of being made to wait; the same key with another payload is
refused (422). Keys are kept for 24 hours and belong to the credential, method and path that used them.

An answer is given again only to who may still do and see what it might when it was answered: with other rights, the
caller is told that the write was done and no more.

An answer that shows a secret is sealed under a key derived from the credential that the caller sent, of which the
database holds a hash at most: neither a copy of the database nor the settings of the server open it, only the caller.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    bindparam,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.domain.errors import ConflictError, InvalidError, MalformedError
from helpdesk_api.kit.context import Ctx, Principal, new_id
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.sealing import SealBrokenError, Sealer
from helpdesk_api.kit.sql import Statement, tenant_table

KEEP = timedelta(hours=24)
_SHAPE = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "etag", "location")

idempotency_keys = tenant_table(
    "idempotency_keys",
    Column("credential_id", Uuid, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("is_sealed", Boolean, nullable=False),
    # What the caller might do and see when it was answered; null in rows from before this was kept.
    Column("rights", LargeBinary),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "credential_id", "method", "path", "key"),
    Index(None, "expires_at"),
    versioned=False,
)


class InvalidIdempotencyKeyError(MalformedError):
    """The header is not 1 to 255 visible ASCII characters."""

    code = "invalid_idempotency_key"
    title = "The idempotency key is not usable"


class IdempotencyKeyReusedError(InvalidError):
    """The key was used before for a different request."""

    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another request"


class RequestInProgressError(ConflictError):
    """The first request with this key has not been answered yet."""

    code = "request_in_progress"
    title = "A request with this key is still being processed"


class AnswerSealedError(ConflictError):
    """The write was done, but its answer shows a secret and opens only for the same credential text that asked."""

    code = "answer_sealed"
    title = "The stored answer cannot be shown to this credential"


class AnswerWithheldError(ConflictError):
    """The write was done, but the caller's rights have changed since; what it answered then is not given out now."""

    code = "answer_withheld"
    title = "The stored answer is not for these rights"


@dataclass(frozen=True, slots=True)
class Keyed:
    """A write that carries a key. The fingerprint covers all that the answer depends on.

    `credential` is what the caller proves itself by. It is there when the answer shows a secret and is to be sealed.
    """

    key: str
    method: str
    path: str
    fingerprint: bytes
    credential: bytes | None = field(default=None, repr=False)

    @property
    def purpose(self) -> str:
        """Name what a sealed answer is the answer to."""
        return f"{self.method} {self.path} {self.key}"

    @property
    def lock(self) -> int:
        """Give the number that twins of this write contend for."""
        digest = hashlib.sha256(self.purpose.encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


_TRY_LOCK = Statement(
    select(
        func.pg_try_advisory_xact_lock(
            func.hashtextextended(bindparam("owner", type_=Text), bindparam("lock", type_=BigInteger))
        )
    )
)
_mine = (
    idempotency_keys.c.tenant_id == bindparam("tenant_id"),
    idempotency_keys.c.credential_id == bindparam("credential_id"),
    idempotency_keys.c.method == bindparam("method"),
    idempotency_keys.c.path == bindparam("path"),
    idempotency_keys.c.key == bindparam("key"),
)
_FIND = Statement(
    select(
        idempotency_keys.c.fingerprint,
        idempotency_keys.c.status,
        idempotency_keys.c.headers,
        idempotency_keys.c.body,
        idempotency_keys.c.is_sealed,
        idempotency_keys.c.rights,
    ).where(*_mine, idempotency_keys.c.expires_at > func.now())
)
_insert = insert(idempotency_keys).values(
    {column.name: bindparam(column.name) for column in idempotency_keys.c if column.name != "expires_at"}
    | {"expires_at": func.now() + KEEP}
)
_ANEW = ("fingerprint", "status", "headers", "body", "is_sealed", "rights", "expires_at")
_STORE = Statement(
    _insert.on_conflict_do_update(
        index_elements=["tenant_id", "credential_id", "method", "path", "key"],
        set_={name: _insert.excluded[name] for name in _ANEW},
        where=idempotency_keys.c.expires_at <= func.now(),
    )
)
_PURGE = Statement(delete(idempotency_keys).where(idempotency_keys.c.expires_at <= func.now()))


async def keyed(request: Request, *, shows_secret: bool) -> Keyed | None:
    """Read the key of a request, bare or quoted, and fingerprint the request; None without the header."""
    header = request.headers.get("idempotency-key")
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not _SHAPE.fullmatch(key):
        message = "Idempotency-Key must be 1 to 255 visible ASCII characters."
        raise InvalidIdempotencyKeyError(message, pointer="/Idempotency-Key", location="header")
    parts = (
        request.method.encode(),
        request.scope["raw_path"],
        request.scope["query_string"],
        request.headers.get("content-type", "").encode(),
        request.headers.get("if-match", "").encode(),
        await request.body(),
    )
    fingerprint = hashlib.sha256()
    for part in parts:
        fingerprint.update(len(part).to_bytes(8) + part)
    return Keyed(
        key=key,
        method=request.method,
        path=request.url.path,
        fingerprint=fingerprint.digest(),
        credential=request.headers["authorization"].partition(" ")[2].strip().encode() if shows_secret else None,
    )


async def earlier_answer(ctx: Ctx, write: Keyed) -> Response | None:
    """Give the stored answer to this write, or None when it is the first.

    Raises RequestInProgressError for a twin in flight, IdempotencyKeyReusedError for another payload,
    AnswerWithheldError when the caller's rights have changed, AnswerSealedError for what this caller cannot open.
    """
    if not await _hold(ctx, write):
        message = "The first request with this key is still being processed."
        raise RequestInProgressError(message, retry_after=timedelta(seconds=1))
    stored = await ctx.tx.row(_FIND, _identity(ctx, write))
    if stored is None:
        return None
    if stored["fingerprint"] != write.fingerprint:
        message = "This key was used for a request with other content; use a new key."
        raise IdempotencyKeyReusedError(message, pointer="/Idempotency-Key", location="header")
    if stored["rights"] != _rights(ctx.principal):
        message = "The write was done. The rights of the caller have changed since; read what it may see now."
        raise AnswerWithheldError(message, params={"location": stored["headers"].get("location")})
    headers = {**stored["headers"], "idempotency-replayed": "true"}
    body = _opened(ctx, write, stored["body"]) if stored["is_sealed"] else stored["body"]
    return Response(content=body, status_code=stored["status"], headers=headers)


async def store_answer(ctx: Ctx, write: Keyed, response: Response) -> None:
    """Keep the answer in the same transaction as its effect; sealed, if it shows a secret."""
    body = bytes(response.body)
    if write.credential is not None:
        body = Sealer.of_secret(write.credential).seal(body, **_belonging(ctx, write))
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    await ctx.tx.run(
        _STORE,
        _identity(ctx, write)
        | {
            "id": new_id(),
            "fingerprint": write.fingerprint,
            "status": response.status_code,
            "headers": headers,
            "body": body,
            "is_sealed": write.credential is not None,
            "rights": _rights(ctx.principal),
        },
    )


async def store_refusal(ctx: Ctx, write: Keyed, response: Response) -> None:
    """Keep a refusal, in a transaction of its own; not if a twin is at work meanwhile, whose answer then counts."""
    if await _hold(ctx, write):
        await store_answer(ctx, write, response)


async def purge(database: Database) -> int:
    """Forget the keys of every tenant that are older than their time."""
    async with database.sweep() as transaction:
        return await transaction.run(_PURGE)


def _opened(ctx: Ctx, write: Keyed, sealed: bytes) -> bytes:
    try:
        return Sealer.of_secret(write.credential or b"").open(sealed, **_belonging(ctx, write))
    except SealBrokenError:
        message = "The write was done. Its answer shows a secret and opens only for the secret that the key then had."
        raise AnswerSealedError(message) from None


def _belonging(ctx: Ctx, write: Keyed) -> dict[str, Any]:
    return {"tenant_id": ctx.tenant_id, "purpose": write.purpose, "object_id": ctx.principal.id}


async def _hold(ctx: Ctx, write: Keyed) -> bool:
    owner = f"{ctx.tenant_id}{ctx.principal.id}"
    return bool(await ctx.tx.value(_TRY_LOCK, {"owner": owner, "lock": write.lock}))


def _rights(principal: Principal) -> bytes:
    """Digest all that an answer to somebody depends on."""
    reach = principal.reach
    parts = (sorted(principal.permissions), sorted(principal.field_groups), reach.kind, sorted(reach.values.items()))
    return hashlib.sha256(repr(parts).encode()).digest()


def _identity(ctx: Ctx, write: Keyed) -> dict[str, Any]:
    return {
        "tenant_id": ctx.tenant_id,
        "credential_id": ctx.principal.id,
        "method": write.method,
        "path": write.path,
        "key": write.key,
    }
