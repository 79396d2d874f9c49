"""`helpdesk replay`: a real help-desk history through the API, and the proof that the API tells the same."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from helpdesk_api.commands.frame import AsJSON, CommandError, print_json
from helpdesk_api.ops import replay_report
from helpdesk_api.ops.embedded import EmbeddedError
from helpdesk_api.ops.replay import Options, ReplayError
from helpdesk_api.ops.replay import replay as run_replay
from helpdesk_api.ops.replay_client import APIError
from helpdesk_api.ops.replay_log import LogError
from helpdesk_api.ops.replay_stage import Target
from helpdesk_api.ops.replay_terms import Terms
from helpdesk_api.ops.supervisor import ChildFailedError, StoppedError
from helpdesk_api.ops.up_commands import CommandFailedError


def replay(
    *,
    file: Annotated[Path, typer.Argument(help="The history: a CSV file as docs/replay.md describes it.")],
    url: Annotated[
        str | None,
        typer.Option(envvar="HELPDESK_URL", help="A running server; without it, one is started and thrown away."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="HELPDESK_KEY", help="A key to an empty tenant with a test clock on that server."),
    ] = None,
    limit_cases: Annotated[int | None, typer.Option(min=1, help="Play only the first cases of the file.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="How many tickets to work on at once.")] = 8,
    faults: Annotated[
        bool, typer.Option("--faults", help="Kill the worker ten times and flush Valkey twice while it runs.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Repeat the moments of an earlier run's faults.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running afterwards, until Ctrl-C.")] = False,
    terms: Annotated[
        Terms, typer.Option(help="What the tickets are promised; docs/replay.md tells of each.")
    ] = Terms.PRIORITIES,
    as_json: AsJSON = False,
) -> None:
    """Play a help-desk history through the public API, at the dates of the log, and compare every ticket with it.

    Without --url everything needed is started in a temporary directory. The exit code is 1 if a single ticket differs
    or a single webhook is missing or unverified.
    """
    if (url is None) != (key is None):
        raise CommandError("give both --url and --key (or HELPDESK_URL and HELPDESK_KEY), or neither", exit_code=2)
    options = Options(
        path=file,
        target=None if url is None or key is None else Target(url, key),
        limit_cases=limit_cases,
        concurrency=concurrency,
        with_faults=faults,
        seed=seed,
        keep=keep,
        terms=terms,
    )
    console = Console(stderr=as_json, highlight=False)
    try:
        report = run_replay(options, console)
    except StoppedError:
        raise CommandError("stopped", exit_code=130) from None
    except (APIError, ChildFailedError, CommandFailedError, EmbeddedError, LogError, ReplayError) as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json(report.as_json())
    elif not keep:
        replay_report.show(report, console)
    if not report.succeeded:
        raise typer.Exit(1)
