"""The export of a whole tenant: everything it has, at one instant, with a proof of wholeness, and no secret in it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import LargeBinary

from helpdesk_api.identity.tenant_export import EXCEPTED, SHOWN_BYTES, exported_lines, exported_tables, is_exported
from helpdesk_api.kit.sql import metadata
from tests.contract.bodies import api_key, contact
from tests.contract.endpoint_bodies import webhook_endpoint
from tests.contract.rows import RESTLESS, TENANT_TABLES
from tests.contract.stored_rows import outbound_email, session
from tests.factories import a_company, a_note, a_policy, a_ticket, a_user, create, get
from tests.jobs.webhooks import settle
from tests.ops.commands import environment, helpdesk
from tests.seals import seal_now
from tests.stage import Client, Stage

Json = dict[str, Any]


class Export:
    """An export that was read."""

    def __init__(self, content: bytes) -> None:
        self.lines = content.splitlines(keepends=True)
        self.head: Json = json.loads(self.lines[0])
        self.manifest: Json = json.loads(self.lines[-1])["manifest"]
        self.rows: defaultdict[str, list[Json]] = defaultdict(list)
        for line in self.lines[1:-1]:
            told = json.loads(line)
            self.rows[told["table"]].append(told["row"])

    def ids(self, table: str) -> set[str]:
        """Give the ids of the rows of a table."""
        return {row["id"] for row in self.rows[table]}


async def whole(lines: AsyncIterator[bytes]) -> bytes:
    return b"".join([line async for line in lines])


def export(stage: Stage, api: Client) -> Export:
    return Export(stage.run(whole(exported_lines(stage.runtime, api.tenant.id))))


def desk(stage: Stage, api: Client) -> Json:
    """Give a tenant something of most things; gives a ticket."""
    a_policy(api)
    person = create(api, "contacts", **contact(api))
    ticket = a_ticket(api, contact_id=person["id"], subject="A «blank» label", description="One\nor two — 0.1 + 0.2")
    a_note(api, ticket, author_user_id=a_user(api)["id"])
    create(api, "api-keys", **api_key(api))
    create(api, "webhook-endpoints", **webhook_endpoint(api))
    session(stage, api)
    outbound_email(stage, api)
    seal_now(stage, api)
    return ticket


def test_everything_of_the_tenant_is_in_it(stage: Stage, api: Client) -> None:
    ticket = desk(stage, api)

    found = export(stage, api)

    # How often keys are used is written down by and by, also between the two readings.
    for name in set(TENANT_TABLES) - EXCEPTED.keys() - {"api_key_usage"}:
        rows = stage.sql(f"SELECT id FROM {name} WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - one of our tables.
        stored = {str(row["id"]) for row in rows}
        assert found.ids(name) <= stored, name
        # Into these a worker or the API may have written since.
        assert name in RESTLESS or found.ids(name) == stored, name
    (row,) = [row for row in found.rows["tickets"] if row["id"] == ticket["id"]]
    assert {name: row[name] for name in ("number", "subject", "status", "contact_id")} == {
        name: ticket[name] for name in ("number", "subject", "status", "contact_id")
    }
    assert found.rows["tenants"][0]["name"] == api.tenant.name


def test_the_manifest_proves_that_nothing_is_missing(stage: Stage, api: Client) -> None:
    desk(stage, api)

    found = export(stage, api)

    assert found.head | {"taken_at": "", "schema_revision": ""} == {
        "format": "helpdesk-tenant-export",
        "version": 1,
        "tenant_id": str(api.tenant.id),
        "taken_at": "",
        "schema_revision": "",
    }
    assert found.manifest["sha256"] == hashlib.sha256(b"".join(found.lines[:-1])).hexdigest()
    assert list(found.manifest["tables"]) == [table.name for table in exported_tables()]
    for name, told in found.manifest["tables"].items():
        mine = [line for line in found.lines[1:-1] if line.startswith(b'{"table":"%s",' % name.encode())]
        assert (told["row_count"], told["sha256"]) == (len(mine), hashlib.sha256(b"".join(mine)).hexdigest()), name


def test_every_table_is_exported_or_excepted_with_a_reason() -> None:
    assert {table.name for table in exported_tables()} | EXCEPTED.keys() == {*TENANT_TABLES, "tenants"}
    assert all(EXCEPTED.values())


def test_what_others_refer_to_comes_first() -> None:
    order = [table.name for table in exported_tables()]

    for table in exported_tables():
        for key in table.foreign_key_constraints:
            other = key.referred_table.name
            assert other == table.name or order.index(other) < order.index(table.name)


def test_of_bytes_only_proofs_and_files_are_shown_and_nothing_that_is_called_secret() -> None:
    columns = [column for table in exported_tables() for column in table.c]
    shown = {(column.table.name, column.name) for column in columns if is_exported(column)}
    words = ("hash", "secret", "sealed", "token")
    suspicious = {
        place for place in shown if any(word in place[1] for word in words) and not place[1].endswith("_at")
    }  # fmt: skip

    assert {
        (c.table.name, c.name) for c in columns if isinstance(c.type, LargeBinary) and is_exported(c)
    } == SHOWN_BYTES
    assert suspicious == SHOWN_BYTES - {("file_chunks", "content")}


def test_no_secret_and_nothing_of_another_tenant_is_in_it(stage: Stage, api: Client) -> None:
    canary = f"canary {uuid4()}"
    with stage.tenant() as other:
        desk(stage, api)
        desk(stage, other)
        a_ticket(other, subject=canary)
        foreign = {
            str(row["id"])
            for name in TENANT_TABLES
            for row in stage.sql(f"SELECT id FROM {name} WHERE tenant_id = $1", other.tenant.id)  # noqa: S608 - as above.
        }
        secrets = [
            row[0].hex()
            for table in metadata.sorted_tables
            for column in table.c
            if "tenant_id" in table.c and isinstance(column.type, LargeBinary) and not is_exported(column)
            for row in stage.sql(
                f"SELECT {column.name} FROM {table.name} WHERE tenant_id = $1 "  # noqa: S608 - as above.
                f"AND length({column.name}) > 8",
                api.tenant.id,
            )
        ]
        found = b"".join(export(stage, api).lines).decode()

    assert canary not in found
    assert [event for event in foreign if event in found] == []
    assert len(secrets) > 3
    assert [secret for secret in secrets if secret in found] == []
    assert api.key.split("_")[-2] not in found
    assert "open sesame" not in found


def test_it_is_one_instant_however_long_it_takes(stage: Stage, api: Client) -> None:
    before = a_company(api)["id"]

    async def first_line(lines: AsyncIterator[bytes]) -> bytes:
        return await anext(lines)

    lines = exported_lines(stage.runtime, api.tenant.id)
    head = stage.run(first_line(lines))
    during = a_company(api)["id"]
    found = Export(head + stage.run(whole(lines)))

    assert found.ids("companies") == {before}
    assert during not in {row["object_id"] for row in found.rows["events"]}


def test_a_number_keeps_every_digit(stage: Stage, api: Client) -> None:
    a_company(api)
    number = "0.12345678901234567890123456789"
    stage.sql("UPDATE events SET data = $2::text::jsonb WHERE tenant_id = $1", api.tenant.id, f'{{"n": {number}}}')

    assert number.encode() in stage.run(whole(exported_lines(stage.runtime, api.tenant.id)))


def test_the_command_writes_a_file_for_its_owner(stage: Stage, api: Client, tmp_path: Path) -> None:
    desk(stage, api)
    path = tmp_path / "tenant.ndjson"
    env = environment(stage.services)

    told = helpdesk("tenants", "export", api.tenant.name, "--to", str(path), "--json", env=env).told

    content = path.read_bytes()
    found = Export(content)
    counts = {name: part["row_count"] for name, part in found.manifest["tables"].items()}
    assert told == {
        "path": str(path),
        "row_count": sum(counts.values()),
        "byte_count": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert "tenant.exported" in {row["type"] for row in found.rows["events"]}


@pytest.mark.parametrize("words", [("nobody", "--to", "x.ndjson"), ("{tenant}", "--to", "/nowhere/x.ndjson")])
def test_what_cannot_be_exported_leaves_no_file(
    stage: Stage, api: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [word.format(tenant=api.tenant.id) for word in words]

    outcome = helpdesk("tenants", "export", *filled, env=environment(stage.services))

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.said.startswith("helpdesk: ")
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_told_in_the_log_of_the_tenant(stage: Stage, api: Client, tmp_path: Path) -> None:
    helpdesk(
        "tenants", "export", str(api.tenant.id), "--to", str(tmp_path / "x.ndjson"), env=environment(stage.services)
    )
    settle(stage, api)

    (entry,) = get(api, "audit?type=tenant.exported")["data"]
    assert (entry["object_id"], entry["actor"]["type"], entry["cause"]["type"]) == (
        str(api.tenant.id),
        "system",
        "command",
    )


def test_memory_does_not_grow_with_the_tenant(stage: Stage, api: Client) -> None:
    stage.sql(
        """
        INSERT INTO outbound_emails (tenant_id, id, to_address, subject, state, attempt_count, sent_at, created_at,
            updated_at)
        SELECT $1, gen_random_uuid(), 'ada@service.example', repeat('x', 1000), 'sent', 1, now(), now(), now()
        FROM generate_series(1, 20000)
        """,
        api.tenant.id,
    )

    async def read() -> tuple[int, int]:
        import tracemalloc  # noqa: PLC0415 - for this one test.

        tracemalloc.start()
        try:
            size = sum([len(line) async for line in exported_lines(stage.runtime, api.tenant.id)])
            return size, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    size, most = stage.run(read())

    assert size > 20_000_000
    assert most < 5_000_000


def test_an_id_that_no_tenant_has_is_not_found(stage: Stage) -> None:
    outcome = helpdesk("tenants", "export", str(UUID(int=1)), "--to", "x", env=environment(stage.services))

    assert (outcome.code, outcome.said) == (1, f"helpdesk: There is no tenant '{UUID(int=1)}'.\n")
