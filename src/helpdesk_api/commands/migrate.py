"""`helpdesk migrate`: bring the schema up to date, or show what that would do."""

from typing import Annotated

import typer

from helpdesk_api.commands.frame import settings_of_operator
from helpdesk_api.ops import migrations


def migrate(
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Only print the SQL that would be run.")] = False,
) -> None:
    """Bring the database schema up to date; running it again changes nothing.

    Connects as the owner of the schema, by HELPDESK_MIGRATION_DATABASE_URL. It never waits long for a lock, so that it
    cannot hold up the running product; it tries again a few times and then gives up without having changed anything.
    """
    settings = settings_of_operator()
    if plan:
        sql = migrations.plan(settings)
        typer.echo(sql or "-- The schema is up to date.", nl=not sql)
        return
    before, after = migrations.migrate(settings, told=lambda text: typer.echo(text, err=True))
    typer.echo(f"The schema is up to date at {after}." if before == after else f"Migrated from {before} to {after}.")
