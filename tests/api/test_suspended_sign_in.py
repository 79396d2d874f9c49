"""A suspended tenant lets nobody in: who signs in is told what a request of the tenant is told, and nothing is done."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.factories import Json, a_user, create
from tests.identity_provider import IdentityProvider
from tests.signing_in import (
    PASSWORD,
    a_member,
    a_portal_contact,
    administrator_of,
    anonymously,
    as_person,
    role_of,
    sign_in,
    token_sent_to,
    tokens_of,
)
from tests.stage import Client, Services, Stage, an_id, utc

KEY = "an operator key for tests that opens nothing of worth"
TABLES = ("sessions", "session_tokens", "sign_in_links", "sign_in_attempts", "outbound_emails", "events")


@pytest.fixture(scope="module")
def operated(services: Services) -> Iterator[Stage]:
    with Stage(services, HELPDESK_OPERATOR_KEY=KEY) as running:
        yield running


@pytest.fixture
def api(operated: Stage) -> Iterator[Client]:
    with operated.tenant(clock_at=utc(2026, 3, 2, 8)) as client, administrator_of(operated, client) as admin:
        yield admin


@contextmanager
def suspended(api: Client) -> Iterator[None]:
    def tell(action: str) -> None:
        path = f"/operator/v1/tenants/{api.tenant.id}/{action}"
        assert api.post(path, headers={"authorization": f"Bearer {KEY}"}).status_code == 200

    tell("suspend")
    yield
    tell("resume")


def stored(stage: Stage, api: Client) -> dict[str, int]:
    """Count what signing in would leave behind."""
    counts = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS n FROM {name} WHERE tenant_id = $1"  # noqa: S608 - names of our tables.
        for name in TABLES
    )
    return {row["name"]: row["n"] for row in stage.sql(counts, api.tenant.id)}


def asked(api: Client, tenant_id: str, tokens: Json, link: str, id_token: str) -> dict[str, httpx2.Response]:
    """Try every way into a tenant."""
    person = {"tenant_id": tenant_id, "email": "grace@service.example"}
    return {
        "password": anonymously(api, "sign-in/password", **person, password=PASSWORD),
        "identity provider": anonymously(api, "sign-in/identity-provider", tenant_id=tenant_id, token=id_token),
        "password reset": anonymously(api, "sign-in/password-reset", **person),
        "magic link": anonymously(api, "sign-in/magic-link", **person),
        "redeemed link": anonymously(api, "sign-in/magic-link/redeem", token=link),
        "new password": anonymously(api, "sign-in/new-password", token=link, password=PASSWORD),
        "refresh": anonymously(api, "sign-in/refresh", refresh_token=tokens["refresh_token"]),
    }


def test_a_suspended_tenant_opens_and_refreshes_no_session(operated: Stage, api: Client) -> None:
    user = a_member(api, email="grace@service.example")
    tokens = tokens_of(api, user)
    contact = a_portal_contact(api)
    anonymously(api, "sign-in/magic-link", tenant_id=str(api.tenant.id), email=contact["emails"][0])
    link = token_sent_to(api, contact["emails"][0])
    with IdentityProvider() as provider:
        create(
            api, "identity-providers", name="Account", issuer=provider.issuer, audiences=["front-end"],
            email_domains=["service.example"],
        )  # fmt: skip
        with suspended(api):
            before = stored(operated, api)
            with as_person(operated, api, tokens) as person:
                refused = person.get("/v1/me")
            answers = asked(api, str(api.tenant.id), tokens, link, provider.token())
            after = stored(operated, api)

        words = {name: refused.json()[name] for name in ("type", "title", "status", "detail", "code")}
        assert words["code"] == "tenant_suspended"
        assert {way: {name: answer.json()[name] for name in words} for way, answer in answers.items()} == dict.fromkeys(
            answers, words
        )
        assert after == before

        # Nothing was used up meanwhile.
        assert sign_in(api, user["email"]).status_code == 201
        assert anonymously(api, "sign-in/refresh", refresh_token=tokens["refresh_token"]).status_code == 200
        assert anonymously(api, "sign-in/magic-link/redeem", token=link).status_code == 201
        exchanged = anonymously(
            api, "sign-in/identity-provider", tenant_id=str(api.tenant.id), token=provider.token()
        )  # fmt: skip
        assert exchanged.status_code == 201


def test_of_a_tenant_that_does_not_exist_nothing_is_told(api: Client) -> None:
    a_user(api, email="grace@service.example", role_id=role_of(api, "agent"))

    wrong = sign_in(api, "grace@service.example", "not the password")
    missing = anonymously(
        api, "sign-in/password", tenant_id=str(an_id()), email="grace@service.example", password=PASSWORD
    )  # fmt: skip

    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert (missing.status_code, missing.json()["code"]) == (401, "invalid_credentials")
