"""The `helpdesk` command: which commands there are, and how one that cannot do its work says so.

Whatever a command refuses ends in a plain line on standard error and an exit code: 1 refused or failed, 2 misused,
78 bad configuration. Only what nobody foresaw shows a traceback.
"""

import sys

import typer

from helpdesk_api.commands import (
    audit,
    check_config,
    demo,
    document,
    erasures,
    keys,
    migrate,
    processes,
    replay,
    rotate_keys,
    tenants,
    webhooks,
)
from helpdesk_api.commands.frame import CommandError
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit.heartbeat import NoHeartbeatError
from helpdesk_api.ops.migrations import MigrationError
from helpdesk_api.ops.tenants_admin import NotUsableError
from helpdesk_api.settings import EXIT_BAD_CONFIGURATION, ConfigurationError

app = typer.Typer(
    name="helpdesk",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="An API-first help desk. `helpdesk up` starts everything on this machine; the other commands are for running "
    "it for real.",
)
app.command()(processes.up)
app.command()(processes.serve)
app.command()(processes.worker)
app.command()(migrate.migrate)
app.command("check-config")(check_config.check_config)
app.add_typer(tenants.app, name="tenants")
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
app.command("rotate-keys")(rotate_keys.rotate_keys)
app.add_typer(audit.app, name="audit")
app.add_typer(erasures.app, name="erasures")
app.command()(demo.demo)
app.command()(replay.replay)
app.command()(document.openapi)


def main() -> None:
    """Run the command that the arguments name."""
    try:
        app(prog_name="helpdesk")
    except ConfigurationError as error:
        _fail(*error.problems, exit_code=EXIT_BAD_CONFIGURATION)
    except Refusal as refusal:
        _fail(refusal.detail)
    except (MigrationError, NoHeartbeatError, NotUsableError) as error:
        _fail(str(error))
    except CommandError as error:
        _fail(*error.problems, exit_code=error.exit_code)


def _fail(*problems: str, exit_code: int = 1) -> None:
    for problem in problems:
        typer.echo(f"helpdesk: {problem}", err=True)
    sys.exit(exit_code)
