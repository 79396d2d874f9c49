"""What `helpdesk up` shows: progress while it starts, and one panel with everything that a newcomer needs next."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

_COLORS = {"postgres": "blue", "valkey": "magenta", "worker": "yellow", "api": "cyan"}
_WIDEST_NAME = 8
_WIDEST_LABEL = 11


@dataclass(frozen=True, slots=True)
class Demo:
    """The tenant to play with, and the key to it."""

    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class Running:
    """The product as it runs now."""

    url: str
    demo: Demo | None
    data_dir: Path
    pids: dict[str, int]

    @property
    def docs(self) -> str:
        return f"{self.url}/docs"

    def as_json(self) -> str:
        """Give one line for scripts."""
        tenant, key = (self.demo.tenant, self.demo.key) if self.demo else (None, None)
        return json.dumps({"url": self.url, "docs": self.docs, "key": key, "tenant": tenant, "pids": self.pids})


class Screen:
    """The terminal, or the file that stands in for it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_amid_step = False

    def say(self, text: str) -> None:
        """Print a line as it is, never wrapped: paths and addresses are there to be copied."""
        self._print(Text(text))

    def say_problem(self, text: str) -> None:
        """Print why it does not go on."""
        self._print(Text(text, style="bold red"))

    def say_line_of(self, name: str, line: str) -> None:
        """Print a line that a child wrote, after the child's name in its own color."""
        self._print(Text.assemble((f"{name:<{_WIDEST_NAME}} ", _COLORS.get(name, "")), line))

    @contextmanager
    def step(self, what: str, *, done: str = "ready") -> Iterator[None]:
        """Say what is being done and, on the same line if nothing came between, how long it took."""
        started_at = time.monotonic()
        self._print(Text(f"{what} ... "), end="")
        self._is_amid_step = True
        yield
        took = f"{done} in {time.monotonic() - started_at:.1f} s"
        text = took if self._is_amid_step else f"{what} ... {took}"
        self._is_amid_step = False
        self._print(Text(text))

    def _print(self, text: Text, *, end: str = "\n") -> None:
        if self._is_amid_step:
            self._is_amid_step = False
            self._console.print()
        self._console.print(text, soft_wrap=True, end=end)

    def show(self, running: Running) -> None:
        """Show the panel; without a terminal the same as plain lines.

        It has a rule above and below but no frame, so that a key longer than the terminal is wide is neither cut nor
        mixed with a frame, and can be copied in one piece.
        """
        facts = _facts(running)
        if not self._console.is_terminal:
            for label, value in facts:
                self.say(f"{label}: {value}")
            return
        self._console.print()
        self._console.rule("helpdesk is running")
        for label, value in facts:
            style = "bold green" if label == "API key" else ""
            self._print(Text.assemble((f"  {label:<{_WIDEST_LABEL}}  ", "dim"), (value, style)))
        self._console.rule()


def _facts(running: Running) -> list[tuple[str, str]]:
    facts = [("Docs", running.docs)]
    if running.demo is not None:
        facts += [
            ("Demo tenant", running.demo.tenant),
            ("API key", running.demo.key),
            ("Try", f"curl -H 'Authorization: Bearer {running.demo.key}' '{running.url}/v1/tickets?limit=3'"),
        ]
    return [
        *facts,
        ("Data", str(running.data_dir)),
        ("Logs", str(running.data_dir / "log")),
        ("Commands", f"{_command()} --help"),
        ("Stop", "Ctrl-C; the data stays for the next start"),
    ]


def _command() -> str:
    """Name the command as it can be called from here, whether or not its environment is activated."""
    path, here = Path(sys.executable).with_name("helpdesk"), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
