"""The demo tenant: a service company with clients, agreements and tickets that have lived, and a key to it.

Everything is done by the same functions as over the API, each at the time at which it is said to have happened, so
clocks, deadlines and history are computed and not made up. Deadlines that have passed meanwhile are fired by a worker
as soon as one runs. The tenant is filled in one transaction: there is a whole demo or none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, func, select

from helpdesk_api.agreements.calendar_routes import add_calendar
from helpdesk_api.agreements.calendar_versions import hours_of
from helpdesk_api.agreements.sla_policies import add_policy
from helpdesk_api.directory.companies import COMPANIES, CompanyCreate
from helpdesk_api.directory.contacts import CONTACTS, ContactCreate
from helpdesk_api.domain.business_time import ALWAYS_OPEN, Calendar
from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.domain.workflow import Status
from helpdesk_api.identity.roles import roles
from helpdesk_api.identity.teams import TEAMS, TeamCreate
from helpdesk_api.identity.tenants import TICKET_NUMBERS, Tenant, create_tenant, find_tenant
from helpdesk_api.identity.users import USERS, UserCreate
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import AlreadyExistsError
from helpdesk_api.kit.tenancy import counters
from helpdesk_api.ops import demo_data
from helpdesk_api.ops.demo_story import Became, Given, Noted, Said, Step, Story
from helpdesk_api.ops.demo_tickets import STORIES
from helpdesk_api.ops.tenants_admin import EVERYTHING, as_operator, create_key
from helpdesk_api.tickets import service
from helpdesk_api.tickets.schemas import CommentCreate, TicketCreate

NAME: Final = "Demo"
_KEY_NAME: Final = "demo"
_COMPANY_IS_SET_UP: Final = timedelta(days=60)

_TICKETS_SO_FAR = Statement(
    select(counters.c.value)
    .where(counters.c.tenant_id == bindparam("tenant"), counters.c.name == TICKET_NUMBERS)
    .with_for_update()
)
# Whoever comes second waits until the demo is made, which takes longer than a request may wait for a lock.
_PATIENCE = Statement(
    select(func.set_config("lock_timeout", "30s", True), func.set_config("statement_timeout", "30s", True))  # noqa: FBT003 - PostgreSQL's own arguments.
)
_ROLES = Statement(select(roles.c.slug, roles.c.id).where(roles.c.tenant_id == bindparam("tenant")))


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """What a newcomer needs: which tenant it is, and a key that may do everything in it."""

    tenant: str
    tenant_id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class _Cast:
    """Who and what the stories speak of, by name."""

    hours: Calendar
    companies: Mapping[str, UUID]
    contacts: Mapping[str, UUID]
    teams: Mapping[str, UUID]
    users: Mapping[str, UUID]


async def prepare_demo(runtime: Runtime) -> DemoTenant:
    """Make the demo tenant unless it is there, and give a new key to it: an old one cannot be shown again."""
    tenant = await _tenant(runtime)
    async with as_operator(runtime, tenant) as ctx:
        await ctx.tx.value(_PATIENCE)
        # The lock makes a second one that comes meanwhile wait, and then find the demo made.
        if await ctx.tx.value(_TICKETS_SO_FAR, {"tenant": ctx.tenant_id}) == 0:
            await _fill(ctx)
    _, key = await create_key(runtime, str(tenant.id), name=_KEY_NAME, scopes=EVERYTHING)
    return DemoTenant(tenant.name, tenant.id, key)


async def _tenant(runtime: Runtime) -> Tenant:
    try:
        return await find_tenant(runtime.db, NAME)
    except NotFoundError:
        pass
    try:
        return await create_tenant(runtime.db, NAME)
    except AlreadyExistsError:
        return await find_tenant(runtime.db, NAME)


async def _fill(ctx: Ctx) -> None:
    cast = await _set_up(replace(ctx, now=ctx.now - _COMPANY_IS_SET_UP))
    tickets: dict[str, UUID] = {}
    for at, story, step in sorted(_happenings(ctx.now, cast.hours), key=lambda happening: happening[0]):
        then = replace(ctx, now=at)
        if step is None:
            tickets[story.subject] = await _come_in(then, cast, story)
        else:
            await _take(then, cast, tickets[story.subject], step)


async def _set_up(ctx: Ctx) -> _Cast:
    teams = {
        name: (await crud.add(ctx, TEAMS, TeamCreate(name=name, description=description).model_dump())).id
        for name, description in demo_data.TEAMS
    }
    role_ids = {row["slug"]: row["id"] for row in await ctx.tx.rows(_ROLES, {"tenant": ctx.tenant_id})}
    users = {name: await _add_user(ctx, name, teams[team], role_ids[role]) for name, team, role in demo_data.USERS}
    companies: dict[str, UUID] = {}
    contacts: dict[str, UUID] = {}
    for company in demo_data.COMPANIES:
        card = CompanyCreate(name=company.name, domains=[company.domain], notes=company.notes)
        companies[company.name] = (await crud.add(ctx, COMPANIES, card.model_dump())).id
        for name, phone in company.contacts:
            is_first = name == company.contacts[0][0]
            contact = ContactCreate(
                name=name,
                company_id=companies[company.name],
                emails=[_address(name, company.domain)],
                phones=[] if phone is None else [phone],
                portal_role_id=role_ids["contact_manager" if is_first else "contact"],
            )
            contacts[name] = (await crud.add(ctx, CONTACTS, contact.model_dump())).id
    calendar = await add_calendar(ctx, demo_data.calendar(ctx.real_now.year))
    for policy in demo_data.policies(calendar.id, companies):
        await add_policy(ctx, policy)
    return _Cast(await hours_of(ctx, calendar.id, calendar.version), companies, contacts, teams, users)


async def _add_user(ctx: Ctx, name: str, team_id: UUID, role_id: UUID) -> UUID:
    user = UserCreate(name=name, email=_address(name, "service.example"), team_id=team_id, role_id=role_id)
    return (await crud.add(ctx, USERS, user.model_dump())).id


def _address(name: str, domain: str) -> str:
    return f"{name.lower().replace(' ', '.')}@{domain}"


def _happenings(now: datetime, hours: Calendar) -> Iterator[tuple[datetime, Story, Step | None]]:
    """Give everything that happened in any story; the ticket itself, as None, before its steps."""
    for story in STORIES:
        measured = ALWAYS_OPEN if story.around_the_clock else hours
        for step in (None, *story.steps):
            ago = story.ago if step is None else step.ago
            yield measured.subtract(now, timedelta(hours=ago)), story, step


async def _come_in(ctx: Ctx, cast: _Cast, story: Story) -> UUID:
    ticket = TicketCreate(
        subject=story.subject,
        description=story.description,
        company_id=cast.companies[story.company],
        contact_id=cast.contacts[story.contact],
        team_id=cast.teams[story.team],
        **story.fields,
    )
    created = await service.create_ticket(ctx, ticket.model_dump())
    return created.id


async def _take(ctx: Ctx, cast: _Cast, ticket_id: UUID, step: Step) -> None:
    match step:
        case Said(by=by, text=text) if by in cast.users:
            await _comment(ctx, ticket_id, CommentCreate(kind="reply", body=text, author_user_id=cast.users[by]))
        case Said(by=by, text=text):
            await _comment(ctx, ticket_id, CommentCreate(kind="reply", body=text, author_contact_id=cast.contacts[by]))
        case Noted(by=by, text=text):
            await _comment(ctx, ticket_id, CommentCreate(kind="note", body=text, author_user_id=cast.users[by]))
        case Given(to=to):
            await _change(ctx, ticket_id, {"assignee_id": cast.users[to], "status": Status.OPEN})
        case Became(status=status):
            await _change(ctx, ticket_id, {"status": status})


async def _comment(ctx: Ctx, ticket_id: UUID, comment: CommentCreate) -> None:
    await service.add_comment(ctx, ticket_id, comment.model_dump())


async def _change(ctx: Ctx, ticket_id: UUID, changes: Mapping[str, Any]) -> None:
    await service.update_ticket(ctx, ticket_id, changes, expected=None)
