"""What every command shares: its settings, its way to run a coroutine on an opened runtime, and how it prints.

Refusals are not caught here; `cli.main` turns them into one line and an exit code.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.opening import open_runtime
from helpdesk_api.ops.up_running import chosen_data_dir, with_running
from helpdesk_api.settings import ConfigurationError, Settings, load_settings

T = TypeVar("T")


class CommandError(Exception):
    """The command cannot do what was asked, or what it looked at is not as it should be; one line per argument."""

    def __init__(self, *problems: str, exit_code: int = 1) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.exit_code = exit_code


AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON for a script instead of text for a person.")]


def configured() -> Settings:
    """Read the settings of a process that needs the database; raises ConfigurationError."""
    settings = load_settings()
    if settings.database_url is None:
        raise ConfigurationError(["HELPDESK_DATABASE_URL is not set; `helpdesk up` starts everything by itself"])
    return settings


def settings_of_operator() -> Settings:
    """Read the settings of a one-off command: without a database of their own, those of the `helpdesk up` here."""
    return load_settings(with_running(os.environ))


def _settings_with_database() -> Settings:
    settings = settings_of_operator()
    if settings.database_url is None:
        place = chosen_data_dir(os.environ)
        message = (
            f"HELPDESK_DATABASE_URL is not set, and nothing runs on {place}; start `helpdesk up`, "
            "or name its data directory by HELPDESK_DATA_DIR"
        )
        raise ConfigurationError([message])
    return settings


def on_runtime(work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Run a coroutine on the product's mechanisms; workers find what it announced by looking."""

    async def opened() -> T:
        async with open_runtime(_settings_with_database(), SilentBell(), Metrics(), name="helpdesk-command") as runtime:
            return await work(runtime)

    return asyncio.run(opened())


def print_json(value: object) -> None:
    """Print one document on one line."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows for a person; nothing is cut off, so that ids can be copied."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row[column])) for column in columns))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1_000
    console.print(table)


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case list() | tuple():
            return " ".join(map(str, value))
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case _:
            return str(value)


def instant(text: str) -> datetime:
    """Read an instant from the command line."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is not an instant such as 2020-01-01T00:00:00Z"
        raise typer.BadParameter(message) from None
    if value.tzinfo is None:
        message = f"{text!r} names no time zone; append Z for UTC"
        raise typer.BadParameter(message)
    return value.astimezone(UTC)
