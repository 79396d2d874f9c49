"""Tickets under contracts: what covers them is decided, kept, decided again, and leads their clocks."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import MakeSandbox
from tests.factories import OFFICE, a_calendar, a_company, a_policy, advance, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]
NOON, EVENING = "2026-03-02T12:00:00Z", "2026-03-02T20:00:00Z"


def a_contract(api: Client, **terms: object) -> str:
    """Make a contract with terms that hold from always; gives its id."""
    contract: str = create(api, "contracts", number=f"SC-{uuid4()}", name="Service")["id"]
    amend(api, contract, terms={"starts_at": "2026-01-01T00:00:00Z"} | terms)
    return contract


def amend(api: Client, contract: str, **stated: object) -> None:
    """State terms of a contract."""
    answer = api.post(f"/v1/contracts/{contract}/amend", json=stated)
    assert answer.status_code == 200, answer.text


def a_ticket(api: Client, **values: object) -> JSON:
    """Open a ticket."""
    return create(api, "tickets", subject="The printer is broken", **values)


def cover(ticket: JSON) -> tuple[str | None, str | None, str | None]:
    """Give what a ticket says of its cover: whether, by which contract, and by what."""
    return ticket["coverage"], ticket["contract_id"], ticket["covered_by"]


def refused(api: Client, **values: object) -> tuple[int, str, str | None]:
    """Open a ticket and give how that is refused."""
    problem = api.post("/v1/tickets", json={"subject": "The printer is broken"} | values).json()
    return problem["status"], problem["code"], problem["errors"][0]["pointer"] if problem.get("errors") else None


def resolution(ticket: JSON) -> JSON:
    """Give the clock of a ticket that measures its resolution."""
    clock: JSON = next(each for each in ticket["clocks"] if each["metric"] == "resolution")
    return clock


def test_cover_is_decided_at_the_opening_and_again_when_the_subject_changes(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    ours, others = a_company(api)["id"], a_company(api)["id"]
    dock = create(api, "locations", company_id=ours, name="Dock 3")["id"]
    before = a_ticket(api, company_id=ours)
    everybody = a_contract(api)
    place = a_contract(api, company_ids=[ours], covers_everything=False, location_ids=[dock])
    advance(api, NOON)

    ticket = a_ticket(api, company_id=ours, location_id=dock)
    amend(api, place, terms={"is_suspended": True})
    advance(api, EVENING)
    kept = patch(api, f"tickets/{ticket['id']}", priority="high")
    moved = patch(api, f"tickets/{ticket['id']}", location_id=None)
    back = patch(api, f"tickets/{ticket['id']}", location_id=dock)
    named = patch(api, f"tickets/{ticket['id']}", location_id=None, contract_id=place)
    found = patch(api, f"tickets/{ticket['id']}", contract_id=None)
    away = patch(api, f"tickets/{ticket['id']}", company_id=others)

    assert cover(before) == (None, None, None)
    assert cover(a_ticket(api)) == (None, None, None)
    assert (cover(ticket), ticket["coverage_decided_at"]) == (("covered", place, "location"), NOON)
    assert (cover(kept), kept["coverage_decided_at"]) == (("covered", place, "location"), NOON)
    assert (cover(moved), moved["coverage_decided_at"]) == (("covered", everybody, "default"), EVENING)
    # It was opened at noon; what holds from noon on is that the contract is suspended.
    assert cover(back) == ("covered", everybody, "default")
    assert cover(named) == ("not_covered", place, None)
    assert cover(found) == ("covered", everybody, "default")
    assert cover(away) == ("covered", everybody, "default")
    told = stage.sql(
        "SELECT changes #>> '{coverage,1}' AS coverage FROM events WHERE object_id = $1 AND changes ? 'coverage' "
        "ORDER BY xid, seq",
        ticket["id"],
    )
    assert [row["coverage"] for row in told] == ["covered", "not_covered", "covered"]
    listed = api.get("/v1/tickets", params={"contract_id": everybody, "coverage": "covered", "include": "contract"})
    assert [each["id"] for each in listed.json()["data"]] == [ticket["id"]]


def test_a_ticket_opened_under_a_contract_stays_covered_after_its_end(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ours = a_company(api)["id"]
    dock = create(api, "locations", company_id=ours, name="Dock 3")["id"]
    contract = a_contract(api, company_ids=[ours], ends_at=NOON)
    ticket = a_ticket(api, company_id=ours)
    advance(api, EVENING)

    changed = patch(api, f"tickets/{ticket['id']}", location_id=dock)

    assert cover(changed) == ("covered", contract, "company")
    assert cover(a_ticket(api, company_id=ours)) == ("not_covered", None, None)


def test_what_no_contract_covers_is_refused_where_the_tenant_says_so(api: Client, stage: Stage) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    contract = a_contract(api, company_ids=[ours])
    earlier = a_ticket(api, company_id=others)
    ticket = a_ticket(api, company_id=ours)
    patch(api, "coverage-settings", uncovered_tickets="refuse")

    assert cover(earlier) == ("not_covered", None, None)
    assert refused(api, company_id=others) == (409, "not_covered", None)
    answer = api.patch(f"/v1/tickets/{ticket['id']}", json={"company_id": others})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_covered")
    assert get(api, f"tickets/{ticket['id']}").items() >= ticket.items()
    assert patch(api, f"tickets/{earlier['id']}", priority="high")["coverage"] == "not_covered"
    assert cover(a_ticket(api, company_id=ours, contract_id=contract)) == ("covered", contract, "named")
    assert len(stage.sql("SELECT FROM tickets WHERE company_id = $1", others)) == 1


def test_a_contract_and_a_service_that_do_not_fit_are_refused(api: Client) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    theirs, draft = a_contract(api, company_ids=[others]), create(api, "contracts", number="SC-1", name="Draft")["id"]
    closed = create(api, "services", name="Fax repair", is_active=False)["id"]
    ticket = a_ticket(api, company_id=others, contract_id=theirs)
    nothing = str(uuid4())

    assert [
        refused(api, company_id=ours, contract_id=theirs),
        refused(api, company_id=ours, contract_id=draft),
        refused(api, contract_id=theirs),
        refused(api, company_id=ours, contract_id=nothing),
        refused(api, company_id=ours, service_id=nothing),
        refused(api, company_id=ours, service_id=closed),
    ] == [
        *[(422, "contract_not_of_client", "#/contract_id")] * 3,
        (422, "unknown_reference", "#/contract_id"),
        (422, "unknown_reference", "#/service_id"),
        (422, "inactive_service", "#/service_id"),
    ]
    answer = api.patch(f"/v1/tickets/{ticket['id']}", json={"company_id": ours})
    assert (answer.status_code, answer.json()["code"]) == (422, "contract_not_of_client")


def test_the_database_refuses_a_contract_of_another_client(api: Client, stage: Stage) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    theirs = a_contract(api, company_ids=[others])
    ticket = a_ticket(api, company_id=ours)

    with pytest.raises(asyncpg.ForeignKeyViolationError, match="not for the company"):
        stage.sql("UPDATE tickets SET contract_id = $2 WHERE id = $1", ticket["id"], theirs)
    with pytest.raises(asyncpg.CheckViolationError):
        stage.sql("UPDATE tickets SET coverage = 'covered' WHERE id = $1", ticket["id"])


def test_the_policy_and_calendar_of_the_contract_lead_the_clocks_and_a_switch_is_explained(
    sandbox: MakeSandbox,
) -> None:
    api = sandbox()
    office = a_calendar(api, weekly_hours=OFFICE)["id"]
    always = a_calendar(api, weekly_hours={day: [{"start": "00:00", "end": "24:00"}] for day in OFFICE})["id"]
    eight_hours = [{"metric": "resolution", "seconds": 8 * 3_600}]
    usual = a_policy(api, calendar_id=office, targets=eight_hours)["id"]
    two_hours = [{"metric": "resolution", "seconds": 2 * 3_600}]
    gold = a_policy(api, calendar_id=office, targets=two_hours, is_active=False)["id"]
    ours = a_company(api)["id"]
    repair = create(api, "services", name="Repair", calendar_id=always)["id"]
    contract = a_contract(
        api, company_ids=[ours], services=[{"service_id": repair, "sla_policy_id": gold, "calendar_id": None}]
    )

    ticket = a_ticket(api, company_id=ours)
    advance(api, "2026-03-02T10:00:00Z")
    agreed = patch(api, f"tickets/{ticket['id']}", service_id=repair)
    clock = resolution(agreed)
    told = get(api, f"tickets/{ticket['id']}/sla/{clock['id']}/explain")

    assert (cover(ticket), ticket["sla_policy_id"]) == (("not_covered", None, None), None)
    assert (resolution(ticket)["policy_id"], resolution(ticket)["due_at"]) == (usual, "2026-03-02T17:00:00Z")
    assert cover(agreed) == ("covered", contract, "company")
    assert (agreed["sla_policy_id"], agreed["calendar_id"]) == (gold, always)
    # Of two hours one had been used since the office opened at nine.
    assert (clock["policy_id"], clock["due_at"]) == (gold, "2026-03-02T11:00:00Z")
    switch = next(step for step in told["steps"] if step["kind"] == "retargeted")
    assert (switch["policy_id"], switch["calendar_id"]) == (gold, always)
    assert switch["changed_fields"] == ["calendar_id", "contract_id", "service_id", "sla_policy_id"]
    assert "agreed policy" in switch["text"]
    opened = a_ticket(api, company_id=ours, service_id=repair)
    assert resolution(opened)["due_at"] == "2026-03-02T12:00:00Z"


def test_a_service_promises_what_it_says_also_without_contracts(sandbox: MakeSandbox) -> None:
    api = sandbox()
    team = create(api, "teams", name="Printers")["id"]
    policy = a_policy(api, targets=[{"metric": "resolution", "seconds": 3_600}], is_active=False)["id"]
    repair = create(api, "services", name="Repair", sla_policy_id=policy, team_id=team)["id"]

    ticket = a_ticket(api, service_id=repair)

    assert (cover(ticket), ticket["team_id"], resolution(ticket)["policy_id"]) == ((None, None, None), team, policy)


def test_conditions_ask_about_contracts_and_services(api: Client) -> None:
    ours = a_company(api)["id"]
    repair = create(api, "services", name="Repair")["id"]
    contract = a_contract(api, company_ids=[ours])
    covered = a_ticket(api, company_id=ours, service_id=repair)["id"]
    uncovered = a_ticket(api, company_id=a_company(api)["id"])["id"]
    asked: list[JSON] = [
        {"field": "coverage", "op": "eq", "value": "not_covered"},
        {"field": "contract_id", "op": "eq", "value": contract},
        {"field": "contract.status", "op": "eq", "value": "active"},
        {"field": "service.name", "op": "eq", "value": "repair"},
        {"field": "covered_by", "op": "eq", "value": "company"},
    ]

    found = [api.post("/v1/tickets/search", json={"condition": condition}).json()["data"] for condition in asked]

    assert [[ticket["id"] for ticket in tickets] for tickets in found] == [[uncovered], *[[covered]] * 4]


def test_a_rule_hears_that_a_ticket_is_not_covered_any_more(api: Client) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    a_contract(api, company_ids=[ours])
    lost = {"all": [
        {"field": "previous.coverage", "op": "eq", "value": "covered"},
        {"field": "coverage", "op": "eq", "value": "not_covered"},
    ]}  # fmt: skip
    billed = [{"action": "add_tags", "tags": ["billed"]}]
    rule: JSON = {"name": "Bill it", "position": 1, "state": "published", "occasions": ["updated"]}
    create(api, "rules", **rule, condition=lost, actions=billed)
    ticket = a_ticket(api, company_id=ours)

    assert patch(api, f"tickets/{ticket['id']}", company_id=others)["tags"] == ["billed"]


def test_a_covered_ticket_follows_its_client_into_a_merge_and_back(api: Client) -> None:
    winner, loser = a_company(api)["id"], a_company(api)["id"]
    contract = a_contract(api, company_ids=[loser])
    ticket = a_ticket(api, company_id=loser)["id"]

    merge = create(api, "merges", card_type="company", winner_id=winner, loser_ids=[loser])
    merged = get(api, f"tickets/{ticket}")
    assert api.post(f"/v1/merges/{merge['id']}/undo").status_code == 200
    apart = get(api, f"tickets/{ticket}")

    assert (merged["company_id"], cover(merged)) == (winner, ("covered", contract, "company"))
    assert (apart["company_id"], cover(apart)) == (loser, ("covered", contract, "company"))
