"""`helpdesk audit`: the proof that nobody has changed the audit trail behind the product's back."""

import re
from typing import Annotated, Any

import typer

from helpdesk_api.commands.frame import AsJSON, CommandError, on_runtime, print_json, print_table
from helpdesk_api.identity.audit_verification import KeptSeal, Verification, verify
from helpdesk_api.identity.tenants import Tenant, find_tenant, list_tenants
from helpdesk_api.kit.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="Verify the audit trail of tenants.")

_KEPT = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def kept_seal(text: str) -> KeptSeal:
    """Read a seal that was written down."""
    match = _KEPT.fullmatch(text)
    if match is None:
        message = f"{text!r} is not the number and hash of a seal, such as 7:9f86d081…"
        raise typer.BadParameter(message)
    return KeptSeal(int(match[1]), bytes.fromhex(match[2]))


@app.command("verify")
def verify_audit(
    *,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="One tenant, by name or id.", show_default="every tenant")
    ] = None,
    kept: Annotated[
        KeptSeal | None,
        typer.Option(
            "--kept",
            metavar="NUMBER:HASH",
            parser=kept_seal,
            help="A seal that was kept elsewhere; with --tenant. Without one, a chain cut off at its end looks whole.",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Recompute the hash chain of each tenant and name the first broken place.

    Exits with 1 if a single chain is broken.
    """
    if kept is not None and tenant is None:
        raise CommandError("give --kept together with --tenant: each tenant has a chain of its own", exit_code=2)

    async def verify_all(runtime: Runtime) -> list[tuple[Tenant, Verification]]:
        chosen = await list_tenants(runtime.db) if tenant is None else [await find_tenant(runtime.db, tenant)]
        return [(each, await verify(runtime.db, each.id, kept)) for each in chosen]

    shown = [_shown(each, found) for each, found in on_runtime(verify_all)]
    if as_json:
        print_json(shown)
    else:
        print_table(("tenant", "seals", "events", "unsealed", "head", "verdict"), shown)
    if any(row["broken"] is not None for row in shown):
        raise typer.Exit(1)


def _shown(tenant: Tenant, found: Verification) -> dict[str, Any]:
    broken = found.broken
    verdict = "intact"
    if broken is not None:
        verdict = f"broken at seal {broken.seal_number}: {broken.flaw.replace('_', ' ')}"
        if broken.event_id is not None:
            verdict += f" {'after ' if broken.flaw == 'event_missing' else ''}{broken.event_id}"
    return {
        "tenant": tenant.name,
        "tenant_id": tenant.id,
        "seals": found.seal_count,
        "events": found.event_count,
        "unsealed": found.unsealed_count,
        "head": None if found.head is None else f"{found.head.number}:{found.head.hash.hex()}",
        "verdict": verdict,
        "broken": None
        if broken is None
        else {"seal_number": broken.seal_number, "flaw": broken.flaw, "event_id": broken.event_id},
    }
