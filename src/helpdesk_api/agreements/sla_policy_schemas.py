"""What the API takes and shows of SLA policies. What they promise for a ticket is `agreements.promises`."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator
from typing_extensions import TypedDict

from helpdesk_api.agreements.escalation_schemas import MOST_STEPS, EscalationInput, EscalationShown, each_key_once
from helpdesk_api.domain.sla import Metric
from helpdesk_api.domain.workflow import OnChange, OnReopen
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.schema import Count, Entity, Flag, Input, Line, Output, Prose, Seconds

Priority = Literal["low", "normal", "high", "urgent"]
TargetHours = Literal["business", "calendar"]
PausingStatus = Literal["new", "open", "pending", "on_hold"]
PolicyState = Literal["draft", "published"]


def _each_once(statuses: list[str] | None) -> list[str] | None:
    return None if statuses is None else sorted(set(statuses))


class TargetInput(Input):
    """How fast something must happen."""

    metric: Annotated[Metric, Field(description="What is measured.")]
    priority: Annotated[Priority | None, Field(description="For tickets of this priority; null for all others.")] = None
    seconds: Annotated[
        Seconds | None, Field(le=31_622_400, description="The time allowed, at most 366 days; null for one in `days`.")
    ] = None
    days: Annotated[
        int | None,
        Field(
            strict=True,
            ge=0,
            le=366,
            description=(
                "In place of `seconds`: until the end of this many business days after the date of the ticket; 0 for "
                "that date itself, 1 for the next business day. Counted by the calendar, in its zone."
            ),
        ),
    ] = None
    hours: Annotated[
        TargetHours, Field(description="`business`: only the calendar's open time counts. `calendar`: all time counts.")
    ] = "business"
    warning_percent: Annotated[
        int | None,
        Field(
            strict=True, ge=1, le=99, description="Warn when this share of the time is used up; null for no warning."
        ),
    ] = 75
    pauses_in: Annotated[
        list[PausingStatus] | None,
        Field(max_length=4, description="In which statuses the clock waits; null for the defaults of the metric."),
        AfterValidator(_each_once),
    ] = None
    on_reopen: Annotated[
        OnReopen,
        Field(description="A reopened ticket lets the old clock run on (`resume`) or starts a new one (`restart`)."),
    ] = OnReopen.RESUME
    on_change: Annotated[
        OnChange,
        Field(description="Other terms keep used and waited time (`keep`) or start a new clock (`restart`)."),
    ] = OnChange.KEEP
    escalations: Annotated[
        list[EscalationInput],
        Field(max_length=MOST_STEPS, description="Steps before and after the deadline."),
        AfterValidator(each_key_once),
    ] = Field(default=[])

    @model_validator(mode="after")
    def _is_in_seconds_or_days(self) -> "TargetInput":
        if (self.seconds is None) == (self.days is None):
            message = "give one of seconds and days"
            raise ValueError(message)
        if self.days is not None and self.hours != "business":
            message = "a target in days is one in business hours"
            raise ValueError(message)
        return self


def _one_per_metric_and_priority(targets: list[TargetInput]) -> list[TargetInput]:
    if len({(target.metric, target.priority) for target in targets}) != len(targets):
        message = "there may be one target per metric and priority"
        raise ValueError(message)
    return targets


class SLAPolicyCreate(Input):
    """A new policy."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    position: Annotated[Count, Field(description="Policies are tried in this order, lowest first.")]
    is_active: Annotated[
        Flag, Field(description="Inactive policies start clocks only where a contract or service brings them.")
    ] = True
    state: Annotated[
        PolicyState, Field(description="A `draft` is for nobody yet; once `published` it does not become one again.")
    ] = "published"
    calendar_id: Annotated[UUID | None, Field(description="Measures targets in business hours.")] = None
    uses_location_calendar: Annotated[
        Flag,
        Field(
            description=(
                "Whether targets in business hours are measured by the calendar of the ticket's location, where it has "
                "one, in place of `calendar_id`. What a contract or service brings goes before both."
            )
        ),
    ] = False
    condition: Annotated[
        ConditionTree | None,
        Field(
            description=(
                "For which tickets it is, by fields of theirs and of the cards that they name whose `uses` hold "
                "`sla_policy`. Null for every ticket."
            )
        ),
    ] = None
    targets: Annotated[
        list[TargetInput], Field(min_length=1, max_length=50), AfterValidator(_one_per_metric_and_priority)
    ]


class TargetShown(TypedDict):
    """How fast something must happen."""

    metric: str
    priority: str | None
    seconds: int | None
    days: int | None
    hours: str
    warning_percent: int | None
    pauses_in: list[str] | None
    on_reopen: str
    on_change: str
    escalations: list[EscalationShown]


class SLAPolicy(Entity):
    """A promise of how fast tickets are answered and resolved."""

    name: str
    description: str | None
    position: int
    is_active: bool
    state: Annotated[str, Field(examples=["draft", "published"])]
    calendar_id: UUID | None
    uses_location_calendar: bool
    condition: ConditionTree | None
    targets: list[TargetShown]


class SLAPolicyVersion(Output):
    """What a policy promised from some instant on, until its next version."""

    id: UUID
    version: Annotated[int, Field(description="That of the policy; the clocks of tickets name it.")]
    recorded_at: AwareDatetime
    position: int
    is_active: bool
    state: Annotated[str, Field(examples=["draft", "published"])]
    calendar_id: UUID | None
    uses_location_calendar: bool
    condition: ConditionTree | None
    targets: list[TargetShown]


class SLAPolicyVersions(Output):
    """The versions of a policy, oldest first."""

    data: list[SLAPolicyVersion]
