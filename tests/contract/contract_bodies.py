"""Valid bodies for services and contracts."""

from tests.contract.bodies import JSON, asset_type, calendar, create, sla_policy, team, unique, user
from tests.stage import Client, Stage

ENTRY: JSON = {
    "kind": "grant",
    "amount": 60,
    "operation_id": None,
    "source": "sales",
    "reference": "goodwill-7",
    "reason": "Goodwill",
    "expires_at": "2098-01-01T00:00:00Z",
}


def amendment(api: Client) -> JSON:
    """Give terms with everything that they may name, for a new client."""
    client = create(api, "companies", name=unique("Client"))["id"]
    kind = create(api, "asset-types", **asset_type(api))["id"]
    promised = {
        "sla_policy_id": create(api, "sla-policies", **sla_policy(api))["id"],
        "calendar_id": create(api, "calendars", **calendar(api))["id"],
    }
    return {
        "effective_from": "2026-01-01T00:00:00Z",
        "effective_until": "2027-01-01T00:00:00Z",
        "reason": "Addendum 2",
        "terms": {
            "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2027-01-01T00:00:00Z",
            "time_zone": "Europe/Rome",
            "renewal": "tacit",
            "renewal_months": 12,
            "notice_days": 90,
            "is_suspended": False,
            "company_ids": [client],
            "covers_everything": True,
            "location_ids": [create(api, "locations", company_id=client, name=unique("Location"))["id"]],
            "asset_ids": [
                create(api, "assets", asset_type_id=kind, company_id=client, name=unique("Asset"))["id"],
            ],
            "asset_type_ids": [kind],
            "services": [{"service_id": create(api, "services", **service(api))["id"], **promised}],
            **promised,
            "price_list_id": create(api, "price-lists", name=unique("Prices"), currency="EUR")["id"],
        },
    }


def a_contract(stage: Stage, api: Client) -> dict[str, str]:
    """Make a contract that has been amended; gives its id."""
    del stage
    made = create(api, "contracts", **contract(api))["id"]
    answer = api.post(f"/v1/contracts/{made}/amend", json=amendment(api))
    assert answer.is_success, answer.text
    return {"id": made}


def question(api: Client) -> JSON:
    """Ask what covers something, with everything that may be named."""
    kind = create(api, "asset-types", **asset_type(api))["id"]
    client = create(api, "companies", name=unique("Client"))["id"]
    return {
        "company_id": client,
        "location_id": create(api, "locations", company_id=client, name=unique("Location"))["id"],
        "asset_id": create(api, "assets", asset_type_id=kind, company_id=client, name=unique("Asset"))["id"],
        "service_id": create(api, "services", **service(api))["id"],
        "contract_id": create(api, "contracts", **contract(api))["id"],
        "at": "2026-05-01T00:00:00Z",
    }


def service(api: Client) -> JSON:
    """Give a service with everything that it may refer to."""
    return {
        "name": unique("Service"),
        "description": "A technician comes with parts.",
        "is_active": True,
        "needs_contract": False,
        "categories": ["VIP"],
        "territories": ["north"],
        "team_id": create(api, "teams", **team(api))["id"],
        "sla_policy_id": create(api, "sla-policies", **sla_policy(api))["id"],
        "calendar_id": create(api, "calendars", **calendar(api))["id"],
        "price_list_id": create(api, "price-lists", name=unique("Prices"), currency="EUR")["id"],
    }


def contract(api: Client) -> JSON:
    """Give a contract that somebody looks after."""
    return {
        "number": unique("SC"),
        "name": unique("Contract"),
        "responsible_user_id": create(api, "users", **user(api))["id"],
        "responsible_team_id": create(api, "teams", **team(api))["id"],
        "notes": "To be renegotiated.",
    }


def entitlement(api: Client) -> JSON:
    """Give an entitlement whose first period is still to come, under a contract of its own."""
    made = create(api, "contracts", **contract(api))["id"]
    answer = api.post(f"/v1/contracts/{made}/amend", json={"terms": {"starts_at": "2026-01-01T00:00:00Z"}})
    assert answer.is_success, answer.text
    return {
        "contract_id": made,
        "name": unique("Entitlement"),
        "kind": "money",
        "currency": "EUR",
        "quantity": 50_000,
        "period_months": 1,
        "starts_at": "2098-01-01T00:00:00Z",
        "rollover": "limited",
        "rollover_limit": 25_000,
        "rollover_periods": 3,
        "overage": "allow",
        "rounding_step": 5,
        "minimum_charge": 100,
        "warn_at": [10_000, 5_000],
    }


def an_entitlement(stage: Stage, api: Client) -> dict[str, str]:
    """Make an entitlement in which something is entered; gives its id."""
    del stage
    made = create(api, "entitlements", **entitlement(api))["id"]
    answer = api.post(f"/v1/entitlements/{made}/entries", json=ENTRY | {"reference": unique("Entry")})
    assert answer.is_success, answer.text
    return {"id": made}
