"""Replacing the sealing key: every stored secret moves to the new one, and nothing that it protects changes."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import LargeBinary

from helpdesk_api.kit.context import new_id
from helpdesk_api.kit.mail.queue import text_of
from helpdesk_api.kit.sealing import Sealer, SealingKey
from helpdesk_api.kit.sql import metadata
from helpdesk_api.ops.key_rotation import Rotated, rotate_tenant
from helpdesk_api.wiring import SEALED
from tests.conftest import MakeSandbox
from tests.stage import Stage

OLD, NEW = SealingKey("2025", b"o" * 32), SealingKey("2026", b"n" * 32)


def put_emails(stage: Stage, tenant_id: UUID, sealer: Sealer, count: int) -> None:
    """Store captured e-mails, which no worker touches."""
    ids = [new_id() for _ in range(count)]
    sealed = [
        sealer.seal(f"text {number}".encode(), tenant_id=tenant_id, purpose="outbound_email", object_id=email_id)
        for number, email_id in enumerate(ids)
    ]
    stage.sql(
        """
        INSERT INTO outbound_emails (tenant_id, id, to_address, subject, sealed_text, state, attempt_count, sent_at,
            created_at, updated_at)
        SELECT $1, id, 'luca@client.example', 'Your link', sealed, 'captured', 1, now(), now(), now()
        FROM unnest($2::uuid[], $3::bytea[]) AS new (id, sealed)
        """,
        tenant_id,
        ids,
        sealed,
    )


def texts(stage: Stage, tenant_id: UUID, sealer: Sealer) -> list[str]:
    rows = stage.sql("SELECT id, sealed_text FROM outbound_emails WHERE tenant_id = $1 ORDER BY id", tenant_id)
    return [text_of(sealer, tenant_id, row["id"], row["sealed_text"]) for row in rows]


def test_every_column_of_bytes_called_sealed_is_rotated() -> None:
    sealed = {
        column
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name.startswith("sealed_")
    }

    assert {entry.column for entry in SEALED} == sealed


def test_after_a_rotation_the_new_key_opens_everything_alone(stage: Stage, sandbox: MakeSandbox) -> None:
    tenant_id = sandbox().tenant.id
    # Enough for more than one portion.
    put_emails(stage, tenant_id, Sealer([OLD]), 501)
    before = texts(stage, tenant_id, Sealer([OLD]))
    rotating = replace(stage.runtime, sealer=Sealer([NEW, OLD]))

    first = stage.run(rotate_tenant(rotating, tenant_id, SEALED))
    second = stage.run(rotate_tenant(rotating, tenant_id, SEALED))

    assert (first, second) == (Rotated(rewrapped_count=501), Rotated(current_count=501))
    assert texts(stage, tenant_id, Sealer([NEW])) == before == [f"text {number}" for number in range(501)]


def test_what_no_key_opens_is_counted_and_left_as_it_is(stage: Stage, sandbox: MakeSandbox) -> None:
    tenant_id = sandbox().tenant.id
    put_emails(stage, tenant_id, Sealer([OLD]), 1)

    done = stage.run(rotate_tenant(replace(stage.runtime, sealer=Sealer([NEW])), tenant_id, SEALED))

    assert done == Rotated(broken_count=1)
    assert texts(stage, tenant_id, Sealer([OLD])) == ["text 0"]
