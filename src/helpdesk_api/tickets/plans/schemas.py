"""What the API takes and shows of plans that open tickets, and of their occurrences."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue, StringConstraints
from typing_extensions import TypedDict

from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.directory.custom_fields.definitions import CustomFieldsInput
from helpdesk_api.kit.recurrence import LONGEST, check_rule
from helpdesk_api.kit.schema import Entity, Flag, Input, Line, LocalDate, Output, Prose, TimeZone
from helpdesk_api.tickets.schemas import Tags, TicketType

MOST_TARGETS: Final = 200
MOST_LEAD_DAYS: Final = 366
MOST_SHOWN: Final = 100
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2090


class Recurs(StrEnum):
    """What the next occurrence is counted from."""

    FIXED = "fixed"
    FLOATING = "floating"


class HolidayShift(StrEnum):
    """What becomes of an occurrence that is not on a working day."""

    NONE = "none"
    NEXT = "next"
    PREVIOUS = "previous"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What becomes of occurrences that are past by a day before anybody could open their tickets."""

    ALL = "all"
    ONE = "one"
    SKIP = "skip"


class Overlap(StrEnum):
    """What becomes of an occurrence while the ticket of an earlier one is not finished."""

    OPEN = "open"
    SUPPRESS = "suppress"


class GroupBy(StrEnum):
    """For what one ticket is opened."""

    ASSET = "asset"
    LOCATION = "location"


class Outcome(StrEnum):
    """What came of an occurrence for a target."""

    OPENED = "opened"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    MISSED = "missed"
    SKIPPED = "skipped"


Recurrence = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    AfterValidator(check_rule),
    Field(
        description=(
            "A recurrence rule (RFC 5545) by days, weeks, months or years. When it begins and ends, and the time of "
            "day, stand beside it; months without the day are left out."
        ),
        examples=["FREQ=MONTHLY;BYDAY=1MO"],
    ),
]
TimeOfDay = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    Field(description="Local time, `HH:MM`.", examples=["08:00"]),
]
# As it is stored in JSON.
_StoredId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
_Ids = Annotated[list[UUID], Field(max_length=MOST_TARGETS)]


class TicketTemplateInput(Input):
    """The tickets that a plan opens; what a target says goes first."""

    subject: Line
    description: Prose = ""
    type: TicketType = "task"
    priority: Priority = "normal"
    company_id: UUID | None = None
    contact_id: UUID | None = None
    location_id: UUID | None = None
    asset_id: UUID | None = None
    service_id: UUID | None = None
    contract_id: UUID | None = None
    team_id: UUID | None = None
    assignee_id: UUID | None = None
    tags: Tags = Field(default=[])
    custom_fields: CustomFieldsInput = Field(default={})


class PlanTargetsInput(Input):
    """What a plan is for: one ticket for each. Without any of them it opens one ticket."""

    asset_ids: Annotated[_Ids, Field(description="These assets.")] = Field(default=[])
    asset_type_ids: Annotated[_Ids, Field(description="All assets of these types that are not retired.")] = Field(
        default=[]
    )
    location_ids: Annotated[
        _Ids, Field(description="With assets or types: those that are there. Alone: these places themselves.")
    ] = Field(default=[])


def _within_reach(on: date) -> date:
    if not _FIRST_YEAR <= on.year <= _LAST_YEAR:
        message = f"must be within the years {_FIRST_YEAR} to {_LAST_YEAR}"
        raise ValueError(message)
    return on


class TicketPlanCreate(Input):
    """A new plan."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    recurrence: Recurrence
    recurs: Annotated[
        Recurs,
        Field(
            description=(
                "`floating`: the rule begins anew on the day on which the last ticket of an occurrence is finished."
            )
        ),
    ] = Recurs.FIXED
    starts_on: Annotated[
        LocalDate, AfterValidator(_within_reach), Field(description="Where the rule begins; from 2000 to 2090.")
    ]
    ends_on: Annotated[LocalDate | None, Field(description="The last date that may be an occurrence.")] = None
    time_of_day: TimeOfDay = "08:00"
    time_zone: TimeZone = "Etc/UTC"
    lead_days: Annotated[
        int,
        Field(
            strict=True,
            ge=0,
            le=MOST_LEAD_DAYS,
            description="How many days before an occurrence takes place its tickets are opened.",
        ),
    ] = 0
    holiday_shift: Annotated[
        HolidayShift,
        Field(description="Where an occurrence goes that is not on a working day; all but `none` needs a calendar."),
    ] = HolidayShift.NONE
    calendar_id: Annotated[UUID | None, Field(description="Which days are working days.")] = None
    catch_up: Annotated[
        CatchUp,
        Field(
            description=(
                "What becomes of occurrences that nobody could open tickets for until a day after: `all` get theirs, "
                "`one` ticket stands for them, or none does."
            )
        ),
    ] = CatchUp.ONE
    overlap: Annotated[
        Overlap, Field(description="`suppress`: a target gets no ticket while its last one is not finished.")
    ] = Overlap.OPEN
    targets: Annotated[PlanTargetsInput, Field(description="Replaced as a whole.")] = Field(default=PlanTargetsInput())
    group_by: Annotated[
        GroupBy,
        Field(description="`location`: the assets of one place get one ticket together, which names them."),
    ] = GroupBy.ASSET
    ticket: Annotated[TicketTemplateInput, Field(description="Replaced as a whole.")]
    is_active: Annotated[Flag, Field(description="One that is not opens nothing, and misses nothing.")] = True


class PlanTargetsShown(TypedDict):
    """What a plan is for."""

    asset_ids: list[_StoredId]
    asset_type_ids: list[_StoredId]
    location_ids: list[_StoredId]


class TicketTemplateShown(TypedDict):
    """The tickets that a plan opens."""

    subject: str
    description: str
    type: Annotated[str, Field(examples=["incident", "service_request"])]
    priority: Annotated[str, Field(examples=["low", "normal", "high", "urgent"])]
    company_id: _StoredId | None
    contact_id: _StoredId | None
    location_id: _StoredId | None
    asset_id: _StoredId | None
    service_id: _StoredId | None
    contract_id: _StoredId | None
    team_id: _StoredId | None
    assignee_id: _StoredId | None
    tags: list[str]
    custom_fields: dict[str, JsonValue]


class TicketPlan(Entity):
    """A plan by which tickets are opened again and again."""

    name: str
    recurrence: str
    recurs: Annotated[str, Field(examples=list(Recurs))]
    starts_on: date
    ends_on: date | None
    time_of_day: str
    time_zone: str
    lead_days: int
    holiday_shift: Annotated[str, Field(examples=list(HolidayShift))]
    calendar_id: UUID | None
    catch_up: Annotated[str, Field(examples=list(CatchUp))]
    overlap: Annotated[str, Field(examples=list(Overlap))]
    targets: PlanTargetsShown
    group_by: Annotated[str, Field(examples=list(GroupBy))]
    ticket: TicketTemplateShown
    is_active: bool


class TicketPlanOccurrence(Entity):
    """What came of one occurrence of a plan for one target."""

    plan_id: UUID
    occurs_on: Annotated[date, Field(description="The date of the rule; what the occurrence is known by.")]
    target_id: Annotated[
        UUID | None, Field(description="The asset or the location; null for what is about the occurrence as a whole.")
    ]
    planned_at: Annotated[AwareDatetime, Field(description="When it takes place, after any shift.")]
    outcome: Annotated[
        str,
        Field(
            description=(
                "`suppressed`: the last ticket is not finished. `missed`: too late for it, or a later one stands for "
                "it. `skipped`: by hand."
            ),
            examples=list(Outcome),
        ),
    ]
    ticket_id: Annotated[UUID | None, Field(description="May have been removed since.")]
    reason: Annotated[str | None, Field(description="Of one that failed: the code of the refusal.")]


class PlannedOccurrenceShown(TypedDict):
    """An occurrence that is to come."""

    occurs_on: date
    planned_at: Annotated[AwareDatetime | None, Field(description="When it takes place; null if it does not.")]
    opens_at: Annotated[AwareDatetime | None, Field(description="When its tickets are opened.")]
    adjustment: Annotated[
        str | None,
        Field(
            description="`moved` or `skipped`: the date is no working day. `skipped_by_hand`: somebody left it out.",
            examples=["moved", "skipped", "skipped_by_hand"],
        ),
    ]


class PlanPreview(Output):
    """The next occurrences of a plan."""

    data: list[PlannedOccurrenceShown]
    target_count: Annotated[int, Field(description="How many tickets an occurrence would open as things are now.")]


class PreviewRequest(Input):
    """How far to look ahead."""

    count: Annotated[int, Field(strict=True, ge=1, le=MOST_SHOWN, description="How many occurrences to show.")] = 10


class OccurrenceSkip(Input):
    """Which occurrence to leave out."""

    occurs_on: Annotated[LocalDate, Field(description="The date of the rule, as the preview tells it.")]


PLAN_EXAMPLES: Final[dict[str, Any]] = {
    "PlanPreview": {
        "data": [
            {
                "occurs_on": "2026-12-07",
                "planned_at": "2026-12-09T07:00:00Z",
                "opens_at": "2026-12-02T07:00:00Z",
                "adjustment": "moved",
            }
        ],
        "target_count": 12,
    },
    "PreviewRequest": {"count": 10},
    "OccurrenceSkip": {"occurs_on": "2026-12-07"},
}
