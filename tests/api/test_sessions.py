"""Sessions: how they are kept up, how they end, and what happens when a token is stolen."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from uuid import uuid4

import httpx2
import pytest

from helpdesk_api.identity.authentication import BELIEVED_SECONDS
from helpdesk_api.kit.tokens import new_key
from tests.conftest import MakeSandbox
from tests.factories import Json, patch
from tests.jobs.webhooks import until
from tests.signing_in import (
    PASSWORD,
    a_member,
    administrator_of,
    anonymously,
    as_person,
    role_of,
    security_events,
    sign_in,
    tokens_of,
)
from tests.stage import Client, Stage

NEW_PASSWORD = "eleven geese under Gorizia"


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


def refresh(api: Client, tokens: Json) -> httpx2.Response:
    return anonymously(api, "sign-in/refresh", refresh_token=tokens["refresh_token"])


def works(stage: Stage, api: Client, tokens: Json) -> bool:
    with as_person(stage, api, tokens) as person:
        return person.get("/v1/me").status_code == 200


def believed_for(is_as_before: Callable[[], bool]) -> float:
    """Ask until what has just changed is known; gives how late the last request began that was answered as before."""
    changed_at = last_begun_at = monotonic()

    def is_known() -> bool:
        nonlocal last_begun_at
        begun_at = monotonic()
        if not is_as_before():
            return True
        last_begun_at = begun_at
        return False

    until(lambda: is_known() or None)
    return last_begun_at - changed_at


def test_a_refresh_gives_the_next_pair_and_the_access_token_before_lives_out_its_time(
    stage: Stage, api: Client
) -> None:
    first = tokens_of(api, a_member(api))

    second = refresh(api, first).json()

    assert second["session_id"] == first["session_id"]
    assert len({first["access_token"], second["access_token"], first["refresh_token"], second["refresh_token"]}) == 4
    assert works(stage, api, first)
    assert works(stage, api, second)


def test_a_refresh_token_that_is_used_twice_ends_the_whole_session(stage: Stage, api: Client) -> None:
    user = a_member(api)
    stolen, other = tokens_of(api, user), tokens_of(api, user)
    newest = refresh(api, stolen).json()

    again = refresh(api, stolen)

    assert (again.status_code, again.json()["code"]) == (401, "invalid_token")
    assert refresh(api, newest).status_code == 401
    assert not works(stage, api, newest)
    assert works(stage, api, other)
    (ended,) = security_events(stage, api, "session.ended")
    assert json.loads(ended["data"]) == {"reason": "refresh_token_reused"}
    (failed,) = security_events(stage, api, "session.failed")
    assert json.loads(failed["data"])["user_id"] == user["id"]


def test_one_refresh_token_used_by_twenty_at_once_gives_one_pair_and_ends(stage: Stage, api: Client) -> None:
    tokens = tokens_of(api, a_member(api))

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(lambda _: refresh(api, tokens).status_code, range(20)))

    assert answers == {200: 1, 401: 19}
    assert not works(stage, api, tokens)


def test_tokens_are_good_for_one_thing_only(stage: Stage, api: Client) -> None:
    tokens = tokens_of(api, a_member(api))
    forged = [
        tokens["refresh_token"],
        tokens["refresh_token"].replace("hd_refresh_", "hd_access_"),
        tokens["access_token"][:-1],
        new_key(api.tenant.id, uuid4(), "access")[0],
        new_key(api.tenant.id, uuid4(), "link")[0],
    ]

    as_access = [works(stage, api, {"access_token": text}) for text in forged]
    as_refresh = [
        refresh(api, {"refresh_token": text}).status_code
        for text in (tokens["access_token"], api.key, new_key(api.tenant.id, uuid4(), "refresh")[0], "x")
    ]

    assert as_access == [False] * len(forged)
    assert as_refresh == [401] * 4
    assert works(stage, api, tokens)


@pytest.mark.parametrize(
    ("table", "column", "what"),
    [
        ("session_tokens", "access_expires_at", "access"),
        ("session_tokens", "refresh_expires_at", "refresh"),
        ("sessions", "expires_at", "refresh"),
    ],
)
def test_a_token_ends_with_its_time(stage: Stage, api: Client, table: str, column: str, what: str) -> None:
    tokens = tokens_of(api, a_member(api))

    stage.sql(f"UPDATE {table} SET {column} = now() WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - our tables.

    assert not works(stage, api, tokens) if what == "access" else refresh(api, tokens).status_code == 401


def test_signing_out_ends_this_session_at_once(stage: Stage, api: Client) -> None:
    user = a_member(api)
    here, there = tokens_of(api, user), tokens_of(api, user)

    with as_person(stage, api, here) as ada:
        assert ada.post("/v1/me/sign-out").status_code == 204

    assert not works(stage, api, here)
    assert refresh(api, here).status_code == 401
    assert works(stage, api, there)


def test_signing_out_everywhere_ends_every_session_of_this_person_only(stage: Stage, api: Client) -> None:
    user, colleague = a_member(api), tokens_of(api, a_member(api))
    own = [tokens_of(api, user) for _ in range(3)]

    with as_person(stage, api, own[0]) as ada:
        assert ada.post("/v1/me/sign-out-everywhere").status_code == 204

    assert [works(stage, api, tokens) for tokens in own] == [False] * 3
    assert works(stage, api, colleague)


def test_a_person_sees_and_ends_own_sessions_and_no_others(stage: Stage, api: Client) -> None:
    user, colleague = a_member(api), a_member(api)
    here, there, theirs = tokens_of(api, user), tokens_of(api, user), tokens_of(api, colleague)

    with as_person(stage, api, here) as ada:
        listed = ada.get("/v1/me/sessions").json()["data"]
        foreign = ada.post(f"/v1/me/sessions/{theirs['session_id']}/end")
        own = ada.post(f"/v1/me/sessions/{there['session_id']}/end")
        left = ada.get("/v1/me/sessions").json()["data"]

    assert [session["id"] for session in listed] == [there["session_id"], here["session_id"]]
    assert (foreign.status_code, own.status_code) == (404, 204)
    assert [session["id"] for session in left] == [here["session_id"]]
    assert (works(stage, api, there), works(stage, api, theirs)) == (False, True)
    assert api.get("/v1/me/sessions").json() == {"data": []}


def test_an_administrator_ends_the_session_of_anybody(stage: Stage, api: Client) -> None:
    tokens = tokens_of(api, a_member(api))

    ended = api.post(f"/v1/sessions/{tokens['session_id']}/end").json()

    assert ended["end_reason"] == "ended_by_staff"
    assert not works(stage, api, tokens)
    with as_person(stage, api, tokens_of(api, a_member(api, role="agent"))) as agent:
        assert agent.get("/v1/sessions").status_code == 403


def change_password(client: Client, current: str = PASSWORD, new: str = NEW_PASSWORD) -> httpx2.Response:
    return client.post("/v1/me/password", json={"current_password": current, "new_password": new})


def test_a_changed_password_ends_every_other_session(stage: Stage, api: Client) -> None:
    user = a_member(api)
    here, there = tokens_of(api, user), tokens_of(api, user)

    with as_person(stage, api, here) as ada:
        answer = change_password(ada)

    assert answer.status_code == 204, answer.text
    assert (works(stage, api, here), works(stage, api, there)) == (True, False)
    assert refresh(api, there).status_code == 401
    assert [sign_in(api, user["email"], word).status_code for word in (PASSWORD, NEW_PASSWORD)] == [401, 201]


def test_the_present_password_is_asked_for_and_wrong_ones_are_counted(stage: Stage, api: Client) -> None:
    user = a_member(api)

    with as_person(stage, api, tokens_of(api, user)) as ada:
        weak = change_password(ada, new="password12")
        answers = [change_password(ada, current="wrong") for _ in range(10)]
        late = change_password(ada)

    assert (weak.status_code, weak.json()["errors"][0]["pointer"]) == (422, "#/new_password")
    assert {answer.json()["code"] for answer in answers} == {"invalid_credentials"}
    assert (late.status_code, late.json()["code"]) == (429, "too_many_attempts")
    assert sign_in(api, user["email"]).status_code == 429


def test_an_api_key_has_no_password_and_no_session(api: Client) -> None:
    answers = [api.post("/v1/me/sign-out"), api.post("/v1/me/sign-out-everywhere"), change_password(api)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "session_required")] * 3


def test_who_is_no_longer_active_is_out_within_the_time_a_credential_is_believed(stage: Stage, api: Client) -> None:
    user = a_member(api)
    tokens = tokens_of(api, user)
    assert works(stage, api, tokens)

    patch(api, f"users/{user['id']}", is_active=False)

    assert believed_for(lambda: works(stage, api, tokens)) <= BELIEVED_SECONDS
    assert refresh(api, tokens).status_code == 401


def test_a_changed_role_holds_within_the_time_a_credential_is_believed(stage: Stage, api: Client) -> None:
    user = a_member(api, role="agent")

    with as_person(stage, api, tokens_of(api, user)) as ada:
        assert ada.get("/v1/sessions").status_code == 403
        patch(api, f"users/{user['id']}", role_id=role_of(api, "admin"))

        assert believed_for(lambda: ada.get("/v1/sessions").status_code == 403) <= BELIEVED_SECONDS


def test_a_session_of_another_tenant_opens_nothing_here(stage: Stage, api: Client, sandbox: MakeSandbox) -> None:
    ticket = api.post("/v1/tickets", json={"subject": "Ours"}).json()

    with administrator_of(stage, sandbox()) as elsewhere:
        tokens = tokens_of(elsewhere, a_member(elsewhere, role="admin"))
    with as_person(stage, elsewhere, tokens) as stranger:
        answer = stranger.get(f"/v1/tickets/{ticket['id']}")

    assert answer.status_code == 404


def test_a_removed_user_takes_sessions_and_password_along(stage: Stage, api: Client) -> None:
    user = a_member(api)
    tokens = tokens_of(api, user)

    assert api.delete(f"/v1/users/{user['id']}").status_code == 204

    assert refresh(api, tokens).status_code == 401
    for table in ("passwords", "sessions", "session_tokens", "sign_in_links"):
        assert stage.sql(f"SELECT 1 FROM {table} WHERE tenant_id = $1", api.tenant.id) == []  # noqa: S608 - our tables.
