"""Outbound e-mail on its way: stored with its cause, sent by the worker, tried again, given up, kept in a sandbox."""

import ssl
import stat
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trustme
from sqlalchemy import update

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit.context import Cause, Ctx, new_id, system
from helpdesk_api.kit.jobs import Job, jobs
from helpdesk_api.kit.mail.queue import Email, put_email, send_emails
from helpdesk_api.kit.mail.transports import FolderTransport, MailError, MailTransport, SMTPServer, SMTPTransport
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.conftest import MakeSandbox
from tests.jobs.webhooks import until
from tests.mail_server import MailServer
from tests.stage import Client, Stage


def put(stage: Stage, api: Client, *, send_before: datetime | None = None, fails: bool = False) -> UUID:
    """Let a change cause an e-mail. The bell of this runtime is silent: the worker finds it by looking."""
    email = Email("luca@client.example", "Your link", "Follow https://desk.example/#token", send_before)

    async def cause() -> UUID:
        async with as_system(stage, api) as ctx:
            email_id = await put_email(ctx, stage.runtime.sealer, email)
            if fails:
                raise ConflictError("changed my mind")
        return email_id

    return stage.run(cause())


def as_system(stage: Stage, api: Client) -> AbstractAsyncContextManager[Ctx]:
    principal = system(api.tenant.id)
    return unit_of_work(stage.runtime, principal, cause=Cause("command", "test"), request_id="test")


def put_held(stage: Stage, api: Client) -> tuple[UUID, Job]:
    """Store an e-mail whose job is already claimed, so that the worker of the stage leaves it to the test."""

    async def cause() -> tuple[UUID, Job]:
        async with as_system(stage, api) as ctx:
            email = Email("luca@client.example", "Your link", "Follow https://desk.example/#token")
            email_id = await put_email(ctx, stage.runtime.sealer, email)
            return email_id, await hold(ctx, email_id)

    return stage.run(cause())


async def hold(ctx: Ctx, email_id: UUID) -> Job:
    values = {"lease_token": new_id(), "run_at": ctx.real_now + timedelta(days=1)}
    (job,) = await ctx.tx.all(
        Job,
        update(jobs)
        .where(jobs.c.tenant_id == ctx.tenant_id, jobs.c.payload["email_id"].astext == str(email_id))
        .values(**values)
        .returning(*(jobs.c[field.name] for field in fields(Job))),
    )
    return job


def hand_over(stage: Stage, api: Client, job: Job, transport: MailTransport) -> None:
    """Do what the worker does with a claimed job, with a mail server of the test."""
    stage.run(send_emails(replace(stage.runtime, mail=transport), api.tenant.id, [job]))


def claim_again(stage: Stage, api: Client, email_id: UUID) -> Job:
    async def again() -> Job:
        async with as_system(stage, api) as ctx:
            return await hold(ctx, email_id)

    return stage.run(again())


def stored(stage: Stage, email_id: UUID) -> dict[str, Any]:
    (row,) = stage.sql("SELECT * FROM outbound_emails WHERE id = $1", email_id)
    return dict(row)


def in_state(stage: Stage, email_id: UUID, state: str) -> dict[str, Any]:
    """Wait until the worker has brought a message into a state."""

    def look() -> dict[str, Any] | None:
        found = stored(stage, email_id)
        return found if found["state"] == state else None

    return until(look)


def test_a_sandbox_sends_nothing_and_tells_what_it_would_have_sent(stage: Stage, sandbox: MakeSandbox) -> None:
    api = sandbox()

    email_id = put(stage, api)

    in_state(stage, email_id, "captured")
    shown = api.get(f"/v1/outbound-emails/{email_id}").json()
    assert (shown["to_address"], shown["subject"]) == ("luca@client.example", "Your link")
    assert shown["text"] == "Follow https://desk.example/#token"
    assert shown["sent_at"] is not None
    (listed,) = api.get("/v1/outbound-emails", params={"to_address": "luca@client.example"}).json()["data"]
    assert listed["id"] == str(email_id)
    assert "text" not in listed


def test_an_email_of_a_change_that_failed_does_not_exist(stage: Stage, sandbox: MakeSandbox) -> None:
    api = sandbox()

    with pytest.raises(ConflictError):
        put(stage, api, fails=True)

    assert api.get("/v1/outbound-emails").json()["data"] == []
    assert stage.sql("SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = 'emails.send'", api.tenant.id) == []


def test_the_text_is_not_to_be_read_in_the_database(stage: Stage, sandbox: MakeSandbox) -> None:
    email_id = put(stage, sandbox())

    found = in_state(stage, email_id, "captured")

    assert b"desk.example" not in found["sealed_text"]


def test_without_a_mail_server_the_log_says_so(stage: Stage, api: Client) -> None:
    email_id = put(stage, api)

    found = in_state(stage, email_id, "failed")

    assert (found["last_error"], found["sealed_text"]) == ("no_mail_server", None)
    assert api.get(f"/v1/outbound-emails/{email_id}").json()["text"] is None


def test_what_is_too_late_is_not_sent(stage: Stage, api: Client) -> None:
    email_id = put(stage, api, send_before=datetime.now(UTC) - timedelta(seconds=1))

    assert in_state(stage, email_id, "failed")["last_error"] == "too_late"


@pytest.fixture
def server(stage: Stage) -> Iterator[MailServer]:
    with MailServer(stage) as running:
        yield running


def plain(server: MailServer) -> MailTransport:
    address = SMTPServer(host="127.0.0.1", port=server.port, security="none")
    return SMTPTransport(address, sender="Desk <desk@service.example>")


def test_a_message_reaches_the_mail_server_once_and_its_text_is_forgotten(
    stage: Stage, api: Client, server: MailServer
) -> None:
    email_id, job = put_held(stage, api)

    hand_over(stage, api, job, plain(server))

    (message,) = server.messages
    assert server.recipients == [["luca@client.example"]]
    assert (message["From"], message["To"], message["Subject"]) == (
        "Desk <desk@service.example>",
        "luca@client.example",
        "Your link",
    )
    assert (message["Message-ID"], message["Auto-Submitted"]) == (f"<{email_id}@service.example>", "auto-generated")
    assert message.get_content().strip() == "Follow https://desk.example/#token"
    found = stored(stage, email_id)
    assert (found["state"], found["sealed_text"], found["attempt_count"]) == ("sent", None, 1)
    assert stage.sql("SELECT 1 FROM jobs WHERE id = $1", job.id) == []


def test_a_message_that_the_server_could_not_take_is_tried_again_under_the_same_id(
    stage: Stage, api: Client, server: MailServer
) -> None:
    server.answers = ["451 come back later"]
    email_id, job = put_held(stage, api)

    hand_over(stage, api, job, plain(server))
    first = stored(stage, email_id)
    hand_over(stage, api, claim_again(stage, api, email_id), plain(server))

    assert (first["state"], first["last_error"]) == ("queued", "refused_451")
    assert first["sealed_text"] is not None
    assert (stored(stage, email_id)["state"], stored(stage, email_id)["attempt_count"]) == ("sent", 2)
    assert len({message["Message-ID"] for message in server.messages}) == 1


def test_a_refusal_for_good_ends_it(stage: Stage, api: Client, server: MailServer) -> None:
    server.answers = ["550 no such person"]
    email_id, job = put_held(stage, api)

    hand_over(stage, api, job, plain(server))

    found = stored(stage, email_id)
    assert (found["state"], found["last_error"], found["sealed_text"]) == ("failed", "refused_550", None)
    assert stage.sql("SELECT 1 FROM jobs WHERE id = $1", job.id) == []


def test_a_server_that_is_away_is_tried_again(stage: Stage, api: Client) -> None:
    email_id, job = put_held(stage, api)
    nobody = SMTPServer(host="127.0.0.1", port=1, security="none")

    hand_over(stage, api, job, SMTPTransport(nobody, sender="desk@service.example"))

    assert (stored(stage, email_id)["state"], stored(stage, email_id)["last_error"]) == ("queued", "server_unreachable")
    claim_again(stage, api, email_id)


def test_a_worker_that_lost_its_lease_records_nothing(stage: Stage, api: Client, server: MailServer) -> None:
    email_id, job = put_held(stage, api)
    claim_again(stage, api, email_id)

    hand_over(stage, api, job, plain(server))

    assert stored(stage, email_id)["state"] == "queued"


MESSAGE = EmailMessage()
MESSAGE["From"], MESSAGE["To"] = "desk@service.example", "luca@client.example"
MESSAGE.set_content("Hello")


def test_a_protected_connection_is_required_not_tried(stage: Stage, server: MailServer) -> None:
    # This server offers no TLS, as one would to whom an attacker on the line has taken away the offer.
    address = SMTPServer(host="127.0.0.1", port=server.port, security="starttls")

    with pytest.raises(MailError, match="server_unreachable"):
        stage.run(SMTPTransport(address, sender="desk@service.example").deliver(MESSAGE, name="x"))

    assert server.messages == []


@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_certificate_of_the_mail_server_is_checked(stage: Stage, *, is_trusted: bool) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    if is_trusted:
        authority.configure_trust(ours)

    with MailServer(stage, tls=theirs) as server:
        address = SMTPServer(host="127.0.0.1", port=server.port, security="starttls", tls=ours)
        transport = SMTPTransport(address, sender="desk@service.example")
        if is_trusted:
            stage.run(transport.deliver(MESSAGE, name="x"))
        else:
            with pytest.raises(MailError):
                stage.run(transport.deliver(MESSAGE, name="x"))

    assert len(server.messages) == is_trusted


def test_a_folder_takes_messages_that_only_its_owner_can_read(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "box"

    stage.run(FolderTransport(folder, sender="desk@service.example").deliver(MESSAGE, name="one"))

    (written,) = folder.iterdir()
    read = message_from_bytes(written.read_bytes(), policy=policy.default)
    assert (written.name, read["To"]) == ("one.eml", "luca@client.example")
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_told(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(MailError, match="folder_not_writable"):
        stage.run(FolderTransport(tmp_path / "file", sender="desk@service.example").deliver(MESSAGE, name="one"))
