"""Coverage: what covers something, asked over HTTP and of the database; the rules themselves are in `tests.domain`."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from helpdesk_api.domain.contracts import ContractTerms, ServiceTerms
from helpdesk_api.domain.coverage import Asked, Candidate, decide
from tests.conftest import MakeSandbox
from tests.factories import a_calendar, a_company, a_policy, advance, create, patch
from tests.stage import Client

JSON = dict[str, Any]
YEAR = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}
MAY = "2026-05-01T00:00:00Z"


def a_contract(api: Client, number: str, **terms: object) -> str:
    """Make a contract with terms that hold from always; gives its id."""
    contract: str = create(api, "contracts", number=number, name="Service")["id"]
    amend(api, contract, terms=YEAR | terms)
    return contract


def amend(api: Client, contract: str, **stated: object) -> None:
    """State terms of a contract."""
    answer = api.post(f"/v1/contracts/{contract}/amend", json=stated)
    assert answer.status_code == 200, answer.text


def check(api: Client, **asked: object) -> JSON:
    """Ask what covers something in May."""
    answer = api.post("/v1/coverage/check", json={"at": MAY} | asked)
    assert answer.status_code == 200, answer.text
    decision: JSON = answer.json()
    return decision


def told(decision: JSON) -> str:
    """Put a decision into a line: the number of the contract and by what, and why none of the others."""
    chosen = decision["contract"]
    assert decision["is_covered"] is (chosen is not None)
    found = "none" if chosen is None else f"{chosen['number']} by {chosen['matched_by']}"
    return "; ".join([found, *(f"{each['number']} {each['reason']}" for each in decision["rejected"])])


def refused(api: Client, **asked: object) -> tuple[int, str, str]:
    """Ask and give how that is refused."""
    problem = api.post("/v1/coverage/check", json={"at": MAY} | asked).json()
    return problem["status"], problem["code"], problem["errors"][0]["pointer"]


def test_the_nearest_contract_covers_and_what_it_promises_follows(api: Client) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    dock = create(api, "locations", company_id=ours, name="Dock 3")["id"]
    kind = create(api, "asset-types", name="Printer")["id"]
    printer = create(api, "assets", asset_type_id=kind, name="Printer", company_id=ours, location_id=dock)["id"]
    calendar, hotline = a_calendar(api)["id"], a_calendar(api)["id"]
    gold, basic = (a_policy(api, calendar_id=calendar)["id"] for _ in range(2))
    repair = create(api, "services", name="Repair", sla_policy_id=basic, calendar_id=hotline)["id"]
    everything: JSON = {"company_ids": [ours], "covers_everything": False}
    a_contract(api, "A", sla_policy_id=basic)
    a_contract(api, "B", company_ids=[ours], calendar_id=calendar)
    a_contract(api, "C", **everything, location_ids=[dock], is_suspended=True)
    named = a_contract(
        api,
        "D",
        **everything,
        asset_ids=[printer],
        services=[{"service_id": repair, "sla_policy_id": gold, "calendar_id": None}],
    )
    a_contract(api, "E", company_ids=[others])

    by_asset = check(api, company_id=ours, asset_id=printer, service_id=repair)
    without_service = check(api, company_id=ours, asset_id=printer)
    by_name = check(api, company_id=ours, contract_id=named)
    of_others = check(api, company_id=others, service_id=repair, at="2028-01-01T00:00:00Z")

    assert told(by_asset) == "D by asset; A less_specific; B less_specific; C suspended"
    assert by_asset["sla_policy"] == {"id": gold, "origin": "contract_service"}
    assert by_asset["calendar"] == {"id": hotline, "origin": "service"}
    assert by_asset["contract"]["text"] == "It names the asset."
    assert told(without_service) == "B by company; A less_specific; C suspended; D service_not_said"
    assert (without_service["sla_policy"], without_service["calendar"]) == (
        None,
        {"id": calendar, "origin": "contract"},
    )
    assert told(by_name) == "none; A another_named; B another_named; C another_named; D service_not_said"
    assert told(of_others) == "none; A expired; E expired"
    assert of_others["sla_policy"] == {"id": basic, "origin": "service"}


def test_an_asset_is_covered_where_it_was_and_by_what_is_known_now_of_that_time(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ours, others = a_company(api)["id"], a_company(api)["id"]
    dock, office = (create(api, "locations", company_id=ours, name=name)["id"] for name in ("Dock", "Office"))
    kind = create(api, "asset-types", name="Printer")["id"]
    asset = create(api, "assets", asset_type_id=kind, name="Printer", company_id=ours, location_id=dock)["id"]
    contract = a_contract(api, "A", company_ids=[ours], covers_everything=False, location_ids=[dock])
    april, may, june, july = (f"2026-{month:02}-01T00:00:00Z" for month in range(4, 8))
    advance(api, april)
    patch(api, f"assets/{asset}", location_id=office)
    advance(api, may)
    patch(api, f"assets/{asset}", company_id=others, location_id=None)

    def at(instant: str) -> str:
        return told(check(api, company_id=ours, asset_id=asset, at=instant))

    assert [at("2026-03-15T00:00:00Z"), at("2026-04-15T00:00:00Z")] == ["A by location", "none; A subject_not_covered"]
    assert refused(api, company_id=ours, asset_id=asset, at=june) == (422, "asset_not_of_company", "#/asset_id")
    assert told(check(api, company_id=others, asset_id=asset, at=june)) == "none"
    amend(api, contract, effective_from=april, effective_until=july, terms={"location_ids": [dock, office]})
    assert at("2026-04-15T00:00:00Z") == "A by location"


def test_what_is_not_there_or_of_others_is_refused(api: Client) -> None:
    ours, others = a_company(api)["id"], a_company(api)["id"]
    theirs = create(api, "locations", company_id=others, name="Office")["id"]
    nothing = str(uuid4())

    found = [
        refused(api, company_id=nothing),
        refused(api, company_id=ours, location_id=theirs),
        *(refused(api, company_id=ours, **{f"{name}_id": nothing}) for name in ("asset", "service", "contract")),
    ]

    assert found == [
        (422, "unknown_reference", "#/company_id"),
        (422, "location_not_of_company", "#/location_id"),
        *((422, "unknown_reference", f"#/{name}_id") for name in ("asset", "service", "contract")),
    ]


def test_contracts_found_by_the_client_decide_as_all_contracts_of_the_tenant_do(api: Client) -> None:
    chance = random.Random(20260501)
    kind = UUID(create(api, "asset-types", name="Printer")["id"])
    sites = [_site(api, kind) for _ in range(2)]
    services = [UUID(create(api, "services", name=name)["id"]) for name in ("Repair", "Training")]
    candidates = []
    for number in (f"SC-{place:02}" for place in range(14)):
        terms = _some_terms(chance, sites, kind, services)
        candidates.append(Candidate(UUID(a_contract(api, number, **_stated(terms))), number, terms))

    for _ in range(40):
        site, named = chance.choice(sites), chance.choice([None, None, *candidates])
        place, asset = chance.choice([site.location_id, None]), chance.choice([site.asset_id, None])
        service_id = chance.choice([*services, None])
        asked = Asked(
            company_id=site.company_id,
            at=datetime(2026, chance.randint(1, 12), 1, tzinfo=UTC),
            location_id=place,
            asset_id=asset,
            asset_type_id=None if asset is None else kind,
            service=None if service_id is None else ServiceTerms(service_id),
            contract_id=None if named is None else named.contract_id,
        )
        expected = decide(asked, candidates)
        names = {
            "location_id": place,
            "asset_id": asset,
            "service_id": service_id,
            "contract_id": asked.contract_id,
        }
        decision = check(
            api,
            company_id=str(asked.company_id),
            at=asked.at.isoformat(),
            **{name: None if each is None else str(each) for name, each in names.items()},
        )

        chosen = None if expected.chosen is None else (expected.chosen.number, expected.match)
        contract = decision["contract"]
        assert (contract and (contract["number"], contract["matched_by"])) == chosen
        # Contracts of others alone are not looked at.
        assert [(each["number"], each["reason"]) for each in decision["rejected"]] == [
            (each.number, reason)
            for each, reason in expected.rejected
            if each.contract_id == asked.contract_id
            or (each.terms is not None and asked.company_id in (each.terms.company_ids or {asked.company_id}))
        ]


@dataclass(frozen=True)
class _Site:
    """A client with a place and an asset."""

    company_id: UUID
    location_id: UUID
    asset_id: UUID


def _site(api: Client, kind: UUID) -> _Site:
    company = a_company(api)["id"]
    place = create(api, "locations", company_id=company, name="Dock")["id"]
    asset = create(api, "assets", asset_type_id=str(kind), company_id=company, name="Printer")["id"]
    return _Site(UUID(company), UUID(place), UUID(asset))


def _some_terms(chance: random.Random, sites: list[_Site], kind: UUID, services: list[UUID]) -> ContractTerms:
    clients = chance.sample(sites, chance.choice([0, 1, 1, 2]))
    places = frozenset(each.location_id for each in clients if chance.random() < 0.3)
    assets = frozenset(each.asset_id for each in clients if chance.random() < 0.3)
    kinds = frozenset([kind] if chance.random() < 0.2 else [])
    return ContractTerms(
        starts_at=datetime(2026, chance.randint(1, 6), 1, tzinfo=UTC),
        ends_at=chance.choice([None, datetime(2026, chance.randint(7, 12), 1, tzinfo=UTC)]),
        is_suspended=chance.random() < 0.1,
        company_ids=frozenset(each.company_id for each in clients),
        covers_everything=not (places or assets or kinds) or chance.random() < 0.3,
        location_ids=places,
        asset_ids=assets,
        asset_type_ids=kinds,
        services=tuple(ServiceTerms(each) for each in services if chance.random() < 0.2),
    )


def _stated(terms: ContractTerms) -> JSON:
    """Give terms as an amendment states them."""
    lists = ("company_ids", "location_ids", "asset_ids", "asset_type_ids")
    return {
        "starts_at": terms.starts_at.isoformat(),
        "ends_at": None if terms.ends_at is None else terms.ends_at.isoformat(),
        "is_suspended": terms.is_suspended,
        "covers_everything": terms.covers_everything,
        "services": [{"service_id": str(offer.service_id)} for offer in terms.services],
    } | {name: sorted(map(str, getattr(terms, name))) for name in lists}
