"""What happens to tickets: created, changed and commented. What their deadlines do to them is `tickets.firing`.

Each function loads and locks, lets the domain decide, stores, and records; clocks move in the same transaction, so a
client reads its own write with the deadlines that follow from it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import insert

from helpdesk_api.agreements.promises import Promise
from helpdesk_api.directory.custom_fields.values import with_custom_fields
from helpdesk_api.domain.sla import Metric
from helpdesk_api.domain.workflow import FINISHED, Status, check_transition, is_reopen
from helpdesk_api.files import storing
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import check_version
from helpdesk_api.kit.context import Ctx, new_id, system
from helpdesk_api.kit.events import Changes, record
from helpdesk_api.tickets import clock_rows
from helpdesk_api.tickets.attachments import attach_to_ticket
from helpdesk_api.tickets.clocks import TicketClocks
from helpdesk_api.tickets.covering import SUBJECT, check_contract, covered, covered_anew, service_for
from helpdesk_api.tickets.drawing import draw
from helpdesk_api.tickets.ending_together import OpenChildrenError, ending_with
from helpdesk_api.tickets.models import comments
from helpdesk_api.tickets.parties import (
    asset_for,
    check_assignee,
    company_for,
    company_of_subject,
    default_team,
    place_for,
    served_company,
    where_it_is,
)
from helpdesk_api.tickets.plans.progress import follow_completion
from helpdesk_api.tickets.policy_choice import DECIDING, Choice, choice_of, promises_for
from helpdesk_api.tickets.reactions import settled
from helpdesk_api.tickets.resources import COMMENTS, TICKETS
from helpdesk_api.tickets.schemas import Comment, Ticket
from helpdesk_api.tickets.snoozing import check_snooze, follow_snooze

# Each changed field is told by exactly one event of a change.
_STATUS_FIELDS = frozenset({"status", "solved_at", "closed_at", "reopen_count"})
_ASSIGNMENT_FIELDS = frozenset({"team_id", "assignee_id"})
_SUBJECT = frozenset({"company_id", "location_id", "asset_id"})
# They tell why what is promised has changed.
_AGREEMENT = frozenset({"contract_id", "service_id"})
_REOPENED_BY_CLIENT = frozenset({Status.PENDING, Status.SOLVED, Status.CLOSED})


async def create_ticket(ctx: Ctx, values: Mapping[str, Any]) -> Ticket:
    """Create a ticket with its number and clocks."""
    since = len(ctx.events)
    values = dict(values)
    files = await storing.claim(ctx, values.pop("file_ids", ()))
    values["company_id"] = await company_for(ctx, values["company_id"], values["contact_id"])
    company = await served_company(ctx, values["company_id"])
    place = await place_for(ctx, values.get("location_id"), values["company_id"])
    asset = await asset_for(ctx, values.get("asset_id"), place.company_id if place else values["company_id"])
    place = place or await where_it_is(ctx, asset)
    if company is None and (named := place or asset) is not None:
        company = await served_company(ctx, named.company_id)
        values["company_id"] = named.company_id
    values["location_id"] = None if place is None else place.id
    service = await service_for(ctx, values.setdefault("service_id", None))
    await check_contract(ctx, values.setdefault("contract_id", None), values["company_id"])
    if values["team_id"] is None and values["assignee_id"] is None:
        values["team_id"] = default_team(service, place, company)
    await check_assignee(ctx, values["assignee_id"])
    values = await with_custom_fields(ctx, TICKETS, values, None)
    status = Status(values["status"])
    check_snooze(ctx, values.get("snoozed_until"), status)
    choice = await choice_of(ctx)
    values |= await covered(ctx, values, opened_at=ctx.now, any_contracts=choice.policies.has_contracts)
    promises = await promises_for(ctx, values, since=ctx.now, among=choice)
    ticket_id = new_id()
    clocks = TicketClocks(ctx, ticket_id)
    await clocks.begin_all(promises, status, is_assigned=values["assignee_id"] is not None)
    values |= {
        "due_at": clocks.earliest_due,
        "solved_at": ctx.now if status in FINISHED else None,
        "closed_at": ctx.now if status is Status.CLOSED else None,
        "reopen_count": 0,
    }
    # Whoever asks need not be shown the contract that covers it.
    stored = await crud.add(ctx, TICKETS, values, object_id=ticket_id, decided={"contract_id"})
    created = await attach_to_ticket(ctx, stored, files)
    await clock_rows.write(ctx, (), clocks.after, created.version)
    await follow_snooze(ctx, None, created)
    await draw(ctx, None, created)
    return await settled(ctx, created, since=since)


async def update_ticket(ctx: Ctx, ticket_id: UUID, changes: Mapping[str, Any], *, expected: int | None) -> Ticket:
    """Change a ticket; what changes nothing leaves no trace. Raises StaleVersionError and InvalidTransitionError."""
    ctx, before = await locked(ctx, ticket_id)
    check_version(before.version, expected)
    changes = await with_custom_fields(ctx, TICKETS, dict(changes), before)
    wanted = crud.difference(TICKETS, before, changes)
    if not wanted:
        return before
    if "contact_id" in wanted or "company_id" in wanted:
        company_id = changes.get("company_id", before.company_id)
        contact_id = changes.get("contact_id", before.contact_id)
        await company_for(ctx, company_id, contact_id)
    if "company_id" in wanted:
        await served_company(ctx, changes["company_id"])
    if _SUBJECT & wanted.keys():
        subject = {field: changes.get(field, getattr(before, field)) for field in _SUBJECT}
        company_id = await company_of_subject(ctx, **subject, given=wanted)
        if company_id != before.company_id:
            wanted["company_id"] = (before.company_id, company_id)
    if "assignee_id" in wanted:
        await check_assignee(ctx, changes["assignee_id"])
    if "snoozed_until" in wanted:
        check_snooze(ctx, changes["snoozed_until"], Status(changes.get("status", before.status)))
    if SUBJECT & wanted.keys():
        values = {field: new for field, (_, new) in wanted.items()}
        wanted |= crud.difference(TICKETS, before, await covered_anew(ctx, before, values))
    clocks = await clocks_of(ctx, ticket_id)
    since = len(ctx.events)
    after = await change(ctx, before, clocks, {field: new for field, (_, new) in wanted.items()})
    return await settled(ctx, after, since=since)


async def add_comment(ctx: Ctx, ticket_id: UUID, values: Mapping[str, Any]) -> Comment:
    """Add a reply or a note.

    A note leaves the ticket as it is, also its version: who may not read notes must not see that there was one. A
    user's reply answers the client: it stops the clocks that wait for one. A client's reply sets a ticket that is
    pending, solved or closed back to open. What a rule wrote is no answer, and asks for none.
    """
    ctx, before = await locked(ctx, ticket_id)
    since = len(ctx.events)
    if values["author_contact_id"] is not None and values["author_contact_id"] != before.contact_id:
        await company_for(ctx, before.company_id, values["author_contact_id"], field="author_contact_id")
    comment = await _store_comment(ctx, ticket_id, dict(values))
    is_reply = comment.kind == "reply"
    record(
        ctx,
        "ticket.reply_added" if is_reply else "ticket.note_added",
        object_id=ticket_id,
        version=before.version + 1 if is_reply else before.version,
        data={
            "comment_id": comment.id,
            "author_user_id": comment.author_user_id,
            "author_contact_id": comment.author_contact_id,
        },
    )
    if not is_reply:
        await settled(ctx, before, since=since)
        return comment
    fields: dict[str, Any] = {}
    reply: Literal["user", "client"] | None = None
    if comment.author_user_id is not None:
        fields, reply = {"first_responded_at": before.first_responded_at or ctx.now}, "user"
    elif comment.author_contact_id is not None:
        fields, reply = {"status": Status.OPEN} if Status(before.status) in _REOPENED_BY_CLIENT else {}, "client"
    clocks = await clocks_of(ctx, ticket_id)
    after = await change(ctx, before, clocks, fields, reply=reply)
    await settled(ctx, after, since=since)
    return comment


async def locked(ctx: Ctx, ticket_id: UUID) -> tuple[Ctx, Ticket]:
    """Lock a ticket for a change, and see to it that its time does not run backwards.

    The clocks of two servers are never quite the same, and the later change must not seem the earlier one.
    """
    before = await crud.fetch_locked(ctx, TICKETS, ticket_id)
    return (ctx if ctx.now >= before.updated_at else replace(ctx, now=before.updated_at)), before


async def clocks_of(ctx: Ctx, ticket_id: UUID) -> TicketClocks:
    """Load the clocks of a ticket, which the caller has locked."""
    return TicketClocks(ctx, ticket_id, await clock_rows.latest_of(ctx, ticket_id))


async def change(
    ctx: Ctx,
    before: Ticket,
    clocks: TicketClocks,
    values: Mapping[str, Any],
    *,
    reply: Literal["user", "client"] | None = None,
) -> Ticket:
    """Write new values of a locked ticket with all that follows; `reply` tells who has just written, if anybody."""
    values = dict(values)
    old, new = Status(before.status), Status(values.get("status", before.status))
    ending: list[UUID] = []
    if new is not old:
        check_transition(old, new)
        ending = await ending_with(ctx, before.id, old, new)
        values |= _milestones(before, old, new, ctx.now)
    if new in FINISHED or reply == "client":
        values["snoozed_until"] = None
    if reply == "user":
        clocks.answer()
    if reply is not None or is_reopen(old, new) or DECIDING & values.keys():
        choice = await choice_of(ctx)
        # What a reply begins counts from it, also in days.
        since = before.created_at if reply is None else ctx.now
        promises = await _owed(ctx, before, values, since=since, among=choice)
        await _follow(clocks, before, values, promises, deciding=choice.deciding, reply=reply)
    elif new is not old:
        await clocks.follow(new)
    effective = crud.difference(TICKETS, before, values)
    stored = {field: value for field, (_, value) in effective.items()}
    after = await crud.store_changes(ctx, TICKETS, before, stored | {"due_at": clocks.earliest_due})
    _record_changes(ctx, after, effective)
    await clock_rows.write(ctx, clocks.before, clocks.after, after.version)
    await follow_snooze(ctx, before.snoozed_until, after)
    await draw(ctx, before, after)
    if new in FINISHED and old not in FINISHED:
        await follow_completion(ctx, after.id)
    for linked_id in ending:
        await _end_along(ctx, linked_id, new)
    return after


async def _end_along(ctx: Ctx, ticket_id: UUID, status: Status) -> None:
    """Finish a ticket because another was; whoever did that need not see this one."""
    acting = replace(ctx, principal=system(ctx.tenant_id, is_sandbox=ctx.principal.is_sandbox))
    moment, before = await locked(acting, ticket_id)
    if Status(before.status) in FINISHED:
        return
    since, clocks = len(ctx.events), await clocks_of(moment, ticket_id)
    try:
        after = await change(moment, before, clocks, {"status": status})
    except OpenChildrenError:
        # It waits for children of its own, which whoever finished the other need not know of.
        return
    await settled(moment, after, since=since)


async def _follow(
    clocks: TicketClocks,
    before: Ticket,
    values: Mapping[str, Any],
    promises: Mapping[Metric, Promise],
    *,
    deciding: frozenset[str],
    reply: Literal["user", "client"] | None,
) -> None:
    """Let the clocks follow a change that may begin some of them."""
    old, new = Status(before.status), Status(values.get("status", before.status))
    is_assigned = values.get("assignee_id", before.assignee_id) is not None
    if new is not old:
        await clocks.follow(new, reopened=promises if is_reopen(old, new) else None)
    if is_assigned is not (before.assignee_id is not None):
        await clocks.follow_assignment(promises, new, is_assigned=is_assigned)
    if changed := deciding & values.keys():
        await clocks.retarget(promises, new, changed=changed | (_AGREEMENT & values.keys()), is_assigned=is_assigned)
    if reply == "user":
        await clocks.expect_update(promises, new)
    if reply == "client" and before.first_responded_at is not None:
        # Until the first answer it is the first-response clock that waits for one.
        await clocks.expect_answer(promises, new)


async def _owed(
    ctx: Ctx, before: Ticket, values: Mapping[str, Any], *, since: datetime, among: Choice
) -> Mapping[Metric, Promise]:
    """Find what is promised for a ticket as it will be, but for a first response that was given already."""
    promises = await promises_for(ctx, vars(before) | dict(values), since=since, among=among)
    if before.first_responded_at is not None:
        promises.pop(Metric.FIRST_RESPONSE, None)
    return promises


def _milestones(before: Ticket, old: Status, new: Status, now: datetime) -> dict[str, Any]:
    """Give the times and counts that a change of status sets."""
    if new in FINISHED:
        return {
            "solved_at": before.solved_at or now,
            "closed_at": now if new is Status.CLOSED else None,
        }
    if is_reopen(old, new):
        return {"solved_at": None, "closed_at": None, "reopen_count": before.reopen_count + 1}
    return {}


def _record_changes(ctx: Ctx, after: Ticket, changes: Changes) -> None:
    """Record what has changed: status, assignment and waking under their own names, the rest together."""
    parts: dict[str, Changes] = {}
    for field, change in changes.items():
        if field == "first_responded_at":
            continue  # Told by ticket.reply_added.
        parts.setdefault(_told_as(field, change), {})[field] = change
    for name, part in parts.items():
        record(ctx, f"ticket.{name}", object_id=after.id, version=after.version, changes=part)


def _told_as(field: str, change: tuple[Any, Any]) -> str:
    if field in _STATUS_FIELDS:
        return "status_changed"
    if field in _ASSIGNMENT_FIELDS:
        return "assigned"
    return "woken" if field == "snoozed_until" and change[1] is None else "updated"


async def _store_comment(ctx: Ctx, ticket_id: UUID, values: dict[str, Any]) -> Comment:
    """Store the row and what hangs on it: the event of a comment is the ticket's, with the ticket's version."""
    files = await storing.claim(ctx, values.pop("file_ids", ()))
    values["attachments"] = storing.shown(files)
    row = await ctx.tx.first(
        Comment,
        insert(comments)
        .values(
            tenant_id=ctx.tenant_id,
            id=new_id(),
            ticket_id=ticket_id,
            created_at=ctx.now,
            updated_at=ctx.now,
            version=1,
            **values,
        )
        .returning(*COMMENTS.columns),
    )
    if row is None:
        message = "an insert with RETURNING gave no row"
        raise LookupError(message)
    await storing.attach(ctx, files, ticket_id=ticket_id, comment_id=row.id)
    return row
