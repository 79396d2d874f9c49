"""`helpdesk rotate-keys`: put every stored secret under the first of HELPDESK_SEALING_KEYS."""

import typer

from helpdesk_api.commands.frame import AsJSON, CommandError, on_runtime, print_json
from helpdesk_api.ops.key_rotation import rotate
from helpdesk_api.wiring import SEALED


def rotate_keys(*, as_json: AsJSON = False) -> None:
    """Seal every stored secret under the current key, so that former keys may go; safe while serving."""
    done = on_runtime(lambda runtime: rotate(runtime, SEALED))
    if as_json:
        print_json({
            "rewrapped": done.rewrapped_count, "already_current": done.current_count, "broken": done.broken_count
        })  # fmt: skip
    else:
        typer.echo(f"Sealed {done.rewrapped_count} secrets anew; {done.current_count} were under the current key.")
    if done.broken_count:
        message = f"{done.broken_count} secrets cannot be opened by any key of HELPDESK_SEALING_KEYS; keep former keys."
        raise CommandError(message)
