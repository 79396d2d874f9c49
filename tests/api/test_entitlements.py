"""Entitlements: what is granted when, reserved, used and undone; the ledger holds under many writers."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from tests.api.test_contracts import a_contract, amend
from tests.conftest import MakeSandbox
from tests.factories import a_contact, advance, create, get, patch
from tests.jobs.test_erasure import erased
from tests.stage import Client, Stage

JSON = dict[str, Any]
OPEN = {"ends_at": None}
MONTHLY = {"period_months": 1}
SINKS = ("available", "rolled_over", "reserved", "used", "expired")


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


def test_each_period_is_granted_once_and_what_is_left_is_kept_as_the_rule_says(sandbox: MakeSandbox) -> None:
    api = sandbox()
    entitlement = an_entitlement(api, **MONTHLY, rollover="limited", rollover_limit=50, rollover_periods=1)
    enter(api, entitlement, "post", 20)

    advance(api, "2026-05-10T00:00:00Z")

    assert lines(api, entitlement) == [
        ("grant", "granted", "available", 100, "03-02"),
        ("post", "available", "used", 20, "03-02"),
        ("expire", "available", "expired", 30, "04-01"),
        ("roll_over", "available", "rolled_over", 50, "04-01"),
        ("grant", "granted", "available", 100, "04-01"),
        ("expire", "rolled_over", "expired", 50, "05-01"),
        ("expire", "available", "expired", 50, "05-01"),
        ("roll_over", "available", "rolled_over", 50, "05-01"),
        ("grant", "granted", "available", 100, "05-01"),
    ]
    assert balance(api, entitlement, "2026-03-31T23:59:59Z") == {"granted": 100, "available": 80, "used": 20}
    assert balance(api, entitlement, "2026-04-01T00:00:00Z") == {
        "granted": 200,
        "available": 100,
        "rolled_over": 50,
        "used": 20,
        "expired": 30,
    }
    assert balance(api, entitlement, "2026-03-01T00:00:00Z") == {}


def test_what_was_missed_is_entered_as_of_when_it_was_due_before_anything_else(api: Client, stage: Stage) -> None:
    entitlement = an_entitlement(api, **MONTHLY, starts_at="2098-01-01T00:00:00Z")
    stage.sql(
        "UPDATE entitlements SET starts_at = now() - interval '100 days', turns_at = now() - interval '100 days' "
        "WHERE id = $1",
        entitlement["id"],
    )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: enter(api, entitlement, "post", 25), range(4)))

    entries = ledger(api, entitlement)
    due = [each["occurred_at"] for each in entries[:7]]
    assert [each["kind"] for each in entries] == [*(["grant", "expire"] * 3), "grant", *(["post"] * 4)]
    assert due[0] == get(api, f"entitlements/{entitlement['id']}")["starts_at"]
    assert (due[1::2], len(set(due))) == (due[2::2], 4)
    assert balance(api, entitlement) == {"granted": 400, "used": 100, "expired": 300}


def test_a_reservation_is_used_in_part_and_freed_and_what_was_used_can_be_undone(api: Client) -> None:
    entitlement = an_entitlement(api, rounding_step=15, minimum_charge=30)
    reservation = enter(api, entitlement, "reserve", 50)

    assert balance(api, entitlement) == {"granted": 100, "available": 40, "reserved": 60}
    used = enter(api, entitlement, "post", 5, operation_id=reservation)
    assert balance(api, entitlement) == {"granted": 100, "available": 40, "reserved": 30, "used": 30}
    enter(api, entitlement, "reverse", operation_id=used)
    assert balance(api, entitlement) == {"granted": 100, "available": 40, "reserved": 60}
    enter(api, entitlement, "post", operation_id=reservation)
    assert balance(api, entitlement) == {"granted": 100, "available": 40, "used": 60}
    assert refused(entered(api, entitlement, "post", operation_id=reservation)) == (409, "nothing_to_undo")
    assert refused(entered(api, entitlement, "reverse", operation_id=used)) == (409, "nothing_to_undo")
    assert refused(entered(api, entitlement, "reverse", operation_id=reservation)) == (409, "nothing_to_undo")
    other = enter(api, entitlement, "reserve", 30)
    enter(api, entitlement, "reverse", operation_id=other)
    assert balance(api, entitlement) == {"granted": 100, "available": 40, "used": 60}


def test_nothing_is_entered_twice_under_one_reference(api: Client) -> None:
    entitlement = an_entitlement(api)
    said = {"source": "timesheets", "reference": "17"}

    first = entered(api, entitlement, "post", 30, **said)
    again = entered(api, entitlement, "post", 30, **said)
    other = entered(api, entitlement, "post", 31, **said)

    assert (first.status_code, again.json()) == (200, first.json())
    assert refused(other) == (409, "reference_taken")
    assert balance(api, entitlement) == {"granted": 100, "available": 70, "used": 30}


def test_more_than_is_left_is_refused_or_is_overage(api: Client, stage: Stage) -> None:
    strict, lenient = an_entitlement(api, warn_at=[50, 10]), an_entitlement(api, warn_at=[50, 10], overage="allow")

    assert refused(entered(api, strict, "post", 101)) == (409, "entitlement_exhausted")
    assert balance(api, strict) == {"granted": 100, "available": 100}
    used = enter(api, lenient, "post", 130)
    reserved = enter(api, lenient, "reserve", 5)
    assert balance(api, lenient) == {"granted": 100, "overage": 35, "used": 130, "reserved": 5}
    enter(api, lenient, "post", 7, operation_id=reserved)
    assert balance(api, lenient) == {"granted": 100, "overage": 37, "used": 137}
    enter(api, lenient, "reverse", operation_id=used)
    assert balance(api, lenient) == {"granted": 100, "overage": 7, "available": 100, "used": 7}
    assert told(stage, strict) == ["created", "granted"]
    assert told(stage, lenient)[2:6] == ["used", "threshold_reached", "threshold_reached", "exhausted"]


def test_what_is_granted_by_hand_can_be_taken_back_while_it_is_there(sandbox: MakeSandbox) -> None:
    api = sandbox()
    entitlement = an_entitlement(api, **MONTHLY)
    given = {"reason": "Goodwill", "expires_at": "2026-03-20T00:00:00Z"}
    first, second = (enter(api, entitlement, "grant", amount, **given) for amount in (40, 60))
    enter(api, entitlement, "post", 50)

    assert refused(entered(api, entitlement, "reverse", operation_id=first)) == (409, "entitlement_exhausted")
    advance(api, "2026-03-19T00:00:00Z")
    assert balance(api, entitlement) == {"granted": 200, "available": 150, "used": 50}
    third = enter(api, entitlement, "grant", 5, **given)
    enter(api, entitlement, "reverse", operation_id=third)
    advance(api, "2026-03-20T00:00:00Z")
    assert balance(api, entitlement) == {"granted": 200, "available": 100, "used": 50, "expired": 50}
    assert refused(entered(api, entitlement, "reverse", operation_id=second)) == (409, "entitlement_exhausted")


def test_what_comes_back_of_a_grant_that_is_over_is_over(sandbox: MakeSandbox) -> None:
    api = sandbox()
    entitlement = an_entitlement(api, **MONTHLY)
    used, reserved = enter(api, entitlement, "post", 30), enter(api, entitlement, "reserve", 20)
    advance(api, "2026-04-10T00:00:00Z")

    enter(api, entitlement, "reverse", operation_id=used)
    enter(api, entitlement, "post", 5, operation_id=reserved)
    enter(api, entitlement, "reverse", operation_id=reserved)

    assert balance(api, entitlement) == {"granted": 200, "available": 100, "used": 5, "expired": 95}


def test_everything_is_over_with_the_contract_which_warns_before(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    contract = a_contract(api, ends_at="2026-06-15T00:00:00Z", notice_days=30)
    entitlement = an_entitlement(api, **MONTHLY, contract_id=contract["id"], rollover="all")
    amend(api, contract, terms={"ends_at": "2026-04-15T00:00:00Z", "notice_days": 10})

    advance(api, "2026-07-02T00:00:00Z")
    assert lines(api, entitlement)[-2:] == [
        ("expire", "rolled_over", "expired", 100, "04-15"),
        ("expire", "available", "expired", 100, "04-15"),
    ]
    assert [each for each in told(stage, entitlement) if each != "created"] == [
        *("granted", "rolled_over", "granted", "contract_ending", "expired"),
    ]
    amend(api, contract, terms={"ends_at": "2026-09-01T00:00:00Z"})
    advance(api, "2026-08-01T00:00:00Z")
    assert balance(api, entitlement) == {"granted": 300, "available": 100, "expired": 200}
    amend(api, contract, effective_from="2026-07-01T00:00:00Z", terms={"ends_at": "2026-07-15T00:00:00Z"})
    assert balance(api, entitlement) == {"granted": 300, "expired": 300}


def test_an_entitlement_follows_its_own_rules_from_when_they_were_changed(sandbox: MakeSandbox) -> None:
    api = sandbox()
    entitlement = an_entitlement(api)
    monthly = an_entitlement(api, **MONTHLY)
    patch(api, f"entitlements/{monthly['id']}", quantity=7, rollover="all", warn_at=[1, 5, 1])

    advance(api, "2026-05-10T00:00:00Z")

    assert balance(api, entitlement) == {"granted": 100, "available": 100}
    assert balance(api, monthly) == {"granted": 114, "available": 7, "rolled_over": 7, "expired": 100}
    assert get(api, f"entitlements/{monthly['id']}")["warn_at"] == [5, 1]


def test_rules_that_contradict_each_other_are_refused(api: Client) -> None:
    draft = create(api, "contracts", number="SC-1", name="Draft")["id"]
    body = {"contract_id": draft, "name": "Hours", "kind": "hours", "quantity": 1}
    contradictions: list[tuple[JSON, str, str]] = [
        ({"currency": "EUR"}, "invalid_entitlement", "/currency"),
        ({"kind": "money"}, "invalid_entitlement", "/currency"),
        ({"rollover": "limited"}, "invalid_entitlement", "/rollover_limit"),
        ({"rollover_limit": 5}, "invalid_entitlement", "/rollover_limit"),
        ({"rollover_periods": 5}, "invalid_entitlement", "/rollover_periods"),
        ({"contract_id": str(uuid4())}, "unknown_reference", "/contract_id"),
        ({}, "contract_without_terms", "/contract_id"),
    ]

    for changes, code, pointer in contradictions:
        problem = api.post("/v1/entitlements", json=body | changes).json()
        assert (problem["code"], problem["errors"][0]["pointer"].removeprefix("#")) == (code, pointer)
    entitlement = an_entitlement(api)
    assert refused(api.patch(f"/v1/entitlements/{entitlement['id']}", json={"rollover_limit": 5})) == (
        *(422, "invalid_entitlement"),
    )
    assert get(api, "entitlements")["data"] == [entitlement]


def test_what_cannot_be_entered_says_why(api: Client) -> None:
    entitlement, other = an_entitlement(api), an_entitlement(api)
    here, elsewhere = enter(api, entitlement, "post", 1), enter(api, other, "post", 1)
    before = ledger(api, entitlement)

    answers: dict[str, list[JSON]] = {
        "/amount": [{"kind": "post"}, {"kind": "reverse", "amount": 1, "operation_id": here}],
        "/operation_id": [
            *({"kind": "reverse"}, {"kind": "reserve", "amount": 1, "operation_id": here}),
            *({"kind": "reverse", "operation_id": elsewhere}, {"kind": "post", "operation_id": elsewhere}),
        ],
        "/reason": [{"kind": "grant", "amount": 1}],
        "/expires_at": [
            {"kind": "post", "amount": 1, "expires_at": "2098-01-01T00:00:00Z"},
            {"kind": "grant", "amount": 1, "reason": "x", "expires_at": "2020-01-01T00:00:00Z"},
        ],
        "/source": [{"kind": "post", "amount": 1, "source": "period"}],
    }
    for pointer, bodies in answers.items():
        for said in bodies:
            problem = entered(api, entitlement, **said).json()
            assert (problem["status"], problem["errors"][0]["pointer"].removeprefix("#")) == (422, pointer), said
    assert ledger(api, entitlement) == before
    for path in (f"entitlements/{entitlement['id']}", f"contracts/{entitlement['contract_id']}"):
        assert refused(api.delete(f"/v1/{path}")) == (409, "still_referenced")


def test_the_database_keeps_the_ledger_balanced_and_unchanged_whoever_writes(api: Client, stage: Stage) -> None:
    entitlement = an_entitlement(api)
    enter(api, entitlement, "post", 30)
    copied = (
        "INSERT INTO entitlement_entries (tenant_id, id, entitlement_id, operation_id, part, kind, from_account, "
        "to_account, amount, grant_number, source, reference, occurred_at) SELECT tenant_id, gen_random_uuid(), "
        "entitlement_id, gen_random_uuid(), 1, kind, {}, {}, {}, grant_number, source, 'x', occurred_at "
        "FROM entitlement_entries WHERE entitlement_id = $1 AND number = 2"
    )
    before = ledger(api, entitlement)

    for statement in (
        "UPDATE entitlement_entries SET amount = 1 WHERE entitlement_id = $1",
        "DELETE FROM entitlement_entries WHERE entitlement_id = $1",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            stage.sql(statement, entitlement["id"])
    for moved in (
        ("'available'", "'used'", "71"), ("'reserved'", "'used'", "1"), ("'used'", "'used'", "1"),
        ("'used'", "'available'", "-1"), ("'elsewhere'", "'used'", "1"),
    ):  # fmt: skip
        with pytest.raises(asyncpg.CheckViolationError):
            stage.sql(copied.format(*moved), entitlement["id"])
    assert ledger(api, entitlement) == before


def test_an_erasure_takes_a_person_out_of_a_reason_and_leaves_the_entry(api: Client) -> None:
    person = a_contact(api, name="Quirina Zabellini")["id"]
    entitlement = an_entitlement(api)
    enter(api, entitlement, "grant", 5, reason="Promised to Quirina Zabellini")
    before = ledger(api, entitlement)[-1]

    erased(api, f"contacts/{person}")

    after = ledger(api, entitlement)[-1]
    assert "Zabellini" not in after["reason"]
    assert after | {"reason": before["reason"]} == before


def test_with_32_writers_the_sum_of_entries_is_the_balance_and_never_below_zero(api: Client) -> None:
    entitlement = an_entitlement(api, quantity=400)
    accepted: Counter[str] = Counter()

    def write(writer: int) -> Counter[str]:
        chance, mine = random.Random(writer), Counter[str]()
        reserve, use = entered(api, entitlement, "reserve", 7), {"reference": f"{writer}", "source": "crowd"}
        posted = [entered(api, entitlement, "post", chance.randint(1, 9), **use)]
        posted.append(
            api.post(
                str(posted[0].request.url),
                content=posted[0].request.content,
                headers={"content-type": "application/json"},
            )
        )
        assert posted[0].json() == posted[1].json() or posted[0].status_code == posted[1].status_code == 409
        if posted[0].is_success:
            mine["used"] += sum(each["amount"] for each in posted[0].json()["data"])
        if reserve.is_success:
            operation = reserve.json()["data"][0]["operation_id"]
            mine["reserved"] += 7
            if chance.random() < 0.7:
                used = enter(api, entitlement, "post", operation_id=operation)
                mine += Counter(used=7)
                mine["reserved"] -= 7
                if chance.random() < 0.5:
                    enter(api, entitlement, "reverse", operation_id=used)
                    mine += Counter(reserved=7)
                    mine["used"] -= 7
        return mine

    with ThreadPoolExecutor(32) as pool:
        for mine in pool.map(write, range(32)):
            accepted += mine

    entries, summed = ledger(api, entitlement), Counter[str]()
    for number, entry in enumerate(entries, 1):
        summed[entry["from_account"]] -= entry["amount"]
        summed[entry["to_account"]] += entry["amount"]
        assert entry["number"] == number
        assert {name: entry["balance"][name] for name in SINKS} == {name: summed[name] for name in SINKS}
        assert min(entry["balance"].values()) >= 0
    assert entries == sorted(entries, key=lambda each: each["occurred_at"])
    assert {name: balance(api, entitlement).get(name, 0) for name in ("used", "reserved")} == dict(accepted)
    assert sum(summed.values()) == 0
