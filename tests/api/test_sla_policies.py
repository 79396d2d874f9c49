"""Which policy promises what, over HTTP; the test clock stands at Monday 2026-03-02 08:00 UTC."""

import pytest

from tests.conftest import MakeSandbox
from tests.factories import Json, a_calendar, a_company, a_policy, a_ticket, advance, clock, create, get, patch
from tests.stage import Client

IN_AN_HOUR = [{"metric": "resolution", "seconds": 3_600, "warning_percent": None}]


def policy_of(ticket: Json) -> str | None:
    found = [item["policy_id"] for item in ticket["clocks"]]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("conditions", "fitting", "other"),
    [
        ({"channels": ["phone"]}, {"channel": "phone"}, {"channel": "email"}),
        ({"tags": ["Printer", "vip"]}, {"tags": ["vip", "x"]}, {"tags": ["x"]}),
        ({"types": ["incident"], "priorities": ["high"]}, {"priority": "high"}, {"priority": "high", "type": "task"}),
    ],
)
def test_a_policy_is_for_tickets_that_meet_all_its_conditions(
    sandbox: MakeSandbox, conditions: Json, fitting: Json, other: Json
) -> None:
    api = sandbox()
    policy = a_policy(api, conditions=conditions, targets=IN_AN_HOUR)

    assert policy_of(a_ticket(api, **fitting)) == policy["id"]
    assert policy_of(a_ticket(api, **other)) is None


def test_a_policy_may_be_for_the_companies_of_a_territory(sandbox: MakeSandbox) -> None:
    api = sandbox()
    policy = a_policy(api, conditions={"territories": ["north"]}, targets=IN_AN_HOUR)
    north, south = a_company(api, territory="north"), a_company(api, territory="south")

    assert policy_of(a_ticket(api, company_id=north["id"])) == policy["id"]
    assert policy_of(a_ticket(api, company_id=south["id"])) is None
    assert policy_of(a_ticket(api)) is None


def test_another_team_or_tag_puts_a_ticket_under_the_policy_that_then_fits(sandbox: MakeSandbox) -> None:
    api = sandbox()
    team = create(api, "teams", name="Second line")
    a_policy(api, position=1, conditions={"team_ids": [team["id"]]}, targets=IN_AN_HOUR)
    ticket = a_ticket(api)
    assert ticket["clocks"] == []

    assigned = patch(api, f"tickets/{ticket['id']}", team_id=team["id"])
    left = patch(api, f"tickets/{ticket['id']}", team_id=None)

    assert clock(assigned, "resolution")["due_at"] == "2026-03-02T10:00:00Z"
    assert clock(left, "resolution")["state"] == "cancelled"


def test_a_team_or_company_that_is_not_there_is_refused(sandbox: MakeSandbox) -> None:
    api = sandbox()
    team = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"
    body = {"name": "P", "position": 1, "calendar_id": a_calendar(api)["id"], "targets": IN_AN_HOUR}

    refused = api.post("/v1/sla-policies", json=body | {"conditions": {"team_ids": [team]}})

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_reference")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/conditions/team_ids/0"]


def test_a_draft_promises_nothing_until_it_is_published(sandbox: MakeSandbox) -> None:
    api = sandbox()
    draft = a_policy(api, state="draft", targets=IN_AN_HOUR)
    assert policy_of(a_ticket(api)) is None

    patch(api, f"sla-policies/{draft['id']}", state="published")

    assert policy_of(a_ticket(api)) == draft["id"]
    refused = api.patch(f"/v1/sla-policies/{draft['id']}", json={"state": "draft"})
    assert (refused.status_code, refused.json()["code"]) == (409, "policy_published")
    assert get(api, f"sla-policies/{draft['id']}")["state"] == "published"


def test_every_version_of_a_policy_can_be_read_and_a_clock_names_its_own(sandbox: MakeSandbox) -> None:
    api = sandbox()
    policy = a_policy(api, targets=IN_AN_HOUR)
    ticket = a_ticket(api)
    advance(api, "2026-03-02T09:30:00Z")

    two_hours = [{"metric": "resolution", "seconds": 7_200, "warning_percent": None}]
    patch(api, f"sla-policies/{policy['id']}", targets=two_hours)

    versions = get(api, f"sla-policies/{policy['id']}/versions")["data"]
    assert [(row["version"], row["recorded_at"], row["targets"][0]["seconds"]) for row in versions] == [
        (1, "2026-03-02T08:00:00Z", 3_600),
        (2, "2026-03-02T09:30:00Z", 7_200),
    ]
    kept = clock(get(api, f"tickets/{ticket['id']}"), "resolution")
    assert (kept["policy_version"], kept["due_at"]) == (1, "2026-03-02T10:00:00Z")


def next_day(api: Client, **values: object) -> Json:
    target = {"metric": "resolution", "days": 1, "warning_percent": 50}
    return a_policy(api, targets=[target], **values)


def test_a_target_in_days_is_due_when_the_business_day_ends(sandbox: MakeSandbox) -> None:
    api = sandbox()
    next_day(api)
    ticket = a_ticket(api)
    advance(api, "2026-03-06T16:00:00Z")

    over_the_weekend = a_ticket(api)

    assert clock(ticket, "resolution")["due_at"] == "2026-03-03T17:00:00Z"
    assert clock(ticket, "resolution")["target_seconds"] == 16 * 3_600
    assert clock(over_the_weekend, "resolution")["due_at"] == "2026-03-09T17:00:00Z"


def test_a_pause_moves_the_end_of_a_day_by_the_open_time_that_was_waited(sandbox: MakeSandbox) -> None:
    api = sandbox()
    next_day(api)
    ticket = a_ticket(api, status="pending")
    advance(api, "2026-03-02T11:00:00Z")

    resumed = patch(api, f"tickets/{ticket['id']}", status="open")

    assert clock(resumed, "resolution")["due_at"] == "2026-03-04T11:00:00Z"


def test_days_count_from_when_the_ticket_was_created(sandbox: MakeSandbox) -> None:
    api = sandbox()
    next_day(api, conditions={"priorities": ["high"]})
    ticket = a_ticket(api, priority="high")
    advance(api, "2026-03-03T10:00:00Z")

    patch(api, f"tickets/{ticket['id']}", priority="low")
    again = patch(api, f"tickets/{ticket['id']}", priority="high")

    assert clock(again, "resolution")["due_at"] == "2026-03-03T17:00:00Z"


@pytest.mark.parametrize(
    "target",
    [
        {"metric": "resolution"},
        {"metric": "resolution", "seconds": 60, "days": 1},
        {"metric": "resolution", "days": 1, "hours": "calendar"},
    ],
)
def test_a_target_is_in_seconds_or_in_business_days(sandbox: MakeSandbox, target: Json) -> None:
    api = sandbox()
    body = {"name": "P", "position": 1, "calendar_id": a_calendar(api)["id"], "targets": [target]}

    refused = api.post("/v1/sla-policies", json=body)

    assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
