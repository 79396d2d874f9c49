"""Row-level security holds when a statement forgets its tenant: shown for every table, read and write."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import delete, func, insert, literal, select, update

from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.sql import metadata
from tests.contract.bodies import create, sla_policy, user
from tests.contract.operations import OPERATIONS, World
from tests.contract.rows import TENANT_TABLES
from tests.guarantees.plant import until
from tests.seals import seal_now
from tests.stage import Client, Stage

# What the application may add to but never change.
APPEND_ONLY = (
    *("acts", "audit_seals", "calendar_versions", "entitlement_entries", "event_redactions", "events"),
    *("sla_policy_versions", "webhook_attempts"),
)

each_table = pytest.mark.parametrize("name", TENANT_TABLES)


@pytest.fixture(scope="module")
def two_tenants(stage: Stage) -> Iterator[tuple[Client, Client]]:
    """Give two tenants that have rows in every table."""
    with stage.tenant() as ours, stage.tenant() as theirs:
        for api in (ours, theirs):
            fill(stage, api)
        yield ours, theirs
        for api in (ours, theirs):
            # Without waiting for the worker, which may be at some of them and wait for others.
            stage.sql(
                """
                DELETE FROM jobs WHERE (tenant_id, id) IN (
                    SELECT tenant_id, id FROM jobs WHERE tenant_id = $1 FOR UPDATE SKIP LOCKED
                )
                """,
                api.tenant.id,
            )


def fill(stage: Stage, api: Client) -> None:
    """Put rows into every table of a tenant, through the API as far as it goes."""
    world = World(stage, api)
    for operation in OPERATIONS:
        world.parameters(operation)
    company_id = create(api, "companies", name="Promised")["id"]
    create(
        api, "sla-policies", **sla_policy(api) | {"condition": {"field": "company_id", "op": "eq", "value": company_id}}
    )
    api.post(
        "/v1/tickets",
        json={"subject": "Late", "company_id": company_id, "priority": "high"},
        headers={"idempotency-key": str(uuid4())},
    )
    stage.sql(
        """
        INSERT INTO jobs (tenant_id, id, kind, payload, run_at)
        VALUES ($1, gen_random_uuid(), 'test.never', '{}', '2100-01-01')
        """,
        api.tenant.id,
    )
    stage.sql(
        """
        INSERT INTO webhook_endpoint_health (tenant_id, id, failure_count)
        SELECT tenant_id, id, 0 FROM webhook_endpoints WHERE tenant_id = $1
        """,
        api.tenant.id,
    )
    stage.sql(
        """
        INSERT INTO job_lanes (tenant_id, id, kind, due_at)
        VALUES ($1, gen_random_uuid(), 'test.never', '2100-01-01')
        """,
        api.tenant.id,
    )
    stage.sql(
        """
        INSERT INTO assignment_turns (tenant_id, id, team_id, user_id, turn)
        SELECT teams.tenant_id, gen_random_uuid(), teams.id, users.id, 1 FROM teams JOIN users USING (tenant_id)
        WHERE teams.tenant_id = $1 LIMIT 1
        """,
        api.tenant.id,
    )
    stage.sql(
        """
        INSERT INTO rule_timers (tenant_id, id, rule_id, ticket_id, instance, fired_count)
        SELECT rules.tenant_id, gen_random_uuid(), rules.id, tickets.id, 1, 0 FROM rules JOIN tickets USING (tenant_id)
        WHERE rules.tenant_id = $1 LIMIT 1
        ON CONFLICT DO NOTHING
        """,
        api.tenant.id,
    )
    stage.sql(
        """
        INSERT INTO ticket_summaries (tenant_id, id, company_id, open_count, overdue_count, breached_count,
            quarter_began_on, created_at, updated_at)
        SELECT tenant_id, id, id, 0, 0, 0, '2026-01-01', now(), now() FROM companies WHERE tenant_id = $1
        ON CONFLICT DO NOTHING
        """,
        api.tenant.id,
    )
    stage.sql(
        """
        INSERT INTO import_rows (tenant_id, id, import_id, line_number, outcome, errors)
        SELECT tenant_id, gen_random_uuid(), id, 2, 'failed', '[]' FROM imports WHERE tenant_id = $1
        """,
        api.tenant.id,
    )
    api.patch("/v1/retention-settings", json={"events_days": 400})
    stage.sql("INSERT INTO event_log_starts (tenant_id, id) VALUES ($1, $1)", api.tenant.id)
    sign_in(stage, api, create(api, "users", **user(api))["id"])
    seal_now(stage, api)
    # The API counts a moment later.
    until(lambda: api.tenant.id in owners(stage, "api_key_usage"), "the use of the key is counted", seconds=10)
    stage.sql(
        """
        INSERT INTO event_redactions (tenant_id, id, event_id, erasure_id, hash_before, hash_after)
        SELECT tenant_id, gen_random_uuid(), gen_random_uuid(), id, '', '' FROM erasures WHERE tenant_id = $1 LIMIT 1
        """,
        api.tenant.id,
    )


def sign_in(stage: Stage, api: Client, user_id: str) -> None:
    """Put rows into the tables of signing in, as a user with everything would leave them."""
    api.post("/v1/events/stream-tickets")
    api.patch("/v1/ticket-settings", json={"open_children": "ignore"})
    api.patch("/v1/coverage-settings", json={"uncovered_tickets": "refuse"})
    api.patch("/v1/sign-in-settings", json={"staff_url": "https://desk.example/"})
    of_user = {
        "passwords (user_id, hash, changed_at": "$2, '', now()",
        "totp_factors (user_id, sealed_secret, last_step": "$2, '', 0",
        "recovery_codes (user_id, code_hash": "$2, ''",
        "sign_in_links (user_id, purpose, email, secret_hash, expires_at": "$2, 'invitation', '', '', now()",
        "sign_in_attempts (purpose, subject, attempt_count, expires_at": "$2::uuid::text, '', 1, '2100-01-01'",
    }
    for table, values in of_user.items():
        stage.sql(
            f"INSERT INTO {table}, tenant_id, id) VALUES ({values}, $1, gen_random_uuid())",  # noqa: S608 - our tables.
            api.tenant.id,
            UUID(user_id),
        )
    stage.sql(
        """
        INSERT INTO external_identities (tenant_id, id, provider_id, subject, user_id)
        SELECT tenant_id, gen_random_uuid(), id, '', $2 FROM identity_providers WHERE tenant_id = $1 LIMIT 1
        """,
        api.tenant.id,
        UUID(user_id),
    )


def test_the_tenants_compared_here_have_rows_in_every_table(stage: Stage, two_tenants: tuple[Client, Client]) -> None:
    for api in two_tenants:
        empty = [name for name in TENANT_TABLES if not owners(stage, name) >= {api.tenant.id}]

        assert empty == []


def owners(stage: Stage, name: str) -> set[UUID]:
    return {row[0] for row in stage.sql(f"SELECT DISTINCT tenant_id FROM {name}")}  # noqa: S608 - one of our tables.


@each_table
def test_a_statement_that_forgets_the_tenant_sees_only_its_rows(
    stage: Stage, two_tenants: tuple[Client, Client], name: str
) -> None:
    ours, _ = two_tenants

    async def seen() -> set[UUID]:
        async with stage.runtime.db.transaction(ours.tenant.id) as transaction:
            return {row["tenant_id"] for row in await transaction.rows(select(metadata.tables[name].c.tenant_id))}

    assert stage.run(seen()) == {ours.tenant.id}


@each_table
def test_a_change_that_forgets_the_tenant_reaches_only_its_rows(
    stage: Stage, two_tenants: tuple[Client, Client], name: str
) -> None:
    ours, _ = two_tenants
    table = metadata.tables[name]
    counted = f"SELECT count(*) FROM {name} WHERE tenant_id = $1"  # noqa: S608 - one of our tables.
    (own,) = stage.sql(counted, ours.tenant.id)

    async def reached() -> int:
        async with stage.runtime.db.transaction(ours.tenant.id) as transaction:
            return await transaction.run(update(table).values(id=table.c.id))

    if name in APPEND_ONLY:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            stage.run(reached())
    else:
        assert stage.run(reached()) == own[0]


@each_table
def test_a_row_cannot_be_written_for_another_tenant(
    stage: Stage, two_tenants: tuple[Client, Client], name: str
) -> None:
    ours, theirs = two_tenants
    table = metadata.tables[name]

    async def plant(transaction: Transaction) -> None:
        copied = [column for column in table.c if column.name not in {"tenant_id", "id"} and column.identity is None]
        copy = select(literal(theirs.tenant.id, table.c.tenant_id.type), func.gen_random_uuid(), *copied).limit(1)
        await transaction.run(insert(table).from_select(["tenant_id", "id", *(column.name for column in copied)], copy))

    assert_refused(stage, ours, plant)


@each_table
def test_a_row_cannot_be_handed_to_another_tenant(stage: Stage, two_tenants: tuple[Client, Client], name: str) -> None:
    ours, theirs = two_tenants

    async def hand_over(transaction: Transaction) -> None:
        await transaction.run(update(metadata.tables[name]).values(tenant_id=theirs.tenant.id))

    assert_refused(stage, ours, hand_over)


def assert_refused(stage: Stage, api: Client, attempt: Callable[[Transaction], Awaitable[None]]) -> None:
    async def work() -> None:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            await attempt(transaction)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        stage.run(work())


@pytest.mark.parametrize(
    "name", ["audit_seals", "calendar_versions", "event_redactions", "rule_versions", "sla_policy_versions"]
)
def test_what_happened_cannot_be_unmade(stage: Stage, api: Client, name: str) -> None:
    async def unmake(transaction: Transaction) -> None:
        await transaction.run(delete(metadata.tables[name]))

    assert_refused(stage, api, unmake)


def raw(stage: Stage, statements: list[str]) -> list[Any]:
    """Run statements in one session of the application's role; gives the rows of the last."""

    async def work() -> list[Any]:
        connection = await asyncpg.connect(stage.services.app_url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return list(await connection.fetch(statements[-1]))
        finally:
            await connection.close()

    return stage.run(work())


@pytest.mark.parametrize("name", [*TENANT_TABLES, "tenants"])
def test_without_a_tenant_nothing_is_seen(stage: Stage, two_tenants: tuple[Client, Client], name: str) -> None:
    ours, _ = two_tenants
    everything = f"SELECT * FROM {name}"  # noqa: S608 - one of our tables.

    assert raw(stage, [everything]) == []
    # Once a transaction that had set it is over, the setting is an empty text and no longer absent.
    assert raw(stage, ["BEGIN", f"SET LOCAL app.tenant_id = '{ours.tenant.id}'", "COMMIT", everything]) == []


def test_the_sweeper_cannot_read_what_tenants_store(stage: Stage, two_tenants: tuple[Client, Client]) -> None:
    readable = {"deadlines", "job_lanes", "jobs"}

    for name in TENANT_TABLES:
        everything = f"SELECT * FROM {name}"  # noqa: S608 - one of our tables.
        statements = ["BEGIN", "SET LOCAL ROLE helpdesk_sweeper", everything]
        if name in readable:
            assert len(raw(stage, statements)) > 0
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                raw(stage, statements)
