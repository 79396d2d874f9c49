"""How the record of a clock, and the time that a ticket spent where, look over the API, with examples."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field

from helpdesk_api.domain.sla import ClockState, Metric
from helpdesk_api.domain.workflow import Status
from helpdesk_api.identity.permissions import TICKET_INTERNAL
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.visibility import FieldGroup
from helpdesk_api.tickets.explanation_schemas import EXPLANATION_EXAMPLE


class ClockStep(Output):
    """An escalation step of one clock."""

    key: str
    percent: int | None
    offset_seconds: int | None
    at: Annotated[
        AwareDatetime | None, Field(description="When it comes or came; null while the clock waits, or dropped it.")
    ]
    reached_at: Annotated[AwareDatetime | None, Field(description="When it happened; it does so once.")]
    is_late: Annotated[bool, Field(description="The clock got the step when its time was up already.")]
    is_current: Annotated[bool, Field(description="The present terms have this step.")]


class ClockRecord(Output):
    """What one clock promised and what came of it by `as_of`; seconds are its calendar's unless they say wall."""

    id: UUID
    ticket_id: UUID
    metric: Metric
    instance: Annotated[int, Field(description="Counts the clocks of this metric on the ticket, from 1.")]
    state: ClockState
    policy_id: UUID
    policy_version: int
    calendar_id: Annotated[UUID | None, Field(description="Null for calendar time.")]
    calendar_version: int | None
    target_seconds: int
    extension_seconds: Annotated[int, Field(description="Granted beside the target.")]
    started_at: AwareDatetime
    due_at: Annotated[AwareDatetime | None, Field(description="Null while paused, unless it was set by hand.")]
    stopped_at: AwareDatetime | None
    as_of: Annotated[AwareDatetime, Field(description="When it stopped, or the present time.")]
    elapsed_seconds: Annotated[int, Field(description="Used up.")]
    elapsed_wall_seconds: Annotated[int, Field(description="What the wall showed while it ran.")]
    paused_seconds: Annotated[int, Field(description="Waited; a pause outside hours counts nothing.")]
    paused_wall_seconds: Annotated[int, Field(description="What the wall showed while it waited.")]
    remaining_seconds: Annotated[
        int | None, Field(description="Left; negative when overdue, frozen while paused, null when stopped.")
    ]
    breached_at: Annotated[AwareDatetime | None, Field(description="The deadline that passed; never taken back.")]
    breached_by_seconds: Annotated[
        int | None,
        Field(description="By how much it is late; 0 if more time was granted after the breach, null without one."),
    ]
    is_manual: Annotated[bool, Field(description="The deadline was set by hand.")]
    manual_reason: Annotated[str | None, FieldGroup(TICKET_INTERNAL)]
    manual_by_id: Annotated[UUID | None, FieldGroup(TICKET_INTERNAL), Field(description="Who set it.")]
    escalations: Annotated[list[ClockStep], FieldGroup(TICKET_INTERNAL)]


class ClockRecords(Output):
    """Every clock of a ticket, by metric and instance."""

    data: list[ClockRecord]


class StatusTime(Output):
    """How long a ticket was in one status."""

    status: Status
    total_seconds: int
    working_seconds: Annotated[int | None, Field(description="Null without a calendar.")]


class TeamTime(Output):
    """How long a team had an unfinished ticket, and for how long of that nobody in particular."""

    team_id: Annotated[UUID | None, Field(description="Null for the time without a team.")]
    total_seconds: int
    working_seconds: int | None
    unassigned_seconds: Annotated[int, Field(description="The part without an assignee: time in the queue.")]
    unassigned_working_seconds: int | None


class AssigneeTime(Output):
    """How long somebody had an unfinished ticket."""

    assignee_id: Annotated[UUID | None, Field(description="Null for the time without an assignee.")]
    total_seconds: int
    working_seconds: int | None


class TicketTimes(Output):
    """Where the time of a ticket went by `as_of`; that of a closed ticket stands still."""

    ticket_id: UUID
    as_of: AwareDatetime
    calendar_id: Annotated[
        UUID | None, Field(description="Whose working hours are counted: those of the resolution clock, if any.")
    ]
    calendar_version: int | None
    by_status: list[StatusTime]
    by_team: Annotated[list[TeamTime], FieldGroup(TICKET_INTERNAL)]
    by_assignee: Annotated[list[AssigneeTime], FieldGroup(TICKET_INTERNAL)]


_RECORD: Final[Mapping[str, Any]] = {
    "id": EXPLANATION_EXAMPLE["clock_id"],
    "ticket_id": EXPLANATION_EXAMPLE["ticket_id"],
    "metric": "resolution",
    "instance": 1,
    "state": "breached",
    "policy_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e31",
    "policy_version": 3,
    "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e32",
    "calendar_version": 2,
    "target_seconds": 14_400,
    "extension_seconds": 0,
    "started_at": "2026-11-23T09:00:00Z",
    "due_at": "2026-11-23T14:00:00Z",
    "stopped_at": "2026-11-23T14:30:00Z",
    "as_of": "2026-11-23T14:30:00Z",
    "elapsed_seconds": 16_200,
    "elapsed_wall_seconds": 16_200,
    "paused_seconds": 3_600,
    "paused_wall_seconds": 3_600,
    "remaining_seconds": None,
    "breached_at": "2026-11-23T14:00:00Z",
    "breached_by_seconds": 1_800,
    "is_manual": False,
    "manual_reason": None,
    "manual_by_id": None,
    "escalations": [
        {
            "key": "lead",
            "percent": 75,
            "offset_seconds": None,
            "at": "2026-11-23T13:00:00Z",
            "reached_at": "2026-11-23T13:00:00Z",
            "is_late": False,
            "is_current": True,
        }
    ],
}

ATTAINMENT_EXAMPLES: Final[Mapping[str, Any]] = {
    "ClockRecord": _RECORD,
    "ClockRecords": {"data": [_RECORD]},
    "ClockRecordPage": {
        "data": [{**_RECORD, "state": "running", "stopped_at": None, "remaining_seconds": -1_800}],
        "page": {"next_cursor": None, "prev_cursor": None},
        "total": None,
    },
    "TicketTimes": {
        "ticket_id": EXPLANATION_EXAMPLE["ticket_id"],
        "as_of": "2026-11-23T14:30:00Z",
        "calendar_id": _RECORD["calendar_id"],
        "calendar_version": 2,
        "by_status": [
            {"status": "open", "total_seconds": 16_200, "working_seconds": 16_200},
            {"status": "pending", "total_seconds": 3_600, "working_seconds": 3_600},
        ],
        "by_team": [
            {
                "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
                "total_seconds": 19_800,
                "working_seconds": 19_800,
                "unassigned_seconds": 1_800,
                "unassigned_working_seconds": 1_800,
            }
        ],
        "by_assignee": [
            {"assignee_id": None, "total_seconds": 1_800, "working_seconds": 1_800},
            {
                "assignee_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
                "total_seconds": 18_000,
                "working_seconds": 18_000,
            },
        ],
    },
}
