"""What depends on who acts on a ticket: clients open tickets for themselves, and people write under their own name.

Which rows and fields somebody sees is not decided here but in `identity.visibility`; this is about what the same
request means from different people.
"""

from typing import Any
from uuid import UUID

from helpdesk_api.domain.errors import ForbiddenError, InvalidError
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.resource_routes import check_given
from helpdesk_api.kit.visibility import FieldNotAllowedError
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import CommentCreate, CommentKind, TicketCreate

# Staff decides where a ticket stands, and the channel tells how it really came in.
_NOT_BY_CLIENTS = ("status", "channel")


class NotOwnNameError(ForbiddenError):
    """People write under their own name; only integrations bring what others have written."""

    code = "not_own_name"
    title = "The comment has another author"


class AuthorRequiredError(InvalidError):
    """An integration writes for somebody and has to say for whom."""

    code = "author_required"
    title = "The author is missing"


def opening(ctx: Ctx, body: TicketCreate) -> dict[str, Any]:
    """Give the values of a new ticket; a client's is its own and comes in through the portal."""
    check_given(ctx, TICKETS, body, creating=True)
    values = body.model_dump()
    if ctx.principal.type != "contact":
        return values
    for field in _NOT_BY_CLIENTS:
        if field in body.model_fields_set:
            message = f"{field} is not set by clients."
            raise FieldNotAllowedError(message, pointer=f"/{field}")
    return values | {"channel": "portal", "contact_id": values["contact_id"] or ctx.principal.id}


def writing(ctx: Ctx, body: CommentCreate) -> dict[str, Any]:
    """Give the values of a new comment under the name of who writes it.

    Raises NotOwnNameError, AuthorRequiredError, and MissingPermissionError for the kind of comment.
    """
    ctx.principal.require("notes:write" if body.kind == "note" else "comments:write")
    values = body.model_dump()
    own = _own_author(ctx.principal)
    if own is None:
        if body.author_user_id is None and body.author_contact_id is None:
            message = "Say who writes, in author_user_id or author_contact_id."
            raise AuthorRequiredError(message, pointer="/author_user_id")
        return values
    for field in ("author_user_id", "author_contact_id"):
        if values[field] not in {None, own.get(field)}:
            message = "People write under their own name."
            raise NotOwnNameError(message, pointer=f"/{field}")
    return values | own


def readable_kinds(principal: Principal) -> tuple[CommentKind, ...]:
    """Give the kinds of comments that a principal may read."""
    return ("reply", "note") if principal.may("notes:read") else ("reply",)


def _own_author(principal: Principal) -> dict[str, UUID | None] | None:
    match principal.type:
        case "user":
            return {"author_user_id": principal.id}
        case "contact":
            return {"author_contact_id": principal.id}
        case _:
            return None
