"""`helpdesk demo`: something to look at, and a key to look at it with."""

from dataclasses import asdict

import typer

from helpdesk_api.commands.frame import AsJSON, on_runtime, print_json
from helpdesk_api.ops.demo import prepare_demo


def demo(*, as_json: AsJSON = False) -> None:
    """Create the tenant `Demo` with clients, agreements and tickets in every state, and print a key to it.

    If the tenant is there already, it is left as it is and only gets another key.
    """
    made = on_runtime(prepare_demo)
    if as_json:
        print_json(asdict(made))
    else:
        typer.echo(f"The tenant {made.tenant!r} has the id {made.tenant_id}; a key to it:", err=True)
        typer.echo(made.key)
