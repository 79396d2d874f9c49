"""Lines of tickets: what work and parts cost, who pays, what they draw, and how they are taken back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.api.test_contracts import a_contract
from tests.api.test_prices import a_list, an_item
from tests.factories import OFFICE, a_calendar, a_company, a_ticket, a_user, create, get
from tests.ledgers import OPEN, an_entitlement, balance, ledger
from tests.signing_in import role_of
from tests.stage import Client, Stage

JSON = dict[str, Any]
MONDAY_NOON, MONDAY_NIGHT = "2026-05-04T12:00:00Z", "2026-05-04T22:00:00Z"


def refused(api: Client, **body: object) -> tuple[int, str, str]:
    answer = api.post("/v1/ticket-lines", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"].removeprefix("#")


def reversed_line(api: Client, line: JSON) -> JSON:
    answer = api.post(f"/v1/ticket-lines/{line['id']}/reverse", json={"note": "Wrong ticket"})
    assert answer.status_code == 200, answer.text
    taken_back: JSON = answer.json()
    return taken_back


def sums(api: Client, ticket: JSON) -> list[tuple[str, str, str, str, str]]:
    return [
        (each["currency"], each["net"], each["vat"], each["gross"], each["covered_net"])
        for each in get(api, f"tickets/{ticket['id']}/totals")["totals"]
    ]


def a_covered_ticket(api: Client, **terms: object) -> tuple[JSON, JSON]:
    """Make a ticket under a contract of its own; gives both."""
    client = a_company(api)["id"]
    contract = a_contract(api, **OPEN, company_ids=[client], **terms)
    ticket = a_ticket(api, company_id=client)
    assert ticket["coverage"] == "covered"
    return contract, ticket


def test_parts_are_billed_at_the_price_of_the_day_with_discount_and_vat(api: Client) -> None:
    listed = a_list(api)
    an_item(api, listed, "80.00", valid_until="2026-05-31")
    an_item(api, listed, "84.00", valid_from="2026-06-01")
    ticket = a_ticket(api)
    said = {"ticket_id": ticket["id"], "code": "TONER", "quantity": "3"}

    may = create(api, "ticket-lines", **said, worked_at="2026-05-31T23:00:00Z", discount_percent="10")
    june = create(api, "ticket-lines", **said, worked_at="2026-06-01T00:00:00Z", discount_amount="2")
    given = create(api, "ticket-lines", **said, worked_at=MONDAY_NOON, price="33.335")

    assert [
        (each["price"], each["discount"], each["net"], each["vat"], each["gross"]) for each in (may, june, given)
    ] == [
        ("80.00", "24.00", "216.00", "47.52", "263.52"),
        ("84.00", "2.00", "250.00", "55.00", "305.00"),
        ("33.335", "0.00", "100.01", "22.00", "122.01"),
    ]
    assert [each["is_price_manual"] for each in (may, june, given)] == [False, False, True]
    assert {each["billing"] for each in (may, june, given)} == {"billable"}
    assert sums(api, ticket) == [("EUR", "566.01", "124.52", "690.53", "0")]

    taken_back = reversed_line(api, given)
    assert (taken_back["quantity"], taken_back["gross"], taken_back["reverses_id"]) == ("-3", "-122.01", given["id"])
    assert sums(api, ticket) == [("EUR", "466.00", "102.52", "568.52", "0")]
    for line in (given, taken_back):
        assert api.post(f"/v1/ticket-lines/{line['id']}/reverse", json={}).json()["code"] == "line_reversed"


def test_the_rate_of_minutes_goes_by_role_and_time_of_day(api: Client) -> None:
    calendar = a_calendar(api, time_zone="UTC", weekly_hours=OFFICE)["id"]
    expert = create(api, "roles", name="Expert", permissions=["tickets:read"], reach="all", field_groups=[])["id"]
    listed = a_list(api, audience="contracts")
    labour = {"kind": "labour", "unit": "hour", "name": "Work"}
    for code, price, more in (
        ("ANY", "60", {}),
        ("NIGHT", "90", {"time_of_day": "closed"}),
        ("EXPERT", "120", {"role_id": expert}),
        ("EXPERT-NIGHT", "180", {"role_id": expert, "time_of_day": "closed"}),
    ):
        an_item(api, listed, price, code=code, **labour, **more)
    _, ticket = a_covered_ticket(api, calendar_id=calendar, price_list_id=listed)
    somebody, some_expert = a_user(api)["id"], a_user(api, role_id=expert)["id"]

    def rate(performer: str, worked_at: str) -> tuple[str, str, str]:
        said = {"ticket_id": ticket["id"], "minutes": 20, "performer_id": performer, "worked_at": worked_at}
        line = create(api, "ticket-lines", **said)
        return line["code"], line["net"], line["billing"]

    assert rate(somebody, MONDAY_NOON) == ("ANY", "20.00", "covered")
    assert rate(somebody, MONDAY_NIGHT) == ("NIGHT", "30.00", "covered")
    assert rate(some_expert, MONDAY_NOON) == ("EXPERT", "40.00", "covered")
    assert rate(some_expert, MONDAY_NIGHT) == ("EXPERT-NIGHT", "60.00", "covered")
    assert get(api, f"tickets/{ticket['id']}/totals")["covered_minutes"] == 80
    assert sums(api, ticket) == [("EUR", "0", "0", "0", "150.00")]


def test_covered_work_is_drawn_once_rounded_and_put_back(api: Client) -> None:
    contract, ticket = a_covered_ticket(api)
    hours = an_entitlement(api, contract_id=contract["id"], quantity=100, rounding_step=15, minimum_charge=30)
    budget = an_entitlement(api, contract_id=contract["id"], kind="money", currency="EUR", quantity=20_000)
    an_item(api, a_list(api), "84.00")
    work = {"ticket_id": ticket["id"], "minutes": 35, "performer_id": a_user(api)["id"]}
    key = {"Idempotency-Key": "time-17"}

    first, again = (api.post("/v1/ticket-lines", json=work, headers=key).json() for _ in range(2))
    part = create(api, "ticket-lines", ticket_id=ticket["id"], code="TONER", quantity="2")
    assert first == again
    assert (first["drawn_amount"], first["entitlement_id"], first["price"]) == (45, hours["id"], None)
    assert (part["drawn_amount"], part["entitlement_id"], part["net"]) == (16_800, budget["id"], "168.00")
    assert balance(api, hours) == {"granted": 100, "available": 55, "used": 45}
    assert refused(api, ticket_id=ticket["id"], code="TONER", quantity="1") == (
        409,
        "entitlement_exhausted",
        "/billing",
    )
    billed = create(api, "ticket-lines", ticket_id=ticket["id"], code="TONER", quantity="1", billing="billable")
    assert (billed["drawn_amount"], billed["contract_id"]) == (None, contract["id"])

    reversed_line(api, first)
    reversed_line(api, part)

    assert balance(api, hours) == {"granted": 100, "available": 100}
    assert balance(api, budget) == {"granted": 20_000, "available": 20_000}
    assert [(each["kind"], each["source"], each["ticket_id"]) for each in ledger(api, hours)[1:]] == [
        (kind, "ticket_line", ticket["id"]) for kind in ("post", "reverse")
    ]


def test_minutes_noted_at_once_never_draw_more_than_there_is(api: Client) -> None:
    contract, ticket = a_covered_ticket(api)
    hours = an_entitlement(api, contract_id=contract["id"], quantity=100)
    work = {"ticket_id": ticket["id"], "minutes": 30, "performer_id": a_user(api)["id"]}

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: api.post("/v1/ticket-lines", json=work).status_code, range(6)))

    assert sorted(answers) == [201] * 3 + [409] * 3
    assert balance(api, hours) == {"granted": 100, "available": 10, "used": 90}
    assert get(api, f"tickets/{ticket['id']}/totals")["covered_minutes"] == 90


def test_what_contradicts_itself_is_refused_and_draws_nothing(api: Client) -> None:
    an_item(api, a_list(api), "84.00")
    ticket, performer = a_ticket(api)["id"], a_user(api)["id"]
    part = {"ticket_id": ticket, "code": "TONER", "quantity": "1"}

    assert [
        refused(api, ticket_id=ticket, code="TONER"),
        refused(api, **part, minutes=5),
        refused(api, ticket_id=ticket, quantity="1"),
        refused(api, ticket_id=ticket, code="TONER", minutes=5, performer_id=performer),
        refused(api, ticket_id=ticket, minutes=5),
        refused(api, ticket_id=ticket, minutes=5, performer_id=performer),
        refused(api, **part | {"code": "INK"}),
        refused(api, **part, billing="covered"),
        refused(api, **part, discount_amount="84.01"),
        refused(api, **part | {"quantity": "0"}),
        refused(api, **part | {"quantity": "999999999999"}, price="999999999999"),
    ] == [
        (422, "invalid_line", "/quantity"),
        (422, "invalid_line", "/quantity"),
        (422, "invalid_line", "/code"),
        (422, "invalid_line", "/minutes"),
        (422, "invalid_line", "/performer_id"),
        (409, "no_price", "/code"),
        (409, "no_price", "/code"),
        (409, "ticket_not_covered", "/billing"),
        (422, "discount_too_large", "/discount_amount"),
        (422, "validation_failed", "/quantity"),
        (422, "amount_too_large", "/price"),
    ]
    assert get(api, f"ticket-lines?ticket_id={ticket}")["data"] == []


def test_who_is_not_shown_prices_notes_work_and_gives_none(api: Client, stage: Stage) -> None:
    an_item(api, a_list(api), "84.00")
    ticket = a_ticket(api)["id"]
    said = {"ticket_id": ticket, "code": "TONER", "quantity": "1"}
    keys = {
        name: create(api, "api-keys", name=name, role_id=role_of(api, name))["key"] for name in ("agent", "crm_sync")
    }

    with stage.client(api.tenant, keys["agent"]) as agent, stage.client(api.tenant, keys["crm_sync"]) as crm:
        noted = create(agent, "ticket-lines", **said)
        assert {noted[name] for name in ("price", "discount", "net", "vat", "gross")} == {None}
        assert get(agent, f"tickets/{ticket}/totals")["totals"] == []
        assert refused(agent, **said, price="1.00") == (403, "field_not_allowed", "/price")
        assert crm.get("/v1/ticket-lines").json()["code"] == "missing_permission"
    assert get(api, f"ticket-lines/{noted['id']}")["gross"] == "102.48"
