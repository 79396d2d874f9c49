"""Which system user the engines run as. PostgreSQL refuses root, so root has to lend them another one.

An ordinary user runs them as themselves. Root runs them as the owner of the data directory, or as `nobody` if root owns
it too. Such a user often cannot walk to the project at all (`/root` and fresh temporary directories are closed to
others). Opening those directories to everybody would be a lasting change to somebody's machine; instead the engine
keeps one capability of root, the right to pass file permissions, and only when a directory on the way is closed.
"""

import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from helpdesk_api.ops.embedded_engine import EmbeddedError
from helpdesk_api.ops.supervisor_launch import Account

_READABLE = stat.S_IROTH | stat.S_IXOTH


def engine_account(data_dir: Path, *programs: Path) -> Account | None:
    """Return the account for the engines of this data directory, None for the caller's own."""
    if os.geteuid() != 0:
        return None
    owner = data_dir.stat()
    user_id, group_id = (owner.st_uid, owner.st_gid) if owner.st_uid != 0 else _nobody()
    is_open = _is_reachable((data_dir, *data_dir.parents)) and all(_is_open(program) for program in programs)
    return Account(user_id, group_id, passes_closed_directories=not is_open)


def own_by(account: Account | None, directory: Path) -> None:
    """Make the directory, readable by its owner only, and give it with all that is in it to the account."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if account is None:
        return
    try:
        for folder, _, names in os.walk(directory):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
    except OSError as error:
        message = (
            f"PostgreSQL refuses to run as root, and here root may not hand {directory} to another user "
            f"({error.strerror}); run as an ordinary user, or set HELPDESK_DATABASE_URL and HELPDESK_REDIS_URL"
        )
        raise EmbeddedError(message) from error


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        message = "PostgreSQL refuses to run as root, and there is no user 'nobody' to run it; run as an ordinary user"
        raise EmbeddedError(message) from error
    return entry.pw_uid, entry.pw_gid


def _is_open(program: Path) -> bool:
    return _permits(program, _READABLE) and _is_reachable(program.parents)


def _is_reachable(directories: Iterable[Path]) -> bool:
    return all(_permits(directory, stat.S_IXOTH) for directory in directories)


def _permits(path: Path, bits: int) -> bool:
    return path.stat().st_mode & bits == bits
