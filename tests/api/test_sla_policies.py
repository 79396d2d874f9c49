"""Which policy promises what, over HTTP; the test clock stands at Monday 2026-03-02 08:00 UTC."""

import pytest

from tests.api.test_custom_fields import a_field
from tests.conftest import MakeSandbox
from tests.factories import (
    Json,
    a_calendar,
    a_company,
    a_contact,
    a_policy,
    a_ticket,
    advance,
    clock,
    create,
    get,
    patch,
)
from tests.stage import Client, Stage

IN_AN_HOUR: list[Json] = [{"metric": "resolution", "seconds": 3_600, "warning_percent": None}]
IN_AN_HOUR_OF_ALL = [IN_AN_HOUR[0] | {"hours": "calendar"}]


def policy_of(ticket: Json) -> str | None:
    found = [item["policy_id"] for item in ticket["clocks"]]
    return found[0] if found else None


def is_(field: str, value: object) -> Json:
    return {"field": field, "op": "eq", "value": value}


def test_a_policy_may_ask_about_the_ticket_and_all_that_it_names(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company = a_company(api, category="Gold", territory="north")
    location = create(api, "locations", company_id=company["id"], name="Berth 4", kind="dock")
    machines = create(api, "asset-types", name="Crane")["id"]
    asset = create(api, "assets", name="Crane 7", asset_type_id=machines, company_id=company["id"])
    service = create(api, "services", name="Repair")
    a_field(api, "tickets", "impact", "number")
    contact = a_contact(api, company_id=company["id"], name="Vera")
    ours = {"company_id": company["id"]}
    table: list[tuple[Json, Json]] = [
        (is_("channel", "phone"), {"channel": "phone"}),
        ({"field": "tags", "op": "contains_any", "value": ["Printer", "vip"]}, {"tags": ["vip", "x"]}),
        ({"all": [is_("type", "task"), {"field": "priority", "op": "gte", "value": "high"}]},
         {"type": "task", "priority": "urgent"}),
        ({"field": "subject", "op": "starts_with", "value": "CRANE"}, {"subject": "Crane stands still"}),
        (is_("company.category", "gold"), ours),
        ({"not": {"field": "company.territory", "op": "ne", "value": "north"}}, ours),
        (is_("contact.name", "vera"), {"contact_id": contact["id"]}),
        (is_("location.kind", "dock"), {"location_id": location["id"]}),
        (is_("asset.asset_type_id", machines), {"asset_id": asset["id"]}),
        (is_("service_id", service["id"]), {"service_id": service["id"]}),
        (is_("service.name", "repair"), {"service_id": service["id"]}),
        ({"field": "custom_fields.impact", "op": "gt", "value": 4.5}, {"custom_fields": {"impact": 5}}),
    ]  # fmt: skip

    for condition, fitting in table:
        policy = a_policy(api, calendar_id=None, condition=condition, targets=IN_AN_HOUR_OF_ALL)
        later = a_ticket(api)
        assert later["clocks"] == [], condition
        assert policy_of(a_ticket(api, **fitting)) == policy["id"], condition
        assert policy_of(patch(api, f"tickets/{later['id']}", **fitting)) == policy["id"], condition
        patch(api, f"sla-policies/{policy['id']}", is_active=False)


def test_the_contract_that_covers_a_new_ticket_decides_already(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company = a_company(api)
    contract = create(api, "contracts", number="SC-1", name="Night and day")["id"]
    terms = {"starts_at": "2026-01-01T00:00:00Z", "company_ids": [company["id"]], "covers_everything": True}
    assert api.post(f"/v1/contracts/{contract}/amend", json={"terms": terms}).is_success
    condition = {"all": [is_("coverage", "covered"), is_("contract.name", "night AND day")]}
    policy = a_policy(api, calendar_id=None, condition=condition, targets=IN_AN_HOUR_OF_ALL)

    assert policy_of(a_ticket(api, company_id=company["id"])) == policy["id"]
    assert policy_of(a_ticket(api)) is None


def test_what_no_policy_asks_about_changes_no_terms(sandbox: MakeSandbox) -> None:
    api = sandbox()
    policy = a_policy(api, condition={"not": is_("channel", "phone")}, targets=IN_AN_HOUR)
    ticket = a_ticket(api)
    patch(api, f"sla-policies/{policy['id']}", targets=[IN_AN_HOUR[0] | {"seconds": 7_200}])

    renamed = patch(api, f"tickets/{ticket['id']}", subject="Other", tags=["x"])
    called = patch(api, f"tickets/{ticket['id']}", channel="chat")

    assert clock(renamed, "resolution")["policy_version"] == 1
    assert clock(called, "resolution")["policy_version"] == 2


def test_a_policy_may_count_by_the_hours_of_the_place_unless_others_were_agreed(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company = a_company(api)["id"]
    late, night = ({"monday": [{"start": start, "end": "24:00"}]} for start in ("12:00", "20:00"))
    hours = a_calendar(api, weekly_hours=late)["id"]
    ward = create(api, "locations", company_id=company, name="Ward", calendar_id=hours)["id"]
    office = create(api, "locations", company_id=company, name="Office")["id"]
    agreed = create(api, "services", name="Night", calendar_id=a_calendar(api, weekly_hours=night)["id"])["id"]
    policy = a_policy(api, position=1, uses_location_calendar=True, targets=IN_AN_HOUR)
    a_policy(api, position=2, targets=[IN_AN_HOUR[0] | {"metric": "first_response"}])

    there = a_ticket(api, location_id=ward)
    elsewhere = a_ticket(api, location_id=office)
    by_service = a_ticket(api, location_id=ward, service_id=agreed)
    moved = patch(api, f"tickets/{elsewhere['id']}", location_id=ward)

    assert [clock(each, "resolution")["due_at"] for each in (there, elsewhere, by_service, moved)] == [
        *("2026-03-02T13:00:00Z", "2026-03-02T10:00:00Z", "2026-03-02T21:00:00Z", "2026-03-02T13:00:00Z"),
    ]
    # The other policy counts by its own hours.
    assert clock(there, "first_response")["due_at"] == "2026-03-02T10:00:00Z"
    explained = get(api, f"tickets/{moved['id']}/sla/resolution/explain")["steps"]
    assert [(step["calendar_id"], step["changed_fields"]) for step in explained if step["kind"] == "retargeted"] == [
        (hours, ["location_id"])
    ]
    assert get(api, f"sla-policies/{policy['id']}/versions")["data"][0]["uses_location_calendar"] is True


@pytest.mark.parametrize(
    ("condition", "code", "pointer"),
    [
        ({"any": [is_("colour", "red")]}, "unknown_condition_field", "#/condition/any/0/field"),
        (is_("previous.priority", "high"), "unknown_condition_field", "#/condition/field"),
        (is_("status", "open"), "unknown_condition_field", "#/condition/field"),
        (is_("clocks.resolution.state", "running"), "unknown_condition_field", "#/condition/field"),
        (is_("priority", "huge"), "invalid_condition_value", "#/condition/value"),
        ({"field": "tags", "op": "gt", "value": "a"}, "impossible_comparison", "#/condition/op"),
    ],
)
def test_a_condition_that_could_not_be_asked_is_refused(api: Client, condition: Json, code: str, pointer: str) -> None:
    body = {"name": "P", "position": 1, "targets": IN_AN_HOUR_OF_ALL}
    made = create(api, "sla-policies", **body)

    answers = [
        api.post("/v1/sla-policies", json=body | {"name": "Q", "condition": condition}),
        api.patch(f"/v1/sla-policies/{made['id']}", json={"condition": condition}),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert [each["condition"] for each in get(api, "sla-policies")["data"]] == [None]


def test_who_is_not_shown_a_field_may_not_promise_by_it(api: Client, stage: Stage) -> None:
    writer = stage.client(api.tenant, stage.key(api.tenant, ("sla-policies:write", "tickets:read")))
    body = {"name": "P", "position": 1, "targets": IN_AN_HOUR_OF_ALL}

    with writer:
        allowed = writer.post("/v1/sla-policies", json=body | {"condition": is_("priority", "high")})
        refused = writer.post("/v1/sla-policies", json=body | {"name": "Q", "condition": is_("contract.number", "1")})

    assert allowed.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_permission")


def test_another_team_or_tag_puts_a_ticket_under_the_policy_that_then_fits(sandbox: MakeSandbox) -> None:
    api = sandbox()
    team = create(api, "teams", name="Second line")
    a_policy(api, position=1, condition=is_("team_id", team["id"]), targets=IN_AN_HOUR)
    ticket = a_ticket(api)
    assert ticket["clocks"] == []

    assigned = patch(api, f"tickets/{ticket['id']}", team_id=team["id"])
    left = patch(api, f"tickets/{ticket['id']}", team_id=None)

    assert clock(assigned, "resolution")["due_at"] == "2026-03-02T10:00:00Z"
    assert clock(left, "resolution")["state"] == "cancelled"


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
    next_day(api, condition=is_("priority", "high"))
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
