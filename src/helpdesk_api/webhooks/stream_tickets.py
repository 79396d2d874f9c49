"""Tickets for event streams: a browser's `EventSource` cannot send a header, so it brings one of these in the address.

A ticket opens one stream within half a minute, as whoever asked for it, and is gone with its use: what a log or a
history of addresses keeps of it is worth nothing. It stands for the credential it was asked for with, of which only
what is needed to recognise it again is stored; when that ends, so does the stream.
"""

import hmac
from datetime import datetime, timedelta
from typing import Annotated, Final, cast

from pydantic import AwareDatetime, Field
from sqlalchemy import Column, DateTime, Index, LargeBinary, Text, Uuid, bindparam, delete, func, insert

from helpdesk_api.domain.errors import UnauthenticatedError
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.tokens import KeyToken, Kind, new_key, read_key

LIFE: Final = timedelta(seconds=30)

stream_tickets = tenant_table(
    "stream_tickets",
    Column("secret_hash", LargeBinary, nullable=False),
    Column("credential_kind", Text, nullable=False),
    Column("credential_id", Uuid, nullable=False),
    Column("credential_hash", LargeBinary, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index(None, "tenant_id", "expires_at"),
    versioned=False,
)

_tenant = stream_tickets.c.tenant_id == bindparam("tenant")
_NAMES: Final = ("secret_hash", "credential_kind", "credential_id", "credential_hash", "expires_at")
# Those that nobody used go when the next one comes.
_ISSUE: Final = Statement(
    insert(stream_tickets)
    .values(tenant_id=bindparam("tenant"), id=bindparam("ticket"), **{name: bindparam(name) for name in _NAMES})
    .add_cte(delete(stream_tickets).where(_tenant, stream_tickets.c.expires_at < func.now()).cte("unused"))
)
_USE: Final = Statement(
    delete(stream_tickets)
    .where(_tenant, stream_tickets.c.id == bindparam("ticket"))
    .returning(
        *(stream_tickets.c[name] for name in _NAMES), (stream_tickets.c.expires_at > func.now()).label("is_good")
    )
)


class StreamTicket(Output):
    """What opens one stream."""

    shows_secret = True

    ticket: Annotated[
        str,
        Field(
            description="Pass as `ticket` to `GET /v1/events/stream`, once.",
            examples=["hd_ticket_<tenant and ticket>_<secret>_<checksum>"],
        ),
    ]
    expires_at: Annotated[AwareDatetime, Field(description="The stream must have been opened by then.")]


async def issue(ctx: Ctx, token: KeyToken) -> StreamTicket:
    """Make a ticket for whoever a credential stands for."""
    ticket_id = new_id()
    text, secret_hash = new_key(ctx.tenant_id, ticket_id, "ticket")
    expires_at: datetime = ctx.real_now + LIFE
    await ctx.tx.run(
        _ISSUE,
        {
            "tenant": ctx.tenant_id,
            "ticket": ticket_id,
            "secret_hash": secret_hash,
            "credential_kind": token.kind,
            "credential_id": token.key_id,
            "credential_hash": token.secret_hash,
            "expires_at": expires_at,
        },
    )
    return StreamTicket(ticket=text, expires_at=expires_at)


async def use(database: Database, text: str) -> KeyToken:
    """Give the credential that a ticket stands for, and end the ticket; raises UnauthenticatedError."""
    ticket = read_key(text)
    if ticket is None or ticket.kind != "ticket":
        raise _unknown_ticket()
    async with database.transaction(ticket.tenant_id) as transaction:
        row = await transaction.row(_USE, {"tenant": ticket.tenant_id, "ticket": ticket.key_id})
    if row is None or not row["is_good"] or not hmac.compare_digest(row["secret_hash"], ticket.secret_hash):
        raise _unknown_ticket()
    return KeyToken(
        kind=cast("Kind", row["credential_kind"]),
        tenant_id=ticket.tenant_id,
        key_id=row["credential_id"],
        secret_hash=row["credential_hash"],
    )


def _unknown_ticket() -> UnauthenticatedError:
    return UnauthenticatedError("The stream ticket is unknown, was used before or has expired; ask for a new one.")
