"""`helpdesk check-config`: what is configured, and whether it will do."""

import asyncio

import typer

from helpdesk_api.commands.frame import AsJSON, CommandError, print_json, print_table, settings_of_operator
from helpdesk_api.ops import check_config as examination
from helpdesk_api.settings import EXIT_BAD_CONFIGURATION


def check_config(*, as_json: AsJSON = False) -> None:
    """Show the settings as they take effect, without secrets, and check them and the database behind them.

    All errors are told at once. The exit code is 0 if the product can run like this, else 78; warnings do not count.
    """
    settings = settings_of_operator()
    findings = asyncio.run(examination.examine(settings))
    errors = [f"{finding.subject}: {finding.detail}" for finding in findings if finding.verdict == "error"]
    if as_json:
        found = [
            {"subject": finding.subject, "verdict": finding.verdict, "detail": finding.detail} for finding in findings
        ]
        print_json({"ok": not errors, "settings": examination.effective(settings), "findings": found})
    else:
        shown = [{"setting": name, "value": value or "-"} for name, value in examination.effective(settings).items()]
        print_table(("setting", "value"), shown)
        typer.echo()
        print_table(
            ("verdict", "subject", "detail"),
            [
                {"verdict": finding.verdict, "subject": finding.subject, "detail": finding.detail}
                for finding in findings
            ],
        )
    if errors:
        raise CommandError(*errors, exit_code=EXIT_BAD_CONFIGURATION)
