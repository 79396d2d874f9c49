"""Taking a message at the address of a hook: who knows the token and signs as agreed is let in, and heard once.

Whatever was let in is stored with its outcome before the answer leaves, so a sender that was answered 2xx need not send
again; one that does is told the outcome of the first time. The token is looked up, compared and forgotten: it stands in
no log, event or problem document.
"""

import hmac
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field, JsonValue, RootModel
from pydantic_core import to_jsonable_python
from sqlalchemy import DateTime, LargeBinary, Uuid, bindparam, insert, select

from helpdesk_api.domain.errors import ConflictError, NotFoundError
from helpdesk_api.kit.caller import admit, cause_of
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Changes, record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.tokens import KeyToken, read_key
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.kit.unit_of_work import repeated, unit_of_work
from helpdesk_api.webhooks.inbound.forms import FormRoute
from helpdesk_api.webhooks.inbound.handling import InboundResult, Manner, handle
from helpdesk_api.webhooks.inbound.hooks import principal_of_hook
from helpdesk_api.webhooks.inbound.messages import MESSAGES, InboundMessage, retry, state_of
from helpdesk_api.webhooks.inbound.models import SEALED_SECRET, inbound_hooks, inbound_messages
from helpdesk_api.webhooks.inbound.schemes import Arrival, Message, check_signature

_NAMES: Final = (
    *("id", "is_enabled", "mapping", "on_recovery", "signature", "sealed_secret"),
    *("token_hash", "previous_token_hash", "previous_token_expires_at"),
    *("sealed_previous_secret", "previous_secret_expires_at"),
)
_FIND: Final = Statement(
    select(*(inbound_hooks.c[name] for name in _NAMES), tenants.c.clock_at.is_not(None).label("is_sandbox"))
    .join(tenants, tenants.c.id == inbound_hooks.c.tenant_id)
    .where(inbound_hooks.c.tenant_id == bindparam("tenant"), inbound_hooks.c.id == bindparam("hook"))
)
_EARLIER: Final = Statement(
    select(*MESSAGES.columns)
    .where(
        inbound_messages.c.tenant_id == bindparam("tenant"),
        inbound_messages.c.hook_id == bindparam("hook", type_=Uuid),
        inbound_messages.c.repetition_hash == bindparam("repetition_hash", type_=LargeBinary),
        inbound_messages.c.created_at >= bindparam("since", type_=DateTime(timezone=True)),
    )
    .order_by(inbound_messages.c.created_at.desc())
    .limit(1)
    .with_for_update()
)
_now = bindparam("now", type_=DateTime(timezone=True))
_STORE: Final = Statement(
    insert(inbound_messages).values(
        tenant_id=bindparam("tenant"),
        id=bindparam("message"),
        hook_id=bindparam("hook"),
        created_at=_now,
        updated_at=_now,
        version=1,
        **{name: bindparam(name) for name in ("state", "results", "body", "repetition_hash")},
    )
)
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


class InboundHookDisabledError(ConflictError):
    """The hook takes no messages for the time being."""

    code = "inbound_hook_disabled"
    title = "The hook is switched off"


class InboundBody(RootModel[dict[str, JsonValue] | list[JsonValue]]):
    """Whatever the sender sends: a JSON object or array."""


class InboundReceipt(Output):
    """What became of a message."""

    message_id: Annotated[UUID, Field(description="Under which it is kept; see `/v1/inbound-messages`.")]
    is_repetition: Annotated[bool, Field(description="It had come before: only what had failed then was tried again.")]
    state: Annotated[str, Field(examples=["done", "failed"])]
    results: list[InboundResult]


class _Found:
    """A hook, and the tenant that its token names."""

    def __init__(self, token: KeyToken, row: Record) -> None:
        self.tenant_id = token.tenant_id
        self.row = row


async def _find(request: Request) -> _Found:
    """Give the hook of the token in the path; who tries others is counted, and after too many not even looked up."""
    runtime: Runtime = request.app.state.runtime
    await runtime.admission.unproven(request)
    token = read_key(request.path_params["token"])
    row = None
    if token is not None and token.kind == "hook":
        async with runtime.db.transaction(token.tenant_id, read_only=True) as transaction:
            row = await transaction.row(_FIND, {"tenant": token.tenant_id, "hook": token.key_id})
    if token is None or row is None or not _is_opened_by(row, token):
        await runtime.admission.anonymous(request)
        message = "There is no inbound hook with this token."
        raise NotFoundError(message)
    return _Found(token, row)


router = APIRouter(prefix="/v1/inbound", tags=["inbound-messages"], route_class=FormRoute)


@router.post(
    "/{token}",
    status_code=202,
    operation_id="inbound_receive",
    summary="Send a message to an inbound hook",
    description=(
        "For monitoring systems, CRMs and others: opens, updates and solves tickets, or writes client cards, as the "
        "mapping of the hook says. A form is taken as the JSON it stands for. A message that was sent before has no "
        "effect again. One that cannot be mapped is kept, with `failed` in the answer, for whoever mends the mapping: "
        "sending it again is not needed. Counts for the hook and its tenant as requests with an API key do. Records "
        "`inbound_message.created`, `inbound_message.failed`, and what happens to tickets or cards."
    ),
)
async def receive(
    token: Annotated[str, Path(description="The token of the hook.")],
    body: InboundBody,
    request: Request,
    hook: Annotated[_Found, Depends(_find)],
) -> InboundReceipt:
    """Take a message."""
    del token
    runtime: Runtime = request.app.state.runtime
    principal = principal_of_hook(
        hook.tenant_id, hook.row["id"], hook.row["mapping"], is_sandbox=hook.row["is_sandbox"]
    )
    await admit(request, principal)
    if not hook.row["is_enabled"]:
        raise InboundHookDisabledError("The hook is switched off.")
    raw = await request.body()
    message = Message(_addresses(request), request.headers, raw)
    arrival = check_signature(hook.row["signature"], _secrets(runtime, hook), message, now=datetime.now(UTC))

    async def work() -> InboundReceipt:
        cause = cause_of(request)
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            return await _taken(ctx, hook.row, arrival, raw.decode(), body.root)

    return await repeated(work)


def _addresses(request: Request) -> list[str]:
    """Give the names by which a sender may have called this address, before and behind a proxy."""
    hosts = [request.headers[name] for name in ("x-forwarded-host", "host") if name in request.headers]
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    where = path.decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    return [f"{scheme}://{host}{where}" for host in dict.fromkeys(hosts) for scheme in ("https", "http")]


def _is_opened_by(row: Record, token: KeyToken) -> bool:
    if hmac.compare_digest(row["token_hash"], token.secret_hash):
        return True
    until = row["previous_token_expires_at"]
    is_former = hmac.compare_digest(row["previous_token_hash"] or b"", token.secret_hash)
    return is_former and until is not None and until > datetime.now(UTC)


def _secrets(runtime: Runtime, hook: _Found) -> list[str]:
    """Give what messages may be signed with now, if anything has to sign them."""
    sealed = [hook.row["sealed_secret"]]
    until = hook.row["previous_secret_expires_at"]
    if until is not None and until > datetime.now(UTC):
        sealed.append(hook.row["sealed_previous_secret"])
    return [_opened(runtime, hook, each) for each in sealed if each is not None]


def _opened(runtime: Runtime, hook: _Found, sealed: bytes) -> str:
    purpose = SEALED_SECRET.purpose
    return runtime.sealer.open(sealed, tenant_id=hook.tenant_id, purpose=purpose, object_id=hook.row["id"]).decode()


async def _taken(ctx: Ctx, hook: Record, arrival: Arrival, raw: str, body: object) -> InboundReceipt:
    """Store a message with what is done about it, or find that it came before."""
    # Two copies of one message at once: the second waits for the outcome of the first.
    await take_turn(ctx, f"inbound {hook['id']} {arrival.repetition_hash.hex()}")
    since = _EVER if arrival.repeated_within is None else ctx.real_now - arrival.repeated_within
    key: dict[str, Any] = {"tenant": ctx.tenant_id, "hook": hook["id"], "repetition_hash": arrival.repetition_hash}
    if (row := await ctx.tx.row(_EARLIER, key | {"since": since})) is not None:
        earlier = InboundMessage.from_record(row)
        known = await retry(ctx, earlier) if earlier.state == "failed" else earlier
        return InboundReceipt(message_id=known.id, is_repetition=True, state=known.state, results=known.results)
    message_id = new_id()
    results = await handle(ctx, Manner(hook["id"], hook["mapping"], hook["on_recovery"]), body)
    state = state_of(results)
    values = {"state": state, "results": to_jsonable_python(results), "body": raw, "now": ctx.real_now}
    await ctx.tx.run(_STORE, key | values | {"message": message_id})
    # What was found in the message is not told: events are kept for longer than messages.
    changes: Changes = {"hook_id": (None, hook["id"]), "state": (None, state)}
    record(ctx, "inbound_message.created", object_id=message_id, version=1, changes=changes)
    if state == "failed":
        record(ctx, "inbound_message.failed", object_id=message_id, version=1)
    return InboundReceipt(message_id=message_id, is_repetition=False, state=state, results=results)
