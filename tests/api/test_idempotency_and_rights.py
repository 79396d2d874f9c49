"""A stored answer is given again only to who may still do and see what it might when it was answered."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.factories import Json, a_company, a_user, create, patch
from tests.stage import Client, Stage

EMAIL, NOTES = "luca.ferri@client.example", "Rings after six."
CONTACT = {"name": "Luca Ferri", "emails": [EMAIL], "notes": NOTES}
WRITES = ["contacts:read", "contacts:write", "tickets:read", "comments:write", "notes:write"]
SEES = ["client.contact_details", "client.internal"]


class Person:
    """A user with a role of its own. Each call comes with a new key: rights are believed for two seconds."""

    def __init__(self, stage: Stage, api: Client, clients: ExitStack) -> None:
        self._stage = stage
        self._api = api
        self._clients = clients
        role = {"permissions": WRITES, "field_groups": SEES, "reach": "all"}
        self.role: Json = create(api, "roles", name=f"Own {uuid4()}", **role)
        self.user: Json = a_user(api, role_id=self.role["id"])

    def client(self, **narrowed: object) -> Client:
        key = create(self._api, "api-keys", name="x", user_id=self.user["id"], **narrowed)["key"]
        return self._clients.enter_context(self._stage.client(self._api.tenant, key))

    def post(self, path: str, body: Json, **narrowed: object) -> httpx2.Response:
        return self.client(**narrowed).post(f"/v1/{path}", json=body, headers={"idempotency-key": "once"})

    def change(self, **role: object) -> None:
        patch(self._api, f"roles/{self.role['id']}", **role)


@pytest.fixture
def person(stage: Stage, api: Client) -> Iterator[Person]:
    with ExitStack() as clients:
        yield Person(stage, api, clients)


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def contacts_of(api: Client) -> list[Any]:
    return list(api.get("/v1/contacts").json()["data"])


def test_who_has_the_same_rights_is_answered_again(api: Client, person: Person) -> None:
    first, again = person.post("contacts", CONTACT), person.post("contacts", CONTACT)

    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert len(contacts_of(api)) == 1


def test_who_lost_the_permission_is_refused_as_for_a_new_request(api: Client, person: Person) -> None:
    first = person.post("contacts", CONTACT)

    person.change(permissions=["contacts:read", "tickets:read"])
    again = person.post("contacts", CONTACT)

    assert first.status_code == 201
    assert code(again) == (403, "missing_permission")
    assert again.json()["params"] == {"permission": "contacts:create"}


@pytest.mark.parametrize(
    "change",
    [
        {"field_groups": ["client.internal"]},
        {"field_groups": []},
        {"permissions": [*WRITES, "teams:read"]},
        {"reach": "team"},
        {"reach": "territory", "territories": ["north"]},
    ],
)
def test_who_sees_otherwise_is_told_that_it_was_done_and_no_more(
    api: Client, person: Person, change: dict[str, object]
) -> None:
    first = person.post("contacts", CONTACT)

    person.change(**change)
    again = person.post("contacts", CONTACT)

    assert code(again) == (409, "answer_withheld")
    assert again.json()["params"] == {"location": first.headers["location"]}
    assert "idempotency-replayed" not in again.headers
    assert [text for text in (EMAIL, NOTES) if text in again.text] == []
    assert len(contacts_of(api)) == 1


def test_rights_that_came_back_give_the_answer_back(person: Person) -> None:
    first = person.post("contacts", CONTACT)
    person.change(field_groups=[])
    withheld = person.post("contacts", CONTACT)

    person.change(field_groups=SEES)
    again = person.post("contacts", CONTACT)

    assert code(withheld) == (409, "answer_withheld")
    assert again.content == first.content


def test_a_narrowed_key_of_the_same_person_is_not_shown_the_answer_to_a_wide_one(person: Person) -> None:
    person.post("contacts", CONTACT)

    again = person.post("contacts", CONTACT, scopes=["contacts:write"], field_groups=["client.internal"])

    assert code(again) == (409, "answer_withheld")


def test_a_note_is_not_shown_to_who_may_no_longer_write_notes(api: Client, person: Person) -> None:
    ticket = create(api, "tickets", subject="x")
    note = {"kind": "note", "body": "The client is in arrears."}
    first = person.post(f"tickets/{ticket['id']}/comments", note)

    person.change(permissions=[each for each in WRITES if each != "notes:write"])
    again = person.post(f"tickets/{ticket['id']}/comments", note)

    assert first.status_code == 201
    assert code(again) == (409, "answer_withheld")
    assert note["body"] not in again.text


def test_a_stored_refusal_is_kept_from_who_sees_otherwise_too(api: Client, person: Person) -> None:
    company = a_company(api)
    body = CONTACT | {"company_id": company["id"], "portal_role_id": str(uuid4())}
    first = person.post("contacts", body)

    person.change(reach="team")
    again = person.post("contacts", body)

    assert code(first) == (422, "unknown_reference")
    assert code(again) == (409, "answer_withheld")


def test_answers_stored_before_rights_were_kept_are_withheld(stage: Stage, api: Client, person: Person) -> None:
    person.post("contacts", CONTACT)
    stage.sql("UPDATE idempotency_keys SET rights = NULL WHERE tenant_id = $1", api.tenant.id)

    again = person.post("contacts", CONTACT)

    assert code(again) == (409, "answer_withheld")
