"""Actions as a list, and whose turn it is in a team.

Revision: 0049. Comes after: 0048.
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_TURNS = (
    """
    CREATE TABLE assignment_turns (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        team_id uuid NOT NULL,
        user_id uuid NOT NULL,
        turn bigint NOT NULL,
        CONSTRAINT pk_assignment_turns PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_assignment_turns_tenant_id_team_id_user_id UNIQUE (tenant_id, team_id, user_id),
        CONSTRAINT fk_assignment_turns_tenant_id_team_id
            FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_assignment_turns_tenant_id_user_id
            FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_assignment_turns_tenant_id_user_id ON assignment_turns (tenant_id, user_id)",
    "CALL tenant_owned('assignment_turns')",
)
_AS_LIST = """
UPDATE it SET actions =
    CASE WHEN actions->'set' = '{}' THEN '[]'::jsonb
    ELSE jsonb_build_array(jsonb_build_object('action', 'set', 'values', actions->'set')) END
    || CASE WHEN actions->'add_tags' = '[]' THEN '[]'::jsonb
    ELSE jsonb_build_array(jsonb_build_object('action', 'add_tags', 'tags', actions->'add_tags')) END
    || CASE WHEN actions->'remove_tags' = '[]' THEN '[]'::jsonb
    ELSE jsonb_build_array(jsonb_build_object('action', 'remove_tags', 'tags', actions->'remove_tags')) END
"""
_AS_OBJECT = """
UPDATE it SET actions = jsonb_build_object(
    'set', coalesce(jsonb_path_query_first(actions, '$[*] ? (@.action == "set").values'), '{}'),
    'add_tags', coalesce(jsonb_path_query_first(actions, '$[*] ? (@.action == "add_tags").tags'), '[]'),
    'remove_tags', coalesce(jsonb_path_query_first(actions, '$[*] ? (@.action == "remove_tags").tags'), '[]')
)
"""
_INDEX = "ix_tickets_unfinished_by_assignee"


def _rewrite(statement: str) -> None:
    for table in ("rules", "rule_versions"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(statement.replace("UPDATE it", f"UPDATE {table}"))
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def upgrade() -> None:
    """Apply."""
    for statement in _TURNS:
        op.execute(statement)
    _rewrite(_AS_LIST)
    with op.get_context().autocommit_block():
        op.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_INDEX} ON tickets (tenant_id, assignee_id) "
            "WHERE solved_at IS NULL"
        )


def downgrade() -> None:
    """Take back; of actions that the older form cannot say, it keeps the first of each kind that it can."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_INDEX}")
    _rewrite(_AS_OBJECT)
    op.execute("DROP TABLE assignment_turns")
