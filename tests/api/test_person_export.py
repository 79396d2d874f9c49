"""Everything that is stored about a person, as one document whose reading is recorded."""

from typing import Any

import pytest

from tests.factories import a_company, a_contact, a_reply, a_ticket, a_user, create, get, patch
from tests.stage import Client, Stage


def test_a_contact_comes_with_everything_that_is_theirs_and_nothing_of_others(api: Client) -> None:
    company = a_company(api)
    person = a_contact(api, name="Luca Ferri", company_id=company["id"], emails=["luca@alpine.example"])
    patch(api, f"contacts/{person['id']}", phones=["+390669821234"])
    ticket = a_ticket(api, subject="Mine", contact_id=person["id"])
    a_ticket(api, subject="Not mine", company_id=company["id"])
    reply = a_reply(api, ticket, author_contact_id=person["id"])
    a_reply(api, ticket, author_user_id=a_user(api)["id"])

    export = get(api, f"contacts/{person['id']}/export")

    assert export["person_type"] == "contact"
    shown = get(api, f"contacts/{person['id']}")
    assert export["person"] == {field: value for field, value in shown.items() if field != "included"}
    assert [item["subject"] for item in export["tickets"]] == ["Mine"]
    assert [item["id"] for item in export["comments"]] == [reply["id"]]
    assert [item["type"] for item in export["events"]] == ["contact.created", "contact.updated"]
    assert export["erasures"] == []


def test_a_user_comes_with_what_they_wrote(api: Client) -> None:
    user = a_user(api)
    reply = a_reply(api, a_ticket(api), author_user_id=user["id"])

    export = get(api, f"users/{user['id']}/export")

    assert (export["person_type"], export["person"]["email"]) == ("user", user["email"])
    assert export["tickets"] == []
    assert [item["id"] for item in export["comments"]] == [reply["id"]]


@pytest.mark.parametrize(("path", "make"), [("contacts", a_contact), ("users", a_user)])
def test_reading_everything_about_a_person_is_recorded(api: Client, path: str, make: Any) -> None:  # noqa: ANN401 - a factory.
    person = make(api)

    answer = api.get(f"/v1/{path}/{person['id']}/export")

    (entry,) = get(api, f"audit?request_id={answer.headers['x-request-id']}")["data"]
    assert (entry["type"], entry["object_id"]) == ("person.exported", person["id"])
    assert entry["data"]["counts"] == {"tickets": 0, "comments": 0, "watched": 0, "events": 1, "erasures": 0}
    assert entry["origin"]["ip"] == "127.0.0.1"


def test_an_export_needs_a_permission_of_its_own_and_a_person(stage: Stage, api: Client) -> None:
    person = a_contact(api)

    with stage.client(api.tenant, stage.key(api.tenant, ("contacts:read", "users:read"))) as limited:
        assert limited.get(f"/v1/contacts/{person['id']}/export").status_code == 403
    assert api.get(f"/v1/users/{person['id']}/export").status_code == 404
    assert get(api, "audit?type=person.exported")["data"] == []


def test_who_is_not_shown_every_field_cannot_export_a_person(stage: Stage, api: Client) -> None:
    contact = create(api, "contacts", name="Luca Ferri", emails=["luca@client.example"])
    key = create(api, "api-keys", name="x", scopes=["*:read"], field_groups=["client.internal"])["key"]

    with stage.client(api.tenant, key) as client:
        answer = client.get(f"/v1/contacts/{contact['id']}/export")

    assert (answer.status_code, answer.json()["code"]) == (403, "partial_export")
