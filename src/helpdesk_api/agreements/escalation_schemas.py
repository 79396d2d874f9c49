"""What the API takes and shows of escalation steps, and the steps as the values that clocks are made of.

When a step comes is `domain.escalation`; what it does to a ticket is `tickets.escalating`.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from helpdesk_api.domain.escalation import EscalationStep, StepActions
from helpdesk_api.kit.schema import Flag, Input

MOST_STEPS: Final = 10
_FAR: Final = 31_622_400
_SECOND: Final = timedelta(seconds=1)

StepKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class EscalationInput(Input):
    """A step before or after a deadline. It is told by `ticket.sla_escalated`, and may act by itself."""

    key: Annotated[
        StepKey,
        Field(
            description=(
                "What the step is known by. Each happens once to a clock, also when other terms have one of this key."
            )
        ),
    ]
    percent: Annotated[
        int | None,
        Field(strict=True, ge=1, le=1_000, description="When this share of the time is used up; 100 is the deadline."),
    ] = None
    offset_seconds: Annotated[
        int | None,
        Field(
            strict=True,
            ge=-_FAR,
            le=_FAR,
            description="In place of `percent`: so long after the deadline, or before it if negative, in its own time.",
        ),
    ] = None
    notify_assignee: Flag = False
    notify_team: Annotated[Flag, Field(description="Writes to everybody in the team of the ticket.")] = False
    notify_user_ids: Annotated[list[UUID], Field(max_length=20)] = Field(default=[])
    team_id: Annotated[UUID | None, Field(description="Gives the ticket to this team.")] = None
    assignee_id: Annotated[UUID | None, Field(description="Gives the ticket to this user.")] = None
    raise_priority_to: Annotated[
        Literal["normal", "high", "urgent"] | None, Field(description="A ticket of a higher priority keeps it.")
    ] = None

    @model_validator(mode="after")
    def _comes_at_one_instant(self) -> "EscalationInput":
        if (self.percent is None) == (self.offset_seconds is None):
            message = "give one of percent and offset_seconds"
            raise ValueError(message)
        return self


class EscalationShown(TypedDict):
    """A step before or after a deadline."""

    key: str
    percent: int | None
    offset_seconds: int | None
    notify_assignee: bool
    notify_team: bool
    notify_user_ids: list[Annotated[str, Field(json_schema_extra={"format": "uuid"})]]
    team_id: Annotated[str | None, Field(json_schema_extra={"format": "uuid"})]
    assignee_id: Annotated[str | None, Field(json_schema_extra={"format": "uuid"})]
    raise_priority_to: str | None


def each_key_once(steps: list[EscalationInput]) -> list[EscalationInput]:
    """Refuse two steps of one key."""
    if len({step.key for step in steps}) != len(steps):
        message = "there may be one step of a key"
        raise ValueError(message)
    return steps


def changes_tickets(step: Mapping[str, Any]) -> bool:
    """Tell whether a stored step changes tickets, beside writing to people."""
    return any(step[name] is not None for name in ("team_id", "assignee_id", "raise_priority_to"))


def read_steps(stored: Sequence[Mapping[str, Any]]) -> tuple[EscalationStep, ...]:
    """Give stored steps as values."""
    return tuple(read_step(step) for step in stored)


def read_step(stored: Mapping[str, Any]) -> EscalationStep:
    """Give a stored step as a value."""
    offset = stored["offset_seconds"]
    actions = StepActions(
        notifies_assignee=stored["notify_assignee"],
        notifies_team=stored["notify_team"],
        notified_ids=tuple(UUID(str(user_id)) for user_id in stored["notify_user_ids"]),
        team_id=_id(stored["team_id"]),
        assignee_id=_id(stored["assignee_id"]),
        raised_to=stored["raise_priority_to"],
    )
    return EscalationStep(
        key=stored["key"],
        percent=stored["percent"],
        offset=None if offset is None else timedelta(seconds=offset),
        actions=None if actions == StepActions() else actions,
    )


def stored_step(step: EscalationStep) -> dict[str, Any]:
    """Give a step in the form in which it is stored."""
    actions = step.actions or StepActions()
    return {
        "key": step.key,
        "percent": step.percent,
        "offset_seconds": None if step.offset is None else step.offset // _SECOND,
        "notify_assignee": actions.notifies_assignee,
        "notify_team": actions.notifies_team,
        "notify_user_ids": list(map(str, actions.notified_ids)),
        "team_id": None if actions.team_id is None else str(actions.team_id),
        "assignee_id": None if actions.assignee_id is None else str(actions.assignee_id),
        "raise_priority_to": actions.raised_to,
    }


def _id(value: str | UUID | None) -> UUID | None:
    return None if value is None else UUID(str(value))
