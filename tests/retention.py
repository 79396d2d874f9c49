"""What the tests of retention share: applying the rules, and things that are older than the test."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from helpdesk_api.identity.audit_seals import seal_next
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.id_times import first_id
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.factories import advance, get
from tests.jobs.webhooks import settle, until
from tests.stage import Client, Stage

Json = dict[str, Any]

_numbers = itertools.count(1)


def apply_rules(api: Client) -> Json:
    """Have the rules applied, and give the run when it is done."""
    answer = api.post("/v1/retention-runs")
    assert answer.status_code == 202, answer.text
    return done(api, answer.json()["id"])


def done(api: Client, run_id: str) -> Json:
    """Wait until a run is done, and give it."""

    def look() -> Json | None:
        run = get(api, f"retention-runs/{run_id}")
        return run if run["state"] == "done" else None

    return until(look)


def advance_to(stage: Stage, api: Client, instant: str) -> None:
    """Move the test clock, and wait until the turn that this brings the tenant is over."""
    advance(api, instant)
    settle(stage, api)
    until(lambda: None if _has_jobs(stage, api, "events.dispatch") else True)
    rest(stage, api)


def rest(stage: Stage, api: Client) -> None:
    """Wait until no worker is at the rules of a tenant."""
    until(lambda: None if _has_jobs(stage, api, "retention.apply") else True)


def _has_jobs(stage: Stage, api: Client, kind: str) -> bool:
    return bool(stage.sql("SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = $2 LIMIT 1", api.tenant.id, kind))


def long_ago(days: int) -> datetime:
    """Give an instant in the past."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)


def old_events(stage: Stage, api: Client, event_type: str, *, days: int, count: int = 1) -> list[UUID]:
    """Store events that were recorded so many days ago, of one object; gives their ids."""
    object_id, at = uuid4(), long_ago(days)
    ids = [UUID(int=first_id(at).int + next(_numbers)) for _ in range(count)]
    stage.sql(
        """
        INSERT INTO events (tenant_id, id, type, object_type, object_id, object_version, changes, data, actor_type,
            cause_type, cause_id, occurred_at)
        SELECT $1, item, $3, split_part($3, '.', 1), $4, 1, '{}', '{}', 'system', 'job', 'long ago', $5
        FROM unnest($2::uuid[]) AS item
        """,
        api.tenant.id,
        ids,
        event_type,
        object_id,
        at,
    )
    return ids


def seal_as_of(stage: Stage, api: Client, days: int) -> int:
    """Seal everything that was committed, as a worker would have so many days ago; gives how many events that was."""
    settle(stage, api)

    async def seal() -> int:
        principal = system(api.tenant.id)
        async with unit_of_work(stage.runtime, principal, cause=Cause("job", "test"), request_id="test") as ctx:
            return await seal_next(replace(ctx, real_now=long_ago(days)))

    return stage.run(seal())


def kept_ids(stage: Stage, api: Client, ids: Sequence[UUID]) -> list[UUID]:
    """Give those of the events that are still there."""
    rows = stage.sql("SELECT id FROM events WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id", api.tenant.id, ids)
    return [row["id"] for row in rows]


def a_failed_job(stage: Stage, api: Client, *, days: int) -> UUID:
    """Store a job that was given up so many days ago."""
    (row,) = stage.sql(
        """
        INSERT INTO jobs (tenant_id, id, kind, payload, run_at, failed_at)
        VALUES ($1, gen_random_uuid(), 'test.never', '{}', now(), $2) RETURNING id
        """,
        api.tenant.id,
        long_ago(days),
    )
    found: UUID = row["id"]
    return found


def a_job_cause(stage: Stage, api: Client, *, days: int) -> UUID:
    """Store what has set off a job so many days ago."""
    (row,) = stage.sql(
        """
        INSERT INTO job_causes (tenant_id, id, kind, cause_type, cause_id, created_at)
        VALUES ($1, gen_random_uuid(), 'test.never', 'request', 'test', $2) RETURNING id
        """,
        api.tenant.id,
        long_ago(days),
    )
    found: UUID = row["id"]
    return found


def has_been_put_off(stage: Stage, api: Client, ticket_id: UUID) -> None:
    """Let a ticket have come back once."""
    stage.sql(
        """
        INSERT INTO deadlines (tenant_id, id, kind, object_id, instance, due_at, try_at, fired_at, is_test_clock)
        VALUES ($1, gen_random_uuid(), 'ticket.wake', $2, 2, now(), now(), now(), true)
        """,
        api.tenant.id,
        ticket_id,
    )
