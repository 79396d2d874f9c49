"""The queue of outbound e-mail: a row per message, written in the transaction that causes it, and the job to send it.

A message is tried until the mail server takes it, refuses it for good, or its time is over. A worker that dies between
the server's yes and our note of it sends the message again, under the same Message-ID. The text may hold a link that
signs somebody in, so it is sealed, and erased once it is sent. Messages of a sandbox tenant never leave: its people are
made up, and the text stays to be read over the API.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Text,
    any_,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.domain.retry import next_delay
from helpdesk_api.kit import jobs
from helpdesk_api.kit.context import Cause, Ctx, new_id, system
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.mail.transports import MailError, domain_of
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sealing import SealBrokenError, SealedColumn, Sealer
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.tenancy import is_sandbox_tenant
from helpdesk_api.kit.unit_of_work import unit_of_work

if TYPE_CHECKING:
    from helpdesk_api.kit.runtime import Runtime

log = structlog.get_logger()

SEND: Final = "emails.send"
_PURPOSE: Final = "outbound_email"
_JITTER: Final = random.SystemRandom()


class State(StrEnum):
    """How far a message is."""

    QUEUED = "queued"
    SENT = "sent"
    CAPTURED = "captured"
    FAILED = "failed"


outbound_emails = tenant_table(
    "outbound_emails",
    Column("to_address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sealed_text", LargeBinary),
    Column("state", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("last_error", Text),
    Column("send_before", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('queued', 'sent', 'captured', 'failed')", name="state"),
    CheckConstraint("(sent_at IS NULL) = (state IN ('queued', 'failed'))", name="sent_at_some_time"),
    Index(None, "tenant_id", "created_at", "id"),
)
EMAILS_KEPT: Final = Kept(
    name="outbound_emails",
    meaning="Outbound e-mail, after it was written; what still waits to be sent stays.",
    table=outbound_emails,
    since=outbound_emails.c.created_at,
    days=Days(default=30, least=1, most=365),
    removable=outbound_emails.c.state != State.QUEUED,
)
SEALED_TEXT: Final = SealedColumn(outbound_emails.c.sealed_text, _PURPOSE)

_PUT = Statement(insert(outbound_emails))
_LOAD = Statement(
    select(*outbound_emails.c).where(
        outbound_emails.c.tenant_id == bindparam("tenant"),
        outbound_emails.c.id == any_(bindparam("ids", type_=ARRAY(outbound_emails.c.id.type))),
    )
)
_RECORD = Statement(
    update(outbound_emails)
    .where(outbound_emails.c.tenant_id == bindparam("tenant"), outbound_emails.c.id == bindparam("email"))
    .values(
        state=bindparam("new_state"),
        last_error=bindparam("error"),
        attempt_count=outbound_emails.c.attempt_count + 1,
        sent_at=bindparam("at"),
        sealed_text=bindparam("text_left"),
        updated_at=bindparam("now"),
        version=outbound_emails.c.version + 1,
    )
)


@dataclass(frozen=True, slots=True)
class Email:
    """A message in plain text to one address; after `send_before` it is worth nothing and no longer sent."""

    to_address: str
    subject: str
    text: str
    send_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    email: Record
    state: State
    error: str | None
    again_at: datetime | None = None


async def put_email(ctx: Ctx, sealer: Sealer, email: Email) -> UUID:
    """Store a message and the job that sends it, in the caller's transaction; gives its id."""
    email_id = new_id()
    sealed = sealer.seal(email.text.encode(), tenant_id=ctx.tenant_id, purpose=_PURPOSE, object_id=email_id)
    values: dict[str, Any] = {
        "tenant_id": ctx.tenant_id,
        "id": email_id,
        "to_address": email.to_address,
        "subject": email.subject,
        "sealed_text": sealed,
        "state": State.QUEUED,
        "attempt_count": 0,
        "last_error": None,
        "send_before": email.send_before,
        "sent_at": None,
        "created_at": ctx.real_now,
        "updated_at": ctx.real_now,
        "version": 1,
    }
    await ctx.tx.run(_PUT, values)
    await jobs.put(ctx, [NewJob(SEND, {"email_id": str(email_id)}, run_at=ctx.real_now)])
    return email_id


def text_of(sealer: Sealer, tenant_id: UUID, email_id: UUID, sealed: bytes) -> str:
    """Give the text of a stored message; raises SealBrokenError."""
    return sealer.open(sealed, tenant_id=tenant_id, purpose=_PURPOSE, object_id=email_id).decode()


async def send_emails(runtime: "Runtime", tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Send the messages of these jobs and record what came of each."""
    principal = system(tenant_id)
    cause = Cause("job", str(claimed[0].id))
    by_email = {UUID(job.payload["email_id"]): job for job in claimed}
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id, read_only=True) as ctx:
        is_sandbox = await is_sandbox_tenant(ctx.tx, tenant_id)
        found = await ctx.tx.rows(_LOAD, {"tenant": tenant_id, "ids": list(by_email)})
        now = ctx.real_now
    waiting = [email for email in found if email["state"] == State.QUEUED]
    if is_sandbox:
        outcomes = [_Outcome(email, State.CAPTURED, None) for email in waiting]
    else:
        outcomes = list(await asyncio.gather(*(_send(runtime, email, now) for email in waiting)))
    later = {by_email[done.email["id"]].id: done.again_at for done in outcomes if done.again_at is not None}
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        ended = [job for job in claimed if job.id not in later]
        ours = await jobs.complete(ctx.tx, ended) if ended else set()
        ours |= await jobs.postpone(ctx.tx, later, claimed) if later else set()
        for outcome in outcomes:
            if by_email[outcome.email["id"]].id in ours:
                await _record(ctx, outcome)


async def _send(runtime: "Runtime", email: Record, now: datetime) -> _Outcome:
    if email["send_before"] is not None and email["send_before"] <= now:
        return _Outcome(email, State.FAILED, "too_late")
    try:
        text = text_of(runtime.sealer, email["tenant_id"], email["id"], email["sealed_text"])
        await runtime.mail.deliver(_message(runtime.mail.sender, email, text), name=str(email["id"]))
    except SealBrokenError:
        return _Outcome(email, State.FAILED, "unreadable")
    except MailError as error:
        log.warning("email.not_sent", email_id=str(email["id"]), reason=error.reason)
        delay = next_delay(email["attempt_count"] + 1, jitter=_JITTER.random())
        if error.is_final or delay is None:
            return _Outcome(email, State.FAILED, error.reason)
        return _Outcome(email, State.QUEUED, error.reason, again_at=now + max(delay, timedelta(seconds=1)))
    return _Outcome(email, State.SENT, None)


def _message(sender: str, email: Record, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = email["to_address"]
    message["Subject"] = email["subject"]
    message["Date"] = format_datetime(email["created_at"])
    message["Message-ID"] = f"<{email['id']}@{domain_of(sender)}>"
    # Written by a program: other programs must not answer it (RFC 3834 section 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


async def _record(ctx: Ctx, outcome: _Outcome) -> None:
    keeps_text = outcome.state in {State.QUEUED, State.CAPTURED}
    is_done = outcome.state in {State.SENT, State.CAPTURED}
    await ctx.tx.run(
        _RECORD,
        {
            "tenant": ctx.tenant_id,
            "email": outcome.email["id"],
            "new_state": outcome.state,
            "error": outcome.error,
            "at": ctx.real_now if is_done else None,
            "text_left": outcome.email["sealed_text"] if keeps_text else None,
            "now": ctx.real_now,
        },
    )
