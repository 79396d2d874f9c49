"""How the explanation of a clock looks over the API, with an example."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field

from helpdesk_api.domain.explained_steps import StepKind
from helpdesk_api.domain.sla import ClockState, Metric
from helpdesk_api.kit.languages import Language
from helpdesk_api.kit.schema import Output


class ExplainedStep(Output):
    """One step: a period with what of it counted, or an instant with what happened."""

    kind: Annotated[
        StepKind,
        Field(
            description=(
                "Periods: `counted`, `break`, `night`, `day_off`, `holiday`, `paused`, `finished` (after the clock had "
                "stopped, before the ticket was reopened), and `summary` of several. Instants: all others."
            )
        ),
    ]
    from_at: AwareDatetime
    to_at: Annotated[AwareDatetime, Field(description="The same as `from_at` for an instant.")]
    counted_seconds: Annotated[int, Field(description="What it used up; over all steps until `due`: the target.")]
    waited_seconds: Annotated[int, Field(description="Open time of a pause, which is not used up.")]
    is_projected: Annotated[bool, Field(description="Will be so if nothing else happens.")]
    reason: Annotated[str | None, Field(description="What changed the clock.", examples=["created", "status"])]
    status: Annotated[str | None, Field(description="The status of the ticket that it followed.")]
    changed_fields: Annotated[list[str], Field(description="Of the ticket, when they put other terms on the clock.")]
    holidays: Annotated[list[str], Field(description="The names of the holidays within it.")]
    target_seconds: Annotated[int | None, Field(description="The terms from here on; null where they stay.")]
    policy_id: UUID | None
    policy_version: int | None
    calendar_id: Annotated[UUID | None, Field(description="Null for calendar time, and where the terms stay.")]
    calendar_version: int | None
    due_at: Annotated[AwareDatetime | None, Field(description="The deadline that is set by hand from here on.")]
    step: Annotated[str | None, Field(description="The key of the escalation step that came.")]
    text: str


class ClockExplanation(Output):
    """Why a clock is due when it is."""

    clock_id: UUID
    ticket_id: UUID
    metric: Metric
    instance: int
    state: ClockState
    language: Language
    time_zone: Annotated[str, Field(description="Of the calendar; the texts tell its wall time.")]
    started_at: AwareDatetime
    target_seconds: Annotated[int, Field(description="With what was granted beside it.")]
    elapsed_seconds: Annotated[int, Field(description="Used up by now.")]
    remaining_seconds: Annotated[int, Field(description="Negative when overdue.")]
    due_at: AwareDatetime | None
    breached_at: AwareDatetime | None
    stopped_at: AwareDatetime | None
    conclusion: str
    steps: list[ExplainedStep]


_NO_TERMS: Final[Mapping[str, Any]] = {
    "reason": None, "status": None, "changed_fields": [], "holidays": [],
    "target_seconds": None, "policy_id": None, "policy_version": None, "calendar_id": None, "calendar_version": None,
    "due_at": None, "step": None,
}  # fmt: skip
EXPLANATION_EXAMPLE: Final[Mapping[str, Any]] = {
    "clock_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e45",
    "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
    "metric": "first_response",
    "instance": 1,
    "state": "running",
    "language": "en",
    "time_zone": "Europe/Rome",
    "started_at": "2026-11-23T09:00:00Z",
    "target_seconds": 3_600,
    "elapsed_seconds": 0,
    "remaining_seconds": 3_600,
    "due_at": "2026-11-23T10:00:00Z",
    "breached_at": None,
    "stopped_at": None,
    "conclusion": "Due 2026-11-23 11:00:00.",
    "steps": [
        {
            **_NO_TERMS,
            "kind": "started",
            "from_at": "2026-11-23T09:00:00Z",
            "to_at": "2026-11-23T09:00:00Z",
            "counted_seconds": 0,
            "waited_seconds": 0,
            "is_projected": False,
            "reason": "created",
            "target_seconds": 3_600,
            "policy_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e30",
            "policy_version": 1,
            "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
            "calendar_version": 1,
            "text": "2026-11-23 10:00:00: the clock started. Target: 1 h.",
        },
        {
            **_NO_TERMS,
            "kind": "counted",
            "from_at": "2026-11-23T09:00:00Z",
            "to_at": "2026-11-23T10:00:00Z",
            "counted_seconds": 3_600,
            "waited_seconds": 0,
            "is_projected": True,
            "text": "2026-11-23 10:00:00 to 2026-11-23 11:00:00: 1 h counted. (if nothing else happens)",
        },
        {
            **_NO_TERMS,
            "kind": "due",
            "from_at": "2026-11-23T10:00:00Z",
            "to_at": "2026-11-23T10:00:00Z",
            "counted_seconds": 0,
            "waited_seconds": 0,
            "is_projected": False,
            "text": "2026-11-23 11:00:00: the deadline. 1 h counted of 1 h.",
        },
    ],
}
