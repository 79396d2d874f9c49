"""What a `helpdesk up` leaves in its data directory for the commands of another terminal: the settings it runs with.

The file is there while the product runs, readable by its owner only, and can also be sourced by a shell. What the
settings are is decided by `up_steps`; which commands read them, by `commands`.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from helpdesk_api.ops.embedded_engine import write_private
from helpdesk_api.settings import PREFIX, ConfigurationError

_DATABASES = ("HELPDESK_DATABASE_URL", "HELPDESK_MIGRATION_DATABASE_URL")
_DEFAULT_DATA_DIR = Path(".helpdesk")
_FILE = "running.env"


def chosen_data_dir(environ: Mapping[str, str]) -> Path:
    """Give the data directory that the environment names, or the usual one."""
    return Path(environ.get("HELPDESK_DATA_DIR") or _DEFAULT_DATA_DIR)


def tell_others(data_dir: Path, environment: Mapping[str, str]) -> None:
    """Leave word of the settings that run now; `told_while_running` takes it back."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in environment.items() if name.startswith(PREFIX))
    write_private(data_dir / _FILE, "".join(lines))


@contextmanager
def told_while_running(data_dir: Path) -> Iterator[None]:
    """Let nothing be told of an earlier run that was killed, nor of this one once it has ended."""
    path = data_dir / _FILE
    path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def with_running(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Complete an environment that names no database by what runs on its data directory, if anything does."""
    if any(environ.get(name) for name in _DATABASES):
        return environ
    path = chosen_data_dir(environ) / _FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return environ
    except PermissionError:
        message = f"{path} belongs to another user; run the command as the user who runs `helpdesk up`"
        raise ConfigurationError([message]) from None
    told = dict(line.split("=", 1) for line in shlex.split(text))
    return {**told, **{name: value for name, value in environ.items() if value}}
