"""What an edit would move: deadlines of open tickets, told before it is made, and named so that only that is applied.

A plan is a signed text. It names the edit and every deadline that it would move, and is good for a while. Finding what
moves is up to whoever plans: `tickets.calendar_plans`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from pydantic_core import to_json

from helpdesk_api.domain.errors import ConflictError, GoneError
from helpdesk_api.domain.sla import Clock, Metric
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.tickets.clock_rows import TicketClock
from helpdesk_api.tickets.resources import TICKETS

MOST_CLOCKS: Final = 5_000
_SHOWN: Final = 200
_PURPOSE: Final = "plan"
_LIFE: Final = timedelta(hours=24)


class TooManyClocksError(ConflictError):
    """More clocks would have to be measured than are while somebody waits for the answer."""

    code = "too_many_clocks"
    title = "Too many clocks would be measured"


class PlanOutdatedError(ConflictError):
    """The edit would move other deadlines than the plan said, or is another one."""

    code = "plan_outdated"
    title = "The plan does not hold any more"


class PlanExpiredError(GoneError):
    """A plan is good for a day."""

    code = "plan_expired"
    title = "The plan has expired"


class ClockMove(Output):
    """A deadline that would move."""

    ticket_id: UUID
    clock_id: UUID
    metric: Metric
    due_before: AwareDatetime
    due_at: AwareDatetime
    is_breaching: Annotated[bool, Field(description="The new deadline has passed already; the old one had not.")]


class MovedDeadlines(Output):
    """Which deadlines of open tickets an edit would move."""

    plan: Annotated[str, Field(description="Names the edit and every deadline that it would move; for `apply`.")]
    expires_at: AwareDatetime
    clock_count: Annotated[int, Field(description="Running and paused clocks that would be measured anew.")]
    ticket_count: Annotated[int, Field(description="Tickets with a deadline that would move.")]
    moved_count: Annotated[int, Field(description="Deadlines that would move.")]
    earlier_count: Annotated[int, Field(description="Those that would come earlier.")]
    breaching_count: Annotated[int, Field(description="Those that would have passed already.")]
    moves: Annotated[
        list[ClockMove],
        Field(description="At most 200, of tickets that the caller sees, in the order of the new deadlines."),
    ]


@dataclass
class Radius:
    """What has been found of the clocks that an edit would reach."""

    clock_count: int = 0
    moves: list[ClockMove] = field(default_factory=list)

    def count(self) -> None:
        """Count a clock that is measured anew; raises TooManyClocksError."""
        self.clock_count += 1
        if self.clock_count > MOST_CLOCKS:
            message = f"More than {MOST_CLOCKS} clocks would be measured; make the edit without a plan."
            raise TooManyClocksError(message, params={"most": MOST_CLOCKS})

    def note(self, item: TicketClock, after: Clock) -> None:
        """Note where a deadline would go, if it would."""
        before = item.clock
        if before.due_at is not None and after.due_at is not None and before.due_at != after.due_at:
            self.moves.append(
                ClockMove(
                    ticket_id=item.ticket_id,
                    clock_id=item.id,
                    metric=before.metric,
                    due_before=before.due_at,
                    due_at=after.due_at,
                    is_breaching=before.breached_at is None and after.breached_at is not None,
                )
            )


async def told(ctx: Ctx, radius: Radius) -> dict[str, Any]:
    """Give the counts of a radius, and what the principal sees of it."""
    ordered = sorted(radius.moves, key=lambda move: (move.due_at, str(move.clock_id)))
    seen = await _seen_of(ctx, ordered[:_SHOWN])
    return {
        "clock_count": radius.clock_count,
        "ticket_count": len({move.ticket_id for move in radius.moves}),
        "moved_count": len(radius.moves),
        "earlier_count": sum(move.due_at < move.due_before for move in radius.moves),
        "breaching_count": sum(move.is_breaching for move in radius.moves),
        "moves": seen,
    }


def fingerprint(ctx: Ctx, edited: Mapping[str, Any], radius: Radius) -> str:
    """Name an object as it would be, and what that moves; when it is planned and applied is no part of it."""
    named = {name: value for name, value in edited.items() if name not in {"created_at", "updated_at"}}
    moves = sorted((str(move.clock_id), move.due_before, move.due_at) for move in radius.moves)
    return hashlib.sha256(to_json([str(ctx.tenant_id), named, moves])).hexdigest()


def signed(signer: Signer, ctx: Ctx, print_: str) -> tuple[str, datetime]:
    """Make the text of a plan; gives until when it is good, too."""
    expires_at = (ctx.real_now + _LIFE).replace(microsecond=0)
    return signer.sign(_PURPOSE, json.dumps([print_, expires_at.isoformat()]).encode()), expires_at


def check_plan(signer: Signer, ctx: Ctx, text: str, print_: str) -> None:
    """Refuse to do what was not planned; raises PlanExpiredError and PlanOutdatedError."""
    payload = signer.verify(_PURPOSE, text)
    planned, expires_at = (None, None) if payload is None else json.loads(payload)
    if expires_at is not None and datetime.fromisoformat(expires_at) <= ctx.real_now:
        message = "The plan is older than a day; plan the edit again."
        raise PlanExpiredError(message, pointer="/plan")
    if planned != print_:
        message = "The edit would move other deadlines than the plan said, or is another edit; plan it again."
        raise PlanOutdatedError(message, pointer="/plan")


async def _seen_of(ctx: Ctx, moves: Sequence[ClockMove]) -> list[ClockMove]:
    tickets = await crud.fetch_many(ctx, TICKETS, list({move.ticket_id for move in moves}))
    return [move for move in moves if move.ticket_id in tickets]
