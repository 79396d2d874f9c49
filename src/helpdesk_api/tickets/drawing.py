"""When a ticket draws on what the contract that covers it entitles to: opened, closed, reopened, covered otherwise.

What is drawn, and how a ledger is moved there, is `agreements.entitlement_incidents`.
"""

from uuid import UUID

from helpdesk_api.agreements.entitlement_incidents import draw_incident
from helpdesk_api.domain.workflow import Status
from helpdesk_api.kit.context import Ctx
from helpdesk_api.tickets.schemas import Ticket


async def draw(ctx: Ctx, before: Ticket | None, ticket: Ticket) -> None:
    """Let the ledgers follow a ticket that was made or changed, which the caller holds."""
    contract_id, is_done = _covering(ticket), ticket.status == Status.CLOSED
    drawn_before = None if before is None else _covering(before)
    if contract_id is None and drawn_before is None:
        return
    if before is None or contract_id != drawn_before or is_done != (before.status == Status.CLOSED):
        await draw_incident(ctx, ticket.id, contract_id, is_done=is_done)


def _covering(ticket: Ticket) -> UUID | None:
    return ticket.contract_id if ticket.coverage == "covered" else None
