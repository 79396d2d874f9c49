"""Magic links: how contacts of clients sign in to the portal, without a password.

Asking for one is answered alike for every address; the worker finds out whether a contact with portal access has it. A
link works once, for 15 minutes, and not after the address was taken from the contact. It is redeemed by POST only,
because programs that scan mail follow links.
"""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import any_, bindparam, func, select

from helpdesk_api.directory.contacts import contacts
from helpdesk_api.identity.sign_in.links import find_link, read_link, use_link
from helpdesk_api.identity.sign_in.mailing import ask_for_link, send_link
from helpdesk_api.identity.sign_in.routes import LinkRequest, LinkRequested, Token, link_requested, located
from helpdesk_api.identity.sign_in.sessions import Person, SessionTokens, invalid_token
from helpdesk_api.identity.sign_in.visits import begin_visit, enter
from helpdesk_api.kit import jobs
from helpdesk_api.kit.admission import count_for_address
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.direct_routes import DirectRoute
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work

SEND: Final = "magic_links.send"

_address = func.unnest(contacts.c.emails).column_valued("address")
_WITH_ADDRESS: Final = Statement(
    select(contacts.c.id, contacts.c.version, _address.label("email"))
    .where(
        contacts.c.tenant_id == bindparam("tenant"),
        contacts.c.portal_role_id.is_not(None),
        func.lower(_address) == func.lower(bindparam("email")),
    )
    # Two people may share a mailbox; the link is for the one who was there first.
    .order_by(contacts.c.created_at, contacts.c.id)
    .limit(1)
)
_HAS_ADDRESS: Final = Statement(
    select(contacts.c.id).where(
        contacts.c.tenant_id == bindparam("tenant"),
        contacts.c.id == bindparam("contact"),
        bindparam("email") == any_(contacts.c.emails),
    )
)

router = APIRouter(
    prefix="/v1/sign-in/magic-link",
    tags=["sign-in"],
    route_class=DirectRoute,
    dependencies=[Depends(count_for_address)],
)


class MagicLinkToken(Input):
    """What a magic link carries."""

    token: Annotated[Token, Field(description="Behind `#token=` in the link.")]


@router.post(
    "",
    status_code=202,
    operation_id="sign_in_send_magic_link",
    summary="Ask for a magic link",
    description=(
        "Sends a link to sign in with, if a contact with access to the portal has this address; the answer is the same "
        "if none has. It works once, for 15 minutes. Three links per address in 15 minutes."
    ),
)
async def send_magic_link(body: LinkRequest, request: Request) -> LinkRequested:
    """Ask for a magic link."""
    runtime: Runtime = request.app.state.runtime
    visit = await begin_visit(request, body.tenant_id)
    await ask_for_link(runtime, visit, body.tenant_id, body.email, job_kind=SEND)
    return link_requested("magic_link")


@router.post(
    "/redeem",
    status_code=201,
    operation_id="sign_in_with_magic_link",
    summary="Sign in with a magic link",
    description=(
        "Opens a session for the contact that the link was sent to. A link works once, and not after the contact has "
        "lost the address."
    ),
)
async def redeem_magic_link(body: MagicLinkToken, request: Request, response: Response) -> SessionTokens:
    """Sign in with a magic link."""
    runtime: Runtime = request.app.state.runtime
    token = read_link(body.token)
    visit = await begin_visit(request, token.tenant_id)
    async with visit.work(runtime, token.tenant_id) as ctx:
        link = await find_link(ctx.tx, token, "magic_link")
        await use_link(ctx, link)
        still_has = await _has_address(ctx.tx, link.tenant_id, link.person.id, link.email)
    # Used up in any case: a link for an address that somebody lost is of no more use to anybody.
    tokens = await enter(runtime, visit, token.tenant_id, link.person, "magic_link") if still_has else None
    if tokens is None:
        raise invalid_token()
    return located(response, tokens)


async def send_magic_links(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Send a link to who has the address that each of these jobs names, if anybody has."""
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        ours = await jobs.complete(ctx.tx, claimed)
        for job in claimed:
            if job.id in ours:
                await _send(ctx, runtime, job.payload["email"])


async def _send(ctx: Ctx, runtime: Runtime, email: str) -> None:
    contact = await ctx.tx.row(_WITH_ADDRESS, {"tenant": ctx.tenant_id, "email": email})
    if contact is None:
        return
    await send_link(ctx, runtime, "magic_link", Person("contact", contact["id"]), contact["email"])
    record(ctx, "contact.magic_link_sent", object_id=contact["id"], version=contact["version"])


async def _has_address(transaction: Transaction, tenant_id: UUID, contact_id: UUID, email: str) -> bool:
    key = {"tenant": tenant_id, "contact": contact_id, "email": email}
    return await transaction.row(_HAS_ADDRESS, key) is not None
