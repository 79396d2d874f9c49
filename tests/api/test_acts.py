"""Acts: which lines are put on them, that they stay the same bytes, and how they are put right."""

import csv
import hashlib
import io
import json
from decimal import Decimal
from typing import Any

from tests.api.test_prices import a_list, an_item
from tests.api.test_ticket_lines import a_covered_ticket, reversed_line
from tests.factories import a_company, a_ticket, a_user, create, get, patch
from tests.stage import Client

JSON = dict[str, Any]
MAY = {"starts_on": "2026-05-01", "ends_on": "2026-05-31", "currency": "EUR"}


def refused(api: Client, **body: object) -> tuple[int, str]:
    answer = api.post("/v1/acts", json=body)
    return answer.status_code, answer.json()["code"]


def written(api: Client, act: JSON) -> dict[str, bytes]:
    """Give the document of an act in every form."""
    answers = {name: api.get(f"/v1/acts/{act['id']}/document?format={name}") for name in ("json", "csv", "html")}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {name: answer.content for name, answer in answers.items()}


def test_an_act_stays_the_same_bytes_whatever_becomes_of_what_it_tells(api: Client) -> None:
    client = a_company(api, name="Alpine <Dairy> & Söhne")["id"]
    listed = a_list(api)
    item = an_item(api, listed, "84.00", name='=HYPERLINK("http://example.test")')
    ticket = a_ticket(api, company_id=client, subject="Confidential")
    line = create(api, "ticket-lines", ticket_id=ticket["id"], code="TONER", quantity="3", discount_percent="10")

    act = create(api, "acts", ticket_id=ticket["id"], currency="EUR")
    before = written(api, act)
    patch(api, f"price-items/{item}", price="99.00", name="Toner, black")
    patch(api, f"companies/{client}", name="Alpine")
    patch(api, f"tickets/{ticket['id']}", subject="Other")

    assert written(api, act) == before
    document = json.loads(before["json"])
    rebuilt = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert (rebuilt, hashlib.sha256(rebuilt).hexdigest()) == (before["json"], act["sha256"])
    assert (act["number"], act["net"], act["vat"], act["gross"]) == (1, "226.80", "49.90", "276.70")
    assert [(each["id"], each["gross"]) for each in document["lines"]] == [(line["id"], "276.70")]
    assert document["by_rate"] == [{"vat_rate": "22", "net": "226.80", "vat": "49.90", "gross": "276.70"}]
    (row,) = csv.DictReader(io.StringIO(before["csv"].decode()))
    assert (row["name"], row["gross"], row["currency"]) == ('\'=HYPERLINK("http://example.test")', "276.70", "EUR")
    page = before["html"].decode()
    assert "Alpine &lt;Dairy&gt; &amp; Söhne" in page
    assert act["sha256"] in page
    assert not [form for form, content in before.items() if b"Confidential" in content]


def test_an_act_of_a_contract_takes_each_line_of_the_period_once(api: Client) -> None:
    contract, ticket = a_covered_ticket(api)
    an_item(api, a_list(api), "84.00")
    part = {"ticket_id": ticket["id"], "code": "TONER", "quantity": "1", "billing": "billable"}
    days = ("2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z", "2026-05-31T23:59:59Z", "2026-06-01T00:00:00Z")
    _, first, last, june = (create(api, "ticket-lines", **part, worked_at=day) for day in days)
    work = {"ticket_id": ticket["id"], "minutes": 35, "performer_id": a_user(api)["id"]}
    covered = create(api, "ticket-lines", **work, worked_at="2026-05-04T12:00:00Z")

    act = create(api, "acts", contract_id=contract["id"], **MAY)

    document = json.loads(written(api, act)["json"])
    assert [each["id"] for each in document["lines"]] == [first["id"], covered["id"], last["id"]]
    assert [each["billing"] for each in document["lines"]] == ["billable", "covered", "billable"]
    assert (act["net"], act["gross"], act["company_id"]) == ("168.00", "204.96", ticket["company_id"])
    assert refused(api, contract_id=contract["id"], **MAY) == (409, "nothing_to_act")
    rest = create(api, "acts", ticket_id=ticket["id"], currency="EUR")
    assert (rest["number"], rest["net"]) == (2, "168.00")
    assert june["id"] in {each["id"] for each in json.loads(written(api, rest)["json"])["lines"]}


def test_what_was_wrong_is_put_right_by_lines_of_the_next_act(api: Client) -> None:
    an_item(api, a_list(api), "84.00")
    ticket = a_ticket(api)
    line = create(api, "ticket-lines", ticket_id=ticket["id"], code="TONER", quantity="3")
    wrong = create(api, "acts", ticket_id=ticket["id"], currency="EUR")
    before = written(api, wrong)

    taken_back = reversed_line(api, line)
    create(api, "ticket-lines", ticket_id=ticket["id"], code="TONER", quantity="2")
    right = create(api, "acts", ticket_id=ticket["id"], currency="EUR")

    assert written(api, wrong) == before
    lines = json.loads(written(api, right)["json"])["lines"]
    assert [(each["reverses_id"], each["gross"]) for each in lines] == [(line["id"], "-307.44"), (None, "204.96")]
    assert (right["net"], right["gross"]) == ("-84.00", "-102.48")
    assert Decimal(wrong["gross"]) + Decimal(right["gross"]) == Decimal("204.96")
    assert lines[0]["id"] == taken_back["id"]


def test_what_is_for_nothing_or_for_two_things_is_refused(api: Client) -> None:
    contract, ticket = a_covered_ticket(api)

    assert [
        refused(api, currency="EUR"),
        refused(api, currency="EUR", contract_id=contract["id"]),
        refused(api, **MAY, contract_id=contract["id"], ticket_id=ticket["id"]),
        refused(api, **MAY | {"ends_on": "2026-04-30"}, contract_id=contract["id"]),
        refused(api, ticket_id=ticket["id"], currency="XXX"),
        refused(api, ticket_id=ticket["id"], currency="EUR"),
    ] == [
        *[(422, "invalid_act")] * 4,
        (422, "unknown_currency"),
        (409, "nothing_to_act"),
    ]
    assert get(api, "acts")["data"] == []
