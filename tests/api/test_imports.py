"""Imports: every row to its card or told why not, by line, whatever a file holds."""

import csv
import io
import json
import random
from uuid import UUID

import pytest

from helpdesk_api.directory.transfers.importing import ROWS_AT_ONCE
from tests.api.test_exports import ended, exported
from tests.contract.file_bodies import uploaded
from tests.factories import Json, a_company, a_contact, create, get, patch
from tests.stage import Client, Stage

COUNTS = ("created_count", "updated_count", "unchanged_count", "failed_count")


def imported(api: Client, content: bytes | str, **wanted: object) -> Json:
    """Upload a file and import it; gives the import when it has ended."""
    raw = content.encode() if isinstance(content, str) else content
    body = {"file_id": uploaded(api, raw, "cards.csv")["id"], "resource": "contacts", "format": "csv", **wanted}
    answer = api.post("/v1/imports", json=body)
    assert answer.status_code == 202, answer.text
    return ended(api, answer.json(), "imports")


def counts(done: Json) -> tuple[int, ...]:
    assert done["state"] == "done", done
    return tuple(done[name] for name in COUNTS)


def told(api: Client, done: Json) -> list[tuple[int, str, list[str]]]:
    """Give what was refused: the line, the code, and the columns that are meant."""
    rows = get(api, f"imports/{done['id']}/rows?outcome=failed&limit=200")["data"]
    return [(row["line_number"], row["code"], [error["column"] for error in row["errors"]]) for row in rows]


def named(api: Client, plural: str = "contacts") -> list[str]:
    return [card["name"] for card in get(api, f"{plural}?limit=200&sort=created_at")["data"]]


def versions(stage: Stage, api: Client) -> list[tuple[UUID, int]]:
    rows = stage.sql(
        """
        SELECT id, version FROM companies WHERE tenant_id = $1 UNION ALL SELECT id, version FROM contacts
        WHERE tenant_id = $1 UNION ALL SELECT id, version FROM locations WHERE tenant_id = $1
        """,
        api.tenant.id,
    )
    return sorted((row["id"], row["version"]) for row in rows)


def card_events(stage: Stage, api: Client) -> int:
    query = "SELECT count(*) FROM events WHERE tenant_id = $1 AND object_type IN ('company', 'contact', 'location')"
    found: int = stage.sql(query, api.tenant.id)[0][0]
    return found


def test_rows_are_created_changed_and_left_by_the_ids_of_their_source(stage: Stage, api: Client) -> None:
    first = "external_id,name,emails\r\nA,Ada,ada@x.example;a@x.example\r\nB,Bo,\r\n"
    again = first.replace("Bo", "Bob") + 'C,"Cy\tx",\r\nD,Dee,dee@x.example\r\n'

    before = imported(api, first, source="crm")
    after = imported(api, again, source="crm")

    assert counts(before) == (2, 0, 0, 0)
    assert counts(after) == (1, 1, 1, 1)
    assert told(api, after) == [(4, "validation_failed", ["name"])]
    assert named(api) == ["Ada", "Bob", "Dee"]
    ada = api.get("/v1/contacts/by-ref/crm/A").json()
    assert (ada["emails"], ada["version"]) == (["ada@x.example", "a@x.example"], 1)
    types = [row["type"] for row in stage.sql("SELECT type FROM events WHERE object_id = $1", UUID(ada["id"]))]
    assert types == ["contact.created"]


def test_rows_of_an_import_come_to_what_a_batch_of_them_comes_to(api: Client, stage: Stage) -> None:
    create(api, "custom-fields", resource="contacts", key="shift", type="text", label="Shift")
    company = a_company(api, name="Dairy")
    create(api, "external-references", source="crm", external_id="c-1", company_id=company["id"])
    known = a_contact(api, name="Known", emails=["known@x.example"])
    a_contact(api, name="Twin 1", emails=["twin@x.example"])
    a_contact(api, name="Twin 2", emails=["twin@x.example"])
    cards: dict[str, Json] = {
        "1": {"name": "New", "company_external_id": "c-1", "custom_fields": {"shift": "night"}},
        "2": {"name": "Known by another name", "emails": ["known@x.example"]},
        "3": {"name": "Twin", "emails": ["twin@x.example"]},
        "4": {"name": "Nobody's", "company_external_id": "c-2"},
        "5": {"name": "Member", "memberships": [{"company_id": company["id"], "role": "Boss"}]},
        "6": {"name": "Lost", "memberships": [{"company_id": known["id"], "role": None}]},
    }
    lines = [json.dumps({"external_id": name, **card}) for name, card in cards.items()]
    asked: Json = {"resource": "contacts", "format": "jsonl", "source": "crm", "match_on": "email"}

    dry = imported(api, "\n".join(lines), **asked, dry_run=True)
    nothing = (counts(dry), len(named(api)))
    items = [{"external_id": f"b{name}", "card": card} for name, card in cards.items() if name != "2"]
    done = imported(api, "\n".join(lines), **asked)
    batch = api.post("/v1/contacts/upsert", json={"source": "crm", "items": items, "dry_run": True}).json()

    assert nothing == (counts(done), 3)
    assert counts(done) == (2, 1, 0, 3)
    assert told(api, done) == [
        (3, "several_matches", []), (4, "unknown_reference", ["company_external_id"]),
        (6, "unknown_reference", ["memberships"]),
    ]  # fmt: skip
    assert [item["outcome"] for item in batch["items"]] == ["created", "created", "error", "created", "error"]
    assert get(api, f"contacts/{known['id']}")["name"] == "Known by another name"
    new = api.get("/v1/contacts/by-ref/crm/1").json()
    assert (new["company_id"], new["custom_fields"]) == (company["id"], {"shift": "night"})


def test_columns_are_mapped_and_one_that_is_no_field_refuses_the_file(api: Client) -> None:
    content = 'Konto;x,"Full name",Owner,phones\r\n7,Ada,me,\'+39 06 6982\r\n'

    refused = imported(api, content, source="crm")
    mapping = {"Konto;x": "external_id", "Full name": "name", "Owner": None}
    done = imported(api, content, source="crm", mapping=mapping)

    assert (refused["state"], refused["problem_code"]) == ("failed", "unknown_import_column")
    assert "Konto;x" in refused["problem_detail"]
    assert imported(api, "name,name\nAda,Bo\n", source="crm")["problem_code"] == "repeated_import_column"
    assert counts(done) == (1, 0, 0, 0)
    assert api.get("/v1/contacts/by-ref/crm/7").json()["phones"] == ["+39066982"]


HEAD = "external_id,name,emails,notes\n"


@pytest.mark.parametrize(
    ("row", "line", "code", "columns"),
    [
        (b"1,Ada,,\x00", 2, "wrong_encoding", []),
        ("1,Борис,,".encode("cp1251"), 2, "wrong_encoding", []),
        (b"1,Ada", 2, "malformed_row", []),
        (b'1,"Ada"x,,', 2, "malformed_row", []),
        (b"1," + b"x" * 10_485_760 + b",,", 2, "record_too_long", []),
        (b"1," + b"x" * 201 + b",,", 2, "validation_failed", ["name"]),
        (b",Ada,,", 2, "row_without_reference", ["external_id"]),
        (b"a b,Ada,,", 2, "invalid_cell", ["external_id"]),
        ("1,Ada,ada@\u202ex.example,".encode(), 2, "validation_failed", ["emails"]),
        (b"1,Ada,[1,", 2, "invalid_cell", ["emails"]),
        (b'1,Ada,"[1",', 2, "invalid_cell", ["emails"]),
        (b"1,,,", 2, "validation_failed", ["name"]),
    ],
)
def test_a_row_that_is_wrong_is_told_with_its_line_and_hinders_no_other(
    api: Client, row: bytes, line: int, code: str, columns: list[str]
) -> None:
    done = imported(api, HEAD.encode() + row + b'\n9,Last,last@x.example,"two\nlines"\n', source="crm")

    assert told(api, done) == [(line, code, columns)]
    assert named(api) == ["Last"]


def test_a_quote_that_never_closes_takes_the_rest_of_the_file_with_it(api: Client) -> None:
    done = imported(api, f'{HEAD}1,Ada,,\n2,"Bo,,\n3,Cy,,\n', source="crm")

    assert counts(done) == (1, 0, 0, 1)
    assert told(api, done) == [(3, "unclosed_quote", [])]


def test_addresses_that_only_look_alike_are_of_different_people(api: Client) -> None:
    people = {
        "latin": "anna@x.example",
        "homoglyph": "\u0430nna@x.example",
        "plus": "anna+desk@x.example",
        "upper": "ANNA@x.example",
    }
    rows = "".join(f"{name},{name},{email}\n" for name, email in people.items())

    done = imported(api, f"external_id,name,emails\n{rows}", source="crm", match_on="email")
    composed = imported(api, "external_id,name\nnfc,Zo\u00eb\n", source="crm")
    decomposed = imported(api, "external_id,name\nnfc,Zoe\u0308\n", source="crm")

    assert counts(done) == (3, 0, 0, 1)
    assert told(api, done) == [(5, "already_linked", [])]
    assert (counts(composed), counts(decomposed)) == ((1, 0, 0, 0), (0, 0, 1, 0))


@pytest.mark.parametrize(
    ("encoding", "stated"),
    [("utf-8-sig", None), ("utf-16", None), ("utf-16", "utf-16"), ("cp1251", "windows-1251")],
)
def test_a_file_in_a_known_encoding_is_read(api: Client, encoding: str, stated: str | None) -> None:
    content = 'external_id,name,notes\r\n1,Борис,"=1+1\r\nдым"\r\n2,Анна,\'=x\r\n'.encode(encoding)

    done = imported(api, content, source="crm", encoding=stated)

    assert counts(done) == (2, 0, 0, 0)
    assert named(api) == ["Борис", "Анна"]
    assert [card["notes"] for card in get(api, "contacts?sort=created_at")["data"]] == ["=1+1\r\nдым", "=x"]


def test_what_cannot_be_imported_is_refused_at_once(stage: Stage, api: Client) -> None:
    file = uploaded(api, b"name\nAda\n", "cards.csv")["id"]
    asked = {"file_id": file, "resource": "contacts", "format": "csv"}

    def refused(client: Client, **changes: object) -> tuple[int, str]:
        problem = client.post("/v1/imports", json=asked | changes).json()
        return problem["status"], problem["code"]

    with stage.client(api.tenant, stage.key(api.tenant, ("imports:write", "companies:write"))) as other:
        found = [refused(other), refused(other, resource="companies")]

    assert found == [(403, "missing_permission"), (422, "unknown_reference")]
    assert refused(api, match_on="email") == (422, "unknown_match")
    assert refused(api, match_on="domain", source="crm") == (422, "unknown_match")
    assert imported(api, b"", source="crm")["problem_code"] == "malformed_row"
    assert get(api, "contacts")["data"] == []


def test_fields_that_another_system_owns_stay_and_the_row_tells_of_it(api: Client) -> None:
    create(api, "crm-sources", source="erp", contacts={"name": "source"})
    api.put("/v1/contacts/by-ref/erp/1", json={"name": "Ada"})
    ada = api.get("/v1/contacts/by-ref/erp/1").json()
    create(api, "external-references", source="crm", external_id="A", contact_id=ada["id"])

    done = imported(api, "external_id,name,notes\nA,Eva,Rings twice\n", source="crm")

    (row,) = get(api, f"imports/{done['id']}/rows")["data"]
    assert counts(done) == (0, 1, 0, 0)
    assert (row["outcome"], row["card_id"], [error["column"] for error in row["errors"]]) == (
        "updated",
        ada["id"],
        ["name"],
    )
    after = get(api, f"contacts/{ada['id']}")
    assert (after["name"], after["notes"]) == ("Ada", "Rings twice")


def test_the_rows_that_were_refused_are_paged_in_the_order_of_their_lines(api: Client) -> None:
    done = imported(api, "external_id,name\n" + "".join(f"{number},\n" for number in range(7)), source="crm")

    lines, cursor = [], ""
    while cursor is not None:
        page = get(api, f"imports/{done['id']}/rows?limit=3{cursor and '&cursor=' + cursor}")
        lines += [row["line_number"] for row in page["data"]]
        cursor = page["page"]["next_cursor"]

    assert lines == [2, 3, 4, 5, 6, 7, 8]


def some_cards(api: Client, source: random.Random, size: int) -> None:
    """Create companies, contacts and locations with everything that a cell could stumble over."""
    texts = [
        "=1+1",
        "'quoted",
        "a;b",
        ' "x" ',
        "l1\nl2\r\nl3",
        "\ttab",
        "Ω≈ç",
        "e\u0301",
        "\u202eRTL",
        "",
        "-5",
        "[1]",
        "@x",
    ]
    for plural in ("companies", "contacts", "locations"):
        for key, kind in (("note", "text"), ("seats", "number"), ("vip", "checkbox"), ("price", "money")):
            create(api, "custom-fields", resource=plural, key=key, type=kind, label=key)

    def common() -> Json:
        text = source.choice(texts).strip() or "x"
        values = {"note": text, "seats": source.choice([-3, 0.5, 7]), "vip": source.random() < 0.5}
        values["price"] = {"amount": "12.50", "currency": "EUR"}
        custom = {name: value for name, value in values.items() if source.random() < 0.6}
        name = source.choice(texts).replace("\n", " ").replace("\r", "").replace("\t", "")
        return {"name": f"{name}{source.randrange(9)}", "notes": source.choice([*texts, None]), "custom_fields": custom}

    for number in range(size):
        vat = [{"country": "IT", "kind": "vat", "number": f"IT{number:011}"}] * source.randrange(2)
        domains = [f"d{number}-{each}.example" for each in range(source.randrange(3))]
        company = a_company(api, **common(), tax_ids=vat, domains=domains, is_active=source.random() < 0.8)
        phones = ["+390669821234", "+390669821235"][: source.randrange(3)]
        telegram = [{"service": "telegram", "address": "@luca_ferri"}] * source.randrange(2)
        a_contact(api, **common(), company_id=company["id"], phones=phones, messengers=telegram, language="it")
        place = {"latitude": -33.5, "longitude": 0.25} if source.random() < 0.5 else None
        create(api, "locations", **common(), company_id=company["id"], coordinates=place, address={"city": "Mantua"})


CARDS = ("companies", "contacts", "locations")
COMPANY_IDS = {"company_id": "company_external_id", "parent_company_id": "parent_company_external_id"}


def plainly(content: bytes, form: str) -> list[Json]:
    """Give the rows of an export without what every installation makes by itself."""
    own = {"id", "created_at", "updated_at", "version", "company_id"}
    if form == "jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
    else:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    return [{name: value for name, value in row.items() if name not in own} for row in rows]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_exported_comes_back_as_it_was(stage: Stage, api: Client, form: str) -> None:
    some_cards(api, random.Random(form), 3)
    files = {plural: exported(api, resource=plural, format=form)[1] for plural in CARDS}
    before, events = versions(stage, api), card_events(stage, api)
    with stage.tenant() as other:
        for plural in CARDS:
            for key, kind in (("note", "text"), ("seats", "number"), ("vip", "checkbox"), ("price", "money")):
                create(other, "custom-fields", resource=plural, key=key, type=kind, label=key)

        here = [counts(imported(api, files[plural], resource=plural, format=form)) for plural in CARDS]
        there = [
            counts(imported(other, files[plural], resource=plural, format=form, source="old", mapping=COMPANY_IDS))
            for plural in CARDS
        ]
        copies = {plural: exported(other, resource=plural, format=form)[1] for plural in CARDS}

    assert here == [(0, 0, 3, 0)] * 3
    assert (versions(stage, api), card_events(stage, api)) == (before, events)
    assert there == [(3, 0, 0, 0)] * 3
    for plural in CARDS:
        assert plainly(copies[plural], form) == plainly(files[plural], form)


def test_cards_of_the_desk_are_changed_by_their_id_and_created_without_one(api: Client) -> None:
    ada = a_contact(api, name="Ada", notes="Rings twice.")
    patch(api, f"contacts/{ada['id']}", name="Ada L.")
    nobody = a_company(api)["id"]

    done = imported(api, f"id,name,notes\n{ada['id']},Ada Lovelace,\n,Bo,\n{nobody},Cy,\nx,Dee,\n")

    assert counts(done) == (1, 1, 0, 2)
    assert told(api, done) == [(4, "not_found", []), (5, "invalid_cell", ["id"])]
    changed = get(api, f"contacts/{ada['id']}")
    assert (changed["name"], changed["notes"], changed["version"]) == ("Ada Lovelace", None, 3)


def test_an_import_of_more_than_one_job_does_writes_every_row_once(stage: Stage, api: Client) -> None:
    size = ROWS_AT_ONCE * 4 + 3
    rows = "".join(f"{number},Name {number}\n" for number in range(size))
    file = uploaded(api, f"external_id,name\n{rows}".encode(), "cards.csv")["id"]
    body = {"file_id": file, "resource": "companies", "format": "csv", "source": "crm"}

    done = ended(api, api.post("/v1/imports", json=body).json(), "imports")

    assert counts(done) == (size, 0, 0, 0)
    query = "SELECT count(*), count(DISTINCT external_id) FROM external_references WHERE tenant_id = $1"
    assert tuple(stage.sql(query, api.tenant.id)[0]) == (size, size)


def test_a_cancelled_import_writes_no_further_row(stage: Stage, api: Client) -> None:
    done = imported(api, "external_id,name\n1,Ada\n", source="crm")
    stage.sql(
        "UPDATE imports SET state = 'running', completed_at = NULL, caller = '{}' WHERE tenant_id = $1", api.tenant.id
    )

    cancelled = api.post(f"/v1/imports/{done['id']}/cancel").json()
    again = api.post(f"/v1/imports/{done['id']}/cancel")

    assert (cancelled["state"], cancelled["created_count"]) == ("cancelled", 1)
    assert (again.status_code, again.json()["code"]) == (409, "import_ended")
