"""The trail of a tenant in real time after old events were removed: what it still proves, and where the floors are."""

import json
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from helpdesk_api.domain.audit_chain import Break
from helpdesk_api.identity.audit_verification import Verification, verify
from helpdesk_api.kit.events import events as event_table
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.retention.rules import BUSINESS_EVENTS
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from tests.factories import a_company, a_ticket, patch
from tests.jobs.webhooks import events, settle
from tests.ops.commands import environment, helpdesk
from tests.retention import apply_rules, kept_ids, old_events, seal_as_of
from tests.seals import seal_now
from tests.stage import Client, Stage

# A tenant, and its old events about business and about security.
Aged: TypeAlias = tuple[Client, list[UUID], list[UUID]]


def verified(stage: Stage, api: Client) -> Verification:
    return stage.run(verify(stage.runtime.db, api.tenant.id))


@pytest.fixture
def aged(stage: Stage, api: Client) -> Aged:
    """Give a tenant with two seals of 400 days ago, and the ids of old events of business and of security."""
    old = [old_events(stage, api, "team.created", days=402, count=3)]
    security = old_events(stage, api, "role.updated", days=402, count=2)
    seal_as_of(stage, api, 401)
    old.append(old_events(stage, api, "team.updated", days=400, count=2))
    seal_as_of(stage, api, 399)
    patch(api, "retention-settings", events_days=365)
    return api, [event for some in old for event in some], security


def test_in_real_time_what_was_sealed_long_ago_goes(stage: Stage, aged: Aged) -> None:
    api, old, security = aged

    run = apply_rules(api)
    seal_now(stage, api)

    assert run["counts"] == {"events": 5}
    assert (kept_ids(stage, api, old), kept_ids(stage, api, security)) == ([], security)
    assert verified(stage, api).broken is None
    told = helpdesk("audit", "verify", "--tenant", str(api.tenant.id), env=environment(stage.services))
    assert told.code == 0, told.out


def test_a_large_log_goes_in_stretches(stage: Stage, api: Client) -> None:
    for age in (450, 440, 430):
        old_events(stage, api, "team.created", days=age, count=700)
        seal_as_of(stage, api, age - 1)
    patch(api, "retention-settings", events_days=400)

    run = apply_rules(api)

    assert run["counts"] == {"events": 2_100}
    told = events(stage, api, type="retention_run.events_purged", after="oldest")
    assert [(event["data"]["first_seal"], event["data"]["last_seal"]) for event in told] == [(1, 1), (2, 2), (3, 3)]
    assert verified(stage, api).broken is None


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("DELETE FROM events WHERE id = $1", "event_missing"),
        ("UPDATE events SET type = 'role.created' WHERE id = $1", "event_changed"),
        ("UPDATE events SET data = '{\"a\": 1}' WHERE id = $1", "event_changed"),
    ],
)
def test_tampering_with_what_was_kept_is_still_found(stage: Stage, aged: Aged, statement: str, flaw: str) -> None:
    api, _, security = aged
    apply_rules(api)
    seal_now(stage, api)

    stage.sql(statement, security[1])

    broken = verified(stage, api).broken
    assert broken is not None
    assert (broken.seal_number, broken.flaw) == (1, flaw)


def test_an_event_that_is_slipped_into_a_purged_stretch_is_found(stage: Stage, aged: Aged) -> None:
    api, _, security = aged
    apply_rules(api)
    seal_now(stage, api)
    stage.sql(
        """
        INSERT INTO events (tenant_id, id, xid, seq, type, object_type, object_id, object_version, changes, data,
            actor_type, cause_type, cause_id, occurred_at)
        OVERRIDING SYSTEM VALUE
        SELECT tenant_id, $2, xid, seq - 1, type, object_type, object_id, 1, '{}', '{}', 'system', 'job', 'x', now()
        FROM events WHERE id = $1
        """,
        security[0],
        uuid4(),
    )

    broken = verified(stage, api).broken

    assert broken is not None
    assert (broken.seal_number, broken.flaw) == (1, "event_inserted")


def test_a_removal_that_the_log_does_not_tell_of_is_found(stage: Stage, aged: Aged) -> None:
    api, old, _ = aged

    stage.sql("DELETE FROM events WHERE id = ANY($1)", old[3:])

    assert verified(stage, api).broken == Break(2, "event_missing", None)


def test_a_seal_is_needed_for_ever(stage: Stage, aged: Aged) -> None:
    api, _, _ = aged
    apply_rules(api)
    seal_now(stage, api)

    stage.sql("DELETE FROM audit_seals WHERE tenant_id = $1 AND number = 2", api.tenant.id)

    assert verified(stage, api).broken == Break(2, "seal_missing")


def test_telling_of_a_removal_hides_nothing_that_is_younger_than_the_floor(stage: Stage, api: Client) -> None:
    young = old_events(stage, api, "team.created", days=29)
    seal_as_of(stage, api, 29)
    (row,) = stage.sql("SELECT count(*) AS number FROM audit_seals WHERE tenant_id = $1", api.tenant.id)
    data = {"rule": "events", "first_seal": 1, "last_seal": row["number"], "event_count": 1, "kept": {"1": [0]}}
    told = old_events(stage, api, "retention_run.events_purged", days=0)
    stage.sql("UPDATE events SET data = $2::text::jsonb WHERE id = $1", told[0], json.dumps(data))
    stage.sql("DELETE FROM events WHERE id = $1", young[0])

    assert verified(stage, api).broken == Break(1, "purge_forged")


def test_a_trail_that_is_broken_is_kept_as_evidence(stage: Stage, aged: Aged) -> None:
    api, old, security = aged
    stage.sql("UPDATE events SET object_version = 9 WHERE id = $1", old[4])

    run = apply_rules(api)

    assert run["counts"] == {}
    assert run["left_out"] == {"events": "audit_trail_broken"}
    assert kept_ids(stage, api, [*old, *security]) == sorted([*old, *security])
    assert verified(stage, api).broken == Break(2, "event_changed", old[4])


def test_the_application_itself_cannot_remove_young_events(stage: Stage, api: Client) -> None:
    a_company(api)
    business = old_events(stage, api, "team.created", days=29) + old_events(stage, api, "team.created", days=31)
    security = old_events(stage, api, "role.updated", days=364) + old_events(stage, api, "role.updated", days=366)
    unknown = old_events(stage, api, "satellite.launched", days=364)

    async def remove_all() -> int:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            return await transaction.run(delete(event_table))

    assert stage.run(remove_all()) == 2
    kept = [business[0], security[0], *unknown]
    assert kept_ids(stage, api, [*business, *security, *unknown]) == sorted(kept)


def test_the_database_lets_go_of_every_event_that_the_rules_do_and_of_no_other_kind(stage: Stage, api: Client) -> None:
    ids = {name: old_events(stage, api, name, days=31)[0] for name in EVENT_TYPES}

    async def remove_all() -> None:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            await transaction.run(delete(event_table))

    stage.run(remove_all())
    kept = set(kept_ids(stage, api, list(ids.values())))
    gone = {name for name, event_id in ids.items() if event_id not in kept}
    business = {EVENT_TYPES[name].object_type for name in BUSINESS_EVENTS}
    assert gone == {name for name, event_type in EVENT_TYPES.items() if event_type.object_type in business}


def test_a_tenant_that_lives_in_real_time_cannot_be_made_a_sandbox(stage: Stage, api: Client) -> None:
    async def stop_time() -> None:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            await transaction.run(update(tenants).values(clock_at=datetime(2090, 1, 1, tzinfo=UTC)))

    with pytest.raises(Exception, match="gets no test clock"):
        stage.run(stop_time())


def test_a_follower_misses_nothing_without_a_word_while_events_are_removed(stage: Stage, aged: Aged) -> None:
    api, old, _ = aged
    settle(stage, api)
    page = api.get("/v1/events?limit=2").json()
    a_ticket(api)

    apply_rules(api)
    behind = api.get("/v1/events", params={"after": page["page"]["next_cursor"]})

    assert page["data"][0]["type"] == "api_key.created"
    assert page["data"][1]["id"] == str(old[0])
    assert behind.status_code == 410
