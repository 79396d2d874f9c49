"""Valid bodies for services and contracts."""

from tests.contract.bodies import JSON, asset_type, calendar, create, sla_policy, team, unique, user
from tests.stage import Client, Stage


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
