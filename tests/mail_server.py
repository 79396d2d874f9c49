"""A mail server on this machine that keeps what it is given, and refuses as it is told."""

import asyncio
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.stage import Stage


@dataclass
class MailServer:
    """Runs on the loop of a stage. `answers` are given to the next messages; without any, a message is taken."""

    stage: Stage
    tls: ssl.SSLContext | None = None
    answers: list[str] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd calls it so.
        """Take a message, or refuse it."""
        del server, session
        message = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]  # str or bytes by a setting that is off.
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        return self.answers.pop(0) if self.answers else "250 taken"

    def __enter__(self) -> Self:
        self._server = self.stage.run(self._open())
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.run(self._close())

    async def _open(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: SMTP(self, loop=loop, tls_context=self.tls, require_starttls=self.tls is not None),
            "127.0.0.1",
            0,
        )

    async def _close(self) -> None:
        self._server.close()
