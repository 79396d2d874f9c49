"""What the rows of a log mean for a ticket, and what it is promised."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from helpdesk_api.ops.replay_log import Activity, Row
from helpdesk_api.ops.replay_plan import STATUSES, created_as, plan_case
from helpdesk_api.ops.replay_terms import calendar, holidays, policies

FIRST_AT = datetime(2012, 10, 9, 12, 0, tzinfo=UTC)
A_ROW = Row(
    line=2,
    case="Case 1",
    activity=Activity.ASSIGN_SERIOUSNESS,
    resource=1,
    at=FIRST_AT,
    written_at="2012/10/09 14:00:00.000",
    customer=7,
    product=3,
    responsible_section=1,
    seriousness=4,
    service_level=2,
    service_type=2,
    support_section=5,
    workgroup=3,
)


def rows(*activities: Activity) -> list[Row]:
    """Give a case of these activities, each an hour after the other and by another agent."""
    return [
        replace(A_ROW, line=2 + n, activity=activity, resource=1 + n, at=FIRST_AT + timedelta(hours=n))
        for n, activity in enumerate(activities)
    ]


def test_the_first_row_says_what_the_ticket_is() -> None:
    [step] = plan_case([A_ROW])

    created = created_as(step)

    assert step.before is None
    assert (created.status, created.priority, created.type) == ("new", "urgent", "service_request")
    assert (created.company, created.assignee, created.team) == ("Customer 7", "Agent 1", "Workgroup 3")
    assert created.tags == ("product-3", "responsible-section-1", "service-level-2", "support-section-5")


def test_every_activity_but_two_moves_the_ticket() -> None:
    unmoved = set(Activity) - STATUSES.keys()

    assert unmoved == {Activity.INSERT_TICKET, Activity.ASSIGN_SERIOUSNESS}


def test_the_status_follows_the_activities() -> None:
    steps = plan_case(
        rows(
            Activity.INSERT_TICKET,
            Activity.TAKE_IN_CHARGE,
            Activity.WAIT,
            Activity.ASSIGN_SERIOUSNESS,
            Activity.REQUIRE_UPGRADE,
            Activity.RESOLVE_TICKET,
            Activity.CLOSED,
            Activity.TAKE_IN_CHARGE,
        )
    )

    assert [step.after.status for step in steps] == [
        "new", "open", "pending", "pending", "on_hold", "solved", "closed", "open"
    ]  # fmt: skip


def test_a_ticket_belongs_to_who_rated_it_or_took_it_last() -> None:
    steps = plan_case(rows(Activity.INSERT_TICKET, Activity.ASSIGN_SERIOUSNESS, Activity.WAIT, Activity.TAKE_IN_CHARGE))

    assert [step.after.assignee for step in steps] == [None, "Agent 2", "Agent 2", "Agent 4"]


def test_the_first_taking_and_each_resolving_answers_the_client() -> None:
    steps = plan_case(
        rows(
            Activity.ASSIGN_SERIOUSNESS,
            Activity.TAKE_IN_CHARGE,
            Activity.TAKE_IN_CHARGE,
            Activity.RESOLVE_TICKET,
            Activity.RESOLVE_TICKET,
            Activity.CLOSED,
        )
    )

    assert [step.remark.kind for step in steps] == ["note", "reply", "note", "reply", "reply", "note"]
    assert steps[1].remark.author == "Agent 2"
    assert steps[1].remark.body == "Take in charge ticket (line 3 of the log, 2012/10/09 14:00:00.000)"


@pytest.mark.parametrize(("activity", "tag"), [(Activity.DUPLICATE, "duplicate"), (Activity.INVALID, "invalid")])
def test_a_case_that_was_none_keeps_its_tag(activity: Activity, tag: str) -> None:
    steps = plan_case(rows(Activity.TAKE_IN_CHARGE, activity, Activity.CLOSED))

    assert [tag in step.after.tags for step in steps] == [False, True, True]
    assert steps[1].after.status == "solved"


def test_attributes_follow_the_row_that_changes_them() -> None:
    first, second = rows(Activity.TAKE_IN_CHARGE, Activity.WAIT)

    steps = plan_case([first, replace(second, customer=8, seriousness=1, workgroup=1, service_level=3)])

    assert steps[1].after.company == "Customer 8"
    assert steps[1].after.priority == "normal"
    assert steps[1].after.team == "Workgroup 1"
    assert "service-level-3" in steps[1].after.tags


def test_italian_holidays_are_closed_with_easter_monday_and_the_one_of_unity() -> None:
    closed = holidays()

    assert closed[date(2012, 4, 9)] == "Lunedì dell'Angelo"
    assert closed[date(2011, 3, 17)] == "150 anni dell'Unità d'Italia"
    assert date(2012, 3, 17) not in closed
    # Ten fixed days and two of Easter in each of five years, one of unity; Easter Monday of 2011 is liberation day too.
    assert len(closed) == 60
    assert len(calendar()["holidays"]) == 60


def test_each_priority_has_a_policy() -> None:
    found = policies("the-calendar")

    assert [policy["condition"]["value"] for policy in found] == ["urgent", "high", "normal", "low"]
    assert [policy["position"] for policy in found] == [1, 2, 3, 4]
