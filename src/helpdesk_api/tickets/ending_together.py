"""Which tickets end together, as their links and the tenant say: open children and duplicates of what is finished.

Asked by the one place that changes the status of a ticket, so that no way around it is there. A child that is opened
again leaves its parent as it is: whoever is answered by that is the client.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.domain.workflow import FINISHED, Status
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.links import ticket_links
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.ticket_settings import OpenChildren, OpenDuplicates, settings_of


class OpenChildrenError(ConflictError):
    """A ticket that has open children is not finished before them."""

    code = "open_children"
    title = "Child tickets are not finished"


_OPEN: Final = Statement(
    select(ticket_links.c.type, ticket_links.c.source_ticket_id)
    .join(
        tickets,
        and_(tickets.c.tenant_id == ticket_links.c.tenant_id, tickets.c.id == ticket_links.c.source_ticket_id),
    )
    .where(
        ticket_links.c.tenant_id == bindparam("tenant"),
        ticket_links.c.target_ticket_id == bindparam("ticket"),
        or_(ticket_links.c.type == "child_of", ticket_links.c.type == "duplicates"),
        tickets.c.solved_at.is_(None),
    )
    .order_by(ticket_links.c.source_ticket_id)
)


async def ending_with(ctx: Ctx, ticket_id: UUID, old: Status, new: Status) -> list[UUID]:
    """Give the tickets that get the same status along with one that is locked; raises OpenChildrenError."""
    if new not in FINISHED or old is Status.CLOSED:
        return []
    rows = await ctx.tx.rows(_OPEN, {"tenant": ctx.tenant_id, "ticket": ticket_id})
    children = [row["source_ticket_id"] for row in rows if row["type"] == "child_of"]
    duplicates = [row["source_ticket_id"] for row in rows if row["type"] == "duplicates"]
    if not children and not duplicates:
        return []
    chosen = await settings_of(ctx)
    if children and chosen.open_children == OpenChildren.BLOCK:
        message = f"The ticket {ticket_id} has children that are neither solved nor closed."
        raise OpenChildrenError(message, pointer="/status")
    ending = {*children} if chosen.open_children == OpenChildren.FINISH else set[UUID]()
    return sorted(ending | ({*duplicates} if chosen.open_duplicates == OpenDuplicates.FINISH else set()))
