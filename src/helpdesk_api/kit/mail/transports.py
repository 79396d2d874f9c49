"""The ways in which an e-mail leaves: an SMTP server, or a folder on a machine that has none.

A transport either hands the message over completely or raises MailError, which says whether another attempt may help.
When to try again is decided by the queue.
"""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import parseaddr
from pathlib import Path
from typing import Final, Literal, Protocol

import aiosmtplib

ATTEMPT: Final = timedelta(seconds=30)
_PERMANENT: Final = range(500, 600)


class MailError(Exception):
    """The message was not handed over; `reason` is a stable word for it."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class MailTransport(Protocol):
    """Whatever takes a finished message."""

    @property
    def sender(self) -> str:
        """Give the address that messages come from."""

    async def deliver(self, message: EmailMessage, *, name: str) -> None:
        """Hand a message over; `name` is unique to it. Raises MailError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SMTPServer:
    """Where the mail server is and how to speak to it."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class SMTPTransport:
    """Hand messages to a mail server, one connection each."""

    def __init__(self, server: SMTPServer, *, sender: str) -> None:
        self._server = server
        self.sender = sender

    async def deliver(self, message: EmailMessage, *, name: str) -> None:
        """Send a message."""
        del name
        server = self._server
        try:
            async with asyncio.timeout(ATTEMPT.total_seconds()):
                await aiosmtplib.send(
                    message,
                    hostname=server.host,
                    port=server.port,
                    username=server.username,
                    password=server.password,
                    use_tls=server.security == "tls",
                    # Required, not tried: a server that stopped offering it would get everything in the clear.
                    start_tls=server.security == "starttls",
                    tls_context=server.tls,
                    timeout=ATTEMPT.total_seconds(),
                )
        except aiosmtplib.SMTPAuthenticationError as error:
            # The operator's mistake, not the message's: it goes out once the password is right.
            raise MailError("sign_in_refused", is_final=False) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            is_final = all(refused.code in _PERMANENT for refused in error.recipients)
            raise MailError("recipient_refused", is_final=is_final) from error
        except aiosmtplib.SMTPResponseException as error:
            raise MailError(f"refused_{error.code}", is_final=error.code in _PERMANENT) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailError("server_unreachable", is_final=False) from error


class FolderTransport:
    """Write messages into a folder instead of sending them: what a laptop has in place of a mail server."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        self._folder = folder
        self.sender = sender

    async def deliver(self, message: EmailMessage, *, name: str) -> None:
        """Write a message as one `.eml` file that only its owner can read."""
        try:
            await asyncio.to_thread(self._write, message.as_bytes(policy=SMTP_POLICY), name)
        except OSError as error:
            raise MailError("folder_not_writable", is_final=False) from error

    def _write(self, raw: bytes, name: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.part"
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(raw)
        unfinished.replace(self._folder / f"{name}.eml")


class MissingTransport:
    """Stand where neither a server nor a folder is configured: every message fails, and says why."""

    sender = "helpdesk@localhost"

    async def deliver(self, message: EmailMessage, *, name: str) -> None:
        """Refuse a message."""
        del message, name
        raise MailError("no_mail_server", is_final=True)


def domain_of(address: str) -> str:
    """Give the domain of an address, for message ids."""
    return parseaddr(address)[1].rpartition("@")[2] or "localhost"
