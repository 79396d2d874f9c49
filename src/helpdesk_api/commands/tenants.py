"""`helpdesk tenants`: the only way to create a tenant."""

from datetime import datetime
from typing import Annotated

import typer

from helpdesk_api.commands.frame import AsJSON, instant, on_runtime, print_json, print_table
from helpdesk_api.identity.tenants import Tenant
from helpdesk_api.ops import tenants_admin

app = typer.Typer(no_args_is_help=True, help="Create and list tenants: the companies that run their help desk here.")


@app.command("create")
def create(
    *,
    name: Annotated[str, typer.Option(help="How the tenant is called; no other may have the same name.")],
    test_clock: Annotated[
        datetime | None,
        typer.Option(
            metavar="INSTANT",
            parser=instant,
            help="Make a sandbox whose time stands still at this instant, such as 2020-01-01T00:00:00Z, and only moves "
            "by POST /v1/test-clock/advance.",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Create a tenant. `helpdesk keys create` then gives it a key."""
    tenant = on_runtime(lambda runtime: tenants_admin.create(runtime, name, clock_at=test_clock))
    if as_json:
        print_json(_shown(tenant))
    else:
        typer.echo(f"Created the tenant {tenant.name!r} with the id {tenant.id}.")


@app.command("list")
def list_all(*, as_json: AsJSON = False) -> None:
    """List every tenant, oldest first."""
    shown = [_shown(tenant) for tenant in on_runtime(tenants_admin.list_all)]
    if as_json:
        print_json(shown)
    else:
        print_table(("id", "name", "created_at", "test_clock_at"), shown)


def _shown(tenant: Tenant) -> dict[str, object]:
    return {
        "id": tenant.id, "name": tenant.name, "created_at": tenant.created_at, "test_clock_at": tenant.clock_at
    }  # fmt: skip
