"""Let an SLA policy say in the language of conditions for which tickets it is.

The lists that were there become a condition that means the same. Versions keep theirs, but an erased person is taken
out of them.

Revision: 0078. Comes after: 0077.
"""

from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

_TABLES = ("sla_policies", "sla_policy_versions")

# A list of a condition has two hundred values at most, and holds nothing that a ticket cannot be.
_CONVERT = """
    UPDATE {table} SET condition = (
        SELECT CASE count(*) WHEN 0 THEN NULL ELSE jsonb_build_object('all', jsonb_agg(parts.part ORDER BY place)) END
        FROM (
            VALUES
                (1, 'company_ids', 'company_id', 'in', NULL),
                (2, 'territories', 'company.territory', 'in', NULL),
                (3, 'priorities', 'priority', 'in', '["low", "normal", "high", "urgent"]'),
                (4, 'types', 'type', 'in',
                    '["incident", "service_request", "question", "problem", "change", "task"]'),
                (5, 'channels', 'channel', 'in',
                    '["api", "email", "web", "phone", "chat", "portal", "monitoring"]'),
                (6, 'tags', 'tags', 'contains_any', NULL),
                (7, 'team_ids', 'team_id', 'in', NULL)
        ) AS known (place, list, field, op, choices)
        CROSS JOIN LATERAL (
            SELECT jsonb_build_object('any', coalesce(jsonb_agg(
                jsonb_build_object('field', known.field, 'op', known.op, 'value', chunks.chunk)
            ), '[]')) AS part
            FROM (
                SELECT jsonb_agg(each.value ORDER BY each.n) AS chunk
                FROM jsonb_array_elements({table}.conditions -> known.list) WITH ORDINALITY AS each (value, n)
                WHERE known.choices IS NULL OR known.choices::jsonb @> each.value
                GROUP BY (each.n - 1) / 200
            ) AS chunks
        ) AS parts
        WHERE jsonb_array_length({table}.conditions -> known.list) > 0
    )
"""


def upgrade() -> None:
    """Apply."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN condition jsonb")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(_CONVERT.format(table=table))
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        # What reads the lists is replaced together with them: nothing is released yet.
        op.execute(f"-- squawk-ignore ban-drop-column\nALTER TABLE {table} DROP COLUMN conditions")
    op.execute("GRANT UPDATE (condition) ON sla_policy_versions TO helpdesk_app")


def downgrade() -> None:
    """Take back; what had a condition becomes inactive, because without it, it would be promised to everybody."""
    op.execute("REVOKE UPDATE (condition) ON sla_policy_versions FROM helpdesk_app")
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"UPDATE {table} SET is_active = false WHERE condition IS NOT NULL")  # noqa: S608 - one of our tables.
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"""
            ALTER TABLE {table}
            DROP COLUMN condition,
            ADD COLUMN conditions jsonb NOT NULL DEFAULT '{{
                "company_ids": [], "territories": [], "priorities": [], "types": [], "channels": [], "tags": [],
                "team_ids": []
            }}'
            """
        )
        op.execute(f"ALTER TABLE {table} ALTER COLUMN conditions DROP DEFAULT")
