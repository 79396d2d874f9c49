"""The ledger of an entitlement: what is reserved, used and undone, under many writers, and kept by the database."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from tests.factories import a_contact
from tests.jobs.test_erasure import erased
from tests.ledgers import JSON, an_entitlement, balance, enter, entered, ledger, refused, told
from tests.stage import Client, Stage

SINKS = ("available", "rolled_over", "reserved", "used", "expired")


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

    def use(writer: int) -> Counter[str]:
        """Use something, and say so twice, as whoever got no answer does."""
        amount = random.Random(writer).randint(10, 30)
        first, again = (entered(api, entitlement, "post", amount, reference=f"{writer}") for _ in range(2))
        if not first.is_success:
            return Counter()
        assert again.json() == first.json()
        return Counter(used=sum(each["amount"] for each in first.json()["data"]))

    def hold(writer: int) -> Counter[str]:
        """Reserve something, as a ticket does, and perhaps use it, and perhaps that was a mistake."""
        reserved = entered(api, entitlement, "reserve", 7)
        if not reserved.is_success:
            return Counter()
        operation = reserved.json()["data"][0]["operation_id"]
        if writer % 4 == 0:
            return Counter(reserved=7)
        used = enter(api, entitlement, "post", operation_id=operation)
        if writer % 4 == 1:
            return Counter(used=7)
        enter(api, entitlement, "reverse", operation_id=used)
        return Counter(reserved=7)

    with ThreadPoolExecutor(32) as pool:
        for mine in pool.map(lambda writer: (use if writer % 2 else hold)(writer // 2), range(32)):
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
