"""What an operator does by command: tenants, keys, migrations, processes; and how a command refuses."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from typer.main import get_command

from helpdesk_api import cli
from helpdesk_api.ops import migrations
from helpdesk_api.ops.embedded import start_postgres
from helpdesk_api.ops.embedded_cluster import run_sql
from helpdesk_api.ops.embedded_engine import free_port
from helpdesk_api.ops.up_running import tell_others
from tests.ops.commands import Outcome, command, environment, helpdesk
from tests.ops.processes import wait_until
from tests.stage import Client, Services, Stage

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"

PROMISED = {
    "up", "serve", "worker", "migrate", "tenants create", "tenants list", "tenants suspend", "tenants resume",
    "tenants set-quotas", "tenants delete", "tenants restore", "keys create", "keys list", "keys revoke",
    "demo", "openapi", "check-config", "rotate-keys",
}  # fmt: skip
NOWHERE = "postgresql://helpdesk_app:topsecret@127.0.0.1:1/helpdesk"
HEALTH_CHECK = [sys.executable, "-m", "helpdesk_api.ops.worker_check"]
MIGRATION_LOCK = 4_923_713_551_204_871


@pytest.fixture
def env(services: Services) -> dict[str, str]:
    return environment(services)


@pytest.fixture
def empty(services: Services) -> Iterator[Services]:
    """Where a database is that nobody has migrated yet."""
    name = f"empty_{uuid4().hex}"

    def named(url: str) -> str:
        return f"{url.rpartition('/')[0]}/{name}"

    run_sql(services.superuser_url, f"CREATE DATABASE {name} OWNER helpdesk_owner")
    yield replace(services, app_url=named(services.app_url), owner_url=named(services.owner_url))
    run_sql(services.superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


def refused(outcome: Outcome, *lines: str, code: int = 1) -> None:
    assert outcome == Outcome(code, "", "".join(f"helpdesk: {line}\n" for line in lines))


def test_every_promised_command_and_every_option_explains_itself() -> None:
    found: dict[str, Any] = {}
    for name, item in get_command(cli.app).commands.items():  # type: ignore[attr-defined]  # the application is a group.
        parts = getattr(item, "commands", None)
        found |= {name: item} if parts is None else {f"{name} {part}": inner for part, inner in parts.items()}
    unexplained = [
        f"{name} {option.name}" for name, item in found.items() for option in item.params if not option.help
    ] + [name for name, item in found.items() if not item.help]

    assert set(found) >= PROMISED
    assert unexplained == []


def test_a_tenant_is_created_and_listed_and_its_name_is_its_own(env: dict[str, str]) -> None:
    name = f"Tenant {uuid4()}"

    created = helpdesk("tenants", "create", "--name", name, "--json", env=env).told
    again = helpdesk("tenants", "create", "--name", name, env=env)
    listed = helpdesk("tenants", "list", "--json", env=env).told
    shown = helpdesk("tenants", "list", env=env)

    refused(again, "Another object already has this name.")
    assert created["test_clock_at"] is None
    assert [tenant for tenant in listed if tenant["name"] == name] == [created]
    assert created["id"] in shown.out
    assert name in shown.out


def test_a_sandbox_starts_at_its_instant_which_must_name_its_zone(env: dict[str, str]) -> None:
    create = ("tenants", "create", "--name", f"Sandbox {uuid4()}", "--json", "--test-clock")

    vague = helpdesk(*create, "2020-01-01T00:00:00", env=env)
    created = helpdesk(*create, "2020-01-01T02:00:00+02:00", env=env)

    assert (vague.code, vague.out) == (2, "")
    assert "names no time zone" in vague.said
    assert created.told["test_clock_at"] == "2020-01-01T00:00:00Z"


def test_a_key_opens_the_api_until_it_is_revoked(stage: Stage, api: Client, env: dict[str, str]) -> None:
    tenant = ("--tenant", api.tenant.name)
    made = helpdesk("keys", "create", *tenant, "--name", "Front end", env=env)
    key = made.out.removesuffix("\n")
    with Client(stage.base_url, api.tenant, key) as client:
        created = client.post("/v1/companies", json={"name": "Alpine Dairy"})
    (listed,) = [row for row in helpdesk("keys", "list", *tenant, "--json", env=env).told if row["name"] == "Front end"]
    ended = helpdesk("keys", "revoke", listed["id"], *tenant, env=env)
    again = helpdesk("keys", "revoke", listed["id"], *tenant, "--json", env=env)

    assert created.status_code == 201
    assert listed["scopes"] == ["*:read", "*:write", "contacts:reveal", "view-as:use"]
    assert (listed["expires_at"], listed["revoked_at"]) == (None, None)
    assert key not in json.dumps(listed)
    assert ended.code == 0
    assert again.told["revoked_at"] is not None
    assert again.told["version"] == 2
    with Client(stage.base_url, api.tenant, key) as client:
        wait_until(lambda: client.get("/v1/companies").status_code == 401, "the key opens nothing any more")


def test_a_key_has_the_scopes_and_the_end_that_were_asked_for(env: dict[str, str], api: Client) -> None:
    asked = ("--scope", "tickets:read", "--scope", "companies:read", "--expires-at", "2999-01-01T00:00:00Z")

    made = helpdesk("keys", "create", "--tenant", str(api.tenant.id), *asked, "--json", env=env).told

    assert made["scopes"] == ["companies:read", "tickets:read"]
    assert made["expires_at"] == "2999-01-01T00:00:00Z"
    assert made["key"].startswith("hd_live_")


def test_a_key_that_could_not_work_is_refused_and_not_made(env: dict[str, str], api: Client) -> None:
    create = ("keys", "create", "--tenant", api.tenant.name)
    before = helpdesk("keys", "list", "--tenant", api.tenant.name, "--json", env=env).told

    over = helpdesk(*create, "--expires-at", "2020-01-01T00:00:00Z", env=env)
    no_scope = helpdesk(*create, "--scope", "everything", env=env)
    nobody = helpdesk("keys", "create", "--tenant", "nobody", env=env)

    refused(over, "2020-01-01T00:00:00+00:00 is not in the future.")
    assert (no_scope.code, no_scope.out) == (1, "")
    assert no_scope.said.startswith("helpdesk: scopes: ")
    refused(nobody, "There is no tenant 'nobody'.")
    assert helpdesk("keys", "list", "--tenant", api.tenant.name, "--json", env=env).told == before


def test_everything_that_is_wrong_with_the_settings_is_told_at_once() -> None:
    env = environment(None, HELPDESK_PORT="http", HELPDESK_SECRET_KEY="short", HELPDESK_DATABSE_URL="x")

    outcome = helpdesk("serve", env=env)

    assert (outcome.code, outcome.out) == (78, "")
    assert [line.split(" ")[1].rstrip(":") for line in outcome.said.splitlines()] == [
        "HELPDESK_DATABSE_URL",
        "HELPDESK_PORT",
    ]


@pytest.mark.parametrize("name", ["serve", "worker"])
def test_a_process_that_needs_a_database_says_so(name: str, tmp_path: Path, env: dict[str, str]) -> None:
    tell_others(tmp_path, env)

    outcome = helpdesk(name, env=environment(None, HELPDESK_DATA_DIR=str(tmp_path)))

    refused(outcome, "HELPDESK_DATABASE_URL is not set; `helpdesk up` starts everything by itself", code=78)


@pytest.mark.parametrize("arguments", [("tenants", "list"), ("demo",)])
def test_a_command_that_finds_no_database_says_where_it_looked(arguments: tuple[str, ...]) -> None:
    outcome = helpdesk(*arguments, env=environment(None))

    refused(
        outcome,
        "HELPDESK_DATABASE_URL is not set, and nothing runs on nowhere; start `helpdesk up`, or name its data "
        "directory by HELPDESK_DATA_DIR",
        code=78,
    )


def test_commands_beside_a_running_product_use_its_databases(tmp_path: Path, empty: Services) -> None:
    env = environment(None, HELPDESK_DATA_DIR=str(tmp_path), HELPDESK_SECRET_KEY="")
    tell_others(tmp_path, environment(empty, HELPDESK_POOL_SIZE="3"))

    migrated = helpdesk("migrate", env=env)
    created = helpdesk("tenants", "create", "--name", "Beside", "--json", env=env).told
    checked = helpdesk("check-config", "--json", env=env).told

    assert migrated.out.startswith("Migrated from nothing to ")
    assert helpdesk("tenants", "list", "--json", env=environment(empty)).told == [created]
    assert {f["subject"]: f["verdict"] for f in checked["findings"]}["schema"] == "ok"
    assert (checked["settings"]["HELPDESK_POOL_SIZE"], checked["settings"]["HELPDESK_SECRET_KEY"]) == ("3", "***")


def test_a_database_of_ones_own_has_precedence_over_the_running_product(tmp_path: Path, env: dict[str, str]) -> None:
    tell_others(tmp_path, env)
    own = environment(None, HELPDESK_DATA_DIR=str(tmp_path), HELPDESK_DATABASE_URL=NOWHERE)

    refused(helpdesk("tenants", "list", env=own), "The database cannot be reached; repeat the request.")


async def test_only_the_newest_schema_counts_as_current(services: Services, empty: Services) -> None:
    assert await migrations.is_current(services.owner_url)
    assert not await migrations.is_current(empty.owner_url)
    assert not await migrations.is_current(NOWHERE)


@pytest.mark.parametrize("arguments", [("tenants", "list"), ("migrate",), ("check-config", "--json")])
def test_a_database_that_is_away_is_told_in_one_line_without_its_password(arguments: tuple[str, ...]) -> None:
    outcome = helpdesk(*arguments, env=environment(None, HELPDESK_DATABASE_URL=NOWHERE))

    assert outcome.code != 0
    assert len(outcome.said.splitlines()) == 1
    assert "topsecret" not in outcome.out + outcome.said


def test_the_health_check_of_a_worker_imports_nothing_that_is_installed() -> None:
    text = "import sys, helpdesk_api.ops.worker_check; print({name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout

    assert "helpdesk_api" in imported
    assert [name for name in ("pydantic", "sqlalchemy", "asyncpg", "typer") if name in imported] == []


def test_the_openapi_document_is_that_of_the_version_whatever_the_configuration() -> None:
    # `helpdesk openapi` is what `make openapi-drift` compares.
    printed = subprocess.run(
        [sys.executable, "-m", "helpdesk_api", "openapi"],
        env=environment(None, HELPDESK_PORT="http"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (printed.returncode, printed.stdout, printed.stderr) == (0, COMMITTED.read_text(), "")


def test_migrations_are_shown_then_run_then_done(empty: Services) -> None:
    env = environment(empty)

    first_plan = helpdesk("migrate", "--plan", env=env)
    first = helpdesk("migrate", env=env)
    second = helpdesk("migrate", env=env)
    second_plan = helpdesk("migrate", "--plan", env=env)

    assert "CREATE TABLE tickets (" in first_plan.out
    head = first.out.removeprefix("Migrated from nothing to ").rstrip(".\n")
    assert head.isdecimal()
    assert second == Outcome(0, f"The schema is up to date at {head}.\n", "")
    assert second_plan == Outcome(0, "-- The schema is up to date.\n", "")


def test_keys_are_rotated_over_all_tenants(empty: Services) -> None:
    env = environment(empty, HELPDESK_SEALING_KEYS="2026:" + "A" * 43 + "=")
    helpdesk("migrate", env=env)
    helpdesk("tenants", "create", "--name", "Alpine", env=env)

    rotated = helpdesk("rotate-keys", "--json", env=env)

    assert (rotated.code, rotated.told) == (0, {"rewrapped": 0, "already_current": 0, "broken": 0})


async def test_a_migration_that_meets_another_tries_again(empty: Services) -> None:
    other = await asyncpg.connect(empty.owner_url)
    await other.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    process = await asyncio.create_subprocess_exec(
        *command("migrate"), env=environment(empty), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = await process.stderr.readline()
    await other.close()
    out, _ = await process.communicate()

    assert said == b"A lock is held by others; trying again (1 of 4).\n"
    assert (process.returncode, out.startswith(b"Migrated from nothing to ")) == (0, True)


def test_check_config_finds_what_would_be_unsafe_and_shows_no_secret(tmp_path: Path, services: Services) -> None:
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o711)
    with start_postgres(tmp_path / "data") as postgres:
        durable = Services(postgres.app_url, postgres.owner_url, postgres.superuser_url, services.redis_url)
        env = environment(durable)
        too_powerful = {"HELPDESK_DATABASE_URL": postgres.owner_url}

        before = helpdesk("check-config", "--json", env=env)
        helpdesk("migrate", env=env)
        after = helpdesk("check-config", "--json", env=env)
        shown = helpdesk("check-config", env=env)
        as_owner = helpdesk("check-config", "--json", env=env | too_powerful)

    assert before.code == 78
    assert [f["subject"] for f in before.told["findings"] if f["verdict"] != "ok"] == ["schema", "e-mail"]
    assert (after.code, after.said, after.told["ok"]) == (0, "", True)
    assert {f["subject"]: f["verdict"] for f in after.told["findings"]} == dict.fromkeys(
        ("database", "durability", "clock", "role", "row-level security", "schema", "redis"), "ok"
    ) | {"e-mail": "warning"}
    assert (shown.code, shown.said) == (0, "")
    secrets = [postgres.app_url.split(":")[2].split("@")[0], env["HELPDESK_SECRET_KEY"]]
    assert not [secret for secret in secrets for outcome in (before, after, shown) if secret in outcome.out]
    assert as_owner.code == 78
    assert "role: helpdesk_owner owns tables" in as_owner.said


def test_a_database_that_forgets_what_it_confirmed_is_an_error(env: dict[str, str]) -> None:
    outcome = helpdesk("check-config", "--json", env=env)

    assert outcome.code == 78
    assert "durability: fsync and full_page_writes and synchronous_commit off" in outcome.said


def test_serve_listens_where_it_is_told_and_ends_quietly_when_interrupted(env: dict[str, str]) -> None:
    port = free_port()
    with subprocess.Popen(
        command("serve", "--port", str(port)),
        env=env | {"HELPDESK_PORT": "1", "HELPDESK_LOG_LEVEL": "warning"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: _answers(port), "the API answers")
        process.send_signal(SIGINT)
        said = process.communicate(timeout=30)[1]

    assert (process.returncode, said) == (0, "")


def test_a_worker_counts_as_working_while_it_looks_for_work(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"TMPDIR": str(tmp_path), "HELPDESK_SWEEP_SECONDS": "0.2"}
    check = ("worker", "--check")
    none = helpdesk(*check, env=env)
    with subprocess.Popen(command("worker"), env=env, stderr=subprocess.DEVNULL) as process:
        sign = tmp_path / f"helpdesk-{os.getuid()}" / f"worker-{process.pid}"
        wait_until(sign.exists, "the worker shows a sign of life")
        os.utime(sign, (0, 0))
        wait_until(lambda: sign.stat().st_mtime > 0, "the worker has looked for work")
        working = helpdesk(*check, env=env)
        healthy = subprocess.run(HEALTH_CHECK, env=env, capture_output=True, text=True, check=False)
        process.send_signal(SIGTERM)
        process.wait(timeout=30)
        is_left = sign.exists()

    unhealthy = subprocess.run(HEALTH_CHECK, env=env, capture_output=True, text=True, check=False)
    refused(none, "no worker runs under this account on this machine")
    assert (healthy.returncode, healthy.stdout + healthy.stderr) == (0, "")
    assert (unhealthy.returncode, unhealthy.stderr) == (1, "no worker runs under this account on this machine\n")
    assert working == Outcome(0, f"Working: {process.pid}.\n", "")
    assert not is_left


def test_a_worker_that_was_killed_counts_no_more(env: dict[str, str], tmp_path: Path) -> None:
    env |= {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command("worker"), env=env, stderr=subprocess.DEVNULL) as process:
        sign = tmp_path / f"helpdesk-{os.getuid()}" / f"worker-{process.pid}"
        wait_until(sign.exists, "the worker shows a sign of life")
        process.send_signal(SIGKILL)
        process.wait(timeout=30)
        is_left = sign.exists()

    refused(helpdesk("worker", "--check", env=env), "no worker runs under this account on this machine")
    assert is_left
    assert not sign.exists()


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/livez", trust_env=False).status_code == 200
    except httpx2.ConnectError:
        return False
