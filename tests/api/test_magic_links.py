"""Magic links: how a contact of a client gets into the portal, and who does not."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from tests.conftest import MakeSandbox
from tests.factories import Json, a_user, create, patch
from tests.jobs.webhooks import until
from tests.signing_in import (
    a_member,
    a_portal_contact,
    administrator_of,
    anonymously,
    as_person,
    choose_password,
    emails_to,
    security_events,
    token_sent_to,
)
from tests.stage import Client, Stage


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


def ask(api: Client, email: str, **more: str) -> httpx2.Response:
    return anonymously(api, "sign-in/magic-link", **{"tenant_id": str(api.tenant.id), "email": email} | more)


def redeem(api: Client, token: str) -> httpx2.Response:
    return anonymously(api, "sign-in/magic-link/redeem", token=token)


def link_to(api: Client, contact: Json) -> str:
    """Give the token of a new link to a contact."""
    email = contact["emails"][0]
    before = len(emails_to(api, email))
    assert ask(api, email).status_code == 202
    return token_sent_to(api, email, number=before + 1)


def nothing_is_waiting(stage: Stage, api: Client) -> None:
    """Wait until the worker has sent everything for a tenant."""
    query = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind IN ('magic_links.send', 'emails.send')"
    until(lambda: None if stage.sql(query, api.tenant.id) else True)


def test_a_contact_signs_in_and_is_itself(stage: Stage, api: Client) -> None:
    contact = a_portal_contact(api)

    answer = redeem(api, link_to(api, contact))

    assert answer.status_code == 201, answer.text
    with as_person(stage, api, answer.json()) as luca:
        me = luca.get("/v1/me").json()
        users = luca.get("/v1/users")
    assert (me["type"], me["id"]) == ("contact", contact["id"])
    assert users.status_code == 403
    created = security_events(stage, api, "contact.magic_link_sent", "session.created")
    assert [event["type"] for event in created] == ["contact.magic_link_sent", "session.created"]
    assert json.loads(created[1]["data"]) == {"method": "magic_link", "contact_id": contact["id"]}


def test_everybody_is_told_the_same_and_only_who_has_access_gets_a_link(stage: Stage, api: Client) -> None:
    contact = a_portal_contact(api)
    outsider = a_portal_contact(api, portal_role_id=None)
    member = a_user(api)
    addresses = [contact["emails"][0], outsider["emails"][0], member["email"], f"{uuid4()}@client.example"]

    answers = [ask(api, address) for address in addresses]
    answers.append(ask(api, contact["emails"][0], tenant_id=str(uuid4())))

    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"life_seconds":900}')}
    token_sent_to(api, addresses[0])
    nothing_is_waiting(stage, api)
    assert [len(emails_to(api, address)) for address in addresses] == [1, 0, 0, 0]


def test_a_link_goes_to_the_address_as_it_is_kept_not_as_it_was_typed(api: Client) -> None:
    kept = f"luca.{uuid4()}@client.example"
    a_portal_contact(api, emails=["other@client.example", kept.title()])

    assert ask(api, kept.upper()).status_code == 202

    assert redeem(api, token_sent_to(api, kept)).status_code == 201


def test_a_link_works_once_also_for_twenty_at_once(api: Client) -> None:
    token = link_to(api, a_portal_contact(api))

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(lambda _: redeem(api, token).status_code, range(20)))

    assert answers == {201: 1, 401: 19}


def test_following_the_link_does_not_use_it_up(api: Client) -> None:
    token = link_to(api, a_portal_contact(api))

    got = [
        api.get("/v1/sign-in/magic-link/redeem", params={"token": token}),
        api.get(f"/v1/sign-in/magic-link/{token}"),
        api.head("/v1/sign-in/magic-link/redeem"),
    ]

    assert {answer.status_code for answer in got} <= {404, 405}
    assert redeem(api, token).status_code == 201


def test_a_link_is_void_after_fifteen_minutes(stage: Stage, api: Client) -> None:
    contact = a_portal_contact(api)
    token = link_to(api, contact)
    (row,) = stage.sql(
        "SELECT extract(epoch FROM expires_at - now()) FROM sign_in_links WHERE tenant_id = $1", api.tenant.id
    )

    stage.sql("UPDATE sign_in_links SET expires_at = now() WHERE tenant_id = $1", api.tenant.id)

    assert 14 * 60 < row[0] <= 15 * 60
    assert redeem(api, token).status_code == 401


def test_a_link_is_void_once_the_contact_has_lost_the_address_or_the_access(api: Client) -> None:
    moved, outside = a_portal_contact(api), a_portal_contact(api)
    tokens = [link_to(api, moved), link_to(api, outside)]

    patch(api, f"contacts/{moved['id']}", emails=[f"{uuid4()}@client.example"])
    patch(api, f"contacts/{outside['id']}", portal_role_id=None)
    refused = [redeem(api, token) for token in tokens]
    patch(api, f"contacts/{moved['id']}", emails=moved["emails"])

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(401, "invalid_token")] * 2
    assert redeem(api, tokens[0]).status_code == 401


def test_a_fourth_link_in_fifteen_minutes_is_refused(api: Client) -> None:
    for address in (a_portal_contact(api)["emails"][0], f"{uuid4()}@client.example"):
        assert [ask(api, address).status_code for _ in range(4)] == [202, 202, 202, 429]


def test_links_of_one_kind_are_void_for_another(api: Client) -> None:
    magic = link_to(api, a_portal_contact(api))
    member = a_member(api)
    assert (
        anonymously(api, "sign-in/password-reset", tenant_id=str(api.tenant.id), email=member["email"]).status_code
        == 202
    )
    reset = token_sent_to(api, member["email"], number=2)

    assert choose_password(api, magic, "eleven geese under Gorizia").status_code == 401
    assert redeem(api, reset).status_code == 401
    assert redeem(api, magic).status_code == 201


def test_a_contact_who_lost_access_is_out(stage: Stage, api: Client) -> None:
    contact = a_portal_contact(api)
    tokens = redeem(api, link_to(api, contact)).json()

    patch(api, f"contacts/{contact['id']}", portal_role_id=None)

    def look() -> bool | None:
        with as_person(stage, api, tokens) as luca:
            return True if luca.get("/v1/me").status_code == 401 else None

    assert until(look)
    assert anonymously(api, "sign-in/refresh", refresh_token=tokens["refresh_token"]).status_code == 401


def test_a_removed_contact_takes_sessions_and_links_along(stage: Stage, api: Client) -> None:
    contact = create(api, "contacts", name="Luca", emails=[f"{uuid4()}@client.example"])
    patch(api, f"contacts/{contact['id']}", portal_role_id=a_portal_contact(api)["portal_role_id"])
    link_to(api, contact)

    assert api.delete(f"/v1/contacts/{contact['id']}").status_code == 204

    assert stage.sql("SELECT 1 FROM sign_in_links WHERE contact_id = $1::text::uuid", contact["id"]) == []
