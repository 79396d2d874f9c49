"""API keys over HTTP: shown once, bounded by their maker, dead when revoked or expired."""

from datetime import UTC, datetime, timedelta

from tests.conftest import MakeSandbox
from tests.factories import create, get
from tests.stage import Client, Stage


def test_a_key_is_shown_once_and_never_again(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["tickets:read"])
    secret = made["key"].split("_")[3]

    told = [api.get("/v1/api-keys").text, api.get(f"/v1/api-keys/{made['id']}").text, api.get("/v1/events").text]
    told.append(api.patch(f"/v1/api-keys/{made['id']}", json={"name": "Other"}).text)
    told.append(api.post(f"/v1/api-keys/{made['id']}/revoke").text)
    stored = stage.sql("SELECT to_jsonb(t)::text AS row FROM api_keys AS t WHERE tenant_id = $1", api.tenant.id)

    spoken_of = [text.replace("previous_secret_expires_at", "") for text in told]
    assert [text for text in spoken_of if secret in text or "secret" in text] == []
    assert [row["row"] for row in stored if secret in row["row"]] == []


def test_a_key_works_for_what_it_was_made_for(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["companies:write", "companies:read", "companies:read"])

    with stage.client(api.tenant, made["key"]) as client:
        answers = [
            client.get("/v1/companies", params={"name": "x"}),
            client.post("/v1/companies", json={"name": "x"}),
            client.get("/v1/teams"),
        ]

    assert made["scopes"] == ["companies:read", "companies:write"]
    assert [answer.status_code for answer in answers] == [200, 201, 403]


def test_a_key_cannot_give_more_than_it_has(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Admin", scopes=["api-keys:write", "tickets:read"])

    with stage.client(api.tenant, made["key"]) as client:
        refused = [
            client.post("/v1/api-keys", json={"name": "x", "scopes": scopes})
            for scopes in (
                ["tickets:write"],
                ["*:read"],
                ["*:write"],
                ["api-keys:read"],
                ["tickets:read", "users:read"],
            )
        ]
        given = client.post("/v1/api-keys", json={"name": "x", "scopes": ["tickets:read"]})

    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "scope_exceeds_own")}
    assert [answer.json()["errors"][0]["pointer"] for answer in refused] == ["#/scopes/0"] * 4 + ["#/scopes/1"]
    assert given.status_code == 201


def test_whoever_may_do_everything_may_give_anything(api: Client) -> None:
    made = create(api, "api-keys", name="x", scopes=["tickets:read", "*:write"])

    assert made["scopes"] == ["*:write", "tickets:read"]


def test_a_revoked_key_is_dead_at_once_and_stays_so(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="x", scopes=["tickets:read"])
    with stage.client(api.tenant, made["key"]) as client:
        before = client.get("/v1/tickets").status_code
        first = api.post(f"/v1/api-keys/{made['id']}/revoke")
        after = client.get("/v1/tickets")
    second = api.post(f"/v1/api-keys/{made['id']}/revoke")

    assert (before, after.status_code, after.json()["code"]) == (200, 401, "unauthenticated")
    assert first.json()["revoked_at"] is not None
    assert (second.json()["revoked_at"], second.json()["version"]) == (first.json()["revoked_at"], 2)


def test_a_key_may_revoke_itself(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="x", scopes=["api-keys:write"])

    with stage.client(api.tenant, made["key"]) as client:
        answers = [client.post(f"/v1/api-keys/{made['id']}/revoke").status_code for _ in range(2)]

    assert answers == [200, 401]


def test_a_key_ends_when_it_expires(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="x", scopes=["tickets:read"], expires_at="2100-01-01T00:00:00Z")
    stage.sql("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id::text = $1", made["id"])

    with stage.client(api.tenant, made["key"]) as client:
        answer = client.get("/v1/tickets")

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_key_cannot_be_born_dead(api: Client) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()

    answer = api.post("/v1/api-keys", json={"name": "x", "scopes": ["tickets:read"], "expires_at": past})

    assert (answer.status_code, answer.json()["code"]) == (422, "expiry_in_past")


def test_keys_live_in_real_time_also_in_a_sandbox(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox(datetime(2020, 1, 1, tzinfo=UTC))

    past = api.post(
        "/v1/api-keys", json={"name": "x", "scopes": ["tickets:read"], "expires_at": "2021-01-01T00:00:00Z"}
    )
    made = create(api, "api-keys", name="x", scopes=["tickets:read"], expires_at="2100-01-01T00:00:00Z")

    assert past.json()["code"] == "expiry_in_past"
    assert made["key"].startswith("hd_test_")
    with stage.client(api.tenant, made["key"]) as client:
        assert client.get("/v1/tickets").status_code == 200


def test_one_can_see_when_a_key_was_last_used(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="x", scopes=["tickets:read"])
    unused = get(api, f"api-keys/{made['id']}")

    with stage.client(api.tenant, made["key"]) as client:
        client.get("/v1/tickets")

    used = get(api, f"api-keys/{made['id']}")
    assert unused["last_used_at"] is None
    assert datetime.now(UTC) - datetime.fromisoformat(used["last_used_at"]) < timedelta(minutes=1)
    assert used["version"] == unused["version"]


def test_no_answer_tells_why_a_key_is_not_accepted(api: Client, stage: Stage) -> None:
    dead = create(api, "api-keys", name="x", scopes=["tickets:read"])
    api.post(f"/v1/api-keys/{dead['id']}/revoke")
    unknown = stage.tenant()
    stage.sql("DELETE FROM api_keys WHERE tenant_id = $1", unknown.tenant.id)

    told = set()
    for key in (dead["key"], unknown.key, f"{api.key[:-1]}x", "nonsense"):
        with stage.client(api.tenant, key) as client:
            told.add(client.get("/v1/tickets").json()["detail"])
    unknown.close()

    assert told == {"The API key or access token is unknown, revoked or expired."}
