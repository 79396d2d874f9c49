"""Links that were sent by e-mail: made by the worker, good once, for a while, and for the address they went to.

A link carries a token of 256 random bits of which only the hash is stored. It is void when it was used, when its time
is over, when a newer password was set, and when the person no longer has the address. Using one is a POST: programs
that scan mail follow links with GET, and must not use them up.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import DateTime, Uuid, bindparam, func, insert, or_, select, update

from helpdesk_api.identity.sign_in.models import sign_in_links
from helpdesk_api.identity.sign_in.sessions import Person, invalid_token
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import KeyToken, new_key, read_key

Purpose = Literal["invitation", "password_reset", "magic_link"]

LIFE: Final[dict[Purpose, timedelta]] = {
    "invitation": timedelta(days=7),
    "password_reset": timedelta(hours=1),
    "magic_link": timedelta(minutes=15),
}

_PUT: Final = Statement(insert(sign_in_links))
_instant = DateTime(timezone=True)
_mine = (sign_in_links.c.tenant_id == bindparam("tenant"), sign_in_links.c.id == bindparam("link"))
_FIND: Final = Statement(
    select(*sign_in_links.c).where(*_mine, sign_in_links.c.used_at.is_(None), sign_in_links.c.expires_at > func.now())
)
_USE: Final = Statement(
    update(sign_in_links)
    .where(*_mine, sign_in_links.c.used_at.is_(None))
    .values(used_at=bindparam("now", type_=_instant))
    .returning(sign_in_links.c.id)
)
_VOID: Final = Statement(
    update(sign_in_links)
    .where(
        sign_in_links.c.tenant_id == bindparam("tenant"),
        sign_in_links.c.used_at.is_(None),
        or_(
            sign_in_links.c.user_id == bindparam("user", type_=Uuid),
            sign_in_links.c.contact_id == bindparam("contact", type_=Uuid),
        ),
    )
    .values(used_at=bindparam("now", type_=_instant))
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may still be used, and who it was sent to at which address."""

    id: UUID
    tenant_id: UUID
    purpose: Purpose
    person: Person
    email: str


async def make_link(ctx: Ctx, purpose: Purpose, person: Person, email: str) -> str:
    """Store a link and give the token that it carries, which cannot be had again."""
    link_id = new_id()
    text, secret_hash = new_key(ctx.tenant_id, link_id, "link")
    values: dict[str, Any] = {
        "tenant_id": ctx.tenant_id,
        "id": link_id,
        "purpose": purpose,
        **person.columns,
        "email": email,
        "secret_hash": secret_hash,
        "expires_at": ctx.real_now + LIFE[purpose],
        "used_at": None,
    }
    await ctx.tx.run(_PUT, values)
    return text


def read_link(text: str) -> KeyToken:
    """Take the token of a link apart; raises InvalidTokenError."""
    token = read_key(text)
    if token is None or token.kind != "link":
        raise invalid_token()
    return token


async def find_link(transaction: Transaction, token: KeyToken, *purposes: Purpose) -> Link:
    """Give the link that a token belongs to, unused and in time; raises InvalidTokenError."""
    row = await transaction.row(_FIND, {"tenant": token.tenant_id, "link": token.key_id})
    if row is None or not hmac.compare_digest(row["secret_hash"], token.secret_hash):
        raise invalid_token()
    if row["purpose"] not in purposes:
        raise invalid_token()
    person = Person("user", row["user_id"]) if row["user_id"] else Person("contact", row["contact_id"])
    return Link(row["id"], row["tenant_id"], row["purpose"], person, row["email"])


async def use_link(ctx: Ctx, link: Link) -> None:
    """Use a link up; raises InvalidTokenError when somebody else was quicker."""
    if await ctx.tx.row(_USE, {"tenant": ctx.tenant_id, "link": link.id, "now": ctx.real_now}) is None:
        raise invalid_token()


async def void_links(ctx: Ctx, person: Person) -> None:
    """Make every link void that was sent to a person and not used."""
    await ctx.tx.run(
        _VOID,
        {
            "tenant": ctx.tenant_id,
            "user": person.columns["user_id"],
            "contact": person.columns["contact_id"],
            "now": ctx.real_now,
        },
    )
