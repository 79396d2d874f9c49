"""Signing in with the token of an identity provider: what is accepted, and the many things that are not."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.conftest import MakeSandbox
from tests.factories import Json, a_user, create, patch
from tests.identity_provider import IdentityProvider
from tests.signing_in import administrator_of, anonymously, as_person, role_of, security_events
from tests.stage import Client, Stage

OTHER = RSAKey.generate_key(2048, {"kid": "first"})
CURVE = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"})


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


@pytest.fixture(scope="module")
def shared() -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        yield running


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        yield running


def register(api: Client, provider: IdentityProvider, **values: object) -> Json:
    defaults: Json = {
        "name": "Company account",
        "issuer": provider.issuer,
        "audiences": ["front-end", "helpdesk-api"],
        "email_domains": ["service.example"],
    }
    return create(api, "identity-providers", **defaults | values)


def exchange(api: Client, token: str, **more: str) -> httpx2.Response:
    return anonymously(api, "sign-in/identity-provider", **{"tenant_id": str(api.tenant.id), "token": token} | more)


def grace(api: Client, **values: object) -> Json:
    return a_user(api, **{"email": "grace@service.example", "role_id": role_of(api, "agent")} | values)


def test_a_token_of_a_registered_provider_opens_a_session_of_the_user_with_the_address(
    stage: Stage, api: Client, shared: IdentityProvider
) -> None:
    user, registered = grace(api), register(api, shared)

    answer = exchange(api, shared.token())

    assert answer.status_code == 201, answer.text
    with as_person(stage, api, answer.json()) as person:
        assert person.get("/v1/me").json()["id"] == user["id"]
    connected, created = security_events(stage, api, "user.identity_connected", "session.created")
    assert json.loads(connected["data"]) == {"identity_provider_id": registered["id"]}
    assert json.loads(created["data"]) == {"method": "oidc", "user_id": user["id"]}


GOOD: dict[str, dict[str, Any]] = {
    "an access token (RFC 9068)": {"header": {"typ": "at+jwt"}, "aud": "helpdesk-api"},
    "without a type": {"header": {"typ": None}},
    "for several, us among them": {"aud": ["somebody", "front-end"], "azp": "front-end"},
    "without a key id, where there is one key": {"header": {"kid": None}},
    "over for less than a minute": {"exp": -50},
    "not yet good for less than a minute": {"nbf": 50, "iat": 50},
    "an instant with a fraction": {"exp": 300.5},
}


@pytest.mark.parametrize("case", GOOD)
def test_every_good_form_of_a_token_is_accepted(api: Client, shared: IdentityProvider, case: str) -> None:
    grace(api)
    register(api, shared)

    assert exchange(api, shared.token(**moved(GOOD[case]))).status_code == 201


def moved(changes: dict[str, Any]) -> dict[str, Any]:
    """Turn seconds from now into instants."""
    now = int(time.time())
    return {
        name: now + value if name in {"exp", "nbf", "iat"} and type(value) in {int, float} else value
        for name, value in changes.items()
    }


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(provider: IdentityProvider, header: object, signature: str = "") -> str:
    return f"{part(header)}.{part(provider.claims())}.{signature}"


def with_claims(provider: IdentityProvider, **changes: Any) -> str:  # noqa: ANN401 - any JSON.
    """Put other claims under a good signature."""
    head, _, signature = provider.token().split(".")
    return f"{head}.{part(provider.claims(**changes))}.{signature}"


def with_public_key_as_secret(provider: IdentityProvider) -> str:
    """Take the public key, which everybody has, for a shared secret."""
    stem = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(provider.claims())}"
    secret = provider.keys[0].as_pem(private=False)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, stem.encode(), "sha256")).decode().rstrip("=")
    return f"{stem}.{signature}"


def signed_by(provider: IdentityProvider, key: RSAKey, **header: Any) -> str:  # noqa: ANN401 - any JSON.
    return provider.token(key=key, header=header)


Forge = Callable[[IdentityProvider], str]

FORGED: dict[str, Forge] = {
    "no algorithm": lambda p: unsigned(p, {"alg": "none", "kid": "first"}),
    "no algorithm, capitalised": lambda p: unsigned(p, {"alg": "NoNe", "kid": "first"}, "x"),
    "no algorithm, with a signature": lambda p: unsigned(p, {"alg": "none"}, p.token().split(".")[2]),
    "algorithm missing": lambda p: unsigned(p, {"kid": "first"}, "x"),
    "algorithm that is no text": lambda p: unsigned(p, {"alg": ["RS256"], "kid": "first"}, "x"),
    "public key taken for a shared secret": with_public_key_as_secret,
    "an algorithm that is not registered": lambda p: p.token(header={"alg": "RS512"}),
    "padding of another kind": lambda p: p.token(header={"alg": "PS256"}),
    "signed by somebody else": lambda p: signed_by(p, OTHER),
    "signed by somebody else, who brings the key": lambda p: signed_by(p, OTHER, jwk=OTHER.as_dict(private=False)),
    "signed by somebody else, whose keys are elsewhere": lambda p: signed_by(p, OTHER, jku=f"{p.issuer}/other"),
    "signed by somebody else, with a certificate elsewhere": lambda p: signed_by(p, OTHER, x5u=f"{p.issuer}/x5u"),
    "signed by somebody else, with a certificate": lambda p: signed_by(p, OTHER, x5c=["MIIB"]),
    "signature of another token": lambda p: with_claims(p, sub="person-2"),
    "signature cut short": lambda p: p.token()[:-8],
    "signature left out": lambda p: p.token().rpartition(".")[0] + ".",
    "two parts": lambda p: p.token().rpartition(".")[0],
    "five parts": lambda p: p.token() + ".x.y",
    "white space inside": lambda p: p.token().replace(".", ". "),
    "not base64url": lambda p: p.token().replace(".", "!.", 1),
    "header that is no object": lambda p: f"{part(['RS256'])}.{part(p.claims())}.x",
    "claims that are no object": lambda p: f"{part({'alg': 'RS256'})}.{part([p.issuer])}.x",
    "unknown key id": lambda p: p.token(header={"kid": "nobody"}),
    "key id that is a path": lambda p: p.token(header={"kid": "../../keys"}),
    "key id that is no text": lambda p: unsigned(p, {"alg": "RS256", "kid": 1}, "x"),
    "critical extension": lambda p: unsigned(p, {"alg": "RS256", "kid": "first", "crit": ["exp"], "exp": 1}, "x"),
    "payload that is not encoded": lambda p: unsigned(p, {"alg": "RS256", "kid": "first", "b64": False}, "x"),
    "logout token": lambda p: p.token(header={"typ": "logout+jwt"}),
    "security event": lambda p: p.token(header={"typ": "secevent+jwt"}),
    "proof of possession": lambda p: p.token(header={"typ": "dpop+jwt"}),
    "another issuer": lambda p: p.token(iss="https://login.evil.example"),
    "issuer with a slash more": lambda p: p.token(iss=f"{p.issuer}/"),
    "issuer in capitals": lambda p: p.token(iss=p.issuer.upper()),
    "issuer missing": lambda p: p.token(iss=None),
    "issuer that is a list": lambda p: p.token(iss=[p.issuer]),
    "for somebody else": lambda p: p.token(aud="another-client"),
    "for a longer name": lambda p: p.token(aud="front-end.evil.example"),
    "for nobody": lambda p: p.token(aud=[]),
    "audience missing": lambda p: p.token(aud=None),
    "audience that is an object": lambda p: p.token(aud={"front-end": True}),
    "given to somebody else": lambda p: p.token(aud=["front-end", "x"], azp="x"),
    "over": lambda p: p.token(exp=int(time.time()) - 61),
    "without an end": lambda p: p.token(exp=None),
    "end that is text": lambda p: p.token(exp="2099-01-01T00:00:00Z"),
    "end that is true": lambda p: p.token(exp=True),
    "not yet good": lambda p: p.token(nbf=int(time.time()) + 90),
    "from the future": lambda p: p.token(iat=int(time.time()) + 90),
    "subject missing": lambda p: p.token(sub=None),
    "subject empty": lambda p: p.token(sub=""),
    "subject that is a number": lambda p: p.token(sub=7),
    "address not verified": lambda p: p.token(email_verified=False),
    "address verified as a text": lambda p: p.token(email_verified="true"),
    "address missing": lambda p: p.token(email=None),
    "address of another domain": lambda p: p.token(email="grace@evil.example"),
    "address of a domain below": lambda p: p.token(email="grace@x.service.example"),
    "address with two domains": lambda p: p.token(email="grace@evil.example@service.example"),
    "address of a user who is not active": lambda p: p.token(email="gone@service.example", sub="gone"),
    "address of nobody": lambda p: p.token(email="nobody@service.example", sub="nobody"),
}


@pytest.fixture(scope="module")
def desk(stage: Stage, shared: IdentityProvider) -> Iterator[Client]:
    """Give a tenant that all forged tokens are tried on."""
    with stage.tenant() as plain, administrator_of(stage, plain) as api:
        grace(api)
        a_user(api, email="gone@service.example", role_id=role_of(api, "agent"), is_active=False)
        register(api, shared)
        yield api


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_token_is_refused_and_not_told_why(desk: Client, shared: IdentityProvider, case: str) -> None:
    answer = exchange(desk, FORGED[case](shared))

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.json()["detail"] == "The token is unknown, expired or was used before."


def test_of_all_forged_tokens_none_has_opened_a_session(stage: Stage, desk: Client, shared: IdentityProvider) -> None:
    opened = [case for case, forge in FORGED.items() if exchange(desk, forge(shared)).status_code == 201]

    assert len(FORGED) >= 40
    assert opened == []
    assert stage.sql("SELECT 1 FROM sessions WHERE tenant_id = $1", desk.tenant.id) == []
    # No key was ever fetched from where a token said.
    assert set(shared.requests) == {"/.well-known/openid-configuration", "/keys"}


def test_a_token_of_more_than_eight_kilobytes_is_not_read(desk: Client, shared: IdentityProvider) -> None:
    answer = exchange(desk, shared.token(padding="x" * 8_192))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/token")


def test_a_token_is_good_for_the_tenant_that_registered_its_provider_only(
    stage: Stage, api: Client, sandbox: MakeSandbox, shared: IdentityProvider
) -> None:
    with administrator_of(stage, sandbox()) as elsewhere:
        grace(elsewhere)
        register(elsewhere, shared)
        grace(api)

        assert exchange(elsewhere, shared.token()).status_code == 201
        assert exchange(api, shared.token()).status_code == 401
        assert exchange(api, shared.token(), tenant_id=str(uuid4())).status_code == 401


def test_a_provider_that_is_switched_off_vouches_for_nobody(api: Client, shared: IdentityProvider) -> None:
    grace(api)
    registered = register(api, shared)
    patch(api, f"identity-providers/{registered['id']}", is_enabled=False)

    assert exchange(api, shared.token()).status_code == 401


def test_a_person_is_known_by_the_subject_after_the_first_time(
    stage: Stage, api: Client, shared: IdentityProvider
) -> None:
    user = grace(api)
    register(api, shared)
    assert exchange(api, shared.token()).status_code == 201
    # Somebody else now has the address; the subject is still who it was.
    patch(api, f"users/{user['id']}", email="g.hopper@service.example")
    grace(api)

    again = exchange(api, shared.token(email=None))

    assert again.status_code == 201, again.text
    with as_person(stage, api, again.json()) as person:
        assert person.get("/v1/me").json()["id"] == user["id"]


def test_who_is_new_becomes_a_user_where_the_provider_may_make_them(
    stage: Stage, api: Client, shared: IdentityProvider
) -> None:
    role = role_of(api, "light_agent")
    register(api, shared, auto_provision=True, role_id=role)

    answers = [exchange(api, shared.token(sub="new")) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    (user,) = api.get("/v1/users", params={"email": "grace@service.example"}).json()["data"]
    assert (user["name"], user["role_id"], user["is_active"]) == ("Grace Hopper", role, True)


def test_new_users_need_a_role_and_never_one_beyond_that_of_who_registers(
    stage: Stage, api: Client, shared: IdentityProvider
) -> None:
    body = {"name": "x", "issuer": shared.issuer, "audiences": ["x"], "email_domains": ["service.example"]}
    without = api.post("/v1/identity-providers", json=body | {"auto_provision": True})
    with stage.client(api.tenant, stage.key(api.tenant, ("identity-providers:write",))) as clerk:
        beyond = clerk.post("/v1/identity-providers", json=body | {"role_id": role_of(api, "admin")})

    assert (without.status_code, without.json()["code"]) == (422, "role_required")
    assert (beyond.status_code, beyond.json()["code"]) == (403, "role_exceeds_own")


@pytest.mark.parametrize(
    "values",
    [
        {"issuer": "ftp://login.service.example"},
        {"issuer": "https://user@login.service.example"},
        {"issuer": "http://10.0.0.1/"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "http://169.254.169.254/keys"},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"audiences": []},
        {"email_domains": []},
        {"email_domains": ["*"]},
    ],
    ids=str,
)
def test_a_provider_that_nobody_should_trust_is_not_registered(api: Client, values: Json) -> None:
    body = {
        "name": "x",
        "issuer": "https://login.service.example",
        "audiences": ["x"],
        "email_domains": ["service.example"],
    }

    assert api.post("/v1/identity-providers", json=body | values).status_code == 422


def test_invented_key_ids_make_nobody_fetch_keys(api: Client, provider: IdentityProvider) -> None:
    grace(api)
    register(api, provider)
    assert exchange(api, provider.token()).status_code == 201
    # The keys are fresh: what is not among them is not looked for within a minute.
    looks = len(provider.requests)

    invented = [exchange(api, provider.token(header={"kid": f"key-{number}"})).status_code for number in range(10)]

    assert invented == [401] * 10
    assert len(provider.requests) == looks == 2


def test_keys_of_another_kind_are_used_where_they_are_registered(api: Client, provider: IdentityProvider) -> None:
    provider.keys.append(CURVE)
    grace(api)
    register(api, provider, algorithms=["ES256"], jwks_url=f"{provider.issuer}/keys")

    with_curve = exchange(api, provider.token(header={"alg": "ES256", "kid": "curve"}, key=CURVE))
    with_rsa = exchange(api, provider.token())

    assert (with_curve.status_code, with_rsa.status_code) == (201, 401)
    assert provider.requests == ["/keys"]


def test_a_provider_that_is_away_or_lies_about_itself_is_told_as_such(api: Client, provider: IdentityProvider) -> None:
    provider.discovery = {"issuer": "https://login.evil.example"}
    grace(api)
    register(api, provider)

    answers = [exchange(api, provider.token()) for _ in range(3)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (503, "identity_provider_unavailable")
    ] * 3
    assert len(provider.requests) == 1


def test_tokens_are_in_no_event_and_no_log(stage: Stage, api: Client, shared: IdentityProvider) -> None:
    grace(api)
    register(api, shared)
    good, bad = shared.token(), shared.token(aud="x")
    exchange(api, good)
    exchange(api, bad)

    stored = "".join(
        str(row[0])
        for table in ("events", "jobs", "sessions", "session_tokens", "external_identities", "idempotency_keys")
        for row in stage.sql(f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - our tables.
    )

    assert not [token for token in (good, bad) if token.split(".")[2] in stored]
