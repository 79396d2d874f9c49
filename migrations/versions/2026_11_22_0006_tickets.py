"""Store tickets, comments and SLA clocks.

Revision: 0006. Comes after: 0005.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TICKETS = (
    """
    CREATE TABLE tickets (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        number bigint NOT NULL,
        subject text NOT NULL,
        description text NOT NULL,
        type text NOT NULL,
        priority text NOT NULL,
        status text NOT NULL,
        company_id uuid,
        contact_id uuid,
        team_id uuid,
        assignee_id uuid,
        tags text[] NOT NULL,
        channel text NOT NULL,
        due_at timestamptz,
        first_responded_at timestamptz,
        solved_at timestamptz,
        closed_at timestamptz,
        reopen_count integer NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_tickets PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_tickets_tenant_id_number UNIQUE (tenant_id, number),
        CONSTRAINT ck_tickets_status CHECK (status IN ('new', 'open', 'pending', 'on_hold', 'solved', 'closed')),
        CONSTRAINT ck_tickets_priority CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
        CONSTRAINT fk_tickets_tenant_id_company_id
            FOREIGN KEY (tenant_id, company_id) REFERENCES companies (tenant_id, id),
        CONSTRAINT fk_tickets_tenant_id_contact_id
            FOREIGN KEY (tenant_id, contact_id) REFERENCES contacts (tenant_id, id),
        CONSTRAINT fk_tickets_tenant_id_team_id FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id),
        CONSTRAINT fk_tickets_tenant_id_assignee_id
            FOREIGN KEY (tenant_id, assignee_id) REFERENCES users (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_tickets_tenant_id_assignee_id_created_at ON tickets (tenant_id, assignee_id, created_at)",
    "CREATE INDEX ix_tickets_tenant_id_company_id_created_at ON tickets (tenant_id, company_id, created_at)",
    "CREATE INDEX ix_tickets_tenant_id_contact_id ON tickets (tenant_id, contact_id)",
    "CREATE INDEX ix_tickets_tenant_id_created_at_id ON tickets (tenant_id, created_at, id)",
    "CREATE INDEX ix_tickets_tenant_id_due_at ON tickets (tenant_id, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX ix_tickets_tenant_id_status_created_at_id ON tickets (tenant_id, status, created_at, id)",
    "CREATE INDEX ix_tickets_tenant_id_team_id_created_at ON tickets (tenant_id, team_id, created_at)",
    "CREATE INDEX ix_tickets_tenant_id_updated_at_id ON tickets (tenant_id, updated_at, id)",
    "CALL tenant_owned('tickets')",
)
_COMMENTS = (
    """
    CREATE TABLE comments (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        ticket_id uuid NOT NULL,
        kind text NOT NULL,
        body text NOT NULL,
        author_user_id uuid,
        author_contact_id uuid,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer DEFAULT 1 NOT NULL,
        CONSTRAINT pk_comments PRIMARY KEY (tenant_id, id),
        CONSTRAINT ck_comments_kind CHECK (kind IN ('reply', 'note')),
        CONSTRAINT ck_comments_one_author CHECK (num_nonnulls(author_user_id, author_contact_id) = 1),
        CONSTRAINT ck_comments_notes_by_staff CHECK (kind = 'reply' OR author_contact_id IS NULL),
        CONSTRAINT fk_comments_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id),
        CONSTRAINT fk_comments_tenant_id_author_user_id
            FOREIGN KEY (tenant_id, author_user_id) REFERENCES users (tenant_id, id),
        CONSTRAINT fk_comments_tenant_id_author_contact_id
            FOREIGN KEY (tenant_id, author_contact_id) REFERENCES contacts (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_comments_tenant_id_author_contact_id ON comments (tenant_id, author_contact_id)",
    "CREATE INDEX ix_comments_tenant_id_author_user_id ON comments (tenant_id, author_user_id)",
    "CREATE INDEX ix_comments_tenant_id_ticket_id_created_at_id ON comments (tenant_id, ticket_id, created_at, id)",
    "CALL tenant_owned('comments')",
)
_SLA_CLOCKS = (
    """
    CREATE TABLE sla_clocks (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        ticket_id uuid NOT NULL,
        metric text NOT NULL,
        instance integer NOT NULL,
        policy_id uuid NOT NULL,
        policy_version integer NOT NULL,
        calendar_id uuid,
        calendar_version integer,
        target interval NOT NULL,
        warning interval,
        state text NOT NULL,
        started_at timestamptz NOT NULL,
        since_at timestamptz NOT NULL,
        elapsed interval NOT NULL,
        paused interval NOT NULL,
        due_at timestamptz,
        warning_at timestamptz,
        warned_at timestamptz,
        breached_at timestamptz,
        stopped_at timestamptz,
        CONSTRAINT pk_sla_clocks PRIMARY KEY (tenant_id, id),
        CONSTRAINT uq_sla_clocks_tenant_id_ticket_id_metric_instance UNIQUE (tenant_id, ticket_id, metric, instance),
        CONSTRAINT ck_sla_clocks_state CHECK (state IN ('running', 'paused', 'met', 'breached', 'cancelled')),
        CONSTRAINT ck_sla_clocks_paused_is_never_due CHECK (state <> 'paused' OR due_at IS NULL),
        CONSTRAINT ck_sla_clocks_running_is_due CHECK (state <> 'running' OR due_at IS NOT NULL),
        CONSTRAINT fk_sla_clocks_tenant_id_ticket_id
            FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id)
    )
    """,
    "CALL tenant_owned('sla_clocks')",
)


def upgrade() -> None:
    """Apply."""
    for statement in (*_TICKETS, *_COMMENTS, *_SLA_CLOCKS):
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE sla_clocks")
    op.execute("DROP TABLE comments")
    op.execute("DROP TABLE tickets")
