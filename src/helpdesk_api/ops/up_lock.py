"""One `helpdesk up` per data directory: a lock that the system frees by itself, however the holder ended."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpdesk_api.ops.embedded import EmbeddedError

_FILE = "up.lock"


class AlreadyRunningError(EmbeddedError):
    """Another process already runs the product on this data directory."""


@contextmanager
def only_instance(data_dir: Path, address: str) -> Iterator[None]:
    """Hold the data directory; whoever comes second is told who holds it. Raises AlreadyRunningError."""
    try:
        descriptor = os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        message = (
            f"the data directory {data_dir} belongs to another user; start as {data_dir.owner()}, "
            "or set HELPDESK_DATA_DIR to another directory"
        )
        raise EmbeddedError(message) from error
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(_who_holds(file.read(), data_dir)) from error
        file.truncate()
        json.dump({"pid": os.getpid(), "address": address}, file)
        file.flush()
        yield
        file.seek(0)
        file.truncate()


def _who_holds(text: str, data_dir: Path) -> str:
    # The holder may have the lock and not yet have written who it is.
    if not text:
        return f"helpdesk is already starting on {data_dir}"
    holder = json.loads(text)
    return (
        f"helpdesk is already running on {data_dir}: process {holder['pid']}, {holder['address']}; "
        f"stop it with Ctrl-C where it runs or with `kill {holder['pid']}`"
    )
