"""Exports: what the list shows a caller, as a file that no spreadsheet runs."""

import csv
import io
import json

import pytest

from helpdesk_api.domain.csv_cells import read_json, read_text, read_texts, written_text, written_value
from tests.factories import Json, a_company, a_contact, create, get
from tests.jobs.webhooks import until
from tests.stage import Client, Stage


def ended(api: Client, started: Json, plural: str = "exports") -> Json:
    """Wait until an export, or an import, has ended."""
    found: Json = until(lambda: (now := get(api, f"{plural}/{started['id']}")) and now["completed_at"] and now)
    return found


def exported(api: Client, **wanted: object) -> tuple[Json, bytes]:
    """Export cards; gives the export and its file."""
    answer = api.post("/v1/exports", json=wanted)
    assert answer.status_code == 202, answer.text
    done = ended(api, answer.json())
    assert done["state"] == "done", done
    return done, api.get(f"/v1/files/{done['file_id']}/content").content


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def refused(api: Client, **wanted: object) -> tuple[int, str, str | None]:
    problem = api.post("/v1/exports", json=wanted).json()
    return problem["status"], problem["code"], (problem.get("errors") or [{}])[0].get("pointer")


def test_a_file_of_lines_in_json_holds_the_cards_of_the_list_oldest_first(api: Client) -> None:
    first, _, third = (a_company(api, name=name, category=name[:1]) for name in ("a one", "b two", "a three"))

    export, content = exported(api, resource="companies", format="jsonl", filter="category=a")

    assert [json.loads(line) for line in content.splitlines()] == [first, third]
    assert export["row_count"] == 2
    assert get(api, f"files/{export['file_id']}")["media_type"] == "application/x-ndjson"


def test_a_csv_file_holds_every_field_with_custom_fields_as_columns_of_their_own(api: Client) -> None:
    create(api, "custom-fields", resource="companies", key="tier", type="text", label="Tier")
    create(api, "custom-fields", resource="companies", key="seats", type="number", label="Seats")
    company = a_company(
        api,
        name="=HYPERLINK(1)",
        domains=["b.example", "a.example"],
        notes='two\nlines, "quoted"',
        tax_ids=[{"country": "IT", "kind": "vat", "number": "IT01234567890"}],
        custom_fields={"tier": "@gold", "seats": -3},
    )

    _, content = exported(api, resource="companies", format="csv", has_byte_order_mark=True)

    (row,) = rows_of(content.removeprefix("\ufeff".encode()))
    assert content.startswith("\ufeffid,created_at,updated_at,version,name".encode())
    assert row["name"] == "'=HYPERLINK(1)"
    assert row["domains"] == "a.example;b.example"
    assert row["notes"] == 'two\nlines, "quoted"'
    assert json.loads(row["tax_ids"]) == company["tax_ids"]
    assert (row["custom_fields.tier"], row["custom_fields.seats"]) == ("'@gold", "'-3")
    assert (row["territory"], row["is_active"], row["observer_ids"]) == ("", "true", "[]")


def test_an_export_holds_the_rows_and_fields_that_its_caller_is_shown(stage: Stage, api: Client) -> None:
    mine = a_company(
        api, name="Mine", notes="Canary", tax_ids=[{"country": "IT", "kind": "vat", "number": "IT01234567890"}]
    )
    other = a_company(api, name="Other")
    for company in (mine, other):
        a_contact(api, name=f"Of {company['name']}", company_id=company["id"], emails=["luca@client.example"])
    rights = ["companies:read", "companies:list", "contacts:read", "contacts:list", "exports:write", "exports:read"]
    role = create(
        api,
        "roles",
        name="narrow",
        permissions=[*rights, "files:read"],
        reach="companies",
        company_ids=[mine["id"]],
        field_groups=[],
    )
    key = create(api, "api-keys", name="narrow", role_id=role["id"])["key"]
    with stage.client(api.tenant, key) as narrow:
        _, companies = exported(narrow, resource="companies", format="jsonl")
        _, contacts = exported(narrow, resource="contacts", format="csv", fields=["name", "emails"])
        listed = get(narrow, "companies")["data"]

        assert [json.loads(line) for line in companies.splitlines()] == listed
        assert [(row["name"], row["notes"]) for row in listed] == [("Mine", None)]
        assert rows_of(contacts) == [{"name": "Of Mine", "emails": get(narrow, "contacts")["data"][0]["emails"][0]}]
    assert b"luca" not in contacts
    assert b"Canary" not in companies


def test_the_file_is_of_who_asked_for_it_only(stage: Stage, api: Client) -> None:
    a_company(api)
    export, _ = exported(api, resource="companies", format="csv")
    with stage.client(api.tenant, stage.key(api.tenant, ("*:read",))) as other:
        answer = other.get(f"/v1/files/{export['file_id']}/content")

        assert get(other, f"exports/{export['id']}") == export
        assert answer.status_code == 404


def test_what_the_list_refuses_an_export_refuses(stage: Stage, api: Client) -> None:
    create(api, "custom-fields", resource="companies", key="margin", type="number", label="Margin", group="commercial")
    asked = {"resource": "companies", "format": "csv"}
    with stage.client(
        api.tenant, stage.key(api.tenant, ("companies:read", "exports:write"), field_groups=())
    ) as narrow:
        found = [
            refused(narrow, **asked),
            refused(narrow, **asked, filter="category=VIP&name=x"),
            refused(narrow, **asked, filter="name=x", fields=["custom_fields.margin"]),
            refused(narrow, **asked, filter="name=x&custom_field=margin:gte:1"),
        ]
        allowed = narrow.post("/v1/exports", json=asked | {"filter": "name=x"}).status_code

    assert [code for _, code, _ in found] == [
        "missing_permission", "field_not_allowed", "unknown_export_field", "field_not_allowed",
    ]  # fmt: skip
    assert allowed == 202
    assert refused(api, **asked, filter="colour=red") == (422, "invalid_export_filter", "#/filter")
    assert refused(api, **asked, filter="limit=5") == (422, "invalid_export_filter", "#/filter")
    assert refused(api, **asked, filter="sort=notes") == (422, "unknown_sort", "#/filter")
    assert refused(api, **asked, fields=["name", "colour"]) == (422, "unknown_export_field", "#/fields/1")


def test_an_export_that_cannot_be_stored_fails_with_the_reason_and_stores_nothing(stage: Stage, api: Client) -> None:
    stage.sql(
        """
        INSERT INTO files (tenant_id, id, name, media_type, size_bytes, sha256, uploaded_by_type, uploaded_by_id,
            created_at, updated_at)
        SELECT $1, gen_random_uuid(), 'x', 'text/plain', 0, '', 'api_key', id, now(), now()
        FROM api_keys, generate_series(1, 100) WHERE tenant_id = $1
        """,
        api.tenant.id,
    )

    failed = ended(api, api.post("/v1/exports", json={"resource": "contacts", "format": "csv"}).json())

    assert (failed["state"], failed["problem_code"]) == ("failed", "too_many_unattached_files")
    assert failed["file_id"] is None
    assert stage.sql("SELECT caller FROM exports WHERE tenant_id = $1", api.tenant.id)[0]["caller"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'",
        "''",
        "'a",
        "=1+1",
        "'=1",
        "+39",
        "-5",
        "@x",
        "\tx",
        "\rx",
        "\uff1dx",
        "a=b",
        " =x",
        "[1]",
        "a;b",
        "true",
    ],
)
def test_a_cell_gives_its_text_back_and_begins_no_formula(text: str) -> None:
    cell = written_text(text)

    assert read_text(cell) == text
    assert cell[:1] not in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "b"], ["a;b"], [" a"], ["[a"], ["=a", "b"], [""], ["'"]])
def test_a_cell_gives_its_list_back(texts: list[str]) -> None:
    assert read_texts(written_value(texts)) == texts


@pytest.mark.parametrize("value", [True, False, -1.5, 3, {"amount": "1.50"}, [{"a": None}], [[]]])
def test_a_cell_gives_its_json_back(value: object) -> None:
    assert read_json(written_value(value)) == value
