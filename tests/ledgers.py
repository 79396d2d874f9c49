"""Entitlements for tests: making them, entering something, reading what the ledger says."""

from typing import Any
from uuid import uuid4

import httpx2

from tests.api.test_contracts import a_contract
from tests.factories import create, get
from tests.stage import Client, Stage

JSON = dict[str, Any]
OPEN = {"ends_at": None}
MONTHLY = {"period_months": 1}


def an_entitlement(api: Client, **values: object) -> JSON:
    """Make an entitlement to 100 minutes, for good unless it has periods, under a contract of its own."""
    contract = values.pop("contract_id", None) or a_contract(api, **OPEN)["id"]
    defaults = {"name": "Hours", "kind": "hours", "quantity": 100, "contract_id": contract}
    return create(api, "entitlements", **defaults | {"starts_at": "2026-03-01T00:00:00Z"} | values)


def entered(api: Client, entitlement: JSON, kind: str, amount: int | None = None, **said: object) -> httpx2.Response:
    """Enter something under a name of its own; gives the answer."""
    body = {"kind": kind, "amount": amount, "source": "test", "reference": str(uuid4())} | said
    return api.post(f"/v1/entitlements/{entitlement['id']}/entries", json=body)


def enter(api: Client, entitlement: JSON, kind: str, amount: int | None = None, **said: object) -> str:
    """Enter something; gives the id of the operation."""
    answer = entered(api, entitlement, kind, amount, **said)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"][0]["operation_id"])


def refused(answer: httpx2.Response) -> tuple[int, str]:
    """Give how something was refused."""
    return answer.status_code, answer.json()["code"]


def balance(api: Client, entitlement: JSON, at: str | None = None) -> dict[str, int]:
    """Give the accounts on which something is."""
    shown = get(api, f"entitlements/{entitlement['id']}/balance" + (f"?at={at}" if at else ""))
    return {name: amount for name, amount in shown.items() if name not in {"at", "left"} and amount}


def ledger(api: Client, entitlement: JSON) -> list[JSON]:
    """Follow the pages of the ledger from its beginning."""
    path: str | None = f"entitlements/{entitlement['id']}/entries?sort=number&limit=40"
    found: list[JSON] = []
    cursor = ""
    while cursor is not None:
        page = get(api, f"{path}{cursor and f'&cursor={cursor}'}")
        found += page["data"]
        cursor = page["page"]["next_cursor"]
    return found


def lines(api: Client, entitlement: JSON) -> list[tuple[str, str, str, int, str]]:
    """Give what was moved from where to where, and on which day."""
    return [
        (each["kind"], each["from_account"], each["to_account"], each["amount"], each["occurred_at"][5:10])
        for each in ledger(api, entitlement)
    ]


def told(stage: Stage, entitlement: JSON) -> list[str]:
    """Give what was told of an entitlement, in order."""
    rows = stage.sql("SELECT type FROM events WHERE object_id = $1 ORDER BY xid, seq", entitlement["id"])
    return [row["type"].removeprefix("entitlement.") for row in rows]
