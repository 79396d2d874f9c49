"""What only a worker or a sign-in stores, put there as they would have: the path of each new one."""

from uuid import UUID

from tests.contract.bodies import an_event, create, user
from tests.contract.endpoint_bodies import webhook_endpoint
from tests.stage import Client, Stage


def webhook_delivery(stage: Stage, api: Client) -> str:
    """Store a delivery that has arrived, with its attempt, as the worker would have."""
    event = an_event(stage, api)["id"]
    endpoint = create(api, "webhook-endpoints", **webhook_endpoint(api))["id"]
    (row,) = stage.sql(
        """
        WITH delivery AS (
            INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, event_id, event_type, state, attempt_count,
                last_status, delivered_at, job_id, created_at, updated_at)
            VALUES ($1, gen_random_uuid(), $2, $3, 'company.created', 'delivered', 1, 200, now(), gen_random_uuid(),
                now(), now())
            RETURNING tenant_id, id
        )
        INSERT INTO webhook_attempts (tenant_id, id, delivery_id, endpoint_id, number, started_at, duration_ms, status)
        SELECT tenant_id, gen_random_uuid(), id, $2, 1, now(), 12, 200 FROM delivery
        RETURNING delivery_id
        """,
        api.tenant.id,
        UUID(endpoint),
        UUID(event),
    )
    return f"/v1/webhook-deliveries/{row['delivery_id']}"


def webhook_replay(stage: Stage, api: Client) -> str:
    """Store a replay that is done, as the worker would have left it."""
    endpoint = create(api, "webhook-endpoints", **webhook_endpoint(api))["id"]
    (row,) = stage.sql(
        """
        INSERT INTO webhook_replays (tenant_id, id, endpoint_id, scope, since, event_types, state, progress_percent,
            looked_at_count, queued_count, completed_at, created_at, updated_at)
        VALUES ($1, gen_random_uuid(), $2, 'all', now(), '{*}', 'done', 100, 0, 0, now(), now(), now())
        RETURNING id
        """,
        api.tenant.id,
        UUID(endpoint),
    )
    return f"/v1/webhook-replays/{row['id']}"


def export(stage: Stage, api: Client) -> str:
    """Store an export that came to nothing, as the worker would have left it."""
    (row,) = stage.sql(
        """
        INSERT INTO exports (tenant_id, id, resource, format, filter, has_byte_order_mark, state, row_count,
            problem_code, problem_detail, completed_at, created_at, updated_at)
        VALUES ($1, gen_random_uuid(), 'companies', 'csv', '', false, 'failed', 0, 'too_many_unattached_files',
            '100 files of this caller hang on nothing.', now(), now(), now())
        RETURNING id
        """,
        api.tenant.id,
    )
    return f"/v1/exports/{row['id']}"


def import_(stage: Stage, api: Client) -> str:
    """Store an import that is done, as the worker would have left it."""
    (row,) = stage.sql(
        """
        INSERT INTO imports (tenant_id, id, file_id, resource, format, mapping, dry_run, state, progress_percent,
            created_count, updated_count, unchanged_count, failed_count, completed_at, created_at, updated_at)
        VALUES ($1, gen_random_uuid(), gen_random_uuid(), 'companies', 'csv', '{}', false, 'done', 100, 0, 0, 0, 0,
            now(), now(), now())
        RETURNING id
        """,
        api.tenant.id,
    )
    return f"/v1/imports/{row['id']}"


def rule_run(stage: Stage, api: Client) -> str:
    """Store a run of a rule, as a change of a ticket would have."""
    (row,) = stage.sql(
        """
        INSERT INTO rule_runs (tenant_id, id, rule_id, rule_version, ticket_id, ticket_version, outcome, occasions,
            answers, changes, duration_ms, cause_type, cause_id, created_at, updated_at)
        VALUES ($1, gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), 2, 'applied', '["created"]', '[]',
            '{"priority": ["low", "high"]}', 3, 'request', 'long ago', now(), now())
        RETURNING id
        """,
        api.tenant.id,
    )
    return f"/v1/rule-runs/{row['id']}"


def outbound_email(stage: Stage, api: Client) -> str:
    """Store a message that has been sent, as the worker would have."""
    (row,) = stage.sql(
        """
        INSERT INTO outbound_emails (tenant_id, id, to_address, subject, state, attempt_count, sent_at, created_at,
            updated_at)
        VALUES ($1, gen_random_uuid(), 'ada@service.example', 'Your invitation', 'sent', 1, now(), now(), now())
        RETURNING id
        """,
        api.tenant.id,
    )
    return f"/v1/outbound-emails/{row['id']}"


def retention_run(stage: Stage, api: Client) -> str:
    """Store a run that is done, as the worker would have."""
    (row,) = stage.sql(
        """
        INSERT INTO retention_runs (tenant_id, id, state, requested_by_type, rules, counts, left_out, completed_at,
            created_at, updated_at)
        VALUES ($1, gen_random_uuid(), 'done', 'system', '{"sessions": 60}', '{"sessions": 3}', '{}', now(), now(),
            now())
        RETURNING id
        """,
        api.tenant.id,
    )
    return f"/v1/retention-runs/{row['id']}"


def session(stage: Stage, api: Client) -> str:
    """Store a session of a new user, with its tokens, as a sign-in would have."""
    (row,) = stage.sql(
        """
        WITH opened AS (
            INSERT INTO sessions (tenant_id, id, user_id, method, expires_at, refreshed_at, created_at, updated_at)
            VALUES ($1, gen_random_uuid(), $2, 'password', now() + interval '1 day', now(), now(), now())
            RETURNING tenant_id, id
        )
        INSERT INTO session_tokens (tenant_id, id, session_id, access_hash, access_expires_at, refresh_hash,
            refresh_expires_at)
        SELECT tenant_id, gen_random_uuid(), id, '', now(), '', now() FROM opened
        RETURNING session_id
        """,
        api.tenant.id,
        UUID(create(api, "users", **user(api))["id"]),
    )
    return f"/v1/sessions/{row['session_id']}"


def id_of_a_session(stage: Stage, api: Client) -> dict[str, str]:
    """Give the id of a session that is not the caller's own."""
    return {"id": session(stage, api).rpartition("/")[2]}
