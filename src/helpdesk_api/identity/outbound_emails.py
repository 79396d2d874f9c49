"""Outbound e-mail over the API: what was sent to whom, and in a sandbox also what it said.

Writing and sending messages is `kit.mail`. A message may hold a link that signs somebody in; its text is therefore
shown only by a sandbox tenant, whose messages never leave and whose people are made up.
"""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import bindparam, select

from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, PageQuery
from helpdesk_api.kit.mail.queue import State, outbound_emails, text_of
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation, tag_response
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Entity, Page
from helpdesk_api.kit.sealing import SealBrokenError
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_sandbox_tenant
from helpdesk_api.kit.unit_of_work import allowed

_SEALED: Final = Statement(
    select(outbound_emails.c.sealed_text).where(
        outbound_emails.c.tenant_id == bindparam("tenant"), outbound_emails.c.id == bindparam("email")
    )
)


class OutboundEmail(Entity):
    """One message to one address. All times are real, also in a sandbox."""

    to_address: str
    subject: str
    state: Annotated[
        str,
        Field(
            description=(
                "`queued`: will be tried. `sent`: the mail server took it. `captured`: kept here, because a sandbox "
                "sends nothing. `failed`: refused for good, or too late to be of use."
            ),
            examples=list(State),
        ),
    ]
    attempt_count: int
    last_error: Annotated[
        str | None, Field(description="Why the last attempt failed.", examples=["server_unreachable", "refused_550"])
    ]
    send_before: Annotated[AwareDatetime | None, Field(description="When it is worth nothing; null for never.")]
    sent_at: Annotated[AwareDatetime | None, Field(description="When the mail server took it, or it was captured.")]


class OutboundEmailDetail(OutboundEmail):
    """A message with its text."""

    text: Annotated[str | None, Field(description="What it says; null outside of a sandbox.")]


OUTBOUND_EMAILS = Resource(
    name="outbound_email",
    plural="outbound-emails",
    table=outbound_emails,
    read=OutboundEmail,
    example={
        "to_address": "ada.moretti@service.example",
        "subject": "Your invitation",
        "state": "captured",
        "attempt_count": 1,
        "last_error": None,
        "send_before": "2026-11-30T09:00:00Z",
        "sent_at": "2026-11-23T09:00:01Z",
    },
    filters=(
        Filter("to_address", outbound_emails.c.to_address, str),
        Filter("state", outbound_emails.c.state, State),
    ),
)

_QUERY: Any = OUTBOUND_EMAILS.listing.query_model

router = ResourceRouter(OUTBOUND_EMAILS)


@router.get(
    "",
    operation_id=operation(OUTBOUND_EMAILS, "list"),
    summary="List outbound e-mail",
    description="Pages through the messages of the tenant, newest first unless `sort` says otherwise.",
)
async def list_emails(
    request: Request, query: Annotated[_QUERY, Query()], ctx: Annotated[Ctx, allowed("outbound-emails:read")]
) -> Page[OutboundEmail]:
    """List messages."""
    listed: PageQuery = query
    runtime: Runtime = request.app.state.runtime
    found = await find_page(ctx, OUTBOUND_EMAILS.listing, listed, runtime.signer)
    rows = [OutboundEmail.from_record(row) for row in found.rows]
    return Page[OutboundEmail].trusted({"data": rows, "page": found.page, "total": found.total})


@router.get(
    "/{id}",
    operation_id=operation(OUTBOUND_EMAILS, "get"),
    summary="Get one outbound e-mail",
    description="Reads one message; a sandbox also tells its text, so that a test can follow the link in it.",
)
async def get_email(
    id: UUID, request: Request, response: Response, ctx: Annotated[Ctx, allowed("outbound-emails:read")]
) -> OutboundEmailDetail:
    """Read a message."""
    found = await crud.fetch(ctx, OUTBOUND_EMAILS, id)
    tag_response(response, found)
    return OutboundEmailDetail.trusted({**vars(found), "text": await _text(request, ctx, id)})


async def _text(request: Request, ctx: Ctx, email_id: UUID) -> str | None:
    if not await is_sandbox_tenant(ctx.tx, ctx.tenant_id):
        return None
    sealed = await ctx.tx.value(_SEALED, {"tenant": ctx.tenant_id, "email": email_id})
    runtime: Runtime = request.app.state.runtime
    try:
        return None if sealed is None else text_of(runtime.sealer, ctx.tenant_id, email_id, sealed)
    except SealBrokenError:
        # The secret key was replaced since; there is no text any more.
        return None
