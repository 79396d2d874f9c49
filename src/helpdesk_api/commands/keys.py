"""`helpdesk keys`: the first key of a tenant, and the way back in when all keys are lost."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from helpdesk_api.commands.frame import AsJSON, instant, on_runtime, print_json, print_table
from helpdesk_api.ops import tenants_admin

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke the API keys of a tenant.")

TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant, by name or id.")]


@app.command("create")
def create(
    *,
    tenant: TenantOption,
    name: Annotated[str, typer.Option(help="Who will use the key, and for what.")] = "command line",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What the key may do, such as tickets:read or companies:write; repeat it for more. `*` stands for "
            "every resource.",
            show_default="everything",
        ),
    ] = None,
    field_group: Annotated[
        list[str] | None,
        typer.Option(
            help="Guarded fields that the key is shown, such as client.contact_details; repeat it for more.",
            show_default="*",
        ),
    ] = None,
    expires_at: Annotated[
        datetime | None,
        typer.Option(metavar="INSTANT", parser=instant, help="When the key stops working.", show_default="never"),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Create a key and print it, this once: only a hash of it is kept.

    The key alone goes to standard output, so that KEY=$(helpdesk keys create --tenant NAME) works.
    """
    scopes = scope or list(tenants_admin.EVERYTHING)
    created, text = on_runtime(
        lambda runtime: tenants_admin.create_key(
            runtime,
            tenant,
            name=name,
            scopes=scopes,
            field_groups=["*"] if field_group is None else field_group,
            expires_at=expires_at,
        )
    )
    if as_json:
        print_json({**created.model_dump(), "key": text})
    else:
        typer.echo(f"Created the key {created.id}; it cannot be shown again:", err=True)
        typer.echo(text)


@app.command("list")
def list_all(*, tenant: TenantOption, as_json: AsJSON = False) -> None:
    """List the keys of a tenant, without their secrets, oldest first."""
    keys = on_runtime(lambda runtime: tenants_admin.list_keys(runtime, tenant))
    if as_json:
        print_json([key.model_dump() for key in keys])
    else:
        columns = ("id", "name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
        print_table(columns, [vars(key) for key in keys])


@app.command("revoke")
def revoke(
    *,
    key_id: Annotated[UUID, typer.Argument(help="The id of the key, as `helpdesk keys list` shows it.")],
    tenant: TenantOption,
    as_json: AsJSON = False,
) -> None:
    """End a key for good, within seconds everywhere. Revoking it again changes nothing."""
    revoked = on_runtime(lambda runtime: tenants_admin.revoke_key(runtime, tenant, key_id))
    if as_json:
        print_json(revoked.model_dump())
    else:
        typer.echo(f"The key {revoked.name!r} ({revoked.id}) is revoked.")
