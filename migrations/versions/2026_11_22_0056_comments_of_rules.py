"""Let a rule reply: no person is the author of what it wrote.

Revision: 0056. Comes after: 0055.
"""

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

_DROP = "-- squawk-ignore ban-drop-constraint\nALTER TABLE comments DROP CONSTRAINT ck_comments_one_author"


def upgrade() -> None:
    """Apply: the rule that takes its place allows more."""
    op.execute(_DROP)
    op.execute(
        "ALTER TABLE comments ADD CONSTRAINT ck_comments_one_author "
        "CHECK (num_nonnulls(author_user_id, author_contact_id) <= 1) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute(
            "-- squawk-ignore prefer-robust-stmts\nALTER TABLE comments VALIDATE CONSTRAINT ck_comments_one_author"
        )


def downgrade() -> None:
    """Take back; replies of rules that are there stay."""
    op.execute(_DROP)
    op.execute(
        "ALTER TABLE comments ADD CONSTRAINT ck_comments_one_author "
        "CHECK (num_nonnulls(author_user_id, author_contact_id) = 1 "
        "OR (kind = 'note' AND num_nonnulls(author_user_id, author_contact_id) = 0)) NOT VALID"
    )
