"""What tests of signing in share: people who can sign in, the links in their e-mail, and clients that carry a token."""

import re
from typing import Any
from uuid import uuid4

import httpx2

from tests.factories import Json, a_user, create
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

PASSWORD = "seven geese over Trieste"
_TOKEN = re.compile(r"hd_link_\w+")


def administrator_of(stage: Stage, api: Client) -> Client:
    """Give a client of the same tenant that may do everything that any role may."""
    return stage.client(api.tenant, stage.key(api.tenant, ("*:read", "*:write", "contacts:reveal", "view-as:use")))


def role_of(api: Client, slug: str) -> str:
    """Give the id of a built-in role."""
    roles = api.get("/v1/roles", params={"limit": 200}).json()["data"]
    (found,) = [role["id"] for role in roles if role["slug"] == slug]
    return str(found)


def emails_to(api: Client, address: str) -> list[Json]:
    """Give the e-mails that a sandbox would have sent to an address, oldest first."""
    listed = api.get("/v1/outbound-emails", params={"to_address": address, "sort": "created_at"}).json()["data"]
    return [api.get(f"/v1/outbound-emails/{email['id']}").json() for email in listed]


def token_sent_to(api: Client, address: str, *, number: int = 1) -> str:
    """Wait for the newest of so many e-mails to an address and give the token in it."""

    def look() -> str | None:
        found = emails_to(api, address)
        return found[-1]["text"] if len(found) >= number else None

    text = until(look)
    (token,) = _TOKEN.findall(text)
    return str(token)


def a_member(api: Client, *, role: str = "agent", password: str = PASSWORD, **values: object) -> Json:
    """Make a user of a sandbox who was invited and has chosen a password."""
    user = a_user(api, **{"role_id": role_of(api, role)} | values)
    assert api.post(f"/v1/users/{user['id']}/invite").status_code == 202
    chosen = choose_password(api, token_sent_to(api, user["email"]), password)
    assert chosen.status_code == 204, chosen.text
    return user


def choose_password(api: Client, token: str, password: str) -> httpx2.Response:
    return anonymously(api, "sign-in/new-password", token=token, password=password)


def anonymously(api: Client, path: str, **body: Any) -> httpx2.Response:  # noqa: ANN401 - any JSON.
    """Post without a credential."""
    return api.post(f"/v1/{path}", json=body, headers={"authorization": ""})


def sign_in(api: Client, email: str, password: str = PASSWORD, **more: Any) -> httpx2.Response:  # noqa: ANN401 - any JSON.
    """Try to sign in to the tenant of a client."""
    body = {"tenant_id": str(api.tenant.id), "email": email, "password": password}
    return anonymously(api, "sign-in/password", **body | more)


def tokens_of(api: Client, user: Json, password: str = PASSWORD) -> Json:
    """Sign in and give the tokens."""
    answer = sign_in(api, user["email"], password)
    assert answer.status_code == 201, answer.text
    tokens: Json = answer.json()
    return tokens


def as_person(stage: Stage, api: Client, tokens: Json) -> Client:
    """Make a client that carries the access token of a session."""
    return stage.client(api.tenant, tokens["access_token"])


def a_portal_contact(api: Client, **values: object) -> Json:
    """Make a contact with access to the portal."""
    defaults = {
        "name": "Luca Ferri",
        "emails": [f"{uuid4()}@client.example"],
        "portal_role_id": role_of(api, "contact"),
    }
    return create(api, "contacts", **defaults | values)


def security_events(stage: Stage, api: Client, *types: str) -> list[Json]:
    """Give what was recorded of these types, oldest first."""
    rows = stage.sql(
        "SELECT type, object_id, actor_type, actor_id, data::text FROM events "
        "WHERE tenant_id = $1 AND type = ANY($2) ORDER BY xid, seq",
        api.tenant.id,
        list(types),
    )
    return [dict(row) for row in rows]
