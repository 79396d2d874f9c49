"""Plans that open tickets: when, for what, once each, and what becomes of what was missed."""

from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.api.test_assets import a_type, an_asset
from tests.api.test_rules import a_rule, tagging, told
from tests.conftest import MakeSandbox
from tests.factories import a_calendar, a_company, a_user, advance, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]
DAILY = {"recurrence": "FREQ=DAILY", "starts_on": "2026-03-03"}


def a_plan(api: Client, **values: object) -> JSON:
    """Make a plan; the clock of a sandbox stands on Monday 2026-03-02, 08:00 UTC."""
    return create(api, "ticket-plans", **{"name": f"Plan {uuid4()}", "ticket": {"subject": "Service"}} | DAILY | values)


def come(api: Client, plan: JSON) -> list[JSON]:
    """Give what came of the occurrences of a plan, in their order."""
    found = get(api, f"ticket-plan-occurrences?plan_id={plan['id']}&limit=200")["data"]
    return sorted(found, key=lambda each: (each["occurs_on"], each["target_id"] or ""))


def outcomes(api: Client, plan: JSON) -> list[tuple[str, str]]:
    return [(each["occurs_on"][5:], each["outcome"]) for each in come(api, plan)]


def opened(api: Client, plan: JSON) -> list[JSON]:
    """Give the tickets of a plan, in the order of its occurrences."""
    return [get(api, f"tickets/{each['ticket_id']}") for each in come(api, plan) if each["ticket_id"]]


def ahead(api: Client, plan: JSON, count: int = 3) -> list[tuple[str, str | None, str | None]]:
    answer = api.post(f"/v1/ticket-plans/{plan['id']}/preview", json={"count": count})
    assert answer.status_code == 200, answer.text
    return [(each["occurs_on"], each["planned_at"], each["adjustment"]) for each in answer.json()["data"]]


def finish(api: Client, ticket: JSON) -> None:
    patch(api, f"tickets/{ticket['id']}", status="solved")


def late_by(stage: Stage, api: Client, days: int) -> None:
    """Let nobody look at what is due for some days."""
    stage.sql(
        "UPDATE deadlines SET due_at = due_at + $2 * interval '1 day' WHERE tenant_id = $1 AND kind = $3",
        api.tenant.id, days, "ticket_plan.turn",
    )  # fmt: skip


def test_a_plan_opens_its_tickets_at_its_local_time_and_rules_react_to_them(sandbox: MakeSandbox) -> None:
    api = sandbox()
    a_rule(api, actions=tagging("planned"))
    plan = a_plan(
        api, recurrence="FREQ=WEEKLY;BYDAY=SU", time_of_day="02:30", time_zone="Europe/Rome", ends_on="2026-04-05"
    )
    weekly = ["2026-03-08T01:30:00Z", "2026-03-15T01:30:00Z", "2026-03-22T01:30:00Z", "2026-03-29T01:30:00Z"]

    told_before = ahead(api, plan, 10)
    advance(api, "2026-05-01T00:00:00Z")

    # On the 29th of March there is no half past two: it is half past three, and the same instant as in winter.
    assert [at for _, at, _ in told_before] == [*weekly, "2026-04-05T00:30:00Z"]
    tickets = opened(api, plan)
    assert [ticket["created_at"] for ticket in tickets] == [*weekly, "2026-04-05T00:30:00Z"]
    assert {(ticket["subject"], ticket["type"], ticket["channel"], *ticket["tags"]) for ticket in tickets} == {
        ("Service", "task", "plan", "planned")
    }
    (made,) = told(api, tickets[0]["id"], "ticket.created")
    assert (made["actor"]["type"], made["actor"]["id"], made["cause"]["type"]) == (
        "ticket_plan",
        plan["id"],
        "deadline",
    )
    assert ahead(api, plan) == []


def test_ten_years_in_one_call_open_what_ten_years_in_small_steps_do(sandbox: MakeSandbox) -> None:
    in_one, in_steps = sandbox(), sandbox()
    plans = [
        a_plan(
            api, recurrence="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1", starts_on="2026-03-01", lead_days=7,
            holiday_shift="previous", calendar_id=a_calendar(api)["id"], time_of_day="00:30",
        )
        for api in (in_one, in_steps)
    ]  # fmt: skip
    start, days = datetime.fromisoformat("2026-03-02T08:00:00Z"), 3_650
    advance(in_one, (start + timedelta(days=days)).isoformat())
    for passed in [*range(0, days, 397), days]:
        advance(in_steps, (start + timedelta(days=passed)).isoformat())

    ends = [date(year, 2, monthrange(year, 2)[1]) for year in range(2027, 2037)]
    at_work = [end - timedelta(days=max(0, end.weekday() - 4)) for end in ends]
    expected = [(f"{end}", f"{day}T00:30:00Z") for end, day in zip(ends, at_work, strict=True)]
    for api, plan in zip((in_one, in_steps), plans, strict=True):
        assert [(each["occurs_on"], each["planned_at"]) for each in come(api, plan)] == expected
        assert [ticket["created_at"] for ticket in opened(api, plan)] == [
            f"{day - timedelta(days=7)}T00:30:00Z" for day in at_work
        ]


def test_nothing_opens_a_ticket_of_an_occurrence_twice(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    types = [a_type(api)]
    assets = [an_asset(api, asset_type_id=types[0], company_id=a_company(api)["id"]) for _ in range(2)]
    plans = [a_plan(api), a_plan(api, targets={"asset_type_ids": types}), a_plan(api, recurrence="FREQ=DAILY;COUNT=4")]
    advance(api, "2026-03-05T12:00:00Z")
    before = [come(api, plan) for plan in plans]

    # As after a backup was played back, and as a second worker would do it.
    stage.sql("UPDATE ticket_plans SET next_on = '2026-03-03' WHERE tenant_id = $1", api.tenant.id)
    stage.sql(
        "UPDATE deadlines SET due_at = '2026-03-05T12:00Z' WHERE tenant_id = $1 AND fired_at IS NULL", api.tenant.id
    )
    patch(api, f"ticket-plans/{plans[0]['id']}", is_active=False)
    patch(api, f"ticket-plans/{plans[0]['id']}", is_active=True, starts_on="2026-03-02")
    advance(api, "2026-03-05T13:00:00Z")

    assert [come(api, plan) for plan in plans] == before
    assert [len(each) for each in before] == [3, 3 * len(assets), 3]
    advance(api, "2026-04-01T00:00:00Z")
    assert len(come(api, plans[2])) == 4
    with pytest.raises(asyncpg.UniqueViolationError):
        stage.sql(
            "INSERT INTO ticket_plan_occurrences SELECT tenant_id, gen_random_uuid(), plan_id, occurs_on, target_id, "
            "planned_at, outcome, ticket_id, reason, created_at, updated_at, version FROM ticket_plan_occurrences "
            "WHERE tenant_id = $1 LIMIT 1",
            api.tenant.id,
        )


def test_what_was_missed_is_made_up_for_as_the_plan_says(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    plans = {name: a_plan(api, catch_up=name) for name in ("all", "one", "skip")}
    early = a_plan(api, recurrence="FREQ=WEEKLY", catch_up="skip", lead_days=6, starts_on="2026-03-09")

    late_by(stage, api, 4)
    advance(api, "2026-03-08T12:00:00Z")

    # At eight in the morning of the 7th somebody looks; the 6th is past by a day exactly, and the 7th is on time.
    on_time = [("03-07", "opened"), ("03-08", "opened")]
    missed = [("03-03", "missed"), ("03-04", "missed"), ("03-05", "missed"), ("03-06", "missed")]
    assert {name: outcomes(api, plan) for name, plan in plans.items()} == {
        "all": [(day, "opened") for day, _ in missed] + on_time,
        "one": [*missed[:3], ("03-06", "opened"), *on_time],
        "skip": [*missed, *on_time],
    }
    # Its ticket is late, but not what it is about.
    assert outcomes(api, early) == [("03-09", "opened")]


def test_a_ticket_is_opened_for_each_asset_or_for_each_place_and_names_what_is_there(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company, kind = a_company(api)["id"], a_type(api)
    north, south = (create(api, "locations", name=name, company_id=company) for name in ("North", "South"))
    one, two, three = (
        an_asset(api, asset_type_id=kind, company_id=company, location_id=place["id"], name=name, serial_number=serial)
        for name, serial, place in (("Pump A", "S-1", north), ("Pump B", None, north), ("Pump C", "S-3", south))
    )
    an_asset(api, asset_type_id=kind, company_id=company, location_id=north["id"], status="retired")
    stray = an_asset(api, asset_type_id=kind, company_id=a_company(api)["id"])
    targets = {"asset_type_ids": [kind]}
    each = a_plan(api, targets=targets)
    grouped = a_plan(api, targets=targets, group_by="location", ticket={"subject": "Visit", "company_id": company})
    there = a_plan(api, targets={"asset_ids": [one["id"], three["id"]], "location_ids": [south["id"]]})
    places = a_plan(api, targets={"location_ids": [north["id"], south["id"]]})
    advance(api, "2026-03-03T09:00:00Z")

    def fields(plan: JSON, *names: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(ticket[name] for name in names) for ticket in opened(api, plan))

    at = {asset["id"]: asset["location_id"] for asset in (one, two, three, stray)}
    assert {ticket["asset_id"]: ticket["location_id"] for ticket in opened(api, each)} == at
    assert fields(grouped, "description", "company_id", "location_id", "asset_id") == [
        ("- Pump A (S-1)\n- Pump B", company, north["id"], None),
        ("- Pump C (S-3)", company, south["id"], None),
    ]
    assert fields(there, "asset_id") == [(three["id"],)]
    assert fields(places, "location_id", "company_id") == sorted([(north["id"], company), (south["id"], company)])


def test_a_target_gets_no_ticket_while_its_last_one_is_not_finished_where_the_plan_says_so(
    sandbox: MakeSandbox,
) -> None:
    api = sandbox()
    company = a_company(api)["id"]
    places = [create(api, "locations", name=name, company_id=company)["id"] for name in ("North", "South")]
    plan = a_plan(api, overlap="suppress", targets={"location_ids": places})
    advance(api, "2026-03-03T09:00:00Z")
    finish(api, next(ticket for ticket in opened(api, plan) if ticket["location_id"] == places[0]))
    advance(api, "2026-03-04T09:00:00Z")

    on_the_next = {each["target_id"]: each["outcome"] for each in come(api, plan) if each["occurs_on"] == "2026-03-04"}
    assert on_the_next == {places[0]: "opened", places[1]: "suppressed"}


def test_a_floating_plan_counts_from_the_day_on_which_its_last_ticket_was_finished(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company = a_company(api)["id"]
    places = [create(api, "locations", name=name, company_id=company)["id"] for name in ("North", "South")]
    plan = a_plan(api, recurs="floating", recurrence="FREQ=MONTHLY", targets={"location_ids": places})
    advance(api, "2026-03-10T09:00:00Z")
    first, second = opened(api, plan)
    waiting = [ahead(api, plan)]
    finish(api, first)
    waiting.append(ahead(api, plan))
    advance(api, "2026-06-20T23:00:00Z")
    finish(api, second)

    assert waiting == [[], []]
    assert ahead(api, plan) == [("2026-07-20", "2026-07-20T08:00:00Z", None)]
    advance(api, "2026-12-31T00:00:00Z")
    assert [each["occurs_on"] for each in come(api, plan)] == ["2026-03-03"] * 2 + ["2026-07-20"] * 2


def test_holidays_move_or_take_away_occurrences_and_one_is_left_out_by_hand(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api, holidays=[{"on": "2026-03-09", "name": "Fair"}])["id"]
    rule = {"recurrence": "FREQ=DAILY;INTERVAL=2", "starts_on": "2026-03-03", "calendar_id": calendar}
    next_day, none = (a_plan(api, **rule, holiday_shift=shift) for shift in ("next", "skip"))

    skipped = api.post(f"/v1/ticket-plans/{none['id']}/skip", json={"occurs_on": "2026-03-05"})
    refused = [
        api.post(f"/v1/ticket-plans/{none['id']}/skip", json={"occurs_on": day}).json()["code"]
        for day in ("2026-03-05", "2026-03-04", "2026-03-07", "2026-03-01")
    ]

    assert skipped.status_code == 201
    assert refused == ["no_such_occurrence"] * 4
    assert ahead(api, next_day, 4) == [
        ("2026-03-03", "2026-03-03T08:00:00Z", None),
        ("2026-03-05", "2026-03-05T08:00:00Z", None),
        ("2026-03-07", "2026-03-10T08:00:00Z", "moved"),
        ("2026-03-09", "2026-03-10T08:00:00Z", "moved"),
    ]
    assert ahead(api, none, 5) == [
        ("2026-03-03", "2026-03-03T08:00:00Z", None),
        ("2026-03-05", None, "skipped_by_hand"),
        ("2026-03-07", None, "skipped"),
        ("2026-03-09", None, "skipped"),
        ("2026-03-11", "2026-03-11T08:00:00Z", None),
    ]
    advance(api, "2026-03-11T09:00:00Z")
    assert outcomes(api, none) == [("03-03", "opened"), ("03-05", "skipped"), ("03-11", "opened")]


def test_a_ticket_that_is_refused_is_told_of_and_the_plan_goes_on(sandbox: MakeSandbox) -> None:
    api = sandbox()
    user = a_user(api)
    plan = a_plan(api, ticket={"subject": "Service", "assignee_id": user["id"]})
    patch(api, f"users/{user['id']}", is_active=False)
    advance(api, "2026-03-03T09:00:00Z")
    patch(api, f"users/{user['id']}", is_active=True)
    advance(api, "2026-03-04T09:00:00Z")

    assert [(each["outcome"], each["reason"]) for each in come(api, plan)] == [
        ("failed", "inactive_user"),
        ("opened", None),
    ]
    assert len(get(api, "tickets?limit=10")["data"]) == 1


def test_a_plan_that_is_not_active_opens_nothing_and_misses_nothing(sandbox: MakeSandbox) -> None:
    api = sandbox()
    plan = a_plan(api, is_active=False, catch_up="all")
    told_before = ahead(api, plan, 1)
    advance(api, "2026-03-06T12:00:00Z")
    patch(api, f"ticket-plans/{plan['id']}", is_active=True)
    advance(api, "2026-03-07T12:00:00Z")

    assert told_before == [("2026-03-03", "2026-03-03T08:00:00Z", None)]
    assert outcomes(api, plan) == [("03-07", "opened")]
    assert api.delete(f"/v1/ticket-plans/{plan['id']}").status_code == 204
    advance(api, "2026-03-09T12:00:00Z")
    assert len(get(api, "tickets?limit=10")["data"]) == 1


def test_a_plan_that_could_open_nothing_is_refused_and_leaves_no_ticket(api: Client, stage: Stage) -> None:
    nobody = str(uuid4())
    good: JSON = {"name": "Plan", "ticket": {"subject": "Service"}} | DAILY
    refused: list[tuple[JSON, str, str]] = [
        ({"recurrence": "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"}, "invalid_recurrence", "#/recurrence"),
        ({"recurrence": "FREQ=YEARLY", "ends_on": "2026-03-02"}, "invalid_recurrence", "#/ends_on"),
        ({"recurrence": "FREQ=WEEKLY;BYDAY=MO", "ends_on": "2026-03-04"}, "invalid_recurrence", "#/recurrence"),
        ({"recurrence": "FREQ=DAILY;COUNT=3", "recurs": "floating"}, "invalid_recurrence", "#/recurrence"),
        ({"holiday_shift": "next"}, "invalid_recurrence", "#/calendar_id"),
        ({"calendar_id": nobody}, "unknown_reference", "#/calendar_id"),
        ({"targets": {"asset_ids": [nobody]}}, "unknown_reference", "#/targets/asset_ids/0"),
        ({"ticket": {"subject": "Service", "company_id": nobody}}, "unknown_reference", "#/ticket/company_id"),
        ({"recurrence": "FREQ=HOURLY"}, "validation_failed", "#/recurrence"),
    ]
    answers = [api.post("/v1/ticket-plans", json=good | wrong).json() for wrong, _, _ in refused]

    assert [(each["code"], each["errors"][0]["pointer"]) for each in answers] == [each[1:] for each in refused]
    assert stage.sql("SELECT id FROM tickets WHERE tenant_id = $1", api.tenant.id) == []
    assert get(api, "ticket-plans")["data"] == []
