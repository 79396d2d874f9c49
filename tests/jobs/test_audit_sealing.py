"""Sealing and verifying: what a worker seals, and that tampering behind the product's back is found and named."""

import asyncio
import threading
from typing import Any
from uuid import UUID

import pytest

from helpdesk_api.domain.audit_chain import Break
from helpdesk_api.identity.audit_verification import KeptSeal, Verification, verify
from helpdesk_api.kit.context import Cause, new_id, system
from helpdesk_api.kit.events import record, write_recorded
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.factories import a_company, get, patch
from tests.jobs.webhooks import until
from tests.ops.commands import environment, helpdesk
from tests.seals import seal_now, seal_settled
from tests.stage import Client, Stage


def verified(stage: Stage, api: Client, kept: KeptSeal | None = None) -> Verification:
    return stage.run(verify(stage.runtime.db, api.tenant.id, kept))


def sealed(stage: Stage, api: Client) -> list[dict[str, Any]]:
    """Make a few changes and seal them in two stretches; gives the companies that were changed."""
    companies = [a_company(api) for _ in range(3)]
    seal_now(stage, api)
    for company in companies:
        patch(api, f"companies/{company['id']}", notes="Rings twice.")
    seal_now(stage, api)
    return companies


def event_of(stage: Stage, object_id: str, event_type: str) -> UUID:
    (row,) = stage.sql("SELECT id FROM events WHERE object_id = $1 AND type = $2", UUID(object_id), event_type)
    found: UUID = row["id"]
    return found


def before(stage: Stage, event_id: UUID) -> UUID | None:
    rows = stage.sql(
        """
        SELECT earlier.id FROM events AS earlier JOIN events AS event USING (tenant_id)
        WHERE event.id = $1 AND (earlier.xid, earlier.seq) < (event.xid, event.seq)
        ORDER BY earlier.xid DESC, earlier.seq DESC LIMIT 1
        """,
        event_id,
    )
    return rows[0]["id"] if rows else None


def test_a_chain_that_nobody_touched_is_intact(stage: Stage, api: Client) -> None:
    sealed(stage, api)
    a_company(api)

    found = verified(stage, api)

    assert (found.seal_count, found.event_count, found.unsealed_count, found.broken) == (2, 7, 1, None)
    assert found.head is not None
    assert found.head.hash.hex() == get(api, "audit/seals")["data"][0]["hash"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("changes", "'{}'"),
        ("data", """'{"a": 1}'"""),
        ("type", "'company.created'"),
        ("object_id", "gen_random_uuid()"),
        ("object_version", "9"),
        ("actor_id", "gen_random_uuid()"),
        ("actor_type", "'system'"),
        ("credential_id", "NULL"),
        ("ip", "'203.0.113.9'"),
        ("user_agent", "'nobody'"),
        ("cause_id", "'another'"),
        ("occurred_at", "occurred_at - interval '1 microsecond'"),
        ("salt", "gen_random_uuid()"),
    ],
)
def test_a_changed_column_of_an_event_is_found(stage: Stage, api: Client, column: str, value: str) -> None:
    company = sealed(stage, api)[1]
    event_id = event_of(stage, company["id"], "company.updated")

    stage.sql(f"UPDATE events SET {column} = {value} WHERE id = $1", event_id)  # noqa: S608 - from the table above.

    assert verified(stage, api).broken == Break(2, "event_changed", event_id)


def test_a_number_that_changed_beyond_the_precision_of_a_float_is_found(stage: Stage, api: Client) -> None:
    company = sealed(stage, api)[0]
    event_id = event_of(stage, company["id"], "company.updated")
    stage.sql("""UPDATE events SET data = '{"n": 0.12345678901234567890}' WHERE id = $1""", event_id)
    hashes = "UPDATE events SET data = $2::text::jsonb WHERE id = $1"
    first = verified(stage, api).broken
    stage.sql("DELETE FROM audit_seals WHERE tenant_id = $1", api.tenant.id)
    seal_now(stage, api)

    stage.sql(hashes, event_id, '{"n": 0.12345678901234567891}')

    assert first is not None
    assert verified(stage, api).broken == Break(1, "event_changed", event_id)


def test_a_removed_event_is_found(stage: Stage, api: Client) -> None:
    company = sealed(stage, api)[1]
    event_id = event_of(stage, company["id"], "company.updated")
    place = before(stage, event_id)

    stage.sql("DELETE FROM events WHERE id = $1", event_id)

    assert verified(stage, api).broken == Break(2, "event_missing", place)


def test_an_event_that_was_slipped_in_is_found(stage: Stage, api: Client) -> None:
    company = sealed(stage, api)[1]
    (row,) = stage.sql(
        """
        INSERT INTO events (tenant_id, id, xid, seq, type, object_type, object_id, object_version, changes, data,
            actor_type, cause_type, cause_id, occurred_at)
        OVERRIDING SYSTEM VALUE
        SELECT tenant_id, gen_random_uuid(), xid, seq - 1, type, object_type, object_id, 1, '{}', '{}', 'system',
            'job', 'x', now()
        FROM events WHERE id = $1 RETURNING id
        """,
        event_of(stage, company["id"], "company.updated"),
    )

    assert verified(stage, api).broken == Break(2, "event_inserted", row["id"])


def test_events_that_changed_places_are_found(stage: Stage, api: Client) -> None:
    one, other, _ = (event_of(stage, company["id"], "company.updated") for company in sealed(stage, api))
    stage.sql(
        """
        UPDATE events SET xid = other.xid FROM events AS other
        WHERE events.id = ANY($1) AND other.id = ANY($1) AND other.id <> events.id
        """,
        [one, other],
    )

    broken = verified(stage, api).broken

    assert broken is not None
    assert (broken.seal_number, broken.flaw) == (2, "event_changed")
    assert broken.event_id in {one, other}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM audit_seals WHERE tenant_id = $1 AND number = 1", Break(1, "seal_missing")),
        ("UPDATE audit_seals SET hash = sha256('x') WHERE tenant_id = $1 AND number = 2", Break(2, "seal_changed")),
        ("UPDATE audit_seals SET sealed_at = now() WHERE tenant_id = $1 AND number = 1", Break(1, "seal_changed")),
        ("UPDATE audit_seals SET last_seq = 0 WHERE tenant_id = $1 AND number = 1", Break(1, "seal_changed")),
    ],
)
def test_a_tampered_seal_is_found(stage: Stage, api: Client, statement: str, expected: Break) -> None:
    sealed(stage, api)

    stage.sql(statement, api.tenant.id)

    assert verified(stage, api).broken == expected


def test_a_chain_cut_off_or_made_anew_is_found_by_whoever_kept_a_seal(stage: Stage, api: Client) -> None:
    sealed(stage, api)
    newest = get(api, "audit/seals")["data"][0]
    kept = KeptSeal(newest["number"], bytes.fromhex(newest["hash"]))
    assert verified(stage, api, kept).broken is None

    stage.sql("DELETE FROM audit_seals WHERE tenant_id = $1 AND number = 2", api.tenant.id)

    assert verified(stage, api).broken is None
    assert verified(stage, api, kept).broken == Break(2, "seal_missing")
    seal_now(stage, api)
    assert verified(stage, api).broken is None
    assert verified(stage, api, kept).broken == Break(2, "seal_changed")


def test_the_command_names_the_broken_place_and_fails(stage: Stage, api: Client) -> None:
    company = sealed(stage, api)[2]
    tenant = str(api.tenant.id)
    env = environment(stage.services)
    whole = helpdesk("audit", "verify", "--tenant", tenant, "--json", env=env)
    event_id = event_of(stage, company["id"], "company.updated")
    stage.sql("UPDATE events SET changes = '{}' WHERE id = $1", event_id)

    broken = helpdesk("audit", "verify", "--tenant", tenant, "--json", env=env)
    said = helpdesk("audit", "verify", "--tenant", tenant, env=env)

    newest = get(api, "audit/seals")["data"][0]
    assert (whole.code, whole.told[0]["broken"]) == (0, None)
    assert whole.told[0]["head"] == f"2:{newest['hash']}"
    assert (broken.code, said.code) == (1, 1)
    assert broken.told[0]["broken"] == {"seal_number": 2, "flaw": "event_changed", "event_id": str(event_id)}
    assert f"broken at seal 2: event changed {event_id}" in said.out


def test_the_command_compares_with_a_kept_seal(stage: Stage, api: Client) -> None:
    sealed(stage, api)
    env = environment(stage.services)
    tenant = str(api.tenant.id)

    other = helpdesk("audit", "verify", "--tenant", tenant, "--kept", f"2:{'0' * 64}", "--json", env=env)
    unreadable = helpdesk("audit", "verify", "--tenant", tenant, "--kept", "2", env=env)
    of_nobody = helpdesk("audit", "verify", "--kept", f"2:{'0' * 64}", env=env)

    assert (other.code, other.told[0]["broken"]["flaw"]) == (1, "seal_changed")
    assert (unreadable.code, of_nobody.code) == (2, 2)


def test_a_worker_seals_what_happened_once_its_minute_is_over(stage: Stage, api: Client) -> None:
    a_company(api)
    waiting = "SELECT run_at FROM jobs WHERE tenant_id = $1 AND kind = 'audit.seal'"
    until(lambda: stage.sql(waiting, api.tenant.id) or None)
    assert {row["run_at"].second for row in stage.sql(waiting, api.tenant.id)} == {0}

    def all_sealed() -> bool | None:
        stage.sql("UPDATE jobs SET run_at = now() WHERE tenant_id = $1 AND kind = 'audit.seal'", api.tenant.id)
        found = verified(stage, api)
        return True if found.unsealed_count == 0 and found.event_count == 2 else None

    assert until(all_sealed)


def test_an_open_transaction_is_waited_for_and_nothing_falls_behind_a_seal(stage: Stage, api: Client) -> None:
    begun, ended = threading.Event(), threading.Event()

    async def write_late() -> None:
        principal = system(api.tenant.id)
        async with unit_of_work(stage.runtime, principal, cause=Cause("job", "late"), request_id="late") as ctx:
            record(ctx, "company.updated", object_id=new_id(), version=1)
            await write_recorded(ctx)
            ctx.events.clear()
            begun.set()
            await asyncio.to_thread(ended.wait, 30)

    writing = threading.Thread(target=stage.run, args=(write_late(),))
    writing.start()
    begun.wait(30)
    a_company(api)

    # The key of the tenant; the company is newer than the transaction that is still open.
    assert seal_settled(stage, api) == 1

    ended.set()
    writing.join()
    assert seal_now(stage, api) == 2
    found = verified(stage, api)
    assert (found.event_count, found.unsealed_count, found.broken) == (3, 0, None)
