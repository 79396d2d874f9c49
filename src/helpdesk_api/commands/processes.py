"""The commands that run until they are told to stop: the whole product, the API, a worker."""

import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from helpdesk_api import main as api
from helpdesk_api import worker as background
from helpdesk_api.commands.frame import CommandError, configured
from helpdesk_api.ops.up import up as run_product
from helpdesk_api.ops.worker_check import NoWorkDoneError, working_pids

Host = Annotated[str | None, typer.Option(help="Address to listen on instead of HELPDESK_HOST.", show_default=False)]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Port to listen on instead of HELPDESK_PORT.", show_default=False),
]


def up(
    *,
    host: Host = None,
    port: Port = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where data, logs and the key of the demo tenant are kept.", show_default=".helpdesk"),
    ] = None,
    demo: Annotated[bool, typer.Option(help="Create a demo tenant with data and a key at the first start.")] = True,
    logs: Annotated[bool, typer.Option("--logs", help="Show what API, worker and databases write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON, once everything is ready.")] = False,
) -> None:
    """Run the whole product on this machine: PostgreSQL, Valkey, API and worker, with demo data.

    Nothing needs to be installed or configured. What HELPDESK_DATABASE_URL or HELPDESK_REDIS_URL names is used instead
    of starting an own one. Ctrl-C stops everything; the data stays for the next start.
    """
    raise typer.Exit(
        run_product(data_dir=data_dir, host=host, port=port, with_demo=demo, with_logs=logs, as_json=as_json)
    )


def serve(*, host: Host = None, port: Port = None) -> None:
    """Serve the API until told to stop; requests that are being answered are finished.

    Everything else comes from the HELPDESK_* variables; `helpdesk check-config` shows them.
    """
    given = {"host": host, "port": port}
    settings = configured().model_copy(update={name: value for name, value in given.items() if value is not None})
    # Once everything has ended, the server raises the signal again that it was ended by; an orderly end is a success.
    signal.signal(signal.SIGTERM, _end_well)
    with suppress(KeyboardInterrupt):
        api.serve(settings)


def _end_well(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def worker(
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only tell whether the workers of this account on this machine do their work."),
    ] = False,
) -> None:
    """Work in the background until told to stop: deadlines, webhooks and everything else that is due.

    Any number of workers may run on any number of machines; what was claimed is finished before one stops. --check is
    for health checks: it exits with 0 if there is a worker and every one has looked for work lately, else with 1.
    """
    if check:
        _check_workers()
    else:
        background.run(configured())


def _check_workers() -> None:
    try:
        pids = working_pids(datetime.now(UTC))
    except NoWorkDoneError as error:
        raise CommandError(*error.problems) from error
    typer.echo(f"Working: {', '.join(map(str, pids))}.")
