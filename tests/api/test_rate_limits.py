"""Rate limits over HTTP: exact counts, the headers that tell them, and who is not hit by the limits of others."""

from collections.abc import Iterator
from random import Random

import pytest

from tests.inbound import a_hook, post
from tests.stage import Client, Services, Stage

CREDENTIAL, TENANT, ADDRESS = 5, 8, 4

Limited = tuple[Stage, Client]


@pytest.fixture(scope="module")
def strict(services: Services) -> Iterator[Stage]:
    """Start an API with tight limits; the address is what the test says, for they all share 127.0.0.1."""
    limits = {
        "HELPDESK_RATE_LIMIT_CREDENTIAL": str(CREDENTIAL),
        "HELPDESK_RATE_LIMIT_TENANT": str(TENANT),
        "HELPDESK_RATE_LIMIT_ADDRESS": str(ADDRESS),
        "HELPDESK_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    with Stage(services, **limits) as running:
        yield running


@pytest.fixture
def address() -> str:
    """Give an address that no other test has."""
    return f"2001:db8:{Random().getrandbits(16):x}:{Random().getrandbits(16):x}::1"


@pytest.fixture
def client(strict: Stage, address: str) -> Iterator[Client]:
    """Make a tenant and give its client, at an address of its own."""
    with strict.tenant() as client:
        client.headers["x-forwarded-for"] = address
        yield client


def codes(client: Client, path: str, times: int) -> list[int]:
    return [client.get(path).status_code for _ in range(times)]


def test_a_credential_gets_exactly_its_quota(client: Client) -> None:
    assert codes(client, "/v1/teams", CREDENTIAL + 2) == [200] * CREDENTIAL + [429, 429]


def test_messages_to_an_inbound_hook_count_for_the_hook(client: Client) -> None:
    hook = a_hook(client)

    answers = [post(client, hook, {"id": "a", "text": "Full", "number": number}) for number in range(CREDENTIAL + 1)]

    assert [answer.status_code for answer in answers] == [202] * CREDENTIAL + [429]
    assert client.get("/v1/teams").status_code == 200


def test_addresses_that_try_tokens_are_refused_before_they_are_looked_up(client: Client) -> None:
    hook = {"token": "hd_hook_nothing"}

    assert [post(client, hook, {"id": "a"}).status_code for _ in range(ADDRESS + 1)] == [404] * ADDRESS + [429]


def test_every_answer_tells_what_is_left(client: Client) -> None:
    answers = [client.get("/v1/teams"), client.get("/v1/nothing"), client.get("/v1/teams/x"), client.post("/v1/teams")]

    assert [answer.status_code for answer in answers] == [200, 404, 422, 422]
    told = [answer for answer in answers if answer.status_code != 404]
    assert {answer.headers["ratelimit-policy"] for answer in told} == {'"credential";q=5;w=60, "tenant";q=8;w=60'}
    assert [answer.headers["ratelimit"] for answer in told] == [
        '"credential";r=4;t=12, "tenant";r=7;t=8',
        '"credential";r=3;t=24, "tenant";r=6;t=15',
        '"credential";r=2;t=36, "tenant";r=5;t=23',
    ]


def test_one_request_too_many_is_refused_with_a_problem_and_without_effect(client: Client, strict: Stage) -> None:
    codes(client, "/v1/teams", CREDENTIAL)

    refused = client.post("/v1/teams", json={"name": "Network"}, headers={"idempotency-key": "once"})

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (429, "rate_limited")
    assert problem["params"] == {"policy": "credential", "quota": 5, "window_seconds": 60}
    assert 10 <= int(refused.headers["retry-after"]) <= 12
    assert refused.headers["ratelimit"] == '"credential";r=0;t=60, "tenant";r=3;t=38'
    assert strict.sql("SELECT FROM teams WHERE tenant_id = $1", client.tenant.id) == []
    assert strict.sql("SELECT FROM idempotency_keys WHERE tenant_id = $1", client.tenant.id) == []


def test_the_credentials_of_a_tenant_share_its_quota(client: Client, strict: Stage) -> None:
    with strict.client(client.tenant, strict.key(client.tenant, ("*:read",))) as other:
        first, second = codes(client, "/v1/teams", 4), codes(other, "/v1/teams", 5)
        refused = other.get("/v1/teams").json()

    assert first + second == [200] * TENANT + [429]
    assert refused["params"]["policy"] == "tenant"


def test_a_tenant_does_not_use_up_what_is_anothers(client: Client, strict: Stage) -> None:
    codes(client, "/v1/teams", CREDENTIAL + 1)

    with strict.tenant() as neighbour:
        assert codes(neighbour, "/v1/teams", CREDENTIAL) == [200] * CREDENTIAL


def test_what_needs_no_credential_counts_for_the_address(client: Client, address: str) -> None:
    del client.headers["authorization"]
    answers = [client.get("/problems") for _ in range(ADDRESS + 1)]
    elsewhere = client.get("/problems", headers={"x-forwarded-for": "203.0.113.77"})

    assert [answer.status_code for answer in answers] == [200] * ADDRESS + [429]
    assert answers[0].headers["ratelimit"] == '"address";r=3;t=15'
    assert answers[-1].json()["params"]["policy"] == "address"
    assert address.rpartition("::")[0] not in answers[-1].text
    assert elsewhere.status_code == 200


def test_wrong_credentials_count_for_the_address_until_they_are_no_longer_looked_up(
    client: Client, strict: Stage, address: str
) -> None:
    unknown = strict.key(client.tenant, ("*:read",))
    with strict.client(client.tenant, f"{client.key[:-1]}x") as guessing:
        guessing.headers["x-forwarded-for"] = address
        guessed = codes(guessing, "/v1/teams", ADDRESS + 1)
    with strict.client(client.tenant, unknown) as late:
        late.headers["x-forwarded-for"] = address
        refused = late.get("/v1/teams")

    assert guessed == [401] * ADDRESS + [429]
    assert (refused.status_code, refused.json()["params"]["policy"]) == (429, "address")


def test_whoever_was_known_before_is_not_locked_out_by_a_neighbour_who_guesses(client: Client, address: str) -> None:
    assert client.get("/v1/teams").status_code == 200
    for _ in range(ADDRESS + 1):
        client.get("/v1/teams", headers={"authorization": "Bearer guessed"})

    assert client.get("/v1/teams").status_code == 200


def test_good_credentials_do_not_count_for_the_address(client: Client) -> None:
    codes(client, "/v1/teams", CREDENTIAL)

    del client.headers["authorization"]
    assert client.get("/problems").headers["ratelimit"] == '"address";r=3;t=15'


def test_load_balancers_may_ask_as_often_as_they_like(client: Client) -> None:
    del client.headers["authorization"]

    assert codes(client, "/livez", ADDRESS * 3) + codes(client, "/readyz", ADDRESS * 3) == [200] * ADDRESS * 6


def test_a_stored_answer_counts_like_any_other(client: Client) -> None:
    answers = [
        client.post("/v1/teams", json={"name": "Network"}, headers={"idempotency-key": "again"})
        for _ in range(CREDENTIAL + 1)
    ]

    assert [answer.status_code for answer in answers] == [201] * CREDENTIAL + [429]
    assert [answer.headers["ratelimit"][:16] for answer in answers[:2]] == ['"credential";r=4', '"credential";r=3']
