"""What set off which job, for traces: a job is gone when it is done, and what it has done names it as its cause."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Text, func

from helpdesk_api.kit.context import Cause, Ctx
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.sql import Statement, insert_many, tenant_table

job_causes = tenant_table(
    "job_causes",
    Column("kind", Text, nullable=False),
    Column("cause_type", Text, nullable=False),
    Column("cause_id", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "tenant_id", "cause_id"),
    Index(None, "tenant_id", "created_at"),
    versioned=False,
)
JOB_CAUSES_KEPT: Final = Kept(
    name="job_causes",
    meaning="What has set off which work of the system, for traces.",
    table=job_causes,
    since=job_causes.c.created_at,
    days=Days(default=90, least=90, most=90, may_be_endless=False),
)

_NOTE: Final = Statement(insert_many(job_causes, ("tenant_id", "id", "kind", "cause_type", "cause_id")))


async def note_causes(ctx: Ctx, put: Sequence[tuple[UUID, str, Cause | None]]) -> None:
    """Keep what set off jobs, each by its id and kind; one that names no cause is left out."""
    caused = [(job_id, kind, cause) for job_id, kind, cause in put if cause is not None]
    if not caused:
        return
    await ctx.tx.run(
        _NOTE,
        {
            "tenant_id": [ctx.tenant_id] * len(caused),
            "id": [job_id for job_id, _, _ in caused],
            "kind": [kind for _, kind, _ in caused],
            "cause_type": [cause.type for _, _, cause in caused],
            "cause_id": [cause.id for _, _, cause in caused],
        },
    )
