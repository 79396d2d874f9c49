"""Row-level security as the second net: what the catalog of the database must say of every table and role.

That the net holds when a statement forgets its tenant is shown in `test_forgotten_tenant`.
"""

import re

import pytest
from sqlalchemy import Table

from helpdesk_api.kit.sql import constraint_columns, metadata
from tests.contract.rows import TENANT_TABLES
from tests.stage import Stage

# Tables that no tenant owns: the tenants themselves, held by a policy of their own, and the last migration's number.
COMMON_TABLES = {"tenants", "alembic_version"}
MINE = "tenant_id = ( SELECT current_tenant() AS current_tenant)"
APPEND_ONLY = (
    *("acts", "audit_seals", "calendar_versions", "entitlement_entries", "event_redactions", "events"),
    *("sla_policy_versions", "webhook_attempts"),
)
# What runs with the rights of the owner, and the tables of which it sees the rows of the tenant.
DEFINERS = ["redact_event"]
SEEN_BY_DEFINERS = {"erasures", "event_redactions", "events"}

# All that the two roles may do with tables, reviewed: a change here changes what a stolen credential can do.
SWEEPER_MAY = {
    "deadlines: SELECT",
    "idempotency_keys: DELETE",
    "idempotency_keys.expires_at: SELECT",
    "job_lanes: SELECT",
    "job_lanes.due_at: UPDATE",
    "job_lanes.lease_token: UPDATE",
    "jobs: SELECT",
    "jobs.lease_token: UPDATE",
    "jobs.run_at: UPDATE",
    "sign_in_attempts.expires_at: SELECT",
    "sign_in_attempts: DELETE",
    "tenants: SELECT",
}
PURGER_MAY_WITH_A_TABLE = ("{}: DELETE", "{}.id: SELECT", "{}.tenant_id: SELECT")
APP_MAY_BEYOND_ROWS = {
    *(f"acts.{column}: UPDATE" for column in ("company_id", "updated_at", "version")),
    "alembic_version: SELECT",
    "entitlement_entries.reason: UPDATE",
    "tenants: INSERT",
    "tenants: SELECT",
    "tenants.clock_at: UPDATE",
    "tenants.clock_target_at: UPDATE",
    "tenants.retention_due_at: UPDATE",
    *(
        f"tenants.{column}: UPDATE"
        for column in (
            *("name", "version", "suspended_at", "purge_at", "cors_origins", "quota_requests_per_minute"),
            *("quota_users", "quota_api_keys", "quota_webhook_endpoints", "language"),
        )
    ),
    "sla_policy_versions.condition: UPDATE",
    "webhook_attempts.error: UPDATE",
    "webhook_attempts.response_excerpt: UPDATE",
}

each_table = pytest.mark.parametrize("name", TENANT_TABLES)


def test_the_database_has_exactly_the_tables_that_the_code_declares(stage: Stage) -> None:
    found = {
        row[0]
        for row in stage.sql(
            """
            SELECT relname
            FROM pg_class
            WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
            """
        )
    }

    assert found == {*TENANT_TABLES, *COMMON_TABLES}


def test_a_table_of_the_code_is_owned_by_tenants_or_is_reviewed() -> None:
    assert {name for name in metadata.tables if name not in TENANT_TABLES} <= COMMON_TABLES


@each_table
def test_every_row_names_its_tenant(stage: Stage, name: str) -> None:
    (column,) = stage.sql(
        """
        SELECT attnotnull, atttypid::regtype::text AS type
        FROM pg_attribute
        WHERE attrelid = $1::text::regclass AND attname = 'tenant_id'
        """,
        name,
    )

    assert tuple(column) == (True, "uuid")


@each_table
def test_the_tenant_comes_first_in_every_key_and_foreign_key(stage: Stage, name: str) -> None:
    constraints = stage.sql(
        """
        SELECT conname, contype::text, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u', 'f', 'x')
        """,
        name,
    )
    kinds = {row["contype"] for row in constraints}

    assert "p" in kinds
    for row in constraints:
        if row["contype"] == "x":
            assert row["definition"].startswith("EXCLUDE USING gist (tenant_id WITH =, "), row["definition"]
            continue
        columns = re.findall(r"\(([^)]*)\)", row["definition"])
        assert all(found.startswith("tenant_id, ") for found in columns), row["definition"]
        assert len(columns) == (2 if row["contype"] == "f" else 1), row["definition"]


@each_table
def test_the_tenant_comes_first_in_every_unique_index(stage: Stage, name: str) -> None:
    unique = stage.sql(
        """
        SELECT pg_get_indexdef(indexrelid) AS definition
        FROM pg_index
        WHERE indrelid = $1::text::regclass AND indisunique
        """,
        name,
    )

    assert unique
    assert [row["definition"] for row in unique if "(tenant_id, " not in row["definition"]] == []


@each_table
def test_every_table_is_under_forced_row_level_security(stage: Stage, name: str) -> None:
    (state,) = stage.sql(
        """
        SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text AS owner
        FROM pg_class
        WHERE oid = $1::text::regclass
        """,
        name,
    )

    assert tuple(state) == (True, True, "helpdesk_owner")


@each_table
def test_the_application_sees_and_writes_its_tenant_only_and_no_other_policy_admits_it(stage: Stage, name: str) -> None:
    policies = stage.sql(
        """
        SELECT policyname, permissive, roles::text[] AS roles, cmd, qual, with_check
        FROM pg_policies
        WHERE tablename = $1 ORDER BY 1
        """,
        name,
    )
    for_app = [dict(row) for row in policies if row["roles"] == ["helpdesk_app"] and row["policyname"] != "retention"]
    narrowed = [tuple(row)[1:4] for row in policies if row["policyname"] == "retention"]
    of_owner = [dict(row) for row in policies if row["roles"] == ["helpdesk_owner"]]
    others = {role for row in policies for role in row["roles"]}

    assert for_app == [
        {
            "policyname": "tenant",
            "permissive": "PERMISSIVE",
            "roles": ["helpdesk_app"],
            "cmd": "ALL",
            "qual": f"({MINE})",
            "with_check": f"({MINE})",
        }
    ]
    # It takes away, whatever it says: what it leaves is shown in `tests/jobs/test_event_retention.py`.
    assert narrowed == ([("RESTRICTIVE", ["helpdesk_app"], "DELETE")] if name == "events" else [])
    assert others <= {"helpdesk_app", "helpdesk_owner", "helpdesk_purger", "helpdesk_sweeper"}
    assert len(of_owner) == (name in SEEN_BY_DEFINERS)
    assert {(row["qual"], row["with_check"]) for row in of_owner} <= {(f"({MINE})", f"({MINE})")}
    assert [row["roles"] for row in policies if row["policyname"] == "sweeper"] in ([], [["helpdesk_sweeper"]])
    (purging,) = [row["qual"] for row in policies if row["roles"] == ["helpdesk_purger"]]
    assert " ".join(purging.split()) == (
        "(tenant_id IN ( SELECT tenants.id FROM tenants WHERE (tenants.purge_at <= now())))"
    )


def test_the_tenants_themselves_are_held_by_their_own_id(stage: Stage) -> None:
    policies = {
        row["policyname"]: tuple(row)[1:]
        for row in stage.sql(
            """
            SELECT policyname, roles::text[] AS roles, cmd, qual, with_check
            FROM pg_policies
            WHERE tablename = 'tenants'
            """
        )
    }
    mine = f"({MINE.replace('tenant_id', 'id', 1)})"

    assert policies == {
        "tenant": (["helpdesk_app"], "ALL", mine, mine),
        "sweeper": (["helpdesk_sweeper"], "SELECT", "true", None),
        "purger": (["helpdesk_purger"], "ALL", "(purge_at <= now())", None),
    }


def test_nothing_reads_past_the_policies(stage: Stage) -> None:
    # Views and materialized views show rows with the rights of their owner, and such functions run with them.
    views = stage.sql(
        """
        SELECT relname
        FROM pg_class
        WHERE relkind IN ('v', 'm', 'f') AND relnamespace = 'public'::regnamespace
        """
    )
    definers = stage.sql("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace")
    for_anybody = stage.sql(
        """
        SELECT proname
        FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS item
        WHERE prosecdef AND pronamespace = 'public'::regnamespace AND item.grantee = 0
        """
    )
    rules = stage.sql("SELECT rulename FROM pg_rules WHERE schemaname = 'public'")

    assert (views, rules, for_anybody) == ([], [], [])
    # Reviewed: each names the tenant in every statement, and fixes where it finds what it calls.
    assert sorted(row["proname"] for row in definers) == DEFINERS


def test_the_roles_can_do_nothing_by_themselves(stage: Stage) -> None:
    roles = {
        row["rolname"]: tuple(row)[1:]
        for row in stage.sql(
            """
            SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit, rolcanlogin
            FROM pg_roles
            WHERE rolname IN ('helpdesk_app', 'helpdesk_sweeper', 'helpdesk_purger', 'helpdesk_owner')
            """
        )
    }

    assert roles["helpdesk_app"] == (False, False, False, False, False, False, True)
    for name in ("helpdesk_sweeper", "helpdesk_purger"):
        assert roles[name][:5] == (False, False, False, False, False)
        assert roles[name][-1] is False
    assert roles["helpdesk_owner"][:2] == (False, False)


def test_the_application_owns_nothing_and_belongs_to_sweeper_and_purger_only(stage: Stage) -> None:
    owned = stage.sql(
        "SELECT objid::regclass FROM pg_shdepend WHERE refobjid = 'helpdesk_app'::regrole AND deptype = 'o'"
    )
    memberships = stage.sql(
        """
        SELECT roleid::regrole::text
        FROM pg_auth_members
        WHERE member IN ('helpdesk_app'::regrole, 'helpdesk_sweeper'::regrole, 'helpdesk_purger'::regrole)
        ORDER BY 1
        """
    )
    can_create = stage.sql(
        """
        SELECT has_schema_privilege('helpdesk_app', 'public', 'CREATE'),
               has_schema_privilege('helpdesk_sweeper', 'public', 'CREATE')
        """
    )

    assert owned == []
    assert [row[0] for row in memberships] == ["helpdesk_purger", "helpdesk_sweeper"]
    assert tuple(can_create[0]) == (False, False)


def grants(stage: Stage, role: str) -> set[str]:
    tables = stage.sql(
        """
        SELECT table_name || ': ' || privilege_type
        FROM information_schema.role_table_grants
        WHERE grantee = $1 AND table_schema = 'public'
        """,
        role,
    )
    columns = stage.sql(
        """
        SELECT attrelid::regclass || '.' || attname || ': ' || item.privilege_type
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace,
            aclexplode(attacl) AS item
        WHERE item.grantee = $1::text::regrole
        """,
        role,
    )
    return {row[0] for row in (*tables, *columns)}


def test_the_sweeper_may_do_exactly_what_is_reviewed(stage: Stage) -> None:
    assert grants(stage, "helpdesk_sweeper") == SWEEPER_MAY


def test_the_purger_may_do_exactly_what_is_reviewed(stage: Stage) -> None:
    with_tables = {right.format(name) for name in TENANT_TABLES for right in PURGER_MAY_WITH_A_TABLE}

    assert grants(stage, "helpdesk_purger") == with_tables | {
        "tenants: DELETE",
        "tenants.id: SELECT",
        "tenants.purge_at: SELECT",
    }


def test_the_application_may_do_exactly_what_is_reviewed(stage: Stage) -> None:
    rows = {f"{name}: {verb}" for name in TENANT_TABLES for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")}
    withheld = {
        *(f"{name}: UPDATE" for name in APPEND_ONLY),
        "audit_seals: DELETE",
        "erasures: DELETE",
        "event_redactions: DELETE",
        "event_redactions: INSERT",
        "calendar_versions: DELETE",
        *("acts: DELETE", "entitlement_entries: DELETE"),
        *("rule_versions: DELETE", "sla_policy_versions: DELETE"),
        "webhook_replays: DELETE",
        "event_log_starts: DELETE",
        "retention_runs: DELETE",
    }

    assert grants(stage, "helpdesk_app") == (rows - withheld) | APP_MAY_BEYOND_ROWS
    assert (
        stage.sql(
            """
            SELECT grantee
            FROM information_schema.role_table_grants
            WHERE grantee = 'PUBLIC' AND table_schema = 'public'
            """
        )
        == []
    )


def test_triggers_do_what_is_written_down_here_and_nothing_else(stage: Stage) -> None:
    triggers = stage.sql(
        """
        SELECT tgrelid::regclass::text AS owner, tgname, tgenabled::text
        FROM pg_trigger
        WHERE NOT tgisinternal
        ORDER BY 2, 1
        """
    )

    with_custom_fields = ("companies", "contacts", "locations", "tickets")
    assert [tuple(row) for row in triggers] == [
        ("entitlement_entries", "add_up", "O"),
        ("companies", "company_keys", "O"),
        ("contacts", "contact_keys", "O"),
        ("tickets", "contract_of_changed", "O"),
        ("tickets", "contract_of_new", "O"),
        *((table, "custom_fields_of_changed", "O") for table in with_custom_fields),
        *((table, "custom_fields_of_new", "O") for table in with_custom_fields),
        ("entitlement_entries", "keep", "O"),
        ("locations", "location_keys", "O"),
        ("tenants", "no_test_clock_later", "O"),
        ("assets", "rules_of_type", "O"),
        ("tickets", "status_of_changed", "O"),
        ("tickets", "status_of_new", "O"),
    ]


def test_every_declared_column_is_as_in_the_database(stage: Stage) -> None:
    """The catalog is what the tests above look at; the statements are made from the declared tables."""
    for name, table in metadata.tables.items():
        found = {
            row["attname"]: row["attnotnull"]
            for row in stage.sql(
                """
                SELECT attname, attnotnull
                FROM pg_attribute
                WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
                """,
                name,
            )
        }

        assert found == {column.name: not column.nullable for column in table.c}, name
        assert declared_indexes(table) == plain_indexes(stage, name), name


def declared_indexes(table: Table) -> set[str]:
    return {str(item.name) for item in table.indexes if not item.unique}


def plain_indexes(stage: Stage, name: str) -> set[str]:
    plain = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = $1::text::regclass AND NOT indisunique AND NOT indisexclusion
    """
    return {row[0] for row in stage.sql(plain, name)}


def test_every_constraint_that_can_refuse_a_row_leads_to_the_field_to_blame(stage: Stage) -> None:
    refusing = "SELECT conname FROM pg_constraint WHERE contype IN ('u', 'f') AND connamespace = 'public'::regnamespace"

    assert {row["conname"] for row in stage.sql(refusing)} <= constraint_columns().keys()
