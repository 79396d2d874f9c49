"""Messages that actions send about a ticket, by e-mail: who gets one is decided at once, what it says by a job.

Each message is written for the one who gets it: who may not see the ticket gets none, and of fields that somebody is
not shown nothing has a value. It goes out once, along with the change that it is about, or not at all with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.automation.actions.templating import fill
from helpdesk_api.directory.contacts import contacts
from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.identity.principals import principal_of_contact, principal_of_user
from helpdesk_api.identity.users import users
from helpdesk_api.identity.visibility import OWN, reach_of_contact
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, Principal, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.mail.queue import Email, put_email
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Ticket
from helpdesk_api.tickets.watchers import watchers_of

SEND: Final = "ticket.send_notification"
MOST_NOTIFIED: Final = 200
_LONGEST_SUBJECT: Final = 200

_ids = {name: bindparam(name, type_=ARRAY(Uuid)) for name in ("users", "teams", "roles")}
_STAFF: Final = Statement(
    select(users.c.id)
    .where(
        users.c.tenant_id == bindparam("tenant"),
        users.c.is_active == true(),
        or_(
            users.c.id == any_(_ids["users"]),
            users.c.team_id == any_(_ids["teams"]),
            users.c.role_id == any_(_ids["roles"]),
        ),
    )
    .order_by(users.c.id)
    .limit(MOST_NOTIFIED)
)
_USER: Final = Statement(
    select(users.c.email).where(users.c.tenant_id == bindparam("tenant"), users.c.id == bindparam("person"))
)
_CONTACT: Final = Statement(
    select(contacts.c.emails, contacts.c.company_id).where(
        contacts.c.tenant_id == bindparam("tenant"), contacts.c.id == bindparam("person")
    )
)


@dataclass(frozen=True, slots=True)
class _Recipient:
    """Somebody with an address, and what that one sees."""

    address: str
    principal: Principal


async def notify(ctx: Ctx, ticket: Ticket, action: KeptAction) -> None:
    """Decide who gets a message about a ticket as it is now, and leave writing it to a job."""
    to = {*action["to"]}
    watchers = await watchers_of(ctx, ticket.id) if "watchers" in to else []
    named: dict[str, set[UUID | None]] = {
        "users": {*map(UUID, action["user_ids"]), *(each.user_id for each in watchers)},
        "teams": {*map(UUID, action["team_ids"])},
        "roles": {*map(UUID, action["role_ids"])},
        "contacts": {*map(UUID, action["contact_ids"]), *(each.contact_id for each in watchers)},
    }
    for recipient, kind, person_id in (
        ("assignee", "users", ticket.assignee_id),
        ("team", "teams", ticket.team_id),
        ("requester", "contacts", ticket.contact_id),
    ):
        if recipient in to:
            named[kind].add(person_id)
    given = {kind: sorted(each for each in ids if each is not None) for kind, ids in named.items()}
    of_clients = given.pop("contacts")[:MOST_NOTIFIED]
    staff = [row["id"] for row in await ctx.tx.rows(_STAFF, {"tenant": ctx.tenant_id, **given})]
    if staff or of_clients:
        payload = {
            "ticket_id": str(ticket.id),
            "user_ids": [str(each) for each in staff],
            "contact_ids": [str(each) for each in of_clients],
            "subject": action["subject"],
            "body": action["body"],
        }
        await jobs.put(ctx, [NewJob(SEND, payload, ctx.real_now, cause=ctx.cause)])


async def send_notifications(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Write to whom actions named, each message with what its reader sees, in one transaction with the job's end."""
    for job in claimed:
        cause = Cause("job", str(job.id))
        async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
            if job.id in await jobs.complete(ctx.tx, [job]):
                await _send(ctx, runtime, job.payload)


async def _send(ctx: Ctx, runtime: Runtime, payload: dict[str, Any]) -> None:
    about = (await crud.fetch_many(ctx, TICKETS, [UUID(payload["ticket_id"])])).get(UUID(payload["ticket_id"]))
    if about is None:
        return
    found = [await _of_staff(ctx, UUID(each)) for each in payload["user_ids"]]
    found += [await _of_client(ctx, UUID(each)) for each in payload["contact_ids"]]
    email_ids: list[UUID] = []
    for recipient in found:
        email = None if recipient is None else await _written(ctx, recipient, about.id, payload)
        if email is not None:
            email_ids.append(await put_email(ctx, runtime.sealer, email))
    data = {"outbound_email_ids": email_ids, "suppressed_count": len(found) - len(email_ids)}
    record(ctx, "ticket.notified", object_id=about.id, version=about.version, data=data)


async def _written(ctx: Ctx, recipient: _Recipient, ticket_id: UUID, payload: dict[str, Any]) -> Email | None:
    """Write to somebody, unless that one does not see the ticket, or the message comes out blank."""
    reader = replace(ctx, principal=recipient.principal)
    try:
        ticket = await crud.fetch(reader, TICKETS, ticket_id)
    except NotFoundError:
        return None
    subject, text = await filled(reader, ticket, payload["subject"], payload["body"])
    return Email(recipient.address, subject, text) if text.strip() else None


async def filled(ctx: Ctx, ticket: Ticket, subject: str, body: str) -> tuple[str, str]:
    """Give subject and text of a message as the principal is shown the ticket."""
    line = " ".join((await fill(ctx, ticket, subject, as_shown=True)).split())[:_LONGEST_SUBJECT]
    return line or f"#{ticket.number}", await fill(ctx, ticket, body, as_shown=True)


async def _of_staff(ctx: Ctx, user_id: UUID) -> _Recipient | None:
    principal = await principal_of_user(ctx.tx, ctx.tenant_id, user_id, credential_id=None)
    if principal is None or not principal.may("tickets:read"):
        return None
    address: str | None = await ctx.tx.value(_USER, {"tenant": ctx.tenant_id, "person": user_id})
    return None if address is None else _Recipient(address, principal)


async def _of_client(ctx: Ctx, contact_id: UUID) -> _Recipient | None:
    row = await ctx.tx.row(_CONTACT, {"tenant": ctx.tenant_id, "person": contact_id})
    if row is None or not row["emails"]:
        return None
    principal = await principal_of_contact(ctx.tx, ctx.tenant_id, contact_id, credential_id=None)
    if principal is None:
        # Who has no access to the portal is written to about what would be shown there at least: the own tickets.
        principal = Principal(
            "contact",
            contact_id,
            ctx.tenant_id,
            permissions=frozenset({"tickets:read"}),
            reach=reach_of_contact(OWN, contact_id=contact_id, company_id=row["company_id"]),
        )
    return _Recipient(row["emails"][0], principal) if principal.may("tickets:read") else None
