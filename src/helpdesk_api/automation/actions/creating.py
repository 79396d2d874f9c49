"""Tickets that actions create: linked to the one that they are done to, with texts from templates.

Nothing flows from one to the other but what the templates name and what is listed to be copied: no comments, no files.
"""

from typing import Any, Final
from uuid import UUID

from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.automation.actions.templating import fill
from helpdesk_api.kit.context import Ctx
from helpdesk_api.tickets import service
from helpdesk_api.tickets.links import link_new
from helpdesk_api.tickets.schemas import Ticket, TicketCreate

_LONGEST_SUBJECT: Final = 200


async def create_linked(ctx: Ctx, ticket: Ticket, action: KeptAction) -> Ticket:
    """Create a ticket and link it to another, which is locked; raises what creating and linking each raise."""
    subject = " ".join((await fill(ctx, ticket, action["subject"])).split())[:_LONGEST_SUBJECT]
    given: dict[str, Any] = {name: _read(name, value) for name, value in action["values"].items()}
    copied = {name: getattr(ticket, name) for name in action["copied_fields"]}
    texts = {
        # What comes out blank is called as the ticket that it is for.
        "subject": subject or ticket.subject,
        "description": await fill(ctx, ticket, action["description"]),
    }
    values = TicketCreate.model_construct(**(copied | given | texts)).model_dump()
    created = await service.create_ticket(ctx, values)
    await link_new(ctx, created, action["link_type"], ticket)
    return created


def _read(name: str, value: Any) -> Any:  # noqa: ANN401 - of whatever type the field is.
    """Give a value as the field has it; an action is kept as plain JSON."""
    return UUID(value) if name.endswith("_id") and value is not None else value
