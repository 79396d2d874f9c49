"""`helpdesk up` brings everything up, says clearly what stands in its way, and takes all of it down."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from urllib.parse import urlsplit

import pytest

from helpdesk_api.ops.embedded_engine import free_port
from helpdesk_api.ops.panel import Demo, Running
from helpdesk_api.ops.up_running import with_running
from tests.ops.processes import family_of, is_running, wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
UP = """
import json, sys
from pathlib import Path
from helpdesk_api.ops.up import up
options = json.loads(sys.argv[1])
sys.exit(up(data_dir=Path(options.pop("data_dir")), helpdesk=(sys.executable, sys.argv[2]), **options))
"""


OTHERS = {
    "HELPDESK_DATABASE_URL": "postgresql://helpdesk_app:x@127.0.0.1:1/helpdesk",
    "HELPDESK_REDIS_URL": "redis://127.0.0.1:1/0",
}


@dataclass(frozen=True)
class Product:
    """A `helpdesk up` of a test."""

    process: subprocess.Popen[str]
    data_dir: Path

    def ready(self) -> Running:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        told = json.loads(line)
        demo = None if told["key"] is None else Demo(told["tenant"], told["key"])
        return Running(told["url"], demo, self.data_dir, told["pids"])

    def end(self, signal: Signals = SIGINT) -> tuple[int, str]:
        """Signal, wait, and return exit code and what was said; nothing of the family may be left."""
        family = family_of(self.process.pid)
        self.process.send_signal(signal)
        said = self.process.communicate()[1]
        wait_until(lambda: not any(is_running(pid) for pid in family), "all processes are gone")
        return self.process.returncode, said

    def calls(self) -> list[str]:
        return (self.data_dir / "calls").read_text(encoding="ascii").split()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    with ExitStack() as started:

        def build(environ: dict[str, str] | None = None, **options: object) -> Product:
            data_dir = tmp_path / "data"
            arguments = {"data_dir": str(data_dir), "port": 0, "as_json": True} | options
            process = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", UP, json.dumps(arguments), str(STAND_IN)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={"PATH": os.environ["PATH"], "HOME": "", **(environ or {})},
                )
            )
            started.callback(process.kill)
            return Product(process, data_dir)

        yield build


def get(url: str, path: str) -> dict[str, str]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path)
    told: dict[str, str] = json.loads(connection.getresponse().read())
    connection.close()
    return told


def test_everything_runs_and_stops_and_the_second_start_finds_the_same_demo_and_secrets(
    start: Callable[..., Product],
) -> None:
    first = start()
    first_running = first.ready()
    first_told = get(first_running.url, "/environment")
    first_ending = first.end()

    second = start()
    second_running = second.ready()
    second_told = get(second_running.url, "/environment")
    second_ending = second.end(SIGTERM)

    assert set(first_running.pids) == {"postgres", "valkey", "api", "worker"}
    assert first_running.demo is not None
    assert second_running.demo == first_running.demo
    assert [call for call in first.calls() if call not in {"serve", "worker"}] == ["migrate", "demo", "migrate"]
    same = ("HELPDESK_SECRET_KEY", "HELPDESK_DATABASE_URL", "HELPDESK_MIGRATION_DATABASE_URL")
    assert [second_told[name] for name in same] == [first_told[name] for name in same]
    assert (first_ending[0], second_ending[0]) == (0, 0)
    assert "Starting PostgreSQL 18 ... ready in " in first_ending[1]
    assert "Stopping api, worker, valkey, postgres ... stopped in " in first_ending[1]


def test_the_children_are_told_where_everything_is(start: Callable[..., Product]) -> None:
    product = start({"HELPDESK_LOG_LEVEL": "debug", "HELPDESK_OUTBOUND_ALLOW": "10.0.0.0/8"}, with_demo=False)
    running = product.ready()

    told = get(running.url, "/environment")

    product.end()
    port = urlsplit(running.url).port
    assert running.demo is None
    assert urlsplit(told.pop("HELPDESK_DATABASE_URL")).username == "helpdesk_app"
    assert urlsplit(told.pop("HELPDESK_MIGRATION_DATABASE_URL")).username == "helpdesk_owner"
    assert urlsplit(told.pop("HELPDESK_REDIS_URL")).scheme == "redis"
    assert len(told.pop("HELPDESK_SECRET_KEY")) == 64
    assert told == {
        "HELPDESK_DATA_DIR": str(product.data_dir),
        "HELPDESK_HOST": "127.0.0.1",
        "HELPDESK_LOG_LEVEL": "debug",
        "HELPDESK_MAIL_OUTBOX": str(product.data_dir / "outbox"),
        "HELPDESK_OUTBOUND_ALLOW": "10.0.0.0/8",
        "HELPDESK_PORT": str(port),
    }


def test_other_terminals_are_told_the_settings_as_long_as_it_runs(start: Callable[..., Product]) -> None:
    product = start(OTHERS, with_demo=False)
    running = product.ready()
    file = product.data_dir / "running.env"

    mode = file.stat().st_mode & 0o777
    told = with_running({"HELPDESK_DATA_DIR": str(product.data_dir)})

    product.end()
    assert mode == 0o600
    assert {name: told[name] for name in OTHERS} == OTHERS
    assert told["HELPDESK_PORT"] == str(urlsplit(running.url).port)
    assert {name for name in told if not name.startswith("HELPDESK_")} == set()
    assert not file.exists()


def test_what_a_killed_run_has_told_counts_no_more_once_the_next_one_starts(start: Callable[..., Product]) -> None:
    killed = start(OTHERS, with_demo=False)
    killed.ready()
    killed.end(SIGKILL)
    file = killed.data_dir / "running.env"
    was_left = file.exists()

    failing = start({**OTHERS, "STAND_IN_FAILS": "migrate 1"})
    failing.process.communicate()

    assert was_left
    assert not file.exists()


def test_local_webhook_receivers_may_be_tried_unless_the_user_decided_otherwise(start: Callable[..., Product]) -> None:
    product = start({**OTHERS, "HELPDESK_OUTBOUND_ALLOW": ""})

    told = get(product.ready().url, "/environment")

    product.end()
    assert told["HELPDESK_OUTBOUND_ALLOW"] == "127.0.0.0/8,::1/128"


def test_servers_of_others_are_used_where_they_are_configured(start: Callable[..., Product]) -> None:
    product = start(OTHERS)
    running = product.ready()

    told = get(running.url, "/environment")

    product.end()
    assert set(running.pids) == {"api", "worker"}
    assert {name: told[name] for name in OTHERS} == OTHERS
    assert not (product.data_dir / "postgres").exists()


def test_another_database_gets_a_demo_tenant_of_its_own(start: Callable[..., Product], tmp_path: Path) -> None:
    demos = []
    for database in ("helpdesk", "other", "helpdesk"):
        product = start({**OTHERS, "HELPDESK_DATABASE_URL": f"postgresql://helpdesk_app:x@127.0.0.1:1/{database}"})
        demos.append(product.ready().demo)
        product.end()

    assert demos[0] == demos[2]
    assert demos[0] != demos[1]
    assert (tmp_path / "data" / "demo.json").stat().st_mode & 0o777 == 0o600


def test_a_second_start_on_the_same_data_is_refused_with_process_and_address(start: Callable[..., Product]) -> None:
    first = start(OTHERS)
    running = first.ready()

    second = start(OTHERS)
    said = second.process.communicate()[1]

    assert second.process.returncode == 1
    assert said == (
        f"helpdesk is already running on {first.data_dir}: process {first.process.pid}, {running.url}; "
        f"stop it with Ctrl-C where it runs or with `kill {first.process.pid}`\n"
    )
    assert all(is_running(pid) for pid in running.pids.values())
    assert first.end()[0] == 0


def test_a_taken_port_is_named_with_the_way_out(start: Callable[..., Product]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        product = start(OTHERS, port=port)
        said = product.process.communicate()[1]

    beginning, _, suggestion = said.rstrip("\n").rpartition("=")
    assert product.process.returncode == 1
    assert beginning == (
        f"port {port} on 127.0.0.1 is taken by another program; "
        "choose another with HELPDESK_PORT or --port, for example HELPDESK_PORT"
    )
    assert suggestion.isdecimal()
    assert not (product.data_dir / "calls").exists()


def test_a_bad_setting_ends_the_start_before_anything_is_made(start: Callable[..., Product]) -> None:
    product = start({"HELPDESK_PORTT": "80"})
    said = product.process.communicate()[1]

    assert product.process.returncode == 78
    assert said == "HELPDESK_PORTT is not a setting\n"
    assert not product.data_dir.exists()


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        ("migrate 1", "`helpdesk migrate` ended with exit code 1 and says\n    migrate has a reason"),
        ("serve 3", "api ended with exit code 3 before it was ready; its log is {data}/log/api.log and ends with\n"),
        ("worker 78", "worker ended with exit code 78; its log is {data}/log/worker.log and ends with\n"),
    ],
)
def test_what_cannot_run_stops_everything_with_its_reason(
    start: Callable[..., Product], failing: str, message: str
) -> None:
    product = start({**OTHERS, "STAND_IN_FAILS": failing})
    said = product.process.communicate()[1]

    assert product.process.returncode == 1
    assert message.format(data=product.data_dir) in said
    assert f"    {failing.partition(' ')[0]} has a reason\n" in said


def test_after_kill_9_of_everything_the_next_start_works_on_the_same_data(start: Callable[..., Product]) -> None:
    first = start()
    first_demo = first.ready().demo
    family = family_of(first.process.pid)
    for pid in family:
        # Some end by themselves, because the death of their parent is signalled to them.
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)
    wait_until(lambda: not any(is_running(pid) for pid in family), "all processes are gone")

    second = start()
    second_demo = second.ready().demo

    second.end()
    assert second_demo == first_demo


def test_kill_9_of_the_command_alone_leaves_nothing_behind(start: Callable[..., Product]) -> None:
    product = start()
    running = product.ready()

    product.end(SIGKILL)

    assert not any(is_running(pid) for pid in running.pids.values())


def test_a_killed_database_comes_back_at_the_same_address(start: Callable[..., Product]) -> None:
    product = start()
    running = product.ready()
    port = int((product.data_dir / "postgres.port").read_text(encoding="ascii"))

    os.kill(running.pids["postgres"], SIGKILL)
    wait_until(lambda: not is_running(running.pids["postgres"]), "PostgreSQL is gone")
    wait_until(lambda: accepts(port), "PostgreSQL is back")

    code, said = product.end()
    assert code == 0
    assert "postgres was ended by signal 9 (Killed); it starts again in 1 s\n" in said


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_without_a_terminal_the_panel_is_plain_lines(start: Callable[..., Product]) -> None:
    product = start(OTHERS, as_json=False, port=free_port())
    assert product.process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("Stop:"):
        lines.append(product.process.stdout.readline())
        assert lines[-1], product.process.communicate()[1]
    product.end()

    url = lines[-8].removeprefix("Docs: ").removesuffix("/docs\n")
    key = lines[-6].removeprefix("API key: ").rstrip("\n")
    command = os.path.relpath(Path(sys.executable).with_name("helpdesk"))
    assert lines[-8:] == [
        f"Docs: {url}/docs\n",
        "Demo tenant: Demo\n",
        f"API key: {key}\n",
        f"Try: curl -H 'Authorization: Bearer {key}' '{url}/v1/tickets?limit=3'\n",
        f"Data: {product.data_dir}\n",
        f"Logs: {product.data_dir}/log\n",
        f"Commands: {command} --help\n",
        "Stop: Ctrl-C; the data stays for the next start\n",
    ]
    assert urlsplit(url).hostname == "127.0.0.1"
