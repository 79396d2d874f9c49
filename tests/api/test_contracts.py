"""Contracts: what applied when as known when, whose things they name, how time moves them; and what is offered."""

import random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import MakeSandbox
from tests.factories import a_calendar, a_company, a_contact, a_policy, advance, create, get, patch
from tests.stage import Client, Stage

JSON = dict[str, Any]
YEAR = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}


def a_contract(api: Client, **terms: object) -> JSON:
    """Make a contract, with terms that hold from always if some are given."""
    contract = create(api, "contracts", number=f"SC-{uuid4()}", name="Service")
    if terms:
        amend(api, contract, terms=YEAR | terms)
    return contract


def amend(api: Client, contract: JSON, **stated: object) -> list[JSON]:
    """State terms and give what is known now."""
    answer = api.post(f"/v1/contracts/{contract['id']}/amend", json=stated)
    assert answer.status_code == 200, answer.text
    known: list[JSON] = answer.json()["data"]
    return known


def refused(api: Client, contract: JSON, **stated: object) -> tuple[int, str, str]:
    """State terms and give how that is refused."""
    answer = api.post(f"/v1/contracts/{contract['id']}/amend", json=stated)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"].removeprefix("#")


def notice_days(api: Client, contract: JSON, **asked: str) -> list[int]:
    """Give the days of notice that versions say, which tell them apart."""
    answer = api.get(f"/v1/contracts/{contract['id']}/versions", params=asked)
    assert answer.status_code == 200, answer.text
    return [version["notice_days"] for version in answer.json()["data"]]


def told(stage: Stage, contract: JSON) -> list[tuple[str, str, str]]:
    """Give what happened to a contract, in order: the event, the status it got, and when."""
    rows = stage.sql(
        "SELECT type, changes #>> '{status,1}' AS status, occurred_at FROM events WHERE object_id = $1 "
        "ORDER BY xid, seq",
        contract["id"],
    )
    return [
        (row["type"].removeprefix("contract."), row["status"] or "", f"{row['occurred_at']:%Y-%m-%d}") for row in rows
    ]


def test_a_correction_of_the_past_changes_what_is_known_and_not_what_was_known(api: Client) -> None:
    contract = a_contract(api)
    first = amend(api, contract, terms=YEAR | {"notice_days": 30})
    second = amend(api, contract, effective_from="2026-07-01T00:00:00Z", terms={"notice_days": 60})
    third = amend(
        api,
        contract,
        effective_from="2026-03-01T00:00:00Z",
        effective_until="2026-04-01T00:00:00Z",
        reason="Addendum 1, found in a drawer",
        terms={"notice_days": 90},
    )
    told_first, told_second = first[0]["recorded_at"], second[-1]["recorded_at"]

    assert [(each["effective_from"], each["notice_days"], each["reason"]) for each in third] == [
        (None, 30, None),
        ("2026-03-01T00:00:00Z", 90, "Addendum 1, found in a drawer"),
        ("2026-04-01T00:00:00Z", 30, None),
        ("2026-07-01T00:00:00Z", 60, None),
    ]
    assert notice_days(api, contract, known_at=told_first) == [30]
    assert notice_days(api, contract, known_at=told_second) == [30, 60]
    assert notice_days(api, contract, known_at="2020-01-01T00:00:00Z") == []
    assert notice_days(api, contract, at="2026-03-15T00:00:00Z", known_at=told_second) == [30]
    assert notice_days(api, contract, at="2026-03-15T00:00:00Z") == [90]
    assert notice_days(api, contract, at="2026-04-01T00:00:00Z") == [30]


def test_as_of_queries_equal_snapshots_taken_at_the_time(api: Client) -> None:
    chance = random.Random(20260302)
    contract = a_contract(api, notice_days=0)
    asked = [f"2026-{month:02}-15T00:00:00Z" for month in range(1, 13, 3)]
    snapshots: list[tuple[str, JSON]] = []
    for stated in range(1, 7):
        first, last = sorted(chance.sample(range(1, 13), 2))
        span = {"effective_from": f"2026-{first:02}-01T00:00:00Z", "effective_until": f"2026-{last:02}-01T00:00:00Z"}
        amend(
            api,
            contract,
            **(span if stated % 3 else {**span, "effective_until": None}),
            terms={"notice_days": stated},
        )
        recorded_at = get(api, f"contracts/{contract['id']}")["updated_at"]
        snapshots.append((recorded_at, {at: notice_days(api, contract, at=at) for at in asked}))

    again = [
        (known_at, {at: notice_days(api, contract, at=at, known_at=known_at) for at in asked})
        for known_at, _ in snapshots
    ]

    assert again == snapshots


def test_an_amendment_that_changes_nothing_leaves_no_trace(api: Client, stage: Stage) -> None:
    contract = a_contract(api, notice_days=30)
    before, events = get(api, f"contracts/{contract['id']}"), told(stage, contract)

    amend(api, contract, effective_from="2026-03-01T00:00:00Z", terms={"notice_days": 30})

    assert (get(api, f"contracts/{contract['id']}"), told(stage, contract)) == (before, events)


def test_the_database_refuses_two_truths_about_one_instant(api: Client, stage: Stage) -> None:
    contract = a_contract(api, notice_days=30)

    with pytest.raises(asyncpg.ExclusionViolationError):
        stage.sql(
            "INSERT INTO contract_versions SELECT tenant_id, gen_random_uuid(), contract_id, '2026-05-01', NULL, "
            "recorded_at, NULL, NULL, starts_at, ends_at, time_zone, renewal, renewal_months, 1, is_suspended, "
            "company_ids, covers_everything, location_ids, asset_ids, asset_type_ids, services, sla_policy_id, "
            "calendar_id FROM contract_versions WHERE contract_id = $1",
            contract["id"],
        )


def test_a_contract_names_only_what_is_of_its_clients(api: Client, stage: Stage) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    place = create(api, "locations", company_id=ours, name="Dock 3")["id"]
    theirs = create(api, "locations", company_id=others, name="Office")["id"]
    kind = create(api, "asset-types", name=f"Printer {uuid4()}")["id"]
    asset = create(api, "assets", asset_type_id=kind, name="Printer", company_id=others)["id"]
    terms = YEAR | {"company_ids": [ours], "covers_everything": False}
    contract = a_contract(api)

    assert refused(api, contract, terms=terms) == (422, "invalid_terms", "/terms/covers_everything")
    assert refused(api, contract, terms=terms | {"location_ids": [theirs]}) == (
        *(422, "subject_not_of_client", "/terms/location_ids"),
    )
    assert refused(api, contract, terms=terms | {"asset_ids": [asset]}) == (
        *(422, "subject_not_of_client", "/terms/asset_ids"),
    )
    assert refused(api, contract, terms=terms | {"location_ids": [str(uuid4())]}) == (
        *(422, "unknown_reference", "/terms/location_ids/0"),
    )
    amend(api, contract, terms=terms | {"location_ids": [place]})
    assert api.delete(f"/v1/locations/{place}").json()["code"] == "still_referenced"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        stage.sql(
            "INSERT INTO contract_references (tenant_id, id, contract_id, company_id, location_id) "
            "SELECT tenant_id, gen_random_uuid(), contract_id, company_id, $2 FROM contract_companies "
            "WHERE contract_id = $1",
            contract["id"],
            theirs,
        )


@pytest.mark.parametrize(
    ("stated", "code", "pointer"),
    [
        ({"terms": {"notice_days": 30}}, "no_terms_to_amend", "/terms/starts_at"),
        ({"terms": YEAR | {"ends_at": "2026-01-01T00:00:00Z"}}, "invalid_terms", "/terms/ends_at"),
        ({"terms": YEAR | {"renewal": "tacit"}}, "invalid_terms", "/terms/renewal"),
        (
            {"effective_from": YEAR["ends_at"], "effective_until": YEAR["starts_at"], "terms": YEAR},
            *("invalid_terms", "/effective_until"),
        ),
    ],
)
def test_terms_that_contradict_themselves_are_refused(api: Client, stated: JSON, code: str, pointer: str) -> None:
    contract = a_contract(api)

    assert refused(api, contract, **stated) == (422, code, pointer)
    assert notice_days(api, contract) == []


def test_a_contract_follows_the_time_and_warns_before_it_ends(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    contract = a_contract(api)
    terms = {"starts_at": "2026-03-10T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z", "notice_days": 20}
    amend(api, contract, terms=terms)
    pause = {"effective_from": "2026-03-20T00:00:00Z", "effective_until": "2026-03-25T00:00:00Z"}
    amend(api, contract, **pause, terms={"is_suspended": True})

    advance(api, "2026-06-01T00:00:00Z")

    assert told(stage, contract) == [
        ("created", "draft", "2026-03-02"),
        ("amended", "", "2026-03-02"),
        ("status_changed", "scheduled", "2026-03-02"),
        ("amended", "", "2026-03-02"),
        ("status_changed", "active", "2026-03-10"),
        ("status_changed", "suspended", "2026-03-20"),
        ("status_changed", "active", "2026-03-25"),
        ("notice_due", "", "2026-04-11"),
        ("status_changed", "expired", "2026-05-01"),
    ]
    assert get(api, f"contracts/{contract['id']}")["status"] == "expired"
    assert get(api, "contracts?status=active")["data"] == []


def test_an_amendment_after_the_end_lets_a_contract_go_on(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    contract = a_contract(api, ends_at="2026-03-05T00:00:00Z")
    advance(api, "2026-03-10T00:00:00Z")

    amend(api, contract, terms={"ends_at": "2026-04-01T00:00:00Z"})
    advance(api, "2026-04-02T00:00:00Z")

    assert [event[1:] for event in told(stage, contract) if event[0] == "status_changed"] == [
        ("active", "2026-03-02"),
        ("expired", "2026-03-05"),
        ("active", "2026-03-10"),
        ("expired", "2026-04-01"),
    ]


def test_a_contact_may_ask_for_what_suits_the_client_or_what_a_contract_offers(api: Client) -> None:
    vip = a_company(api, category="VIP", territory="north")
    plain = a_company(api)
    asks, other = a_contact(api, company_id=vip["id"])["id"], a_contact(api, company_id=plain["id"])["id"]
    catalogue: dict[str, JSON] = {
        "everybody": {},
        "vip": {"categories": ["VIP"]},
        "south": {"territories": ["south"]},
        "under contract": {"needs_contract": True},
        "under another": {"needs_contract": True},
        "gone": {"is_active": False},
    }
    offered = {
        name: create(api, "services", name=f"{name} {uuid4()}", **values)["id"] for name, values in catalogue.items()
    }
    contract = a_contract(api, company_ids=[vip["id"]], services=[{"service_id": offered["under contract"]}])

    def asked_for(contact: str) -> list[str]:
        found = {each["id"] for each in get(api, f"services?for_contact={contact}")["data"]}
        return [name for name, service_id in offered.items() if service_id in found]

    assert asked_for(asks) == ["everybody", "vip", "under contract"]
    assert asked_for(other) == ["everybody"]
    amend(api, contract, terms={"services": []})
    assert asked_for(asks) == ["everybody", "vip", "under contract", "under another"]
    amend(api, contract, terms={"is_suspended": True})
    assert asked_for(asks) == ["everybody", "vip"]
    amend(api, contract, terms={"is_suspended": False, "company_ids": []})
    assert asked_for(other) == ["everybody", "under contract", "under another"]
    patch(api, f"companies/{plain['id']}", is_active=False)
    assert asked_for(other) == ["everybody"]
    assert api.get(f"/v1/services?for_contact={uuid4()}").json()["code"] == "unknown_reference"


def test_contracts_are_listed_by_client_also_by_earlier_ones(api: Client) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    moved, theirs = a_contract(api, company_ids=[ours]), a_contract(api, company_ids=[others])
    a_contract(api)
    amend(api, moved, effective_from="2026-06-01T00:00:00Z", terms={"company_ids": [others]})

    def of(company: str) -> list[str]:
        return [each["id"] for each in api.get("/v1/contracts", params={"company_id": company}).json()["data"]]

    assert (of(ours), sorted(of(others))) == ([moved["id"]], sorted([moved["id"], theirs["id"]]))
    assert of(str(uuid4())) == []


def test_a_calendar_that_opens_too_seldom_for_the_policy_is_refused(api: Client, stage: Stage) -> None:
    seldom = a_calendar(api, weekly_hours={"monday": [{"start": "09:00", "end": "09:01"}]})["id"]
    policy = a_policy(api, targets=[{"metric": "resolution", "seconds": 3_000_000}])["id"]
    service = create(api, "services", name="Repair")["id"]
    contract = a_contract(api, sla_policy_id=policy)
    offer = {"service_id": service, "sla_policy_id": None, "calendar_id": seldom}
    before = told(stage, contract)

    found = [refused(api, contract, terms=terms) for terms in ({"calendar_id": seldom}, {"services": [offer]})]

    assert found == [(422, "target_out_of_reach", "/terms/calendar_id")] * 2
    assert told(stage, contract) == before
