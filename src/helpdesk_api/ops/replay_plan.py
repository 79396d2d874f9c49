"""What each row of a log means for its ticket: the documented mapping (`docs/replay.md`), as pure functions.

The state of a ticket after each row follows from the rows alone. A step is the difference between two states, and the
check at the end compares with the states; neither knows what the API answered.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from helpdesk_api.ops.replay_log import Activity, Row

PRIORITIES: Final[Mapping[int, str]] = {1: "normal", 2: "high", 3: "low", 4: "urgent"}
TYPES: Final[Mapping[int, str]] = {1: "incident", 2: "service_request", 3: "question", 4: "change"}
STATUSES: Final[Mapping[Activity, str]] = {
    Activity.TAKE_IN_CHARGE: "open",
    Activity.RESOLVE_SW_ANOMALY: "open",
    Activity.WAIT: "pending",
    Activity.REQUIRE_UPGRADE: "on_hold",
    Activity.CREATE_SW_ANOMALY: "on_hold",
    Activity.SCHEDULE_INTERVENTION: "on_hold",
    Activity.RESOLVE_TICKET: "solved",
    Activity.RESOLVED: "solved",
    Activity.VERIFIED: "solved",
    Activity.DUPLICATE: "solved",
    Activity.INVALID: "solved",
    Activity.CLOSED: "closed",
}
FINISHED: Final = frozenset({"solved", "closed"})
_ASSIGNING: Final = frozenset({Activity.ASSIGN_SERIOUSNESS, Activity.TAKE_IN_CHARGE})
_TAGGING: Final[Mapping[Activity, str]] = {Activity.DUPLICATE: "duplicate", Activity.INVALID: "invalid"}


@dataclass(frozen=True, slots=True)
class State:
    """A ticket after a row. Companies, users and teams go by the names that the API knows them under."""

    status: str
    priority: str
    type: str
    company: str
    assignee: str | None
    team: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """The one comment that every row leaves."""

    kind: Literal["reply", "note"]
    author: str
    body: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What to do for one row; `before` is None for the row that creates the ticket."""

    row: Row
    before: State | None
    after: State
    remark: Remark


def plan_case(rows: Sequence[Row]) -> tuple[Step, ...]:
    """Turn the rows of one case into steps."""
    return tuple(_steps(rows))


def subject(case: str) -> str:
    """Give the subject by which the ticket of a case is known."""
    return f"{case} of the help-desk log"


def created_as(step: Step) -> State:
    """Give the state in which the first row creates its ticket: all that it says, only not yet moved from new."""
    after = step.after
    return State("new", after.priority, after.type, after.company, after.assignee, after.team, after.tags)


def _steps(rows: Sequence[Row]) -> Iterator[Step]:
    before: State | None = None
    taken = False
    for row in rows:
        after = _state_after(row, before)
        is_first_take = row.activity is Activity.TAKE_IN_CHARGE and not taken
        taken = taken or is_first_take
        yield Step(row, before, after, _remark(row, is_first_take=is_first_take))
        before = after


def _state_after(row: Row, before: State | None) -> State:
    kept = set(before.tags) & set(_TAGGING.values()) if before else set()
    assignee = agent(row.resource) if row.activity in _ASSIGNING else before.assignee if before else None
    return State(
        status=STATUSES.get(row.activity, before.status if before else "new"),
        priority=PRIORITIES[row.seriousness],
        type=TYPES[row.service_type],
        company=f"Customer {row.customer}",
        assignee=assignee,
        team=f"Workgroup {row.workgroup}",
        tags=tuple(sorted(kept | _tags(row))),
    )


def _tags(row: Row) -> set[str]:
    tags = {
        f"product-{row.product}",
        f"responsible-section-{row.responsible_section}",
        f"service-level-{row.service_level}",
        f"support-section-{row.support_section}",
    }
    return tags | {_TAGGING[row.activity]} if row.activity in _TAGGING else tags


def _remark(row: Row, *, is_first_take: bool) -> Remark:
    answers = is_first_take or row.activity is Activity.RESOLVE_TICKET
    return Remark(
        kind="reply" if answers else "note",
        author=agent(row.resource),
        body=f"{row.activity} (line {row.line} of the log, {row.written_at})",
        at=row.at,
    )


def agent(resource: int) -> str:
    """Give the name of the user who stands for a resource."""
    return f"Agent {resource}"
