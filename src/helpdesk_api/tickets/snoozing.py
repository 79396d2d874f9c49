"""Putting a ticket off: until when, who may, and the deadline that brings it back.

A snooze is a note to those who work: the ticket is not to be looked at before. It moves no clock and no promise, and
what happens to the ticket meanwhile happens as ever. Bringing it back when its time has come is `tickets.waking`.
"""

from datetime import datetime
from typing import Final

from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.workflow import FINISHED, Status
from helpdesk_api.kit import deadlines
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.deadlines import Deadline
from helpdesk_api.tickets.schemas import Ticket

WAKE_KIND: Final = "ticket.wake"


class InvalidSnoozeError(InvalidError):
    """A snooze ends in the future, and of a ticket that is solved or closed there is nothing to put off."""

    code = "invalid_snooze"
    title = "The ticket cannot be put off so"


def check_snooze(ctx: Ctx, until: datetime | None, status: Status) -> None:
    """Refuse to put off what is finished, or until an instant that has passed. Raises InvalidSnoozeError."""
    if until is None:
        return
    if status in FINISHED:
        message = f"A ticket that is {status} cannot be put off."
        raise InvalidSnoozeError(message, pointer="/snoozed_until")
    if until <= ctx.now:
        message = f"{until.isoformat()} is not in the future."
        raise InvalidSnoozeError(message, pointer="/snoozed_until")


async def follow_snooze(ctx: Ctx, before: datetime | None, after: Ticket) -> None:
    """See to it that a ticket, which the caller has locked, comes back when it is to, and not when it was to."""
    if before == after.snoozed_until:
        return
    if before is not None:
        await deadlines.cancel_all(ctx, WAKE_KIND, after.id)
    if after.snoozed_until is not None:
        # One that has fired stays fired: each snooze has a number of its own.
        await deadlines.arrange(ctx, [Deadline(WAKE_KIND, after.id, after.version, after.snoozed_until)])
