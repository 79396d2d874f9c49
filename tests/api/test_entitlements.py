"""Entitlements: what is granted when, what is over when, and what they do with their contract."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.api.test_contracts import a_contract, amend
from tests.conftest import MakeSandbox
from tests.factories import a_company, advance, create, get, patch
from tests.jobs.webhooks import until
from tests.ledgers import JSON, MONTHLY, OPEN, an_entitlement, balance, enter, entered, ledger, lines, refused, told
from tests.stage import Client, Stage


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


def test_the_worker_grants_what_is_due_without_being_asked(api: Client, stage: Stage) -> None:
    entitlement = an_entitlement(api, **MONTHLY, starts_at="2098-01-01T00:00:00Z")
    stage.sql(
        "WITH begun AS (UPDATE entitlements SET starts_at = now(), turns_at = now() WHERE id = $1 RETURNING turns_at) "
        "UPDATE deadlines SET due_at = turns_at, try_at = turns_at FROM begun WHERE object_id = $1",
        entitlement["id"],
    )

    granted = until(lambda: ledger(api, entitlement))

    assert [(each["kind"], each["amount"], each["reference"]) for each in granted] == [("grant", 100, "0")]
    (following,) = stage.sql(
        "SELECT instance, turns_at = deadlines.due_at AS is_next FROM entitlements JOIN deadlines "
        "ON object_id = entitlements.id WHERE entitlements.id = $1 AND fired_at IS NULL",
        entitlement["id"],
    )
    assert tuple(following) == (2, True)


def test_a_check_of_coverage_tells_what_was_left_to_those_who_may_know(api: Client, stage: Stage) -> None:
    client = a_company(api)["id"]
    contract = a_contract(api, **OPEN, company_ids=[client])["id"]
    hours = an_entitlement(api, contract_id=contract)
    visits = an_entitlement(api, contract_id=contract, kind="visits", quantity=2, overage="allow")
    enter(api, hours, "post", 30)
    asked = {"company_id": client}

    def left(of: JSON, amount: int) -> JSON:
        told = {"entitlement_id": of["id"], "allows_overage": of["overage"] == "allow", "left": amount}
        return told | {name: of[name] for name in ("name", "kind", "currency")}

    def checked(by: Client, **said: str) -> object:
        answer = by.post("/v1/coverage/check", json=asked | said)
        assert answer.status_code == 200, answer.text
        return answer.json()["entitlements"]

    assert checked(api) == [left(hours, 70), left(visits, 2)]
    assert checked(api, at="2026-03-01T00:00:00Z") == [left(hours, 0), left(visits, 0)]
    with stage.client(api.tenant, stage.key(api.tenant, ("contracts:read", "companies:read"))) as reader:
        assert checked(reader) is None
    assert api.post("/v1/coverage/check", json={"company_id": a_company(api)["id"]}).json()["entitlements"] == []
