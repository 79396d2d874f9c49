"""Who was erased has no way in any more, and nothing of what they signed in with is left."""

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pyotp
import pytest

from tests.conftest import MakeSandbox
from tests.contract.rows import TENANT_TABLES
from tests.factories import Json, create, get
from tests.identity_provider import IdentityProvider
from tests.jobs.test_erasure import erased, everywhere
from tests.jobs.webhooks import until
from tests.signing_in import (
    PASSWORD,
    a_member,
    a_portal_contact,
    administrator_of,
    anonymously,
    as_person,
    sign_in,
    token_sent_to,
    tokens_of,
)
from tests.stage import Client, Stage

EMAIL = "quirina.zabellini@canary.example"
# Wherever a person of the tenant is named by id because of signing in.
OF_USER = ("sessions", "passwords", "sign_in_links", "totp_factors", "recovery_codes", "external_identities")
OF_CONTACT = ("sessions", "sign_in_links")


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


def rows_of(stage: Stage, api: Client, tables: tuple[str, ...], column: str, person: Json) -> dict[str, int]:
    """Count the rows that belong to a person."""
    return {
        name: stage.sql(
            f"SELECT count(*) FROM {name} WHERE tenant_id = $1 AND {column} = $2",  # noqa: S608 - names of ours.
            api.tenant.id,
            UUID(person["id"]),
        )[0][0]
        for name in tables
    }


def left_of(stage: Stage, api: Client, *texts: str) -> list[tuple[str, str]]:
    """Give where any of these texts still stands."""
    return [found for text in texts for found in everywhere(stage, api, text)]


def tokens_left(stage: Stage, api: Client, session_ids: list[str]) -> int:
    query = "SELECT count(*) FROM session_tokens WHERE tenant_id = $1 AND session_id = ANY($2)"
    return int(stage.sql(query, api.tenant.id, [UUID(each) for each in session_ids])[0][0])


def attempts(stage: Stage, api: Client) -> int:
    return int(stage.sql("SELECT count(*) FROM sign_in_attempts WHERE tenant_id = $1", api.tenant.id)[0][0])


def is_out(stage: Stage, api: Client, tokens: Json) -> Any:  # noqa: ANN401 - what is waited for.
    with as_person(stage, api, tokens) as person:
        return person.get("/v1/me").status_code == 401 or None


def test_nothing_that_a_user_signed_in_with_is_left_and_no_session_works(stage: Stage, api: Client) -> None:
    user = a_member(api, name="Quirina Zabellini", email=EMAIL)
    other = a_member(api)
    kept = tokens_of(api, other)
    with IdentityProvider() as provider:
        create(
            api, "identity-providers", name="Account", issuer=provider.issuer, audiences=["front-end"],
            email_domains=["canary.example"],
        )  # fmt: skip
        id_token = provider.token(email=EMAIL, sub="canary-subject")
        by_provider = anonymously(
            api, "sign-in/identity-provider", tenant_id=str(api.tenant.id), token=id_token
        ).json()  # fmt: skip
        tokens = tokens_of(api, user)
        with as_person(stage, api, tokens) as person:
            secret = person.post("/v1/me/second-factor", json={"current_password": PASSWORD}).json()["secret"]
            assert (
                person.post("/v1/me/second-factor/confirm", json={"code": pyotp.TOTP(secret).now()}).status_code == 200
            )
        anonymously(api, "sign-in/password-reset", tenant_id=str(api.tenant.id), email=EMAIL)
        link = token_sent_to(api, EMAIL, number=2)
        sign_in(api, EMAIL, "not the password")
        before = rows_of(stage, api, OF_USER, "user_id", user)
        sessions = [tokens["session_id"], by_provider["session_id"]]
        assert all(before.values()), before
        assert tokens_left(stage, api, sessions) == 2
        tried = attempts(stage, api)

        done = erased(api, f"users/{user['id']}")

        assert rows_of(stage, api, OF_USER, "user_id", user) == dict.fromkeys(OF_USER, 0)
        assert {name: done["counts"][name] for name in OF_USER} == before
        assert tokens_left(stage, api, sessions) == 0
        assert attempts(stage, api) < tried
        assert left_of(stage, api, EMAIL, "Quirina", "canary-subject", link) == []
        for held in (tokens, by_provider):
            assert anonymously(api, "sign-in/refresh", refresh_token=held["refresh_token"]).status_code == 401
            until(partial(is_out, stage, api, held))
        assert sign_in(api, EMAIL).status_code == 401
        assert anonymously(api, "sign-in/new-password", token=link, password=PASSWORD).status_code == 401
        again = anonymously(api, "sign-in/identity-provider", tenant_id=str(api.tenant.id), token=id_token)
        assert (again.status_code, again.json()["code"]) == (401, "invalid_token")
    with as_person(stage, api, kept) as neighbour:
        assert neighbour.get("/v1/me").json()["id"] == other["id"]
    assert sign_in(api, other["email"]).status_code == 201


def test_nothing_that_a_contact_signed_in_with_is_left_and_no_session_works(stage: Stage, api: Client) -> None:
    contact = a_portal_contact(api, name="Quirina Zabellini", emails=[EMAIL])
    ask: Json = {"tenant_id": str(api.tenant.id), "email": EMAIL}
    anonymously(api, "sign-in/magic-link", **ask)
    tokens = anonymously(api, "sign-in/magic-link/redeem", token=token_sent_to(api, EMAIL)).json()
    anonymously(api, "sign-in/magic-link", **ask)
    link = token_sent_to(api, EMAIL, number=2)
    before = rows_of(stage, api, OF_CONTACT, "contact_id", contact)
    assert all(before.values()), before

    done = erased(api, f"contacts/{contact['id']}")

    assert rows_of(stage, api, OF_CONTACT, "contact_id", contact) == dict.fromkeys(OF_CONTACT, 0)
    assert {name: done["counts"][name] for name in OF_CONTACT} == before
    assert tokens_left(stage, api, [tokens["session_id"]]) == 0
    assert attempts(stage, api) == 0
    assert left_of(stage, api, EMAIL, "Quirina", link) == []
    stored = [get(api, f"outbound-emails/{email['id']}") for email in get(api, "outbound-emails")["data"]]
    assert {email["text"] for email in stored} == {None}
    assert anonymously(api, "sign-in/refresh", refresh_token=tokens["refresh_token"]).status_code == 401
    until(lambda: is_out(stage, api, tokens))
    assert anonymously(api, "sign-in/magic-link/redeem", token=link).status_code == 401


def test_no_table_that_names_a_person_for_signing_in_is_forgotten(stage: Stage) -> None:
    rows = stage.sql(
        """
        SELECT conrelid::regclass::text AS name, confrelid::regclass::text AS whose
        FROM pg_constraint
        WHERE contype = 'f' AND confdeltype = 'c' AND confrelid IN ('users'::regclass, 'contacts'::regclass)
        """
    )

    goes_with = {whose: {row["name"] for row in rows if row["whose"] == whose} for whose in ("users", "contacts")}
    of_card = (
        *("card_keys", "card_provenance", "company_members", "custom_field_values", "external_references"),
        *("sync_conflicts", "ticket_summaries"),
    )
    assert goes_with == {
        # Whose turn it is in a team is no way in, and says nothing of a person.
        "users": {*OF_USER, "api_keys", "assignment_turns", "ticket_watchers"},
        "contacts": {*OF_CONTACT, "api_keys", *of_card},
    }
    assert goes_with["users"] <= set(TENANT_TABLES)
