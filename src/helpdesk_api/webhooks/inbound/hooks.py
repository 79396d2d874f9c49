"""Inbound hooks: addresses that other systems send alerts to, and what is made of what they send.

The token in the address is shown when it is made and never again; only its hash is stored. What signs messages is
stored sealed. A hook acts for nobody but itself: it opens tickets, adds notes and solves, sees every client, and
whoever makes one may do all of that. The API is `webhooks.inbound.hook_routes`, taking a message
`webhooks.inbound.receiving`.
"""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import bindparam, func, select

from helpdesk_api.domain.errors import ConflictError, ForbiddenError
from helpdesk_api.identity.permissions import CLIENT_COMMERCIAL, CLIENT_INTERNAL, CONTACT_DETAILS
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Flag, Input, Line
from helpdesk_api.kit.sealing import Sealer
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.kit.visibility import EVERY_GROUP
from helpdesk_api.webhooks.credentials import MissingSecretError
from helpdesk_api.webhooks.inbound.mapping import InboundMapping, StoredMapping
from helpdesk_api.webhooks.inbound.models import SEALED_SECRET, inbound_hooks
from helpdesk_api.webhooks.inbound.presets import PRESETS, PresetName
from helpdesk_api.webhooks.inbound.schemes import InboundSignature, StoredSignature
from helpdesk_api.webhooks.signing import new_secret

MOST_HOOKS: Final = 100
# What a hook does is what these permissions allow.
PERMISSIONS: Final = ("tickets:write", "notes:write", "companies:read")
CARD_PERMISSIONS: Final = ("companies:write", "contacts:write", "locations:write")

_CARD_GROUPS: Final = (CLIENT_COMMERCIAL, CLIENT_INTERNAL, CONTACT_DETAILS)

# What goes with a secret that takes the place of another at once.
WITHOUT_PREVIOUS: Final[dict[str, Any]] = {"sealed_previous_secret": None, "previous_secret_expires_at": None}

_COUNT = Statement(
    select(func.count()).select_from(inbound_hooks).where(inbound_hooks.c.tenant_id == bindparam("tenant"))
)


class TooManyInboundHooksError(ConflictError):
    """The tenant has as many inbound hooks as it may have."""

    code = "too_many_inbound_hooks"
    title = "There may be no more inbound hooks"


class HookExceedsOwnError(ForbiddenError):
    """A hook would do what its maker may not do."""

    code = "hook_exceeds_own"
    title = "An inbound hook may do more than the caller"


class InboundHookCreate(Input):
    """A new inbound hook."""

    name: Line
    is_enabled: Annotated[Flag, Field(description="What is sent while it is false is refused.")] = True
    preset: Annotated[
        PresetName | None,
        Field(description="Fills mapping and signature for a known sender; see `/v1/inbound-presets`."),
    ] = None
    mapping: Annotated[
        InboundMapping | None,
        Field(description="What differs from the preset; without one `dedupe_key` and `subject` are needed."),
    ] = None
    on_recovery: Annotated[
        Literal["solve", "note"],
        Field(description="Whether an alert that is over solves its ticket, or only adds a note."),
    ] = "solve"
    signature: Annotated[
        InboundSignature | None, Field(description="How messages are signed; without it as the preset has it.")
    ] = None


class InboundHook(Entity):
    """An address that another system sends alerts to, without its token and secret."""

    name: str
    is_enabled: bool
    preset: Annotated[str | None, Field(examples=list(PresetName))]
    mapping: StoredMapping
    on_recovery: Annotated[str, Field(examples=["solve", "note"])]
    signature: StoredSignature
    previous_token_expires_at: Annotated[
        AwareDatetime | None, Field(description="Until when the former address takes messages as well; in real time.")
    ]
    previous_secret_expires_at: Annotated[
        AwareDatetime | None, Field(description="Until when the former secret signs as well; in real time.")
    ]


class NewInboundHook(InboundHook):
    """A hook whose token was just made."""

    shows_secret = True

    token: Annotated[str, Field(description="What stands in the address `/v1/inbound/{token}`: shown this once.")]
    secret: Annotated[
        str | None, Field(description="What the sender signs with, if it was made by us just now: shown this once.")
    ]


class RotatedInboundHook(InboundHook):
    """A hook whose secret was just replaced."""

    shows_secret = True

    secret: Annotated[
        str | None, Field(description="What the sender signs with, if it was made by us just now: shown this once.")
    ]


HOOKS = Resource(
    name="inbound_hook",
    plural="inbound-hooks",
    table=inbound_hooks,
    read=InboundHook,
    example={
        "name": "Alertmanager of the Turin plant",
        "is_enabled": True,
        "preset": "alertmanager",
        "mapping": dict(PRESETS[PresetName.ALERTMANAGER].mapping),
        "on_recovery": "solve",
        "signature": dict(PRESETS[PresetName.ALERTMANAGER].signature),
        "previous_token_expires_at": None,
        "previous_secret_expires_at": None,
    },
    filters=(Filter("is_enabled", inbound_hooks.c.is_enabled, bool),),
    sorts=(Sort("name", inbound_hooks.c.name, "text"),),
)


def _permissions(mapping: Mapping[str, Any]) -> tuple[str, ...]:
    return PERMISSIONS if mapping.get("card") is None else CARD_PERMISSIONS


def principal_of_hook(tenant_id: UUID, hook_id: UUID, mapping: Mapping[str, Any], *, is_sandbox: bool) -> Principal:
    """Give who acts on what a hook was sent."""
    return Principal(
        type="inbound_hook",
        id=hook_id,
        tenant_id=tenant_id,
        permissions=frozenset(_permissions(mapping)),
        field_groups=frozenset({EVERY_GROUP}),
        is_sandbox=is_sandbox,
        credential_id=hook_id,
    )


def check_powers(ctx: Ctx, mapping: Mapping[str, Any]) -> None:
    """Refuse to who could not do by hand what a hook with this mapping does; raises HookExceedsOwnError.

    Of client cards it writes every field, so whoever makes one must be shown every field.
    """
    principal = ctx.principal
    lacking = [permission for permission in _permissions(mapping) if not principal.may(permission)]
    if mapping.get("card") is not None:
        lacking += [group for group in _CARD_GROUPS if not principal.sees(group)]
    if lacking or not principal.reach.is_unlimited:
        message = f"A hook acts for every client; you lack {', '.join(lacking) or 'that reach'}."
        raise HookExceedsOwnError(message, params={"permission": lacking[0] if lacking else None})


async def check_room(ctx: Ctx) -> None:
    """Refuse one hook too many; two creations at once are made to count one after the other."""
    await take_turn(ctx, f"inbound_hooks {ctx.tenant_id}")
    if await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_HOOKS:
        message = f"A tenant may have {MOST_HOOKS} inbound hooks."
        raise TooManyInboundHooksError(message, params={"most": MOST_HOOKS})


def made_secret(scheme: str, *, pointer: str) -> str:
    """Make what a sender signs with, in the form that senders of a scheme take.

    Raises MissingSecretError where the sender has a secret of its own.
    """
    if scheme == "hubspot":
        message = "HubSpot signs with the client secret of the app, which it tells there."
        raise MissingSecretError(message, pointer=pointer)
    return new_secret() if scheme == "standard_webhooks" else secrets.token_urlsafe(32)


def shown_signature(signature: Mapping[str, Any]) -> StoredSignature:
    """Give a signature as it is stored for reading."""
    return StoredSignature(**{**signature, "secret": None})  # type: ignore[typeddict-item]  # the same keys.


def kept_secret(before: Mapping[str, Any], after: Mapping[str, Any], stored: bytes | None) -> bytes | None:
    """Give the sealed secret that stays with a changed signature; raises MissingSecretError when there is none.

    A secret of one scheme is not taken for that of another, whose form may differ.
    """
    if after["scheme"] == "none":
        return None
    if stored is None or before["scheme"] != after["scheme"]:
        message = "Another scheme needs a secret of its own."
        raise MissingSecretError(message, pointer="/signature/secret")
    return stored


def sealed(ctx: Ctx, sealer: Sealer, hook_id: UUID, secret: str | None) -> bytes | None:
    """Seal what signs the messages of a hook."""
    if secret is None:
        return None
    return sealer.seal(secret.encode(), tenant_id=ctx.tenant_id, purpose=SEALED_SECRET.purpose, object_id=hook_id)
