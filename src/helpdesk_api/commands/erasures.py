"""`helpdesk erasures`: the ledger of people who were erased, its proof, and its replay on a restored backup."""

import base64
import binascii
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from helpdesk_api.commands.frame import AsJSON, CommandError, on_runtime, print_json, print_table
from helpdesk_api.ops import erasures_admin

app = typer.Typer(no_args_is_help=True, help="Keep, verify and replay the ledger of people who were erased.")

TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="One tenant, by name or id.", show_default="every tenant")
]


def public_key(text: str) -> bytes:
    """Read the key of an installation."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        message = f"{text!r} is not the base64 of a public key"
        raise typer.BadParameter(message) from None


KeyOption = Annotated[
    bytes | None,
    typer.Option(
        "--public-key",
        metavar="BASE64",
        parser=public_key,
        help="Whose signatures to accept, as the records tell it.",
        show_default="this installation's",
    ),
]


@app.command("ledger")
def ledger(*, tenant: TenantOption = None) -> None:
    """Print the signed record of every erasure that is done, a line of JSON each. Keep it beside the backups."""
    for record in on_runtime(lambda runtime: erasures_admin.ledger(runtime, tenant)):
        print_json(record)


@app.command("verify")
def verify(*, tenant: TenantOption = None, key: KeyOption = None, as_json: AsJSON = False) -> None:
    """Check that every record is signed and still true: the person is not back, the event log is as it was left.

    Exits with 1 if one is not.
    """
    found = on_runtime(lambda runtime: erasures_admin.verify(runtime, tenant, public_key=key))
    shown = [vars_of(line) for line in found]
    if as_json:
        print_json(shown)
    else:
        print_table(("tenant", "erasure_id", "person_type", "person_id", "verdict"), shown)
    if any(line.verdict != "intact" for line in found):
        raise typer.Exit(1)


@app.command("replay")
def replay(
    *,
    file: Annotated[Path, typer.Argument(help="What `helpdesk erasures ledger` printed before the restore.")],
    key: KeyOption = None,
    as_json: AsJSON = False,
) -> None:
    """Have everybody erased again whom a restored backup has brought back; workers then do it.

    Nothing is done unless every line is signed.
    """
    records = _read(file)
    try:
        found = on_runtime(lambda runtime: erasures_admin.replay(runtime, records, public_key=key))
    except erasures_admin.UnsignedRecordError as error:
        raise CommandError(str(error)) from error
    shown = [vars_of(line) for line in found]
    if as_json:
        print_json(shown)
    else:
        print_table(("tenant", "erasure_id", "person_type", "person_id", "verdict"), shown)


def vars_of(line: erasures_admin.Line) -> dict[str, Any]:
    """Give a line by the names of its columns."""
    return {
        "tenant": line.tenant,
        "erasure_id": line.erasure_id,
        "person_type": line.person_type,
        "person_id": line.person_id,
        "verdict": line.verdict,
    }


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        message = f"{file} cannot be read as a ledger: {error}"
        raise CommandError(message) from error
