"""The SQL of the floor, written by hand: what the product's statements do, in the same order and number.

There is one thing less: after a creation the floor does not read the clocks again that it has just written.
"""

TICKET_COLUMNS = (
    "id, created_at, updated_at, version, number, subject, description, type, priority, status, company_id, contact_id,"
    " location_id, asset_id, service_id, contract_id, coverage, covered_by, coverage_decided_at, sla_policy_id,"
    " calendar_id, team_id, assignee_id, tags, channel, due_at, snoozed_until, first_responded_at, solved_at,"
    " closed_at, reopen_count, custom_fields, attachments"
)
ONE_TICKET = f"SELECT {TICKET_COLUMNS} FROM tickets WHERE tenant_id = $1 AND id = $2"  # noqa: S608 - constants only.
NEWEST_TICKETS = f"""
    SELECT {TICKET_COLUMNS} FROM tickets WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608 - constants only.
CLOCKS = """
    SELECT DISTINCT ON (ticket_id, metric) id, ticket_id, metric, instance, state, target, elapsed, extension, since_at,
           manual_due_at, due_at, warned_at, breached_at, stopped_at, policy_id, policy_version, calendar_id,
           calendar_version
    FROM sla_clocks WHERE tenant_id = $1 AND ticket_id = ANY ($2::uuid[]) ORDER BY ticket_id, metric, instance DESC
"""
KEY = """
    SELECT k.id, k.secret_hash, k.expires_at, k.revoked_at
    FROM api_keys k JOIN tenants t ON t.id = k.tenant_id WHERE k.tenant_id = $1 AND k.id = $2
"""
CONTACT = """
    SELECT id, created_at, updated_at, version, name, company_id, emails, phones, notes
    FROM contacts WHERE tenant_id = $1 AND id = ANY ($2::uuid[])
"""
COMPANY = "SELECT id, default_team_id, is_active FROM companies WHERE tenant_id = $1 AND id = $2"
POLICIES = """
    SELECT p.id, p.version, p.condition, p.targets, p.calendar_id, c.version AS calendar_version
    FROM sla_policies p LEFT JOIN calendars c ON c.tenant_id = p.tenant_id AND c.id = p.calendar_id
    WHERE p.tenant_id = $1 AND p.is_active ORDER BY p.position, p.id
"""
NEW_TICKET = f"""
    WITH following AS (
        UPDATE counters SET value = value + 1 WHERE tenant_id = $1 AND name = 'tickets' RETURNING value
    )
    INSERT INTO tickets (tenant_id, id, number, subject, description, type, priority, status, company_id, contact_id,
                         team_id, assignee_id, tags, channel, due_at, solved_at, closed_at, reopen_count, created_at,
                         updated_at, version)
    VALUES ($1, $2, (SELECT value FROM following), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL, NULL, 0,
            $15, $15, 1)
    RETURNING {TICKET_COLUMNS}
"""  # noqa: S608 - constants only.
NEW_CLOCKS = """
    INSERT INTO sla_clocks (tenant_id, id, ticket_id, policy_id, policy_version, calendar_id, calendar_version, metric,
                            instance, target, warning, state, started_at, since_at, elapsed, paused, due_at, warning_at,
                            warned_at, breached_at, stopped_at)
    SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::int[]),
           unnest($6::uuid[]), unnest($7::int[]), unnest($8::text[]), unnest($9::int[]), unnest($10::interval[]),
           unnest($11::interval[]), unnest($12::text[]), unnest($13::timestamptz[]), unnest($14::timestamptz[]),
           unnest($15::interval[]), unnest($16::interval[]), unnest($17::timestamptz[]), unnest($18::timestamptz[]),
           unnest($19::timestamptz[]), unnest($20::timestamptz[]), unnest($21::timestamptz[])
"""
NEW_DEADLINES = """
    INSERT INTO deadlines (tenant_id, id, kind, object_id, instance, due_at, try_at, is_test_clock, cause_type,
                           cause_id)
    SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::text[]), unnest($4::uuid[]), unnest($5::int[]),
           unnest($6::timestamptz[]), unnest($7::timestamptz[]), unnest($8::bool[]), unnest($9::text[]),
           unnest($10::text[])
    ON CONFLICT (tenant_id, kind, object_id, instance)
    DO UPDATE SET due_at = excluded.due_at, try_at = excluded.due_at, cause_type = excluded.cause_type,
                  cause_id = excluded.cause_id WHERE deadlines.fired_at IS NULL
"""
NEW_EVENTS_AND_JOB = """
    WITH recorded AS (
        INSERT INTO events (tenant_id, id, type, object_type, object_id, object_version, changes, data, actor_type,
                            actor_id, cause_type, cause_id, occurred_at)
        SELECT unnest($5::uuid[]), unnest($6::uuid[]), unnest($7::text[]), unnest($8::text[]), unnest($9::uuid[]),
               unnest($10::int[]), unnest($11::jsonb[]), unnest($12::jsonb[]), unnest($13::text[]), unnest($14::uuid[]),
               unnest($15::text[]), unnest($16::text[]), unnest($17::timestamptz[])
    )
    INSERT INTO jobs (tenant_id, id, kind, payload, run_at) VALUES ($1, $2, $3, $4, now())
"""
