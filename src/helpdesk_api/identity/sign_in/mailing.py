"""Asking for a link, and the job that sends it.

A request only stores a job, the same for an address that somebody has and for one that nobody has, so that neither the
answer nor its time tells which. The worker looks the address up, makes the link and queues the message, in one
transaction with the end of the job.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.sign_in.attempts import LINK, count_attempt
from helpdesk_api.identity.sign_in.links import Purpose, make_link
from helpdesk_api.identity.sign_in.messages import message
from helpdesk_api.identity.sign_in.passwords import find_user, find_user_by_email
from helpdesk_api.identity.sign_in.sessions import Person
from helpdesk_api.identity.sign_in.settings import page_of
from helpdesk_api.identity.sign_in.visits import Visit
from helpdesk_api.identity.users import User
from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.mail.queue import put_email
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import unit_of_work

SEND_TO_USER: Final = "sign_in.send_link_to_user"

_TENANT_NAME: Final = Statement(select(tenants.c.name).where(tenants.c.id == bindparam("tenant")))


class UserNotActiveError(ConflictError):
    """The user is not active, and so cannot sign in."""

    code = "user_not_active"
    title = "The user is not active"


async def ask_for_link(runtime: Runtime, visit: Visit, tenant_id: UUID, email: str, *, job_kind: str) -> None:
    """Store the job that sends a link to who has an address, if anybody has; raises TooManyAttemptsError."""
    await count_attempt(runtime.db, tenant_id, LINK, email)
    async with visit.work(runtime, tenant_id) as ctx:
        await jobs.put(ctx, [NewJob(job_kind, {"email": email}, run_at=ctx.real_now)])


async def invite(ctx: Ctx, user: User) -> None:
    """Send a user a link to choose a password with, and record it. Raises UserNotActiveError."""
    if not user.is_active:
        message_ = f"{user.name} is not active and so cannot sign in."
        raise UserNotActiveError(message_)
    await jobs.put(ctx, [NewJob(SEND_TO_USER, {"user_id": str(user.id)}, run_at=ctx.real_now)])
    record(ctx, "user.invited", object_id=user.id, version=user.version)


async def send_links_to_users(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Send each user that these jobs name the link that was asked for."""
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        ours = await jobs.complete(ctx.tx, claimed)
        for job in claimed:
            if job.id in ours:
                await _send_to_user(ctx, runtime, job)


async def send_link(ctx: Ctx, runtime: Runtime, purpose: Purpose, person: Person, email: str) -> None:
    """Make a link and queue the message that carries it."""
    tenant = await ctx.tx.value(_TENANT_NAME, {"tenant": ctx.tenant_id})
    page = await page_of(ctx, "staff" if person.type == "user" else "portal")
    token = await make_link(ctx, purpose, person, email)
    await put_email(ctx, runtime.sealer, message(ctx, purpose, email, tenant=tenant, page=page, token=token))


async def _send_to_user(ctx: Ctx, runtime: Runtime, job: Job) -> None:
    is_invitation = "user_id" in job.payload
    if is_invitation:
        user = await find_user(ctx.tx, ctx.tenant_id, UUID(job.payload["user_id"]))
    else:
        user = await find_user_by_email(ctx.tx, ctx.tenant_id, job.payload["email"])
    if user is None or not user["is_active"]:
        return
    purpose: Purpose = "invitation" if is_invitation else "password_reset"
    # To the address as it is stored, not as it was typed: what was typed may only look like it.
    await send_link(ctx, runtime, purpose, Person("user", user["id"]), user["email"])
    if not is_invitation:
        record(ctx, "user.password_reset_requested", object_id=user["id"], version=user["version"])
