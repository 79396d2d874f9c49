"""What escalation steps do by themselves: give a ticket to others, raise its priority, write to people.

It is done when the step fires, in its transaction, under the guards that everybody's changes are under; what fails is
undone alone and told. Who is to be written to is decided then too, and the messages are made by a job. That a step
comes, and comes once, is `tickets.firing`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args
from uuid import UUID

from sqlalchemy import any_, bindparam, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.domain.errors import Kind, NotFoundError, Refusal
from helpdesk_api.domain.escalation import Escalation, StepActions
from helpdesk_api.domain.workflow import FINISHED, Status
from helpdesk_api.identity.principals import principal_of_user
from helpdesk_api.identity.users import users
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.mail.queue import put_email
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import WriteConflictError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets import service
from helpdesk_api.tickets.clock_rows import TicketClock
from helpdesk_api.tickets.escalation_messages import message
from helpdesk_api.tickets.explanations import language_of_tenant
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket

NOTIFY: Final = "ticket.notify_escalation"
_MOST_NOTIFIED: Final = 200
_LEVELS: Final[Sequence[str]] = get_args(Priority)
# What goes wrong otherwise may go well the next time.
_FAULTS: Final = frozenset(Kind) - {Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.INTERNAL}

_NOTIFIED = Statement(
    select(users.c.id)
    .where(
        users.c.tenant_id == bindparam("tenant"),
        users.c.is_active == true(),
        or_(
            users.c.id == any_(bindparam("ids", type_=ARRAY(users.c.id.type))),
            users.c.team_id == bindparam("team", type_=users.c.team_id.type),
        ),
    )
    .order_by(users.c.id)
    .limit(_MOST_NOTIFIED)
)
_ADDRESS = Statement(
    select(users.c.email).where(users.c.tenant_id == bindparam("tenant"), users.c.id == bindparam("user"))
)


async def act(ctx: Ctx, item: TicketClock, one: Escalation) -> None:
    """Do what a step says; to a ticket that is finished meanwhile, nothing."""
    actions = one.step.actions
    # On a test clock deadlines fire for whoever moves it, who may do less than the policy.
    ctx = replace(ctx, principal=system(ctx.tenant_id, is_sandbox=ctx.principal.is_sandbox))
    ticket = await crud.fetch_locked(ctx, TICKETS, item.ticket_id)
    if actions is None or Status(ticket.status) in FINISHED:
        return
    moment = replace(ctx, now=max(ctx.now, ticket.updated_at))
    if changes := _changes(ticket, actions):
        try:
            async with undoable(moment):
                ticket = await service.update_ticket(moment, ticket.id, changes, expected=None)
        except Refusal as refusal:
            if refusal.kind not in _FAULTS or isinstance(refusal, WriteConflictError):
                raise
            data = {**_about(item, one), "code": refusal.code, "detail": refusal.detail}
            record(moment, "ticket.sla_escalation_failed", object_id=ticket.id, version=ticket.version, data=data)
    await _notify(moment, ticket, item, one, actions)


def _changes(ticket: Ticket, actions: StepActions) -> Mapping[str, Any]:
    given = {"team_id": actions.team_id, "assignee_id": actions.assignee_id}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if actions.raised_to is not None and _LEVELS.index(actions.raised_to) > _LEVELS.index(ticket.priority):
        changes["priority"] = actions.raised_to
    return changes


def _about(item: TicketClock, one: Escalation) -> dict[str, Any]:
    clock = item.clock
    return {"clock_id": item.id, "metric": clock.metric, "instance": clock.instance, "step": one.step.key}


async def _notify(ctx: Ctx, ticket: Ticket, item: TicketClock, one: Escalation, actions: StepActions) -> None:
    """Decide who is to be written to: as the ticket stands now, after what the step has changed."""
    ids = set(actions.notified_ids)
    if actions.notifies_assignee and ticket.assignee_id is not None:
        ids.add(ticket.assignee_id)
    team_id = ticket.team_id if actions.notifies_team else None
    if not ids and team_id is None:
        return
    rows = await ctx.tx.rows(_NOTIFIED, {"tenant": ctx.tenant_id, "ids": list(ids), "team": team_id})
    if rows:
        due_at = item.clock.due_at
        payload = {
            "ticket_id": str(ticket.id),
            "user_ids": [str(row["id"]) for row in rows],
            "metric": item.clock.metric,
            "step": one.step.key,
            "due_at": None if due_at is None else due_at.isoformat(),
            "time_zone": item.calendar.zone,
        }
        await jobs.put(ctx, [NewJob(NOTIFY, payload, ctx.real_now, cause=ctx.cause)])


async def notify(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Write to the people whom steps name, but to nobody who may not read the ticket."""
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        ours = await jobs.complete(ctx.tx, claimed)
        language = await language_of_tenant(ctx)
        for job in claimed:
            for user_id in map(UUID, job.payload["user_ids"]) if job.id in ours else ():
                ticket = await _as_seen_by(ctx, user_id, UUID(job.payload["ticket_id"]))
                if ticket is not None:
                    address = await ctx.tx.value(_ADDRESS, {"tenant": tenant_id, "user": user_id})
                    await put_email(ctx, runtime.sealer, message(language, address, ticket.number, job.payload))


async def _as_seen_by(ctx: Ctx, user_id: UUID, ticket_id: UUID) -> Ticket | None:
    principal = await principal_of_user(ctx.tx, ctx.tenant_id, user_id, credential_id=None)
    if principal is None or not principal.may("tickets:read"):
        return None
    try:
        return await crud.fetch(replace(ctx, principal=principal), TICKETS, ticket_id)
    except NotFoundError:
        return None
