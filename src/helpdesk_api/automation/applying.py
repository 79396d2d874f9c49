"""Actions done to tickets that somebody names: each ticket alone, whole or not at all, with the rights of who asks.

Rules react to what was done to a ticket once, when all of it is done. A dry run really does everything, under every
guard, and takes it back: what it tells is what the same request would have told without it.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import to_jsonable_python

from helpdesk_api.automation.actions.drafts import Draft
from helpdesk_api.automation.actions.performing import performed
from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import check_version
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import Event
from helpdesk_api.kit.problems import Problem, problem_of
from helpdesk_api.kit.schema import Count, Flag, Input, Output
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.tickets.clock_batches import hold
from helpdesk_api.tickets.reactions import settled
from helpdesk_api.tickets.resources import TICKETS

MOST_TICKETS: Final = 100

# Refusals that are of one ticket; others, such as a database that is away, are of the whole request.
_OF_ITEM: Final = frozenset(
    {Kind.CONFLICT, Kind.FORBIDDEN, Kind.INVALID, Kind.NOT_FOUND, Kind.PRECONDITION_FAILED, Kind.TOO_LARGE}
)


class TicketToChange(Input):
    """A ticket, and perhaps the version of it that was read."""

    ticket_id: UUID
    version: Annotated[Count | None, Field(description="Refused when the ticket has another one.")] = None


def _each_once(tickets: list[TicketToChange]) -> list[TicketToChange]:
    if len({each.ticket_id for each in tickets}) < len(tickets):
        message = "names a ticket twice"
        raise ValueError(message)
    return tickets


class TicketsToChange(Input):
    """Which tickets, and how."""

    tickets: Annotated[list[TicketToChange], Field(min_length=1, max_length=MOST_TICKETS), AfterValidator(_each_once)]
    author_user_id: Annotated[
        UUID | None, Field(description="Who writes the comments of an integration; users write under their own name.")
    ] = None
    dry_run: Annotated[Flag, Field(description="Tell what would become of them, and change nothing.")] = False


class CommentWritten(Output):
    """What an action said on a ticket."""

    kind: Annotated[str, Field(examples=["reply", "note"])]
    body: str


class TicketChanged(Output):
    """What became of one ticket."""

    index: Annotated[int, Field(description="Its place among the tickets, from 0.")]
    ticket_id: UUID
    outcome: Literal["changed", "unchanged", "refused"]
    version: Annotated[int | None, Field(description="The version it has now; null if it was refused.")]
    changes: Annotated[
        dict[str, Annotated[list[JsonValue], Field(min_length=2, max_length=2)]],
        Field(description="Old and new value of each field that changed, also by rules that reacted."),
    ]
    comments: Annotated[list[CommentWritten], Field(description="What the actions said.")]
    created_ticket_ids: Annotated[
        list[UUID], Field(description="The tickets that were created for it; in a dry run they are gone again.")
    ]
    problem: Annotated[Problem | None, Field(description="Why nothing was done to it; pointers are into the actions.")]


class TicketsChanged(Output):
    """What became of each ticket, in the order in which they were named."""

    dry_run: bool
    counts: Annotated[dict[str, int], Field(description="How many tickets had each outcome.")]
    items: list[TicketChanged]


async def apply_actions(
    ctx: Ctx, actions: Sequence[KeptAction], body: TicketsToChange, *, instance: str
) -> TicketsChanged:
    """Do actions, which the caller may take, to each of the tickets that a body names. Raises UnknownReferenceError."""
    author = body.author_user_id
    if author is not None and not await crud.fetch_many(ctx, USERS, [author]):
        message = f"There is no user {author}."
        raise UnknownReferenceError(message, pointer="/author_user_id")
    async with undoable(ctx) if body.dry_run else nullcontext() as part:
        # In one order, so that two of these wait for each other instead of meeting half-way.
        await hold(ctx, [each.ticket_id for each in body.tickets])
        items = [
            await _applied(ctx, actions, index, each, author_user_id=author, instance=instance)
            for index, each in enumerate(body.tickets)
        ]
        if part is not None:
            part.undo()
    counts = dict(Counter(item.outcome for item in items))
    return TicketsChanged.trusted({"dry_run": body.dry_run, "counts": counts, "items": items})


async def _applied(
    ctx: Ctx,
    actions: Sequence[KeptAction],
    index: int,
    wanted: TicketToChange,
    *,
    author_user_id: UUID | None,
    instance: str,
) -> TicketChanged:
    """Do actions to one ticket, or tell why not."""
    since = len(ctx.events)
    told: dict[str, Any] = {"index": index, "ticket_id": wanted.ticket_id, "changes": {}, "comments": []}
    told["created_ticket_ids"] = []
    try:
        async with undoable(ctx):
            before = await crud.fetch_locked(ctx, TICKETS, wanted.ticket_id)
            check_version(before.version, wanted.version)
            # Rules see what all the actions have made of it, and so fire once.
            draft = await performed(replace(ctx, reactions={}), Draft(before, author_user_id=author_user_id), actions)
            after = await settled(ctx, draft.ticket, since=since)
            for created in draft.created:
                await settled(ctx, created, since=since)
    except Refusal as refusal:
        if refusal.kind not in _OF_ITEM:
            raise
        problem = problem_of(refusal, request_id=ctx.request_id, instance=instance)
        return TicketChanged.trusted(told | {"outcome": "refused", "version": None, "problem": problem})
    is_changed = after.version != before.version or bool(draft.comments or draft.created or draft.has_effects)
    told["changes"] = _changes(ctx, [event for event in ctx.events[since:] if event.object_id == before.id])
    told["comments"] = [
        CommentWritten.trusted({"kind": comment.kind, "body": comment.body}) for comment in draft.comments
    ]
    told["created_ticket_ids"] = [created.id for created in draft.created]
    outcome = "changed" if is_changed else "unchanged"
    return TicketChanged.trusted(told | {"outcome": outcome, "version": after.version, "problem": None})


def _changes(ctx: Ctx, happened: Sequence[Event]) -> dict[str, list[JsonValue]]:
    """Give what events have changed in the end, of the fields that the caller is shown."""
    whole: dict[str, tuple[Any, Any]] = {}
    for event in happened:
        for name, (old, new) in event.changes.items():
            whole[name] = (whole[name][0] if name in whole else old, new)
    lasting = {name: change for name, change in whole.items() if change[0] != change[1]}
    shown = TICKETS.shown_changes(lasting, ctx.principal.field_groups)
    return {name: to_jsonable_python(list(change)) for name, change in sorted(shown.items())}
