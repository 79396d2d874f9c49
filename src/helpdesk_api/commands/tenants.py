"""`helpdesk tenants`: create, list, suspend, bound, export and delete tenants."""

from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from helpdesk_api.commands.frame import AsJSON, CommandError, instant, on_runtime, print_json, print_table
from helpdesk_api.identity.tenants import Tenant
from helpdesk_api.ops import tenants_admin

app = typer.Typer(
    no_args_is_help=True,
    help="Create, list, suspend, bound, export and delete tenants: the companies that run their help desk here.",
)

TenantArgument = Annotated[str, typer.Argument(help="The tenant, by name or id.")]
QuotaOption = Annotated[
    str | None,
    typer.Option(metavar="NUMBER|none", help="At most so many; none for no limit of its own.", show_default=False),
]


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
        print_table(("id", "name", "created_at", "test_clock_at", "state"), shown)


@app.command("suspend")
def suspend(*, tenant: TenantArgument, as_json: AsJSON = False) -> None:
    """Serve a tenant no more, within seconds everywhere. Its webhooks and deadlines wait; nothing is lost."""
    _tell(on_runtime(lambda runtime: tenants_admin.suspend(runtime, tenant)), as_json=as_json)


@app.command("resume")
def resume(*, tenant: TenantArgument, as_json: AsJSON = False) -> None:
    """Serve a suspended tenant again; what waited goes on."""
    _tell(on_runtime(lambda runtime: tenants_admin.resume(runtime, tenant)), as_json=as_json)


@app.command("set-quotas")
def set_quotas(
    *,
    tenant: TenantArgument,
    requests_per_minute: QuotaOption = None,
    users: QuotaOption = None,
    api_keys: QuotaOption = None,
    webhook_endpoints: QuotaOption = None,
    as_json: AsJSON = False,
) -> None:
    """Say what a tenant may use at most; what is not named stays as it is."""
    given = {
        "requests_per_minute": requests_per_minute,
        "users": users,
        "api_keys": api_keys,
        "webhook_endpoints": webhook_endpoints,
    }
    quotas = {name: _quota(text) for name, text in given.items() if text is not None}
    _tell(on_runtime(lambda runtime: tenants_admin.set_quotas(runtime, tenant, quotas)), as_json=as_json)


@app.command("delete")
def delete(
    *,
    tenant: TenantArgument,
    grace_days: Annotated[int, typer.Option(min=0, max=365, help="For how long it can be restored.")] = 30,
    as_json: AsJSON = False,
) -> None:
    """Serve a tenant no more, and delete all of it for good once the days of grace are over."""
    grace = timedelta(days=grace_days)
    deleted = on_runtime(lambda runtime: tenants_admin.schedule_deletion(runtime, tenant, grace=grace))
    _tell(deleted, as_json=as_json)


@app.command("restore")
def restore(*, tenant: TenantArgument, as_json: AsJSON = False) -> None:
    """Keep a tenant that was to be deleted; one that was suspended before still is."""
    _tell(on_runtime(lambda runtime: tenants_admin.cancel_deletion(runtime, tenant)), as_json=as_json)


@app.command("export")
def export(
    *,
    tenant: TenantArgument,
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it; what is there is replaced.")],
    as_json: AsJSON = False,
) -> None:
    """Write everything that a tenant has to a file, without secrets: one JSON document on each line."""
    try:
        written = on_runtime(lambda runtime: tenants_admin.export(runtime, tenant, to))
    except OSError as error:
        raise CommandError(f"{to} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(asdict(written))
    else:
        typer.echo(f"Wrote {written.row_count} rows, {written.byte_count} bytes, to {to}; SHA-256 {written.sha256}.")


def _quota(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal():
        message = f"{text!r} is neither a number nor none"
        raise typer.BadParameter(message)
    return int(text)


def _tell(tenant: Tenant, *, as_json: bool) -> None:
    if as_json:
        print_json(_shown(tenant))
        return
    until = f" at {tenant.purge_at:%Y-%m-%d %H:%M:%SZ}" if tenant.purge_at else ""
    quotas = ", ".join(f"{name} {value}" for name, value in asdict(tenant.quotas).items() if value is not None)
    typer.echo(f"The tenant {tenant.name!r} is {tenant.state.replace('_', ' ')}{until}; quotas: {quotas or 'none'}.")


def _shown(tenant: Tenant) -> dict[str, object]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "created_at": tenant.created_at,
        "test_clock_at": tenant.clock_at,
        "state": tenant.state,
        "suspended_at": tenant.suspended_at,
        "purge_at": tenant.purge_at,
        "quotas": asdict(tenant.quotas),
        "cors_origins": list(tenant.cors_origins),
    }
