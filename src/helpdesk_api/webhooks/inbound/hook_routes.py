"""The endpoints of inbound hooks: the usual ones, and a look at what would be made of a message.

Replacing token and secret is `webhooks.inbound.hook_rotation`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Body, Request, Response
from pydantic import Field, JsonValue
from sqlalchemy import bindparam, select

from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch, check_version
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource_routes import (
    MERGE_PATCH,
    ResourceRouter,
    add_delete,
    add_reading,
    announce_created,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import Input, patch_model
from helpdesk_api.kit.sealing import Sealer
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import new_key
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.webhooks.inbound.hooks import (
    HOOKS,
    WITHOUT_PREVIOUS,
    InboundHook,
    InboundHookCreate,
    NewInboundHook,
    check_powers,
    check_room,
    kept_secret,
    made_secret,
    sealed,
    shown_signature,
)
from helpdesk_api.webhooks.inbound.mapping import InboundMapping, completed
from helpdesk_api.webhooks.inbound.models import inbound_hooks
from helpdesk_api.webhooks.inbound.presets import PRESETS, InboundPreset, PresetName
from helpdesk_api.webhooks.inbound.previewing import InboundPreview, preview
from helpdesk_api.webhooks.inbound.schemes import UNSIGNED

_SECRET: Final = Statement(
    select(inbound_hooks.c.sealed_secret).where(
        inbound_hooks.c.tenant_id == bindparam("tenant"), inbound_hooks.c.id == bindparam("hook")
    )
)

_Writing = Annotated[Ctx, allowed("inbound-hooks:write")]


class InboundPreviewRequest(Input):
    """A message to look at, and perhaps another mapping than that of the hook."""

    body: Annotated[
        dict[str, JsonValue] | list[JsonValue], Field(description="The message, as the sender would send it.")
    ]
    mapping: Annotated[
        InboundMapping | None, Field(description="What differs from the mapping of the hook, to try it out.")
    ] = None


router = ResourceRouter(HOOKS)
add_reading(router, HOOKS)
add_delete(router, HOOKS)


@router.post(
    "",
    status_code=201,
    operation_id=operation(HOOKS, "create"),
    summary="Create an inbound hook",
    description=(
        "Stores a hook and shows this once the token for its address `/v1/inbound/{token}`, and the secret if one was "
        "made. Whoever creates a hook must be able to do what it does: `tickets:write`, `notes:write` and "
        "`companies:read`, or to write every field of client cards, for all clients. A tenant may have 100. Records "
        "`inbound_hook.created`."
    ),
)
async def create_hook(body: InboundHookCreate, request: Request, response: Response, ctx: _Writing) -> NewInboundHook:
    """Create a hook."""
    await check_room(ctx)
    preset = None if body.preset is None else PRESETS[body.preset]
    mapping = completed(
        {} if preset is None else preset.mapping,
        {} if body.mapping is None else body.mapping.given(),
        pointer="/mapping",
    )
    check_powers(ctx, mapping)
    given: dict[str, Any] = (
        body.signature.model_dump() if body.signature else dict(UNSIGNED if preset is None else preset.signature)
    )
    is_made = given["scheme"] != "none" and given["secret"] is None
    secret = made_secret(given["scheme"], pointer="/signature/secret") if is_made else given["secret"]
    hook_id = new_id()
    token, token_hash = new_key(ctx.tenant_id, hook_id, "hook")
    values = body.model_dump(include={"name", "is_enabled", "preset", "on_recovery"}) | {
        "mapping": mapping,
        "signature": shown_signature(given),
        "sealed_secret": sealed(ctx, request.app.state.runtime.sealer, hook_id, secret),
        "token_hash": token_hash,
    }
    created = await crud.add(ctx, HOOKS, values, object_id=hook_id)
    announce_created(request, response, created)
    return NewInboundHook.trusted({**vars(created), "token": token, "secret": secret if is_made else None})


@router.patch(
    "/{id}",
    operation_id=operation(HOOKS, "update"),
    summary="Change an inbound hook",
    description=(
        "Changes the given fields (RFC 7396) and records `inbound_hook.updated`. Of `mapping`, too, what is absent "
        "stays; another `preset` first fills mapping and signature anew. `signature` is replaced as a whole, with its "
        "secret kept where none is given and the scheme stays; a given one ends the former at once."
    ),
)
async def update_hook(
    id: UUID,
    body: Annotated[patch_model(InboundHookCreate), Body(media_type=MERGE_PATCH)],  # type: ignore[valid-type]  # made at run time.
    *,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: _Writing,
) -> InboundHook:
    """Change a hook."""
    before = await crud.fetch_locked(ctx, HOOKS, id)
    check_powers(ctx, before.mapping)
    check_version(before.version, expected)
    given = body.given()
    preset = None if given.get("preset") is None else PRESETS[PresetName(given["preset"])]
    changes = given | _mapping(before, preset, body)
    check_powers(ctx, changes.get("mapping", before.mapping))
    signature = given.get("signature") or (
        preset.signature if preset is not None and "signature" not in given else None
    )
    secrets: dict[str, Any] = {}
    if signature is not None:
        changes["signature"] = shown_signature(signature)
        secrets = await _secret(ctx, request.app.state.runtime.sealer, before, signature)
    effective = crud.difference(HOOKS, before, changes)
    after = before
    if effective or secrets:
        values = {name: new for name, (_, new) in effective.items()} | secrets
        after = await crud.store_changes(ctx, HOOKS, before, values)
        record(ctx, "inbound_hook.updated", object_id=id, version=after.version, changes=effective)
    tag_response(response, after)
    return after


@router.post(
    "/{id}/preview",
    operation_id=operation(HOOKS, "preview"),
    summary="Preview what an inbound hook makes of a message",
    description=(
        "Tells for every alert of a message what would be done about it and with which words, or why nothing could be. "
        "Nothing is stored or recorded, and no signature is asked for."
    ),
)
async def preview_message(id: UUID, body: InboundPreviewRequest, ctx: _Writing) -> InboundPreview:
    """Look at a message."""
    hook = await crud.fetch(ctx, HOOKS, id)
    given = {} if body.mapping is None else body.mapping.given()
    mapping = completed(hook.mapping, given, pointer="/mapping")
    check_powers(ctx, mapping)
    return await preview(ctx, hook, mapping, body.body)


def _mapping(before: InboundHook, preset: InboundPreset | None, body: Input) -> dict[str, Any]:
    """Give the mapping that a change leads to, if it changes any."""
    given: InboundMapping | None = getattr(body, "mapping", None)
    if given is None and (preset is None or "mapping" in body.model_fields_set):
        return {}
    base = before.mapping if preset is None else preset.mapping
    return {"mapping": completed(base, given.given() if given is not None else {}, pointer="/mapping")}


async def _secret(ctx: Ctx, sealer: Sealer, hook: InboundHook, signature: Mapping[str, Any]) -> dict[str, Any]:
    """Give the sealed secret that goes with a signature, if it is another one; raises MissingSecretError.

    Another one ends what was replaced before as well: rotation is what lets two hold.
    """
    if signature["secret"] is not None:
        return WITHOUT_PREVIOUS | {"sealed_secret": sealed(ctx, sealer, hook.id, signature["secret"])}
    stored = await ctx.tx.value(_SECRET, {"tenant": ctx.tenant_id, "hook": hook.id})
    kept = kept_secret(hook.signature, signature, stored)
    return {} if kept == stored else WITHOUT_PREVIOUS | {"sealed_secret": kept}
