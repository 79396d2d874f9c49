"""Replacing the token or the secret of an inbound hook without losing a message: for a while both are accepted.

A sender is changed by somebody else, somewhere else, and goes on sending meanwhile. Accepting either is
`webhooks.inbound.receiving`.
"""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response
from pydantic import Field

from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch, check_version
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource_routes import operation, tag_response
from helpdesk_api.kit.rotation import Rotation, SecretRotatingError, overlap_until
from helpdesk_api.kit.tokens import new_key
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.webhooks.inbound.hooks import (
    HOOKS,
    InboundHook,
    NewInboundHook,
    RotatedInboundHook,
    check_powers,
    made_secret,
    sealed,
)
from helpdesk_api.webhooks.inbound.models import inbound_hooks
from helpdesk_api.webhooks.inbound.schemes import SigningSecret, check_written

_Writing = Annotated[Ctx, allowed("inbound-hooks:write")]


class TokenRotatingError(ConflictError):
    """The former address still takes messages; a further one would end it before its time."""

    code = "token_rotating"
    title = "The former token of the hook still works"


class NothingSignedError(ConflictError):
    """The messages of this hook are not signed."""

    code = "nothing_signed"
    title = "The hook has no secret"


class InvalidSecretError(InvalidError):
    """A secret is not written as senders of the scheme write theirs."""

    code = "invalid_secret"
    title = "The secret is not one of this scheme"


class TokenRotation(Rotation):
    """How to replace the token of a hook."""


class InboundSecretRotation(Rotation):
    """How to replace what the messages of a hook are signed with."""

    secret: Annotated[
        SigningSecret | None, Field(description="What the sender signs with from now on; null: one is made and shown.")
    ] = None


_TOKEN_GENTLY: Final = TokenRotation()
_SECRET_GENTLY: Final = InboundSecretRotation()

router = APIRouter(prefix=f"/v1/{HOOKS.plural}/{{id}}", tags=[HOOKS.plural], route_class=UnitOfWorkRoute)


@router.post(
    "/rotate-token",
    operation_id=operation(HOOKS, "rotate_token"),
    summary="Replace the token of an inbound hook",
    description=(
        "Makes a new token and shows it this once. The former address takes messages for `overlap_seconds` more, so "
        "that the sender can be changed without losing an alert. Records `inbound_hook.token_rotated`."
    ),
)
async def rotate_token(
    id: UUID,
    body: Annotated[TokenRotation, Body()] = _TOKEN_GENTLY,
    *,
    response: Response,
    expected: IfMatch,
    ctx: _Writing,
) -> NewInboundHook:
    """Replace a token."""
    before = await _to_be_changed(ctx, id, expected)
    until = before.previous_token_expires_at
    expires_at = overlap_until(ctx, body, "previous_token_expires_at", until, refusal=TokenRotatingError)
    token, token_hash = new_key(ctx.tenant_id, id, "hook")
    values = {
        "token_hash": token_hash,
        "previous_token_hash": inbound_hooks.c.token_hash,
        "previous_token_expires_at": expires_at,
    }
    rotated = await crud.store_changes(ctx, HOOKS, before, values)
    record(
        ctx,
        "inbound_hook.token_rotated",
        object_id=id,
        version=rotated.version,
        changes={"previous_token_expires_at": (until, expires_at)},
    )
    tag_response(response, rotated)
    return NewInboundHook.trusted({**vars(rotated), "token": token, "secret": None})


@router.post(
    "/rotate-secret",
    operation_id=operation(HOOKS, "rotate_secret"),
    summary="Replace the secret of an inbound hook",
    description=(
        "Takes a new secret, or makes one and shows it this once. Messages signed with the former one are accepted for "
        "`overlap_seconds` more, so that the sender can be changed without losing an alert. Records "
        "`inbound_hook.secret_rotated`."
    ),
)
async def rotate_secret(
    id: UUID,
    body: Annotated[InboundSecretRotation, Body()] = _SECRET_GENTLY,
    *,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: _Writing,
) -> RotatedInboundHook:
    """Replace a secret."""
    before = await _to_be_changed(ctx, id, expected)
    scheme = before.signature["scheme"]
    if scheme == "none":
        message = "Nothing signs the messages of this hook; give it a `signature` first."
        raise NothingSignedError(message)
    secret = made_secret(scheme, pointer="/secret") if body.secret is None else _written(scheme, body.secret)
    until = before.previous_secret_expires_at
    expires_at = overlap_until(ctx, body, "previous_secret_expires_at", until, refusal=SecretRotatingError)
    values = {
        "sealed_secret": sealed(ctx, request.app.state.runtime.sealer, id, secret),
        "sealed_previous_secret": inbound_hooks.c.sealed_secret,
        "previous_secret_expires_at": expires_at,
    }
    rotated = await crud.store_changes(ctx, HOOKS, before, values)
    record(
        ctx,
        "inbound_hook.secret_rotated",
        object_id=id,
        version=rotated.version,
        changes={"previous_secret_expires_at": (until, expires_at)},
    )
    tag_response(response, rotated)
    return RotatedInboundHook.trusted({**vars(rotated), "secret": secret if body.secret is None else None})


async def _to_be_changed(ctx: Ctx, hook_id: UUID, expected: int | None) -> InboundHook:
    before = await crud.fetch_locked(ctx, HOOKS, hook_id)
    check_powers(ctx, before.mapping)
    check_version(before.version, expected)
    return before


def _written(scheme: str, secret: str) -> str:
    try:
        check_written(scheme, secret)
    except ValueError as error:
        raise InvalidSecretError(str(error), pointer="/secret") from error
    return secret
