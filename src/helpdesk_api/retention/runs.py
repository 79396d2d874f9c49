"""Runs: every time that something was removed, with what was removed under which rules.

A run that somebody asks for is stored at once; those that the worker begins by itself only when there is something to
remove. One run of a tenant is under way at a time.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import CheckConstraint, Column, DateTime, Index, Text, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.retention.settings import chosen_days, settings_of

APPLY: Final = "retention.apply"

retention_runs = tenant_table(
    "retention_runs",
    Column("state", Text, nullable=False),
    Column("requested_by_type", Text, nullable=False),
    Column("requested_by_id", Uuid),
    Column("rules", JSONB, nullable=False),
    Column("counts", JSONB, nullable=False),
    Column("left_out", JSONB, nullable=False),
    Column("completed_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('running', 'done')", name="state"),
    CheckConstraint("(state = 'done') = (completed_at IS NOT NULL)", name="done_at_some_time"),
    Index(None, "tenant_id", "created_at", "id"),
    Index("ix_retention_runs_running", "tenant_id", postgresql_where=text("state = 'running'")),
)


class RetentionRunningError(ConflictError):
    """The rules are being applied already."""

    code = "retention_running"
    title = "The rules are being applied already"


class LegalHoldError(ConflictError):
    """While there is a legal hold, nothing is removed."""

    code = "legal_hold"
    title = "A legal hold is set"


class RetentionRun(Entity):
    """One application of the rules. All times are real, also in a sandbox."""

    state: Annotated[str, Field(description="`running` until a worker is through.", examples=["running", "done"])]
    requested_by_type: Annotated[str, Field(description="`system` for what the worker did by itself, once a day.")]
    requested_by_id: UUID | None
    rules: Annotated[dict[str, int | None], Field(description="For how many days each rule kept when the run began.")]
    counts: Annotated[dict[str, int], Field(description="How many were removed so far, by rule.")]
    left_out: Annotated[
        dict[str, str],
        Field(
            description=(
                "Rules that could not be applied, and why: `audit_trail_broken` says that events do not fit their "
                "seals, and are kept as evidence."
            )
        ),
    ]
    completed_at: AwareDatetime | None


RUNS: Final = Resource(
    name="retention_run",
    plural="retention-runs",
    table=retention_runs,
    read=RetentionRun,
    example={
        "state": "done",
        "requested_by_type": "system",
        "requested_by_id": None,
        "rules": {"closed_tickets": 730, "events": 365, "security_events": 1_095},
        "counts": {"closed_tickets": 1_204, "events": 8_421},
        "left_out": {},
        "completed_at": "2026-11-23T09:30:00Z",
    },
    filters=(Filter("state", retention_runs.c.state, Literal["running", "done"]),),
)

_RUNNING: Final = Statement(
    select(*RUNS.columns).where(retention_runs.c.tenant_id == bindparam("tenant"), retention_runs.c.state == "running")
)


async def hold(ctx: Ctx) -> None:
    """Let nobody else begin, continue or end a run of the tenant before this transaction is over."""
    await take_turn(ctx, f"{APPLY} {ctx.tenant_id}")


async def running(ctx: Ctx) -> RetentionRun | None:
    """Give the run that is under way."""
    return await ctx.tx.first(RetentionRun, _RUNNING, {"tenant": ctx.tenant_id})


async def request_run(ctx: Ctx) -> RetentionRun:
    """Begin a run and put the job that does it; `ctx` is in real time.

    Raises RetentionRunningError and LegalHoldError.
    """
    await hold(ctx)
    if (known := await running(ctx)) is not None:
        message = f"The rules are being applied already, by the run {known.id}."
        raise RetentionRunningError(message, params={"retention_run_id": str(known.id)})
    begun = await begin(ctx)
    await jobs.put(ctx, [NewJob(APPLY, {}, ctx.real_now, cause=ctx.cause)])
    return begun


async def begin(ctx: Ctx) -> RetentionRun:
    """Store a new run of the rules as they are set now; raises LegalHoldError."""
    settings = await settings_of(ctx)
    if settings.legal_hold_reason is not None:
        message = f"Nothing is removed because of a legal hold: {settings.legal_hold_reason}"
        raise LegalHoldError(message)
    values: dict[str, Any] = {
        "state": "running",
        "requested_by_type": ctx.principal.type,
        "requested_by_id": ctx.principal.id,
        "rules": chosen_days(settings),
        "counts": {},
        "left_out": {},
    }
    return await crud.add(ctx, RUNS, values)
