"""What a client card tells of its tickets, in numbers: for those who see cards and nothing of the tickets' insides.

A row goes by the id of its card, and with it. Lists of cards send them along (`include=ticket_summary`) by one look-up
for a page; counting them, some time after tickets have changed, is `tickets.summarising`.
"""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import Column, Date, DateTime, Integer

from helpdesk_api.directory.crm.models import of_one_card
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sql import tenant_table

ticket_summaries = tenant_table(
    "ticket_summaries",
    Column("open_count", Integer, nullable=False),
    Column("overdue_count", Integer, nullable=False),
    Column("breached_count", Integer, nullable=False),
    Column("quarter_began_on", Date, nullable=False),
    Column("last_contact_at", DateTime(timezone=True)),
    *of_one_card(),
)


class TicketSummary(Entity):
    """The tickets of a client card in numbers; its id is that of the card."""

    company_id: Annotated[UUID | None, Field(description="The card, if it is a company.")]
    contact_id: Annotated[UUID | None, Field(description="The card, if it is a contact.")]
    location_id: Annotated[UUID | None, Field(description="The card, if it is a location.")]
    open_count: Annotated[int, Field(description="Tickets that are neither solved nor closed.")]
    overdue_count: Annotated[int, Field(description="Open tickets of which a deadline has passed that still stands.")]
    breached_count: Annotated[int, Field(description="Tickets of which a deadline passed since then, open or not.")]
    quarter_began_on: Annotated[
        date, Field(description="When the quarter began, in UTC, since which breaches are counted.")
    ]
    last_contact_at: Annotated[
        AwareDatetime | None, Field(description="The last public reply to or from the client, or new ticket.")
    ]


_EXAMPLE: Final[dict[str, Any]] = {
    "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
    "contact_id": None,
    "location_id": None,
    "open_count": 7,
    "overdue_count": 1,
    "breached_count": 3,
    "quarter_began_on": "2026-10-01",
    "last_contact_at": "2026-11-23T08:12:00Z",
}

# Nothing of them is shown to who sees only some of the tickets: what is counted may be more than what they see.
TICKET_SUMMARIES = Resource(
    name="ticket_summary",
    plural="ticket-summaries",
    table=ticket_summaries,
    read=TicketSummary,
    example=_EXAMPLE,
)

TICKETS_IN_NUMBERS: Final = Include("ticket_summary", "id", TICKET_SUMMARIES)
