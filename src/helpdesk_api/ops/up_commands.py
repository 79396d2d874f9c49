"""One-off commands of the product on the way up: run to their end, their output kept for the case that they fail."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from helpdesk_api.ops.embedded_engine import last_lines
from helpdesk_api.ops.supervisor_launch import launched


class CommandFailedError(Exception):
    """A command on the way up failed; the message holds the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand of `helpdesk` with the environment of the children."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log_path: Path


async def run_command(command: Command) -> str:
    """Run the command and return its standard output; the rest goes to its log. Raises CommandFailedError."""
    process = await asyncio.create_subprocess_exec(
        *launched(command.argv, death_signal=SIGKILL),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(command.env),
        start_new_session=True,
    )
    try:
        output, messages = (part.decode(errors="replace") for part in await process.communicate())
    finally:
        # Reached with the process alive only when the wait was given up.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        await process.wait()
    await asyncio.to_thread(_write_log, command.log_path, messages)
    if process.returncode != 0:
        said = last_lines(messages + output)
        message = f"`helpdesk {command.name}` ended with exit code {process.returncode}"
        raise CommandFailedError(f"{message} and says\n{said}" if said else message)
    return output


def _write_log(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, encoding="utf-8")
