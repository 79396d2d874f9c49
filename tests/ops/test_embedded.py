"""The embedded engines keep what they were told, let nobody in without a password and say in words what is wrong."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

import asyncpg
import pytest
import redis

from helpdesk_api.ops.embedded import (
    EmbeddedError,
    RunningPostgres,
    ephemeral_postgres,
    ephemeral_valkey,
    start_postgres,
    start_valkey,
)
from helpdesk_api.ops.embedded_account import engine_account
from helpdesk_api.ops.supervisor_launch import launched
from tests.ops.processes import family_of, is_running, wait_until

START_AND_TELL = """
import sys, time
from pathlib import Path
from helpdesk_api.ops.embedded import start_postgres, start_valkey
postgres, valkey = start_postgres(Path(sys.argv[1])), start_valkey(Path(sys.argv[1]))
print(postgres.process.pid, valkey.process.pid, flush=True)
time.sleep(600)
"""


async def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[RunningPostgres]:
    with ephemeral_postgres() as running:
        yield running


async def test_a_second_start_on_the_same_directory_finds_the_row(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "data") as first:
        await rows(first.owner_url, "CREATE TABLE kept (id int)")
        await rows(first.owner_url, "INSERT INTO kept VALUES (7)")

    with start_postgres(tmp_path / "data") as second:
        found = await rows(second.owner_url, "SELECT id FROM kept")

    assert found == [(7,)]
    assert second.app_url == first.app_url


async def test_a_committed_row_survives_kill_9_of_every_postgres_process(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "data") as first:
        await rows(first.owner_url, "CREATE TABLE kept (id int)")
        await rows(first.owner_url, "INSERT INTO kept VALUES (7)")
        family = family_of(first.process.pid)
        for pid in family:
            # Backends end by themselves once their parent is gone.
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
        first.process.wait()
        wait_until(lambda: not any(is_running(pid) for pid in family), "every postgres process is gone")

    with start_postgres(tmp_path / "data") as second:
        found = await rows(second.owner_url, "SELECT id FROM kept")

    assert len(family) > 3
    assert found == [(7,)]


async def test_a_durable_database_writes_to_the_disk_before_it_answers(tmp_path: Path) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "timezone", "jit", "listen_addresses")
    columns = ", ".join(f"current_setting('{name}')" for name in names)

    with start_postgres(tmp_path / "data") as running:
        found = await rows(running.app_url, f"SELECT {columns}")

    assert found == [("on", "on", "on", "on", "UTC", "off", "127.0.0.1")]


async def test_the_three_roles_can_do_what_they_are_for_and_no_more(postgres: RunningPostgres) -> None:
    found = await rows(
        postgres.app_url,
        "SELECT rolname, rolcanlogin, rolinherit, rolcreaterole, rolsuper, rolbypassrls, rolcreatedb, rolreplication"
        " FROM pg_roles WHERE rolname LIKE 'helpdesk%' ORDER BY rolname",
    )

    assert found == [
        ("helpdesk_app", True, False, False, False, False, False, False),
        ("helpdesk_owner", True, True, True, False, False, False, False),
        ("helpdesk_sweeper", False, True, False, False, False, False, False),
    ]


async def test_the_app_role_owns_nothing_and_becomes_only_the_sweeper(postgres: RunningPostgres) -> None:
    owned = await rows(
        postgres.superuser_url,
        "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = 'helpdesk_app'"
        " UNION ALL SELECT datname FROM pg_shdepend JOIN pg_database d ON d.oid = dbid"
        " WHERE refobjid = 'helpdesk_app'::regrole AND deptype = 'o'",
    )
    reachable = await rows(
        postgres.app_url,
        "SELECT rolname FROM pg_roles WHERE rolname <> current_user AND pg_has_role(rolname, 'SET') ORDER BY rolname",
    )
    database = await rows(
        postgres.app_url,
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datlocprovider, datlocale"
        " FROM pg_database WHERE datname = 'helpdesk'",
    )

    assert owned == []
    assert reachable == [("helpdesk_sweeper",)]
    assert database == [("helpdesk_owner", "UTF8", b"b", "C.UTF-8")]


@pytest.mark.parametrize("user", ["postgres", "helpdesk_owner", "helpdesk_app"])
async def test_nobody_signs_in_without_the_password(postgres: RunningPostgres, user: str) -> None:
    address = f"postgresql://{user}:guess@127.0.0.1:{postgres.engine.port}/helpdesk"

    with pytest.raises(asyncpg.InvalidPasswordError):
        await rows(address, "SELECT 1")


async def test_a_template_is_cloned_with_its_rows_and_belongs_to_the_owner(postgres: RunningPostgres) -> None:
    postgres.create_database("model")
    await rows(postgres.url_of(postgres.owner_url, "model"), "CREATE TABLE kept AS SELECT 7 AS id")

    postgres.create_database("copy_1", template="model")

    found = await rows(
        postgres.url_of(postgres.owner_url, "copy_1"),
        "SELECT id, pg_get_userbyid(datdba) FROM kept, pg_database WHERE datname = 'copy_1'",
    )
    postgres.drop_database("copy_1")
    left = await rows(postgres.superuser_url, "SELECT datname FROM pg_database WHERE datname LIKE 'copy%'")
    assert found == [(7, "helpdesk_owner")]
    assert left == []


def test_a_name_that_is_more_than_a_name_is_refused(postgres: RunningPostgres) -> None:
    with pytest.raises(EmbeddedError) as refused:
        postgres.create_database('x"; DROP DATABASE helpdesk; --')

    assert str(refused.value).endswith("is not a plain database name: lower-case letters, digits and underscores")


def test_passwords_are_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    with start_valkey(tmp_path / "data"):
        pass

    file = tmp_path / "data" / "secrets.json"
    secrets = json.loads(file.read_text(encoding="utf-8"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert all(len(value) == 64 for value in secrets.values())
    assert len(set(secrets.values())) == 5
    assert (tmp_path / "data" / ".gitignore").read_text(encoding="ascii") == "*\n"


def test_a_lock_whose_process_id_went_to_a_stranger_does_not_stop_a_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with start_postgres(data):
        lines = (data / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    account = engine_account(data, Path("/bin/sleep"))
    with subprocess.Popen(launched(("/bin/sleep", "600"), death_signal=SIGKILL, account=account)) as stranger:
        lock = "\n".join([str(stranger.pid), *lines[1:]])
        (data / "postgres" / "postmaster.pid").write_text(f"{lock}\n", encoding="utf-8")

        with start_postgres(data) as second:
            second_lived = second.process.poll() is None
        stranger_lived = stranger.poll() is None
        stranger.kill()

    assert second_lived
    assert stranger_lived


async def test_a_cluster_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    left_over = tmp_path / "data" / "postgres.new"
    left_over.mkdir(parents=True)
    (left_over / "PG_VERSION").write_text("18\n", encoding="ascii")

    with start_postgres(tmp_path / "data") as running:
        found = await rows(running.app_url, "SELECT 1")

    assert found == [(1,)]
    assert not left_over.exists()


async def test_a_start_evades_when_its_port_of_the_last_time_is_taken(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "data") as first:
        pass

    with socket.create_server(("127.0.0.1", first.engine.port)), start_postgres(tmp_path / "data") as second:
        found = await rows(second.app_url, "SELECT 1")

    assert second.engine.port != first.engine.port
    assert found == [(1,)]


def test_engines_end_by_themselves_when_their_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_AND_TELL, str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        family = set().union(*(family_of(pid) for pid in pids))

        parent.kill()

    wait_until(lambda: not any(is_running(pid) for pid in family), "both engines are gone")
    log = (tmp_path / "data" / "log" / "postgres.log").read_text(encoding="utf-8")
    assert len(pids) == 2
    assert "received immediate shutdown request" in log
    assert log.rstrip().endswith("database system is shut down")


def test_throw_away_engines_leave_neither_process_nor_file() -> None:
    with ephemeral_postgres() as running, ephemeral_valkey() as valkey:
        directories = [running.engine.log_path.parent.parent, valkey.engine.log_path.parent.parent]
        pids = family_of(running.process.pid) | family_of(valkey.process.pid)

    assert not any(is_running(pid) for pid in pids)
    assert not any(directory.exists() for directory in directories)


def test_valkey_listens_on_loopback_wants_a_password_and_persists_nothing(tmp_path: Path) -> None:
    with start_valkey(tmp_path / "data") as valkey:
        client = redis.Redis.from_url(valkey.url, decode_responses=True)
        settings = client.execute_command("CONFIG GET", "bind", "save", "appendonly")  # type: ignore[no-untyped-call] # redis-py leaves it untyped.
        client.close()
        stranger = redis.Redis(port=valkey.engine.port)
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()

    assert settings == {"bind": "127.0.0.1", "save": "", "appendonly": "no"}
    assert sorted(path.name for path in (tmp_path / "data" / "valkey").iterdir()) == ["valkey.conf"]
