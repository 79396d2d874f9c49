"""The log of runs: each rule that fired or failed, with what its condition answered, what it changed, and how long.

A rule that was tried in vain is written down at most once a minute by each process, which is enough to see why it does
not fire, and costs nothing with hundreds of rules. A run outlives its rule and its ticket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, JsonValue
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import CheckConstraint, Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from typing_extensions import TypedDict

from helpdesk_api.domain.condition_answers import Answer
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading
from helpdesk_api.kit.retention import Days, Kept
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sql import Statement, insert_many, tenant_table
from helpdesk_api.tickets.condition_fields import OfferedField
from helpdesk_api.tickets.custom_conditions import offered_to
from helpdesk_api.tickets.resources import TICKETS


class Outcome(StrEnum):
    """What came of trying a rule."""

    APPLIED = "applied"
    FAILED = "failed"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    """Why a rule did not fire."""

    NOT_MATCHED = "not_matched"
    STOPPED = "stopped"
    BUDGET = "budget"
    DEPTH = "depth"


rule_runs = tenant_table(
    "rule_runs",
    Column("rule_id", Uuid, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("ticket_id", Uuid, nullable=False),
    Column("ticket_version", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("occasions", JSONB, nullable=False),
    Column("answers", JSONB, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("cause_type", Text, nullable=False),
    Column("cause_id", Text, nullable=False),
    CheckConstraint("outcome IN ('applied', 'failed', 'skipped')", name="outcome"),
    CheckConstraint("(outcome = 'applied') = (reason IS NULL)", name="applied_or_for_a_reason"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "rule_id", "created_at", "id"),
    Index(None, "tenant_id", "ticket_id", "created_at", "id"),
    Index(None, "tenant_id", "cause_id"),
)

RUNS_KEPT: Final = Kept(
    name="rule_runs",
    meaning="Runs of rules: what fired, failed or was skipped, and why.",
    table=rule_runs,
    since=rule_runs.c.created_at,
    days=Days(default=30, least=1, most=365, may_be_endless=False),
    in_real_time=False,
)


class RuleAnswer(TypedDict):
    """Whether one comparison of the condition held."""

    pointer: Annotated[str, Field(examples=["/all/0"], description="Its place in the condition of this version.")]
    field: str
    holds: bool


class RuleRun(Entity):
    """What came of trying a rule on a ticket."""

    rule_id: Annotated[UUID, Field(description="May have been deleted since.")]
    rule_version: Annotated[int, Field(description="That was in force; one of the rule's versions.")]
    ticket_id: Annotated[UUID, Field(description="May have been removed since.")]
    ticket_version: Annotated[int, Field(description="Of the ticket as the rule left it.")]
    outcome: Annotated[str, Field(examples=list(Outcome))]
    reason: Annotated[
        str | None, Field(examples=list(SkipReason), description="Why it was skipped, or the code of the refusal.")
    ]
    detail: Annotated[str | None, Field(description="What the refusal said.")]
    occasions: Annotated[list[str], Field(description="What happened to the ticket.")]
    answers: Annotated[list[RuleAnswer], Field(description="Of the comparisons about fields that the caller is shown.")]
    changes: Annotated[
        dict[str, Annotated[list[JsonValue], Field(min_length=2, max_length=2)]],
        Field(description="Old and new value of each field that it changed, as far as the caller is shown it."),
    ]
    duration_ms: int
    cause_type: Annotated[str, Field(examples=["request", "deadline", "job"])]
    cause_id: Annotated[str, Field(description="Of the request, job or deadline that set it off.")]


RULE_RUNS = Resource(
    name="rule_run",
    plural="rule-runs",
    table=rule_runs,
    read=RuleRun,
    example={
        "rule_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50",
        "rule_version": 1,
        "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
        "ticket_version": 2,
        "outcome": "applied",
        "reason": None,
        "detail": None,
        "occasions": ["created"],
        "answers": [{"pointer": "/all/0", "field": "priority", "holds": True}],
        "changes": {"tags": [[], ["night"]]},
        "duration_ms": 3,
        "cause_type": "request",
        "cause_id": "01a1f2c4-5d6e-7f80-91a2-b3c4d5e6f708",
    },
    filters=(
        Filter("rule_id", rule_runs.c.rule_id, UUID),
        Filter("ticket_id", rule_runs.c.ticket_id, UUID),
        Filter("cause_id", rule_runs.c.cause_id, str),
        Filter("outcome", rule_runs.c.outcome, Outcome),
    ),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of trying a rule; not yet written down."""

    rule_id: UUID
    rule_version: int
    ticket_version: int
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    answers: Sequence[Answer] = ()
    changes: Any = None
    duration_ms: int = 0


_COLUMNS: Final = (
    "tenant_id", "id", "rule_id", "rule_version", "ticket_id", "ticket_version", "outcome", "reason", "detail",
    "occasions", "answers", "changes", "duration_ms", "cause_type", "cause_id", "created_at", "updated_at", "version",
)  # fmt: skip
_WRITE = Statement(insert_many(rule_runs, _COLUMNS, as_text=("occasions", "answers", "changes")))


async def write_runs(ctx: Ctx, ticket_id: UUID, occasions: Sequence[str], runs: Sequence[Run]) -> None:
    """Write down what came of rules that had these occasions to be tried on a ticket."""
    if not runs:
        return
    size = len(runs)
    told = to_json(sorted(occasions)).decode()
    await ctx.tx.run(
        _WRITE,
        {
            "tenant_id": [ctx.tenant_id] * size,
            "id": [new_id() for _ in runs],
            "rule_id": [run.rule_id for run in runs],
            "rule_version": [run.rule_version for run in runs],
            "ticket_id": [ticket_id] * size,
            "ticket_version": [run.ticket_version for run in runs],
            "outcome": [run.outcome for run in runs],
            "reason": [run.reason for run in runs],
            "detail": [run.detail for run in runs],
            "occasions": [told] * size,
            "answers": [to_json([_told(answer) for answer in run.answers]).decode() for run in runs],
            "changes": [to_json(to_jsonable_python(run.changes or {})).decode() for run in runs],
            "duration_ms": [run.duration_ms for run in runs],
            "cause_type": [ctx.cause.type] * size,
            "cause_id": [ctx.cause.id] * size,
            "created_at": [ctx.now] * size,
            "updated_at": [ctx.now] * size,
            "version": [1] * size,
        },
    )


def _told(answer: Answer) -> RuleAnswer:
    return {"pointer": answer.pointer, "field": answer.path, "holds": answer.holds}


async def as_shown(ctx: Ctx, found: list[RuleRun]) -> list[RuleRun]:
    """Leave out what a caller is not shown: fields of tickets, and what a comparison would tell of a field."""
    held = ctx.principal.field_groups
    offered = await offered_to(ctx, *(answer["field"] for run in found for answer in run.answers))
    return [
        RuleRun.trusted({
            **vars(run),
            "changes": TICKETS.shown_changes(run.changes, held),
            "answers": [each for each in run.answers if _may_be_told(ctx, offered.get(each["field"]))],
        })
        for run in found
    ]  # fmt: skip


def _may_be_told(ctx: Ctx, offered: OfferedField | None) -> bool:
    return offered is not None and (
        (offered.permission is None or ctx.principal.may(offered.permission))
        and (offered.group is None or ctx.principal.sees(offered.group))
    )


router = ResourceRouter(RULE_RUNS)
add_reading(router, RULE_RUNS, present=as_shown)
