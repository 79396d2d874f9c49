"""Comments that actions write, from templates: under the name of who has them done, where that is a person."""

from typing import Any
from uuid import UUID

from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.automation.actions.templating import fill
from helpdesk_api.kit.context import Ctx
from helpdesk_api.tickets import service
from helpdesk_api.tickets.acting import writing
from helpdesk_api.tickets.schemas import Comment, CommentCreate, CommentKind, Ticket


async def comment_on(ctx: Ctx, ticket: Ticket, action: KeptAction, *, author_user_id: UUID | None) -> Comment | None:
    """Write a comment, unless it comes out blank. Raises what `acting.writing` and writing a comment raise."""
    body = await fill(ctx, ticket, action["body"])
    if not body.strip():
        return None
    return await service.add_comment(ctx, ticket.id, _authored(ctx, action["kind"], body, author_user_id))


def _authored(ctx: Ctx, kind: CommentKind, body: str, author_user_id: UUID | None) -> dict[str, Any]:
    if ctx.principal.type == "rule":
        # No person has written it; its event tells which rule has.
        return {"kind": kind, "body": body, "author_user_id": None, "author_contact_id": None}
    return writing(ctx, CommentCreate.model_construct(kind=kind, body=body, author_user_id=author_user_id))
