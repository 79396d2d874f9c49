"""The demo tenant of a data directory: made at the first start, its key kept for the later ones."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from helpdesk_api.ops.embedded_engine import write_private
from helpdesk_api.ops.panel import Demo
from helpdesk_api.ops.up_commands import Command, CommandFailedError, run_command

EMBEDDED = "embedded"
_FILE = "demo.json"


async def kept_demo(data_dir: Path, command: Command, database: str) -> Demo:
    """Return the demo tenant of this database; if its key is not known yet, the command makes tenant and key.

    A data directory can meet another database: HELPDESK_DATABASE_URL was set or changed. A key of one opens nothing in
    the other, so it is kept under the name of the database it belongs to.
    """
    known = _known(data_dir)
    if database not in known:
        known[database] = asdict(_parsed(await run_command(command)))
        _keep(data_dir, known)
    return Demo(**known[database])


def forget_demo(data_dir: Path, database: str) -> None:
    """Forget the key; called before a new database is made in the place of one that was removed."""
    known = _known(data_dir)
    if known.pop(database, None) is not None:
        _keep(data_dir, known)


def database_name(url: str) -> str:
    """Name a database of somebody else without its password."""
    target = urlsplit(url)
    return sha256(f"{target.hostname}:{target.port}{target.path}?{target.query}".encode()).hexdigest()[:16]


def _known(data_dir: Path) -> dict[str, dict[str, str]]:
    path = data_dir / _FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _keep(data_dir: Path, known: dict[str, dict[str, str]]) -> None:
    write_private(data_dir / _FILE, json.dumps(known, indent=2) + "\n")


def _parsed(output: str) -> Demo:
    try:
        made = json.loads(output.strip().splitlines()[-1])
        return Demo(tenant=made["tenant"], key=made["key"])
    except (ValueError, IndexError, KeyError, TypeError) as error:
        message = f"`helpdesk demo --json` did not print tenant and key: {error}"
        raise CommandFailedError(message) from error
