"""Price lists: what they refuse, which price holds for whom on which day, and why."""

from uuid import uuid4

from tests.api.test_contracts import a_contract
from tests.factories import a_company, create, get, patch
from tests.ledgers import OPEN
from tests.stage import Client

JSON = dict[str, object]


def a_list(api: Client, **values: object) -> str:
    """Make a price list in euro; gives its id."""
    return str(create(api, "price-lists", **{"name": f"Prices {uuid4()}", "currency": "EUR"} | values)["id"])


def an_item(api: Client, list_id: str, price: str, **values: object) -> str:
    """Put a toner on a price list; gives the id of the item."""
    defaults = {"code": "TONER", "name": "Toner", "kind": "part", "unit": "piece", "vat_rate": "22"}
    return str(create(api, "price-items", **defaults | {"price_list_id": list_id, "price": price} | values)["id"])


def refused(api: Client, plural: str, **body: object) -> tuple[int, str, str]:
    """Create something that is refused; gives how."""
    answer = api.post(f"/v1/{plural}", json=body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"].removeprefix("#")


def price(api: Client, **asked: object) -> tuple[str | None, str | None, list[tuple[str, str]]]:
    """Ask what a toner costs: the price, why, and the others with why not."""
    answer = api.post("/v1/price-items/lookup", json={"code": "TONER", "on": "2026-05-01"} | asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    others = [(each["item"]["price"], each["reason"]) for each in found["rejected"]]
    held = found["price"]
    return (None, None, others) if held is None else (held["item"]["price"], held["ground"], others)


def test_the_nearest_price_list_says_what_something_costs(api: Client) -> None:
    client = a_company(api, category="VIP")["id"]
    everybody, categories, company, agreed, offered = (
        a_list(api, name=name, **values)
        for name, values in (
            ("Everybody", {}),
            ("VIP", {"audience": "categories", "categories": ["VIP", "Partner"]}),
            ("Client", {"audience": "company", "company_id": client}),
            ("Contract", {"audience": "contracts"}),
            ("Service", {"audience": "contracts"}),
        )
    )
    for number, listed in enumerate((everybody, categories, company, agreed, offered), start=1):
        an_item(api, listed, f"{number}0.00")
    contract = a_contract(api, **OPEN, company_ids=[client], price_list_id=agreed)
    service = create(api, "services", name="Printing", price_list_id=offered)["id"]
    under = {"company_id": client, "contract_id": contract["id"], "service_id": service}

    less = "less_specific"
    assert price(api) == ("10.00", "everybody", [])
    assert price(api, company_id=a_company(api)["id"]) == ("10.00", "everybody", [])
    assert price(api, service_id=service) == ("50.00", "service", [("10.00", less)])
    assert price(api, company_id=client) == ("30.00", "company", [("20.00", less), ("10.00", less)])
    assert price(api, **under) == (
        "40.00", "contract", [("30.00", less), ("20.00", less), ("50.00", less), ("10.00", less)],
    )  # fmt: skip
    assert price(api, code="INK") == (None, None, [])
    decided = api.post("/v1/coverage/check", json={"company_id": client, "service_id": service}).json()
    assert decided["price_list"] == {"id": agreed, "origin": "contract"}
    assert api.delete(f"/v1/price-lists/{agreed}").json()["code"] == "still_referenced"


def test_between_prices_as_near_the_later_one_holds_then_the_first_by_name(api: Client) -> None:
    first, second = (a_list(api, name=f"{name} {uuid4()}") for name in ("A", "B"))
    an_item(api, first, "1.00", valid_until="2026-04-30")
    an_item(api, first, "2.00", valid_from="2026-05-01")
    an_item(api, second, "3.00", valid_from="2026-05-01", valid_until="2026-05-31")
    later = a_list(api, name=f"C {uuid4()}", valid_from="2026-05-20")
    an_item(api, later, "4.00")

    assert price(api, on="2026-04-30") == ("1.00", "everybody", [])
    assert price(api, on="2026-05-01") == ("2.00", "everybody", [("3.00", "name_comes_later")])
    assert price(api, on="2026-05-20") == ("4.00", "everybody", [("2.00", "held_earlier"), ("3.00", "held_earlier")])
    assert price(api, on="2026-06-01") == ("4.00", "everybody", [("2.00", "held_earlier")])


def test_what_contradicts_itself_is_refused_and_changes_nothing(api: Client) -> None:
    listed = a_list(api)
    an_item(api, listed, "12.500", valid_from="2026-01-01", valid_until="2026-06-30")
    item = {"price_list_id": listed, "code": "TONER", "name": "T", "kind": "part", "unit": "piece", "vat_rate": "22"}
    new = {"name": "N", "currency": "EUR"}

    assert [
        refused(api, "price-lists", **new | {"currency": "XXX"}),
        refused(api, "price-lists", **new, audience="company"),
        refused(api, "price-lists", **new, audience="everybody", categories=["VIP"]),
        refused(api, "price-lists", **new, valid_from="2026-02-01", valid_until="2026-01-31"),
        refused(api, "price-items", **item, price="9.00", valid_from="2026-06-30"),
        refused(api, "price-items", **item | {"code": "X"}, price="9.00", time_of_day="open"),
        refused(api, "price-items", **item, price=9.5),
        refused(api, "price-items", **item, price="-1"),
        refused(api, "price-items", **item | {"vat_rate": "101"}, price="1"),
        refused(api, "price-items", **item | {"price_list_id": str(uuid4())}, price="9.00"),
    ] == [
        (422, "unknown_currency", "/currency"),
        (422, "invalid_price_list", "/company_id"),
        (422, "invalid_price_list", "/categories"),
        (422, "invalid_price_list", "/valid_until"),
        (409, "price_taken", "/code"),
        (422, "invalid_price_item", "/kind"),
        *[(422, "validation_failed", "/price")] * 2,
        (422, "validation_failed", "/vat_rate"),
        (422, "unknown_reference", "/price_list_id"),
    ]
    (kept,) = get(api, f"price-items?price_list_id={listed}")["data"]
    assert (kept["price"], kept["version"]) == ("12.500", 1)
    after = an_item(api, listed, "9.00", valid_from="2026-07-01")
    assert api.patch(f"/v1/price-items/{after}", json={"valid_from": None}).json()["code"] == "price_taken"
    assert patch(api, f"price-items/{after}", price="9.10")["price"] == "9.10"
