"""Messages that came in: kept as they were, with what became of every alert in them, and tried again on demand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field
from pydantic_core import to_jsonable_python
from sqlalchemy import bindparam, select

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.permissions import CONTACT_DETAILS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.listing import Filter, PageQuery
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation, tag_response
from helpdesk_api.kit.schema import Entity, Page
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.strict_json import loads
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.kit.visibility import FieldGroup
from helpdesk_api.webhooks.inbound.handling import InboundResult, Manner, Outcome, handle
from helpdesk_api.webhooks.inbound.hooks import HOOKS, check_powers, principal_of_hook
from helpdesk_api.webhooks.inbound.models import inbound_messages

_BODY = Statement(
    select(inbound_messages.c.body).where(
        inbound_messages.c.tenant_id == bindparam("tenant"), inbound_messages.c.id == bindparam("message")
    )
)


class NothingToRetryError(ConflictError):
    """Something was done about every alert of the message."""

    code = "nothing_to_retry"
    title = "Nothing of the message has failed"


class HookDeletedError(ConflictError):
    """The hook that took the message is gone, and with it what is made of its messages."""

    code = "inbound_hook_deleted"
    title = "The hook of the message was deleted"


class InboundMessage(Entity):
    """One message that came in, and what became of it. All times are real, also in a sandbox."""

    hook_id: Annotated[UUID, Field(description="May have been deleted since; the message remains.")]
    state: Annotated[
        str,
        Field(description="`done`, or `failed`: nothing could be done about some of it.", examples=["done", "failed"]),
    ]
    results: Annotated[list[InboundResult], Field(description="One for every alert in it, in their order.")]


class InboundMessageDetail(InboundMessage):
    """A message with its body."""

    body: Annotated[
        str | None,
        FieldGroup(CONTACT_DETAILS),
        Field(description="What was sent, as it came, but for what an erasure has taken out of it."),
    ]


MESSAGES = Resource(
    name="inbound_message",
    plural="inbound-messages",
    table=inbound_messages,
    read=InboundMessage,
    example={
        "hook_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e71",
        "state": "done",
        "results": [
            {
                "index": 0,
                "dedupe_key": "1a30ba71cca2921f",
                "state": "open",
                "outcome": "opened",
                "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
                "card_kind": None,
                "card_id": None,
                "code": None,
                "detail": None,
            }
        ],
    },
    filters=(
        Filter("hook_id", inbound_messages.c.hook_id, UUID),
        Filter("state", inbound_messages.c.state, Literal["done", "failed"]),
    ),
)
BODY_EXAMPLE = '{"status": "firing", "alerts": [{"status": "firing", "fingerprint": "1a30ba71cca2921f"}]}'

_QUERY: Any = MESSAGES.listing.query_model

router = ResourceRouter(MESSAGES)


def state_of(results: Sequence[InboundResult]) -> Literal["done", "failed"]:
    """Tell where a message stands by what became of its alerts."""
    return "failed" if any(result["outcome"] == Outcome.FAILED for result in results) else "done"


@router.get(
    "",
    operation_id=operation(MESSAGES, "list"),
    summary="List inbound messages",
    description="Pages through what came in through all hooks, newest first unless `sort` says otherwise.",
)
async def list_messages(
    request: Request, query: Annotated[_QUERY, Query()], ctx: Annotated[Ctx, allowed("inbound-messages:read")]
) -> Page[InboundMessage]:
    """List messages."""
    listed: PageQuery = query
    found = await find_page(ctx, MESSAGES.listing, listed, request.app.state.runtime.signer)
    rows = [InboundMessage.from_record(row) for row in found.rows]
    return Page[InboundMessage].trusted({"data": rows, "page": found.page, "total": found.total})


@router.get(
    "/{id}",
    operation_id=operation(MESSAGES, "get"),
    summary="Get one inbound message",
    description="Reads one message with its body as it came.",
)
async def get_message(
    id: UUID, response: Response, ctx: Annotated[Ctx, allowed("inbound-messages:read")]
) -> InboundMessageDetail:
    """Read a message."""
    found = await crud.fetch(ctx, MESSAGES, id)
    tag_response(response, found)
    return InboundMessageDetail.trusted({**vars(found), "body": await _body_of(ctx, id)})


@router.post(
    "/{id}/retry",
    operation_id=operation(MESSAGES, "retry"),
    summary="Retry an inbound message",
    description=(
        "Does now what could not be done about the failed alerts of a message, with the hook as it is by now; what was "
        "done stays done. Records `inbound_message.retried`, and what happens to tickets in the name of the hook."
    ),
)
async def retry_message(
    id: UUID, response: Response, ctx: Annotated[Ctx, allowed("inbound-messages:write")]
) -> InboundMessage:
    """Try a message again."""
    before = await crud.fetch_locked(ctx, MESSAGES, id)
    hook = (await crud.fetch_many(ctx, HOOKS, [before.hook_id])).get(before.hook_id)
    check_powers(ctx, {} if hook is None else hook.mapping)
    if before.state != "failed":
        message = f"The message {id} is done."
        raise NothingToRetryError(message)
    retried = await retry(ctx, before)
    tag_response(response, retried)
    return retried


async def retry(ctx: Ctx, before: InboundMessage) -> InboundMessage:
    """Do what could not be done about a message that the caller has locked; raises HookDeletedError."""
    hook = (await crud.fetch_many(ctx, HOOKS, [before.hook_id])).get(before.hook_id)
    if hook is None:
        message = f"The hook {before.hook_id} was deleted."
        raise HookDeletedError(message)
    done = [result for result in before.results if result["outcome"] != Outcome.FAILED]
    acting = replace(
        ctx, principal=principal_of_hook(ctx.tenant_id, hook.id, hook.mapping, is_sandbox=ctx.principal.is_sandbox)
    )
    again = await handle(
        acting,
        Manner(hook.id, hook.mapping, hook.on_recovery),
        loads((await _body_of(ctx, before.id)).encode()),
        without={result["index"] for result in done},
    )
    results = sorted([*done, *again], key=lambda result: result["index"])
    values = {"state": state_of(results), "results": to_jsonable_python(results)}
    after = await crud.store_changes(replace(ctx, now=ctx.real_now), MESSAGES, before, values)
    changes = crud.difference(MESSAGES, before, {"state": after.state})
    record(ctx, "inbound_message.retried", object_id=before.id, version=after.version, changes=changes)
    return after


async def _body_of(ctx: Ctx, message_id: UUID) -> str:
    body: str = await ctx.tx.value(_BODY, {"tenant": ctx.tenant_id, "message": message_id})
    return body
