"""Replacing the secret of an API key without an outage: for a while the new and the former secret both work.

The key stays the same: its id, scopes, networks and usage. Recognising either secret is `identity.authentication`.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.api_keys import API_KEYS, NewApiKey, api_keys
from helpdesk_api.identity.key_grants import check_within_own
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch, check_version
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource_routes import tag_response
from helpdesk_api.kit.rotation import Rotation, overlap_until
from helpdesk_api.kit.tokens import new_key
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed


class KeyEndedError(ConflictError):
    """A key that was revoked or has expired gets no new secret."""

    code = "key_ended"
    title = "The key was revoked or has expired"


class KeyRotatingError(ConflictError):
    """The former secret still works; a further one would end it before its time."""

    code = "key_rotating"
    title = "The former secret of the key still works"


class KeyRotation(Rotation):
    """How to replace the secret of a key."""


_GENTLY = KeyRotation()

router = APIRouter(prefix=f"/v1/{API_KEYS.plural}", tags=[API_KEYS.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/{id}/rotate",
    operation_id="api_keys_rotate",
    summary="Replace the secret of an API key",
    description=(
        "Makes a new secret and shows the key with it this once. The former one works for `overlap_seconds` more, so "
        "that every place which uses the key can be changed without an outage; then, or at once with 0, it is dead "
        "within two seconds everywhere. Nobody can rotate a key that may do more than the caller. Records "
        "`api_key.rotated`."
    ),
)
async def rotate_key(
    id: UUID,
    body: Annotated[KeyRotation, Body()] = _GENTLY,
    *,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("api-keys:write")],
) -> NewApiKey:
    """Replace the secret."""
    before = await crud.fetch_locked(ctx, API_KEYS, id)
    check_version(before.version, expected)
    await check_within_own(ctx, before)
    if before.revoked_at is not None or (before.expires_at is not None and before.expires_at <= ctx.real_now):
        message = "The key has ended; create another."
        raise KeyEndedError(message)
    until = before.previous_secret_expires_at
    expires_at = overlap_until(ctx, body, "previous_secret_expires_at", until, refusal=KeyRotatingError)
    text, secret_hash = new_key(ctx.tenant_id, id, "test" if ctx.is_test_clock else "live")
    values = {
        "secret_hash": secret_hash,
        "previous_secret_hash": api_keys.c.secret_hash,
        "previous_secret_expires_at": expires_at,
    }
    rotated = await crud.store_changes(ctx, API_KEYS, before, values)
    record(
        ctx,
        "api_key.rotated",
        object_id=id,
        version=rotated.version,
        changes={"previous_secret_expires_at": (until, expires_at)},
    )
    request.app.state.runtime.authenticate.forget(id)
    tag_response(response, rotated)
    return NewApiKey.trusted({**vars(rotated), "key": text})
