"""The secrets of one data directory: made once, readable by their owner only, the same at every start.

Losing the file is losing the passwords of the database beside it, which is why a missing file next to an existing
database is an error and not an occasion to make new ones.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from secrets import token_hex

from helpdesk_api.ops.embedded_engine import EmbeddedError, write_private

_FILE = "secrets.json"


@dataclass(frozen=True, slots=True)
class Secrets:
    """One random value for each thing that needs a password or a key."""

    superuser_password: str
    owner_password: str
    app_password: str
    valkey_password: str
    secret_key: str


def kept_secrets(data_dir: Path) -> Secrets:
    """Return the secrets of the data directory; the first call makes them. Raises EmbeddedError if they are lost."""
    path = data_dir / _FILE
    if path.exists():
        return _read(path)
    if (data_dir / "postgres").exists():
        message = (
            f"{path} is missing, and without it nobody can sign in to the database in {data_dir / 'postgres'}; "
            f"put the file back, or move {data_dir} away to start anew"
        )
        raise EmbeddedError(message)
    secrets = Secrets(**{field.name: token_hex(32) for field in fields(Secrets)})
    write_private(path, json.dumps(asdict(secrets), indent=2) + "\n")
    return secrets


def _read(path: Path) -> Secrets:
    try:
        return Secrets(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        message = f"{path} is not a file of secrets that this version wrote ({error}); put the right one back"
        raise EmbeddedError(message) from error
