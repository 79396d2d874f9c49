"""What CRMs send by themselves becomes the right client card, whatever form they send it in."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.contract.rows import contents
from tests.factories import Json, create, get, patch
from tests.inbound import a_hook, outcomes, post, send
from tests.stage import Client, Stage

SAMPLES: list[Json] = json.loads((Path(__file__).parents[1] / "data" / "crm" / "payloads.json").read_text())
FORM = "application/x-www-form-urlencoded"


def sample(vendor: str, event: str) -> Any:  # noqa: ANN401 - JSON.
    """Give the body of the one sample whose event is called so."""
    (found,) = (each["body"] for each in SAMPLES if each["vendor"] == vendor and event in each["event"])
    return found


def as_form(value: Any, name: str = "") -> list[tuple[str, str]]:  # noqa: ANN401 - JSON.
    """Write nested values as a form, as PHP does."""
    if not isinstance(value, dict | list):
        return [(name, str(value))]
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    return [pair for key, part in parts for pair in as_form(part, f"{name}[{key}]" if name else str(key))]


def by_form(api: Client, hook: Json, body: Json) -> Json:
    """Send a body as a form."""
    answer = post(api, hook, urlencode(as_form(body)).encode(), content_type=FORM)
    assert answer.status_code == 202, answer.text
    receipt: Json = answer.json()
    return receipt


def told(receipt: Json) -> list[tuple[str | None, str | None, str, str | None]]:
    """Give kind, id there, outcome and code of each card."""
    names = ("card_kind", "dedupe_key", "outcome", "code")
    return [tuple(result[name] for name in names) for result in receipt["results"]]


def card(api: Client, plural: str, source: str, external_id: str) -> Json:
    """Read a card by its id in a CRM."""
    return get(api, f"{plural}/by-ref/{source}/{external_id}")


def reference(api: Client, source: str, external_id: str) -> Json:
    """Read the reference of a card."""
    (found,) = get(api, f"external-references?source={source}&external_id={external_id}")["data"]
    known: Json = found
    return known


def test_forms_of_amocrm_write_contacts_and_companies(api: Client) -> None:
    hook = a_hook(api, preset="amocrm")

    added = by_form(api, hook, sample("amocrm", "add_contact"))
    company = by_form(api, hook, sample("amocrm", "update_company"))
    deleted = by_form(api, hook, sample("amocrm", "delete_contact"))
    lead = by_form(api, hook, sample("amocrm", "add_lead"))
    fields = [{"id": "1", "code": "PHONE", "values": [{"value": "+7 999 888-77-66", "enum": "1"}]},
              {"id": "2", "code": "EMAIL", "values": [{"value": "Anna@Client.example", "enum": "2"}]}]  # fmt: skip
    person = {"id": "7", "name": "Анна", "type": "contact", "linked_company_id": "22000020", "custom_fields": fields}
    linked = by_form(api, hook, {"contacts": {"add": [person]}})

    assert told(added) == [("contacts", "21999540", "created", None)]
    assert told(company) == [("companies", "22000020", "created", None)]
    assert told(deleted) == [("contacts", "21999540", "ignored", "not_archived")]
    assert (lead["state"], lead["results"]) == ("done", [])
    assert card(api, "contacts", "amocrm", "21999540")["name"] == "New contact"
    assert reference(api, "amocrm", "21999540")["source_updated_at"] == "2017-01-09T12:28:36Z"
    known = card(api, "companies", "amocrm", "22000020")
    assert (known["name"], told(linked)) == ("Update company", [("contacts", "7", "created", None)])
    anna = card(api, "contacts", "amocrm", "7")
    assert (anna["name"], anna["company_id"], anna["phones"], anna["emails"]) == (
        "Анна", known["id"], ["+79998887766"], ["anna@client.example"]
    )  # fmt: skip


def test_rows_and_events_of_bitrix24_write_companies(api: Client) -> None:
    hook = a_hook(api, preset="bitrix24")

    row = send(api, hook, sample("bitrix24", "crm-company-get"))
    rows = send(api, hook, sample("bitrix24", "crm-company-list"))
    named = by_form(api, hook, sample("bitrix24", "on-crm-company-add"))
    unknown = by_form(api, hook, sample("bitrix24", "on-crm-company-delete"))
    gone = sample("bitrix24", "on-crm-company-delete") | {"data": {"FIELDS": {"ID": "2919"}}}
    archived = by_form(api, hook, gone)

    assert (told(row), told(rows)) == (
        [("companies", "2909", "created", None)], [("companies", "2919", "created", None)]
    )  # fmt: skip
    assert card(api, "companies", "bitrix24", "2909")["name"] == "ГАЗПРОМ"
    assert reference(api, "bitrix24", "2909")["source_updated_at"] == "2024-08-01T13:08:08Z"
    assert told(named) == [("companies", "2917", "ignored", "id_only")]
    assert told(unknown) == [("companies", "2917", "ignored", "not_archived")]
    assert told(archived) == [("companies", "2919", "updated", None)]
    left = card(api, "companies", "bitrix24", "2919")
    assert (left["name"], left["is_active"]) == ("Перекресток", False)


def test_events_of_hubspot_salesforce_and_pipedrive_write_the_right_cards(api: Client) -> None:
    hubspot, salesforce, pipedrive = (a_hook(api, preset=name) for name in ("hubspot", "salesforce", "pipedrive"))
    (created,) = sample("hubspot", "contact.creation")
    named = created | {"subscriptionType": "company.propertyChange", "objectId": 65059681033, "eventId": 2}
    event = sample("salesforce", "AccountChangeEvent")
    header = event["payload"]["ChangeEventHeader"] | {"recordIds": ["0015g00000AbCdEAAX", "0015g00000AbCdFAAX"]}
    account = event["payload"] | {"ChangeEventHeader": header}

    ids = told(send(api, hubspot, json.dumps([created]).encode()))
    property_of = told(
        send(api, hubspot, json.dumps([named | {"propertyName": "name", "propertyValue": "A"}]).encode())
    )
    without_name = told(send(api, salesforce, event | {"payload": account}))
    accounts = told(send(api, salesforce, event | {"payload": account | {"Name": "Alpine"}}))
    gap = header | {"changeType": "GAP_UPDATE"}
    gaps = told(send(api, salesforce, {"payload": {"ChangeEventHeader": gap}}))
    organization = {"meta": {"action": "create", "entity": "organization"}, "data": {"id": 1, "name": "Alpine"}}
    early = send(api, pipedrive, sample("pipedrive", "person changed"))
    send(api, pipedrive, organization)
    late = api.post(f"/v1/inbound-messages/{early['message_id']}/retry").json()

    assert ids == [("contacts", "65059681032", "ignored", "id_only")]
    assert property_of == [("companies", "65059681033", "created", None)]
    assert without_name == [
        ("companies", each, "ignored", "id_only") for each in ("0015g00000AbCdEAAX", "0015g00000AbCdFAAX")
    ]
    assert [outcome for _, _, outcome, _ in accounts] == ["created", "created"]
    assert [code for *_, code in gaps] == ["id_only", "id_only"]
    assert told(early) == [("contacts", "1", "failed", "unknown_reference")]
    assert told(late) == [("contacts", "1", "created", None)]
    person = card(api, "contacts", "pipedrive", "1")
    assert (person["name"], person["company_id"]) == (
        "Person Name", card(api, "companies", "pipedrive", "1")["id"]
    )  # fmt: skip


def test_an_older_state_is_left_and_what_the_desk_owns_stays(api: Client) -> None:
    create(api, "crm-sources", source="amocrm", companies={"name": "helpdesk"})
    hook = a_hook(api, preset="amocrm")
    body = sample("amocrm", "update_company")
    by_form(api, hook, body)
    record = body["contacts"]["update"][0]

    older = by_form(api, hook, {"contacts": {"update": [record | {"name": "Old", "last_modified": "1483960000"}]}})
    newer = by_form(api, hook, {"contacts": {"update": [record | {"name": "New", "last_modified": "1583960000"}]}})

    assert told(older) == [("companies", "22000020", "ignored", "stale_source")]
    assert told(newer) == [("companies", "22000020", "unchanged", None)]
    assert card(api, "companies", "amocrm", "22000020")["name"] == "Update company"


def test_what_does_not_map_is_kept_and_done_after_the_mapping_is_mended(api: Client, stage: Stage) -> None:
    mapping = {"card": "{name: body.title}", "card_kind": "'companies'", "card_source": "'erp'",
               "card_external_id": "body.number"}  # fmt: skip
    hook = a_hook(api, mapping=mapping)
    body = {"key": "7", "label": "Alpine"}

    refused = send(api, hook, body)
    before = contents(stage, api.tenant.id)
    mended = {"card": "{name: body.label}", "card_external_id": "body.key"}
    preview = api.post(f"/v1/inbound-hooks/{hook['id']}/preview", json={"body": body, "mapping": mended})
    unchanged = contents(stage, api.tenant.id) == before
    patch(api, f"inbound-hooks/{hook['id']}", mapping=mended)
    retried = api.post(f"/v1/inbound-messages/{refused['message_id']}/retry").json()

    assert (refused["state"], told(refused)) == ("failed", [(None, None, "failed", "unmapped")])
    assert refused["results"][0]["detail"] == "card_external_id found nothing"
    (shown,) = preview.json()["data"]
    assert (shown["result"]["outcome"], shown["card"], unchanged) == ("created", {"name": "Alpine"}, True)
    assert told(retried) == [("companies", "7", "created", None)]
    assert card(api, "companies", "erp", "7")["name"] == "Alpine"


def test_a_hook_that_writes_cards_needs_who_may_write_all_of_them(api: Client, stage: Stage) -> None:
    key = create(api, "api-keys", name="Tickets", scopes=["*:read", "inbound-hooks:write", "tickets:write"])
    with Client(stage.base_url, api.tenant, key["key"]) as narrow:
        answer = narrow.post("/v1/inbound-hooks", json={"name": "CRM", "preset": "amocrm"})

    assert (answer.status_code, answer.json()["code"]) == (403, "hook_exceeds_own")


def test_a_form_that_says_two_things_of_one_name_is_refused(api: Client) -> None:
    hook = a_hook(api, preset="amocrm")

    answers = [post(api, hook, form, content_type=FORM) for form in (b"a[b]=1&a=2&a[c]=3", b"a=%ff", b"[x]=1")]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(400, "invalid_form")] * 3
    assert outcomes(by_form(api, hook, {"contacts": {}})) == []
