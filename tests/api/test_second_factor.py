"""The second factor: codes that work once, recovery codes, and how both are taken away."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx2
import pyotp
import pytest

from tests.conftest import MakeSandbox
from tests.factories import Json
from tests.signing_in import (
    PASSWORD,
    a_member,
    administrator_of,
    as_person,
    security_events,
    sign_in,
    tokens_of,
)
from tests.stage import Client, Stage

STEP = 30


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


class App:
    """An authenticator app, which can also show the codes of other times."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self._used = 0

    def code(self) -> str:
        """Give a code that was not shown before and that is accepted now."""
        present = int(time.time()) // STEP
        self._used = max(self._used + 1, present - 1)
        assert self._used <= present + 1, "no fresh code is left within this minute"
        return self._totp.generate_otp(self._used)

    def of_step(self, around: int) -> str:
        """Give the code of a step before or after the present one."""
        return self._totp.generate_otp(int(time.time()) // STEP + around)


def begin(client: Client) -> httpx2.Response:
    return client.post("/v1/me/second-factor", json={"current_password": PASSWORD})


def add_factor(stage: Stage, api: Client, user: Json) -> tuple[App, list[str]]:
    """Let a user add a second factor; gives the app and the recovery codes."""
    with as_person(stage, api, tokens_of(api, user)) as person:
        app = App(begin(person).json()["secret"])
        confirmed = person.post("/v1/me/second-factor/confirm", json={"code": app.code()})
    assert confirmed.status_code == 200, confirmed.text
    return app, confirmed.json()["recovery_codes"]


def outcome(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_with_a_second_factor_the_password_alone_does_not_sign_in(stage: Stage, api: Client) -> None:
    user = a_member(api)
    app, _ = add_factor(stage, api, user)

    without = sign_in(api, user["email"])
    wrong = sign_in(api, user["email"], code="000000")
    right = sign_in(api, user["email"], code=app.code())
    wrong_password = sign_in(api, user["email"], "wrong", code=app.of_step(0))

    assert outcome(without) == (401, "second_factor_required")
    assert outcome(wrong) == outcome(wrong_password) == (401, "invalid_credentials")
    assert right.status_code == 201, right.text


def test_a_factor_that_was_not_confirmed_asks_for_nothing(stage: Stage, api: Client) -> None:
    user = a_member(api)
    with as_person(stage, api, tokens_of(api, user)) as person:
        first, second = begin(person).json(), begin(person).json()
        old = person.post("/v1/me/second-factor/confirm", json={"code": App(first["secret"]).code()})
        state = person.get("/v1/me/second-factor").json()

    assert first["secret"] != second["secret"]
    assert outcome(old) == (401, "invalid_credentials")
    assert state == {"is_active": False, "recovery_codes_left": 0}
    assert sign_in(api, user["email"]).status_code == 201


def test_the_address_for_the_app_names_the_person_and_the_tenant(stage: Stage, api: Client) -> None:
    user = a_member(api)

    with as_person(stage, api, tokens_of(api, user)) as person:
        shown = begin(person).json()

    query = parse_qs(urlsplit(shown["uri"]).query)
    assert shown["uri"].startswith("otpauth://totp/")
    assert (query["secret"], query["issuer"]) == ([shown["secret"]], [api.tenant.name])


def test_a_code_works_once(stage: Stage, api: Client) -> None:
    user = a_member(api)
    app, _ = add_factor(stage, api, user)
    code = app.code()

    answers = [outcome(sign_in(api, user["email"], code=code)) for _ in range(2)]

    assert answers == [(201, ""), (401, "invalid_credentials")]


def test_a_code_used_by_ten_at_once_works_once(stage: Stage, api: Client) -> None:
    user = a_member(api)
    app, _ = add_factor(stage, api, user)
    code = app.code()

    with ThreadPoolExecutor(10) as pool:
        answers = Counter(pool.map(lambda _: sign_in(api, user["email"], code=code).status_code, range(10)))

    assert answers[201] == 1
    assert answers[401] + answers[429] == 9


def test_a_code_before_one_that_was_used_and_one_of_another_time_do_not_work(stage: Stage, api: Client) -> None:
    user = a_member(api)
    app, _ = add_factor(stage, api, user)
    assert sign_in(api, user["email"], code=app.of_step(1)).status_code == 201

    answers = [outcome(sign_in(api, user["email"], code=app.of_step(around))) for around in (0, -1, 5, -20)]

    assert set(answers) == {(401, "invalid_credentials")}


def test_five_codes_are_looked_at_and_a_right_password_does_not_start_anew(stage: Stage, api: Client) -> None:
    user = a_member(api)
    app, _ = add_factor(stage, api, user)

    answers = [outcome(sign_in(api, user["email"], code="000000")) for _ in range(5)]
    late = sign_in(api, user["email"], code=app.code())

    assert answers == [(401, "invalid_credentials")] * 5
    assert outcome(late) == (429, "too_many_attempts")
    reasons = [json.loads(event["data"])["reason"] for event in security_events(stage, api, "session.failed")]
    assert reasons == ["wrong_code"] * 4 + ["locked"]


def test_a_recovery_code_works_once_however_it_is_written(stage: Stage, api: Client) -> None:
    user = a_member(api)
    _, codes = add_factor(stage, api, user)

    assert len(set(codes)) == 10
    first = [outcome(sign_in(api, user["email"], code=codes[0])) for _ in range(2)]
    second = sign_in(api, user["email"], code=codes[1].replace("-", "").upper())

    assert first == [(201, ""), (401, "invalid_credentials")]
    assert second.status_code == 201
    with as_person(stage, api, second.json()) as person:
        assert person.get("/v1/me/second-factor").json() == {"is_active": True, "recovery_codes_left": 8}


def test_secret_and_codes_are_not_to_be_read_in_the_database(stage: Stage, api: Client) -> None:
    user = a_member(api)
    with as_person(stage, api, tokens_of(api, user)) as person:
        secret = begin(person).json()["secret"]
        codes = person.post("/v1/me/second-factor/confirm", json={"code": App(secret).code()}).json()["recovery_codes"]

    stored = "".join(
        str(row[0])
        for table in ("totp_factors", "recovery_codes", "events", "idempotency_keys", "jobs")
        for row in stage.sql(f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - our tables.
    )

    assert [text for text in (secret, *codes, *(code.replace("-", "") for code in codes)) if text in stored] == []
    (row,) = stage.sql("SELECT sealed_secret FROM totp_factors WHERE tenant_id = $1", api.tenant.id)
    assert secret.encode() not in row["sealed_secret"]


def test_a_second_factor_is_removed_with_password_and_code(stage: Stage, api: Client) -> None:
    user = a_member(api)
    _, codes = add_factor(stage, api, user)
    tokens = sign_in(api, user["email"], code=codes[0]).json()

    with as_person(stage, api, tokens) as person:
        again = begin(person)
        wrong = [
            person.post("/v1/me/second-factor/remove", json={"current_password": word, "code": code})
            for word, code in (("wrong", codes[1]), (PASSWORD, "000000"))
        ]
        removed = person.post("/v1/me/second-factor/remove", json={"current_password": PASSWORD, "code": codes[2]})
        nothing = person.post("/v1/me/second-factor/confirm", json={"code": "123456"})

    assert outcome(again) == (409, "second_factor_active")
    assert [outcome(answer) for answer in wrong] == [(401, "invalid_credentials")] * 2
    assert removed.status_code == 204
    assert outcome(nothing) == (409, "no_second_factor")
    assert sign_in(api, user["email"]).status_code == 201
    types = ("user.second_factor_added", "user.second_factor_removed")
    assert [event["type"] for event in security_events(stage, api, *types)] == list(types)


def test_an_administrator_takes_it_away_and_ends_the_sessions(stage: Stage, api: Client) -> None:
    user = a_member(api)
    _, codes = add_factor(stage, api, user)
    tokens = sign_in(api, user["email"], code=codes[0]).json()

    answer = api.post(f"/v1/users/{user['id']}/reset-second-factor")
    again = api.post(f"/v1/users/{user['id']}/reset-second-factor")

    assert (answer.status_code, answer.json()["id"]) == (200, user["id"])
    assert outcome(again) == (409, "no_second_factor")
    with as_person(stage, api, tokens) as person:
        assert person.get("/v1/me").status_code == 401
    assert sign_in(api, user["email"]).status_code == 201


def test_nobody_takes_away_the_second_factor_of_somebody_with_more_rights(stage: Stage, api: Client) -> None:
    user = a_member(api, role="admin")
    add_factor(stage, api, user)

    with stage.client(api.tenant, stage.key(api.tenant, ("users:read", "users:write"))) as clerk:
        answer = clerk.post(f"/v1/users/{user['id']}/reset-second-factor")

    assert outcome(answer) == (403, "role_exceeds_own")
    assert outcome(sign_in(api, user["email"])) == (401, "second_factor_required")
