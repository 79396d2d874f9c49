"""What happens to an endpoint during its life: it is made, changed, verified, found failing, and switched off.

A worker brings a `ctx` in real time; what it records happens in the time of the tenant.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit import crud, lanes
from helpdesk_api.kit.conditional import check_version
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import record
from helpdesk_api.kit.outbound import UnusableIdentityError
from helpdesk_api.kit.outbound.identities import check_current
from helpdesk_api.kit.sealing import Sealer
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.webhooks import credentials, endpoint_notices
from helpdesk_api.webhooks.endpoints import (
    ENDPOINTS,
    EndpointDisabledError,
    NewWebhookEndpoint,
    Reason,
    WebhookEndpoint,
    switched,
    with_secret,
)
from helpdesk_api.webhooks.models import SEALED_CREDENTIALS, SEALED_KEYS, webhook_endpoints
from helpdesk_api.webhooks.signing import SigningKeys

_LETTING_IN: Final = ("headers", "authentication", "client_certificate")

_TEST_CLOCK = Statement(select(tenants.c.clock_at).where(tenants.c.id == bindparam("tenant")))
_key = (webhook_endpoints.c.tenant_id == bindparam("tenant"), webhook_endpoints.c.id == bindparam("endpoint"))
_CREDENTIALS = Statement(select(webhook_endpoints.c.sealed_credentials).where(*_key))
_STATE = Statement(
    select(webhook_endpoints.c.verified_at, webhook_endpoints.c.paused_at).where(*_key).with_for_update(read=True)
)


async def make(ctx: Ctx, sealer: Sealer, values: Mapping[str, Any]) -> NewWebhookEndpoint:
    """Store an endpoint with new keys, and ping it if it is switched on."""
    endpoint_id, keys = new_id(), SigningKeys.new()
    check_certificate(ctx, values)
    shown, sealed = _credentials(ctx, sealer, endpoint_id, values, stored=None, before={})
    created = await crud.add(
        ctx,
        ENDPOINTS,
        dict(values)
        | shown
        | sealed
        | switched(ctx, is_enabled=values["is_enabled"])
        | {"public_key": keys.public_key, "sealed_keys": sealed_keys(ctx, sealer, endpoint_id, keys)},
        object_id=endpoint_id,
    )
    if created.is_enabled:
        ping(ctx, created)
    return with_secret(created, keys.secret)


async def change(
    ctx: Ctx, sealer: Sealer, endpoint_id: UUID, values: Mapping[str, Any], *, expected: int | None
) -> WebhookEndpoint:
    """Change fields of an endpoint; one that moved or was switched on is to be verified again, so it is pinged."""
    before = await crud.fetch_locked(ctx, ENDPOINTS, endpoint_id)
    check_version(before.version, expected)
    shown = dict(values)
    new_secrets: dict[str, Any] = {}
    whole = {name: getattr(before, name) for name in ("url", *_LETTING_IN)} | shown
    moves = whole["url"] is not None and _origin(whole["url"]) != _origin(before.url)
    if moves or not values.keys().isdisjoint(_LETTING_IN):
        check_certificate(ctx, whole)
        stored = await ctx.tx.value(_CREDENTIALS, {"tenant": ctx.tenant_id, "endpoint": endpoint_id})
        # What opens one receiver's door is not shown to another: whoever moves an endpoint brings its secrets along.
        kept = None if moves else stored
        masked, new_secrets = _credentials(ctx, sealer, endpoint_id, whole, stored=kept, before=vars(before))
        # What is set to null stays null: whether it may be is told as of any other field.
        shown |= {name: masked[name] for name in masked if values.get(name) is not None}
        if _opened(ctx, sealer, endpoint_id, stored) == _opened(
            ctx, sealer, endpoint_id, new_secrets["sealed_credentials"]
        ):
            new_secrets = {}
    if shown.get("is_enabled", before.is_enabled) is not before.is_enabled:
        shown |= switched(ctx, is_enabled=shown["is_enabled"])
    is_to_be_verified = shown.get("url", before.url) != before.url or (
        shown.get("is_enabled", False) and not before.is_enabled
    )
    if is_to_be_verified:
        shown |= {"verified_at": None}
    effective = crud.difference(ENDPOINTS, before, shown)
    if not (effective or new_secrets):
        return before
    stored_values = {name: new for name, (_, new) in effective.items()} | new_secrets
    after = await crud.store_changes(ctx, ENDPOINTS, before, stored_values)
    record(ctx, "webhook_endpoint.updated", object_id=endpoint_id, version=after.version, changes=effective)
    if is_to_be_verified and after.is_enabled:
        ping(ctx, after)
    return after


async def switched_on(ctx: Ctx, endpoint_id: UUID) -> WebhookEndpoint:
    """Read an endpoint that something is to be sent to; raises EndpointDisabledError for one that is off."""
    endpoint = await crud.fetch(ctx, ENDPOINTS, endpoint_id)
    if not endpoint.is_enabled:
        message = f"The endpoint {endpoint_id} is switched off; switch it on first."
        raise EndpointDisabledError(message)
    return endpoint


def ping(ctx: Ctx, endpoint: WebhookEndpoint) -> None:
    """Send a ping, whose success verifies the endpoint."""
    record(ctx, "webhook_endpoint.ping", object_id=endpoint.id, version=endpoint.version)


async def verify(ctx: Ctx, endpoint_id: UUID, url: str) -> None:
    """Note that a ping got through to `url`, and let what waits be sent."""
    before = await _present(ctx, endpoint_id, url)
    if before is None or before.verified_at is not None:
        return
    moment = await _moment(ctx)
    after = await crud.store_changes(moment, ENDPOINTS, before, {"verified_at": ctx.real_now})
    record(
        moment,
        "webhook_endpoint.verified",
        object_id=endpoint_id,
        version=after.version,
        changes={"verified_at": (None, ctx.real_now)},
    )
    await lanes.reopen(ctx, endpoint_id)


async def disable(ctx: Ctx, endpoint_id: UUID, url: str, reason: Reason) -> None:
    """Switch off an endpoint because of how its receiver at `url` answers, record that and have its owners told.

    Leaves alone an endpoint that was removed, switched off or given another URL in the meantime.
    """
    before = await _present(ctx, endpoint_id, url)
    if before is None or (reason is Reason.UNVERIFIED and before.verified_at is not None):
        return
    moment = await _moment(ctx)
    changes = crud.difference(ENDPOINTS, before, switched(ctx, is_enabled=False, reason=reason))
    after = await crud.store_changes(moment, ENDPOINTS, before, {name: new for name, (_, new) in changes.items()})
    record(moment, "webhook_endpoint.disabled", object_id=endpoint_id, version=after.version, changes=changes)
    await endpoint_notices.tell(ctx, endpoint_id, url, reason)
    # What waits is looked at once more, to be cancelled.
    await lanes.reopen(ctx, endpoint_id)


async def warn(ctx: Ctx, endpoint_id: UUID, url: str) -> None:
    """Record that a receiver is failing and will be given up if it goes on, and have its owners told."""
    endpoint = await _present(ctx, endpoint_id, url)
    if endpoint is not None:
        moment = await _moment(ctx)
        record(moment, "webhook_endpoint.failing", object_id=endpoint_id, version=endpoint.version)
        await endpoint_notices.tell(ctx, endpoint_id, url, endpoint_notices.FAILING_SOON)


async def shut_if_unready(ctx: Ctx, endpoint_id: UUID) -> None:
    """Hold the lane of an endpoint back while it is paused or unverified.

    The endpoint is locked first, as by whoever makes it ready, so its lane is not shut behind them.
    """
    row = await ctx.tx.row(_STATE, {"tenant": ctx.tenant_id, "endpoint": endpoint_id})
    if row is not None and (row["verified_at"] is None or row["paused_at"] is not None):
        await lanes.shut(ctx, endpoint_id)


def sealed_keys(ctx: Ctx, sealer: Sealer, endpoint_id: UUID, keys: SigningKeys) -> bytes:
    """Seal what signs."""
    return sealer.seal(keys.dumps(), tenant_id=ctx.tenant_id, purpose=SEALED_KEYS.purpose, object_id=endpoint_id)


def check_certificate(ctx: Ctx, values: Mapping[str, Any]) -> None:
    """Refuse a client certificate where it would never be shown, or is good no more."""
    certificate = values["client_certificate"]
    if certificate is None:
        return
    if values["url"] is not None and not values["url"].startswith("https:"):
        message = "A client certificate is shown over TLS only; the URL must start with https://."
        raise credentials.InvalidCertificateError(message, pointer="/client_certificate")
    try:
        check_current(certificate["certificate"], now=ctx.real_now)
    except UnusableIdentityError as error:
        message = f"The client certificate cannot be used: {error}."
        raise credentials.InvalidCertificateError(message, pointer="/client_certificate/certificate") from error


def _origin(url: str) -> str:
    """Give scheme, host and port of a URL, as far as it is one."""
    return "/".join(url.split("/", 3)[:3]).lower()


def _credentials(
    ctx: Ctx,
    sealer: Sealer,
    endpoint_id: UUID,
    values: Mapping[str, Any],
    *,
    stored: bytes | None,
    before: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part what lets the messages in into what is shown and what is sealed."""
    known = credentials.Secrets.loads(_opened(ctx, sealer, endpoint_id, stored))
    plain = credentials.secrets_of(values, known, before).dumps()
    return credentials.shown(values), {
        "sealed_credentials": None if plain is None else _sealed(ctx, sealer, endpoint_id, plain)
    }


def _sealed(ctx: Ctx, sealer: Sealer, endpoint_id: UUID, plain: bytes) -> bytes:
    purpose = SEALED_CREDENTIALS.purpose
    return sealer.seal(plain, tenant_id=ctx.tenant_id, purpose=purpose, object_id=endpoint_id)


def _opened(ctx: Ctx, sealer: Sealer, endpoint_id: UUID, sealed: bytes | None) -> bytes | None:
    if sealed is None:
        return None
    purpose = SEALED_CREDENTIALS.purpose
    return sealer.open(sealed, tenant_id=ctx.tenant_id, purpose=purpose, object_id=endpoint_id)


async def _present(ctx: Ctx, endpoint_id: UUID, url: str) -> WebhookEndpoint | None:
    try:
        endpoint = await crud.fetch_locked(ctx, ENDPOINTS, endpoint_id)
    except NotFoundError:
        return None
    return endpoint if endpoint.is_enabled and endpoint.url == url else None


async def _moment(ctx: Ctx) -> Ctx:
    return replace(ctx, now=await ctx.tx.value(_TEST_CLOCK, {"tenant": ctx.tenant_id}) or ctx.now)
