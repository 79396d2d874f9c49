"""The trace of a cause over the API; what belongs to it is found by `reports.traces`."""

from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, Field

from helpdesk_api.automation.rule_runs import RuleRun
from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.reports.traces import Found, Named, find_trace
from helpdesk_api.webhooks.deliveries import WebhookAttempt, WebhookDeliveryDetail
from helpdesk_api.webhooks.feed import Event, shown
from helpdesk_api.webhooks.messages import EventCause


class StepState(StrEnum):
    """How far a step is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class TracedEvent(Event):
    """An event and to which endpoints it went."""

    deliveries: Annotated[
        list[WebhookDeliveryDetail] | None,
        Field(description="With every attempt; null for a caller who may not read webhook deliveries."),
    ]


class TraceStep(Output):
    """A request, deadline, job or command, and all that was done in it."""

    type: Annotated[str, Field(examples=["request", "deadline", "job", "command"])]
    id: Annotated[str, Field(description="As `cause` of its events has it.")]
    set_off_by: Annotated[
        EventCause | None,
        Field(description="What set, or last moved, a deadline, or put a job. Null for what begins a chain."),
    ]
    kind: Annotated[str | None, Field(description="Of a deadline or job.", examples=["rule.elapsed"])]
    state: Annotated[str, Field(examples=list(StepState))]
    due_at: Annotated[AwareDatetime | None, Field(description="Of a deadline, in the time of the tenant.")]
    fired_at: Annotated[AwareDatetime | None, Field(description="Null for a deadline that waits, and all but those.")]
    events: Annotated[list[TracedEvent], Field(description="In the order of the feed.")]
    rule_runs: Annotated[
        list[RuleRun] | None, Field(description="Oldest first; null for a caller who may not read runs of rules.")
    ]


class Trace(Output):
    """Everything that a cause has set off."""

    cause_id: str
    before: Annotated[list[EventCause], Field(description="What led to a deadline or job, the first cause first.")]
    is_complete: Annotated[
        bool, Field(description="False where there is more: ask for the trace of a step to see what it has set off.")
    ]
    data: Annotated[list[TraceStep], Field(description="The cause itself, then what it set off, step by step.")]


router = APIRouter(prefix="/v1/traces", tags=["traces"], route_class=UnitOfWorkRoute)
_ATTEMPT_FIELDS: Final = tuple(WebhookAttempt.model_fields)


@router.get(
    "/{cause}",
    operation_id="traces_get",
    summary="Trace what a cause has set off",
    description=(
        "Gives the chain from a request, by its `X-Request-Id`, or from a job or deadline, by the id in `cause` of an "
        "event or `cause_id` of a run: what was recorded, which rules were tried, what was left to deadlines and jobs, "
        "what those have done in turn, and where webhooks told of it. Told are the events that the caller may read, "
        "with the fields it is shown; of runs and deliveries what it may read of them. What is still to be done is "
        "told to callers who may read everything. A trace holds up to 100 steps, and 500 events, runs and deliveries."
    ),
)
async def get_trace(
    cause: Annotated[str, Path(min_length=1, max_length=200)],
    request: Request,
    ctx: Annotated[Ctx, allowed("events:read")],
) -> Trace:
    """Trace a cause."""
    resources = request.app.state.runtime.resources
    found = await find_trace(ctx, cause, resources)
    if not found.steps:
        message = f"There is nothing that {cause!r} has set off."
        raise NotFoundError(message, params={"id": cause})

    def traced(row: Record) -> TracedEvent:
        deliveries = (
            None if found.deliveries is None else [_delivery(found, one) for one in found.deliveries[row["id"]]]
        )
        return TracedEvent.trusted({**vars(shown(ctx.principal, resources, row)), "deliveries": deliveries})

    return Trace.trusted({
        "cause_id": cause,
        "before": [_named(one) for one in found.before],
        "is_complete": found.is_complete,
        "data": [_step(found, named, [traced(row) for row in found.events.get(named, [])]) for named in found.steps],
    })  # fmt: skip


def _step(found: Found, named: Named, told: list[TracedEvent]) -> TraceStep:
    work = found.steps[named]
    of_work: dict[str, Any] = {"set_off_by": None, "kind": None, "state": StepState.DONE} | dict.fromkeys(
        ("due_at", "fired_at")
    )
    if work is not None:
        of_work = {
            "set_off_by": None if work.set_off_by is None else _named(work.set_off_by),
            "kind": work.kind,
            "state": work.state,
            "due_at": work.due_at,
            "fired_at": work.fired_at,
        }
    runs = None if found.runs is None else found.runs.get(named, [])
    return TraceStep.trusted({"type": named.type, "id": named.id, **of_work, "events": told, "rule_runs": runs})


def _delivery(found: Found, row: Record) -> WebhookDeliveryDetail:
    attempts = [
        WebhookAttempt.trusted({name: attempt[name] for name in _ATTEMPT_FIELDS})
        for attempt in found.attempts.get(row["id"], [])
    ]
    return WebhookDeliveryDetail.trusted({**dict(row.items()), "attempts": attempts})


def _named(one: Named) -> EventCause:
    return EventCause.trusted({"type": one.type, "id": one.id})
