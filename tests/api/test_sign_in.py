"""Signing in with a password: who may come in, what is told to who may not, and how often anybody may try."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from argon2 import PasswordHasher

from tests.conftest import MakeSandbox
from tests.factories import a_user, patch
from tests.signing_in import (
    PASSWORD,
    a_member,
    administrator_of,
    anonymously,
    as_person,
    choose_password,
    emails_to,
    role_of,
    security_events,
    sign_in,
    token_sent_to,
    tokens_of,
)
from tests.stage import Client, Stage


@pytest.fixture
def api(stage: Stage, sandbox: MakeSandbox) -> Iterator[Client]:
    with administrator_of(stage, sandbox()) as client:
        yield client


def test_who_was_invited_chooses_a_password_and_signs_in(stage: Stage, api: Client) -> None:
    user = a_member(api, role="agent")

    tokens = tokens_of(api, user)

    with as_person(stage, api, tokens) as ada:
        me = ada.get("/v1/me").json()
    assert (me["type"], me["id"]) == ("user", user["id"])
    assert "tickets:write" in me["permissions"]
    assert "users:write" not in me["permissions"]
    assert tokens["token_type"] == "Bearer"
    assert tokens["access_token"].startswith("hd_access_")
    assert tokens["refresh_token"].startswith("hd_refresh_")
    lives = datetime.fromisoformat(tokens["access_token_expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < lives <= timedelta(minutes=15)


def test_what_a_person_does_is_recorded_under_the_persons_name(stage: Stage, api: Client) -> None:
    user = a_member(api)

    with as_person(stage, api, tokens_of(api, user)) as ada:
        ticket = ada.post("/v1/tickets", json={"subject": "Noise"}).json()

    (row,) = stage.sql("SELECT actor_type, actor_id FROM events WHERE object_id = $1::text::uuid", ticket["id"])
    assert (row["actor_type"], str(row["actor_id"])) == ("user", user["id"])


def test_an_address_may_be_written_in_any_case(api: Client) -> None:
    user = a_member(api, email=f"Ada.{uuid4()}@service.example")

    assert sign_in(api, user["email"].upper()).status_code == 201


def test_everybody_who_is_refused_is_told_the_same(stage: Stage, api: Client, sandbox: MakeSandbox) -> None:
    user, elsewhere = a_member(api), sandbox()
    inactive = a_member(api)
    patch(api, f"users/{inactive['id']}", is_active=False)
    invited = a_user(api)

    answers = [
        sign_in(api, user["email"], "wrong"),
        sign_in(api, f"{uuid4()}@service.example"),
        sign_in(elsewhere, user["email"]),
        sign_in(api, user["email"], tenant_id=str(uuid4())),
        sign_in(api, inactive["email"]),
        sign_in(api, invited["email"]),
    ]

    told = {(a.status_code, a.json()["code"], a.json()["detail"], json.dumps(a.json()["errors"])) for a in answers}
    assert len(told) == 1
    assert (answers[0].status_code, answers[0].json()["code"]) == (401, "invalid_credentials")


def test_a_refusal_costs_one_verification_whoever_is_named(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user, verified = a_member(api), []
    verify = PasswordHasher.verify

    def watched(hasher: PasswordHasher, stored: str, password: str) -> bool:
        # What it costs stands before the salt and the digest.
        verified.append(stored.rsplit("$", 2)[0])
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    known = sign_in(api, user["email"], "wrong")
    unknown = sign_in(api, f"{uuid4()}@service.example", "wrong")
    nowhere = sign_in(api, f"{uuid4()}@service.example", "wrong", tenant_id=str(uuid4()))

    assert [answer.status_code for answer in (known, unknown, nowhere)] == [401] * 3
    assert verified == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3


def test_ten_attempts_are_looked_at_and_the_right_password_comes_too_late(stage: Stage, api: Client) -> None:
    user = a_member(api)

    answers = [sign_in(api, user["email"], "wrong") for _ in range(10)]
    late = sign_in(api, user["email"])

    assert {answer.status_code for answer in answers} == {401}
    assert (late.status_code, late.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(late.headers["retry-after"]) <= 15 * 60
    failures = security_events(stage, api, "session.failed")
    assert [json.loads(event["data"])["reason"] for event in failures] == ["wrong_credentials"] * 9 + ["locked"]
    assert {json.loads(event["data"])["user_id"] for event in failures} == {user["id"]}


def test_an_address_that_nobody_has_is_locked_like_any_other(api: Client) -> None:
    email = f"{uuid4()}@service.example"

    answers = [sign_in(api, email, "wrong").status_code for _ in range(11)]

    assert answers == [401] * 10 + [429]


def test_a_success_starts_the_count_anew(api: Client) -> None:
    user = a_member(api)

    for _ in range(2):
        assert {sign_in(api, user["email"], "wrong").status_code for _ in range(9)} == {401}
        assert sign_in(api, user["email"]).status_code == 201


def test_the_lock_ends_by_itself(stage: Stage, api: Client) -> None:
    user = a_member(api)
    assert [sign_in(api, user["email"], "wrong").status_code for _ in range(11)][-1] == 429

    stage.sql("UPDATE sign_in_attempts SET expires_at = now() WHERE tenant_id = $1", api.tenant.id)

    assert sign_in(api, user["email"]).status_code == 201


def test_of_two_hundred_wrong_passwords_at_once_ten_are_looked_at(stage: Stage, api: Client) -> None:
    user = a_member(api)

    with ThreadPoolExecutor(40) as pool:
        answers = Counter(pool.map(lambda _: sign_in(api, user["email"], "wrong").status_code, range(200)))

    assert answers[401] <= 10
    assert answers[401] + answers[429] + answers[503] == 200
    assert len(security_events(stage, api, "session.failed")) == answers[401]


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("geese-sea", "too_short"),
        ("password12", "easy_to_guess"),
        ("1234567890", "easy_to_guess"),
        ("qwertyuiop", "easy_to_guess"),
        ("ada.moretti", "easy_to_guess"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused_and_the_link_still_works(
    api: Client, password: str, reason: str
) -> None:
    user = a_user(api, name="Ada Moretti", email=f"ada.moretti@{uuid4()}.example")
    api.post(f"/v1/users/{user['id']}/invite")
    token = token_sent_to(api, user["email"])

    refused = choose_password(api, token, password)
    accepted = choose_password(api, token, PASSWORD)

    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["params"]["reason"]) == (422, "weak_password", reason)
    assert problem["errors"][0]["pointer"] == "#/password"
    assert password not in refused.text
    assert accepted.status_code == 204


def test_a_link_works_once(api: Client) -> None:
    user = a_user(api)
    api.post(f"/v1/users/{user['id']}/invite")
    token = token_sent_to(api, user["email"])

    answers = [choose_password(api, token, PASSWORD) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 401]
    assert answers[1].json()["code"] == "invalid_token"


def test_a_link_used_by_twenty_at_once_works_once(api: Client) -> None:
    user = a_user(api)
    api.post(f"/v1/users/{user['id']}/invite")
    token = token_sent_to(api, user["email"])

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(lambda _: choose_password(api, token, PASSWORD).status_code, range(20)))

    assert answers == {204: 1, 401: 19}


def test_a_link_is_void_after_its_time_an_address_change_or_a_new_password(stage: Stage, api: Client) -> None:
    def invited() -> tuple[dict[str, str], str]:
        user = a_user(api)
        api.post(f"/v1/users/{user['id']}/invite")
        return user, token_sent_to(api, user["email"])

    (late, late_token), (moved, moved_token), (inactive, inactive_token) = invited(), invited(), invited()
    stage.sql("UPDATE sign_in_links SET expires_at = now() WHERE user_id = $1::text::uuid", late["id"])
    patch(api, f"users/{moved['id']}", email=f"{uuid4()}@service.example")
    patch(api, f"users/{inactive['id']}", is_active=False)
    twice, first_token = invited()
    api.post(f"/v1/users/{twice['id']}/invite")
    second_token = token_sent_to(api, twice["email"], number=2)
    assert choose_password(api, second_token, PASSWORD).status_code == 204

    tokens = (late_token, moved_token, inactive_token, first_token)

    assert {choose_password(api, token, PASSWORD).status_code for token in tokens} == {401}


def test_a_reset_is_answered_alike_for_everybody_and_sent_to_who_has_the_address(api: Client) -> None:
    user = a_member(api)
    tenant = str(api.tenant.id)
    unknown = f"{uuid4()}@service.example"

    answers = [
        anonymously(api, "sign-in/password-reset", tenant_id=tenant, email=email) for email in (user["email"], unknown)
    ]
    answers.append(anonymously(api, "sign-in/password-reset", tenant_id=str(uuid4()), email=user["email"]))

    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"life_seconds":3600}')}
    token = token_sent_to(api, user["email"], number=2)
    assert choose_password(api, token, "eleven geese under Gorizia").status_code == 204
    assert [sign_in(api, user["email"], word).status_code for word in (PASSWORD, "eleven geese under Gorizia")] == [
        401,
        201,
    ]
    assert emails_to(api, unknown) == []


def test_a_fourth_link_to_one_address_is_refused_also_to_one_that_nobody_has(api: Client) -> None:
    user = a_member(api)

    for email in (user["email"], f"{uuid4()}@service.example"):
        body = {"tenant_id": str(api.tenant.id), "email": email}
        answers = [anonymously(api, "sign-in/password-reset", **body).status_code for _ in range(4)]

        assert answers == [202, 202, 202, 429]


def test_a_link_leads_to_the_page_of_the_tenant_and_never_to_one_of_a_request(api: Client) -> None:
    page = "https://desk.service.example/password"
    patch(api, "sign-in-settings", staff_url=page)
    user = a_user(api)

    api.post(f"/v1/users/{user['id']}/invite")
    token = token_sent_to(api, user["email"])
    refused = anonymously(
        api,
        "sign-in/password-reset",
        tenant_id=str(api.tenant.id),
        email=user["email"],
        staff_url="https://evil.example",
    )

    assert f"{page}#token={token}" in emails_to(api, user["email"])[0]["text"]
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/staff_url")


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example/",
        "https://user@desk.example/",
        "https://desk.example/#x",
        "javascript:alert(1)",
        "https://desk.example/\nBcc: x",
        "//desk.example",
    ],
)
def test_a_page_is_an_https_address_without_surprises(api: Client, url: str) -> None:
    assert api.patch("/v1/sign-in-settings", json={"staff_url": url}).status_code == 422


def test_an_e_mail_holds_nothing_that_a_stranger_chose(api: Client) -> None:
    user = a_member(api, name="Click https://evil.example now")

    anonymously(api, "sign-in/password-reset", tenant_id=str(api.tenant.id), email=user["email"])
    token_sent_to(api, user["email"], number=2)

    assert "evil" not in json.dumps(emails_to(api, user["email"]))


def test_who_is_not_active_is_not_invited(api: Client) -> None:
    user = a_user(api, is_active=False)

    answer = api.post(f"/v1/users/{user['id']}/invite")

    assert (answer.status_code, answer.json()["code"]) == (409, "user_not_active")


def test_secrets_are_stored_as_hashes_only_and_told_in_no_event(stage: Stage, api: Client) -> None:
    user = a_member(api)
    tokens = tokens_of(api, user)
    invitation = emails_to(api, user["email"])[0]["text"]
    secrets = [part for text in (tokens["access_token"], tokens["refresh_token"]) for part in [text.split("_")[3]]]
    secrets += [PASSWORD, invitation.split("hd_link_")[1].split("_")[1]]

    tables = ("passwords", "sessions", "session_tokens", "sign_in_links", "events", "jobs", "idempotency_keys")
    stored = "".join(
        str(row[0])
        for table in tables
        for row in stage.sql(f"SELECT to_jsonb(t)::text FROM {table} AS t WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - our tables.
    )

    assert [secret for secret in secrets if secret in stored] == []
    (row,) = stage.sql("SELECT hash FROM passwords WHERE tenant_id = $1", api.tenant.id)
    assert row["hash"].startswith("$argon2id$")


def test_signing_in_and_out_is_recorded(stage: Stage, api: Client) -> None:
    user = a_member(api)
    tokens = tokens_of(api, user)
    with as_person(stage, api, tokens) as ada:
        assert ada.post("/v1/me/sign-out").status_code == 204

    types = ("user.invited", "user.password_changed", "session.created", "session.ended")
    events = security_events(stage, api, *types)

    assert [event["type"] for event in events] == list(types)
    created, ended = events[2:]
    assert str(created["object_id"]) == str(ended["object_id"]) == tokens["session_id"]
    assert (created["actor_type"], str(created["actor_id"])) == ("user", user["id"])
    assert json.loads(created["data"]) == {"method": "password", "user_id": user["id"]}
    assert json.loads(ended["data"]) == {"reason": "signed_out"}


def test_a_user_without_a_role_cannot_use_a_session(stage: Stage, api: Client) -> None:
    user = a_member(api)
    patch(api, f"users/{user['id']}", role_id=None)

    answer = sign_in(api, user["email"])

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    patch(api, f"users/{user['id']}", role_id=role_of(api, "admin"))
    assert sign_in(api, user["email"]).status_code == 201
