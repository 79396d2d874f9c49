"""Rotation of API keys over HTTP: two live secrets for a stated time, and never more rights than the caller has."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import MakeSandbox
from tests.contract.rows import events
from tests.factories import create, get
from tests.stage import Client, Stage


def rotate(api: Client, key_id: str, **body: object) -> dict[str, Any]:
    answer = api.post(f"/v1/api-keys/{key_id}/rotate", json=body)
    assert answer.status_code == 200, answer.text
    rotated: dict[str, Any] = answer.json()
    return rotated


def works(stage: Stage, api: Client, key: str) -> bool:
    with stage.client(api.tenant, key) as client:
        return client.get("/v1/teams").status_code == 200


def test_both_secrets_work_during_the_overlap(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])

    rotated = rotate(api, made["id"], overlap_seconds=3_600)

    ends = datetime.fromisoformat(rotated["previous_secret_expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=3_590) < ends <= timedelta(seconds=3_600)
    assert (rotated["id"], rotated["scopes"], rotated["version"]) == (made["id"], made["scopes"], 2)
    assert [works(stage, api, key) for key in (made["key"], rotated["key"])] == [True, True]


def test_the_former_secret_is_dead_when_the_overlap_is_over(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    rotated = rotate(api, made["id"])
    stage.sql("UPDATE api_keys SET previous_secret_expires_at = now() - interval '1 s' WHERE id::text = $1", made["id"])

    assert [works(stage, api, key) for key in (made["key"], rotated["key"])] == [False, True]


def test_without_an_overlap_the_former_secret_is_dead_at_once(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    before = works(stage, api, made["key"])

    rotated = rotate(api, made["id"], overlap_seconds=0)

    assert before
    assert [works(stage, api, key) for key in (made["key"], rotated["key"])] == [False, True]


def test_a_second_rotation_within_the_overlap_has_to_be_forced(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    second = rotate(api, made["id"])

    refused = api.post(f"/v1/api-keys/{made['id']}/rotate")
    third = rotate(api, made["id"], force=True)

    assert (refused.status_code, refused.json()["code"]) == (409, "key_rotating")
    assert [works(stage, api, key["key"]) for key in (made, second, third)] == [False, True, True]


def test_revoking_ends_both_secrets_and_rotation(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    rotated = rotate(api, made["id"])
    before = [works(stage, api, key) for key in (made["key"], rotated["key"])]

    api.post(f"/v1/api-keys/{made['id']}/revoke")
    refused = api.post(f"/v1/api-keys/{made['id']}/rotate", json={"force": True})

    assert before == [True, True]
    assert [works(stage, api, key) for key in (made["key"], rotated["key"])] == [False, False]
    assert (refused.status_code, refused.json()["code"]) == (409, "key_ended")


def test_nobody_rotates_a_key_that_may_do_more(api: Client, stage: Stage) -> None:
    strong = create(api, "api-keys", name="Strong", scopes=["teams:read", "users:write"])
    weak = create(api, "api-keys", name="Weak", scopes=["api-keys:write", "teams:read"])

    with stage.client(api.tenant, weak["key"]) as client:
        refused = client.post(f"/v1/api-keys/{strong['id']}/rotate")
        own = client.post(f"/v1/api-keys/{weak['id']}/rotate")

    assert (refused.status_code, refused.json()["code"]) == (403, "scope_exceeds_own")
    assert get(api, f"api-keys/{strong['id']}")["version"] == 1
    assert own.status_code == 200


def test_a_rotation_is_recorded_without_any_secret(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    rotated = rotate(api, made["id"])

    (event,) = [item for item in events(stage, api.tenant.id, made["id"]) if item["type"] == "api_key.rotated"]

    assert event["changes"] == {"previous_secret_expires_at": [None, rotated["previous_secret_expires_at"]]}
    stored = stage.sql("SELECT to_jsonb(t)::text AS row FROM api_keys AS t WHERE id::text = $1", made["id"])
    for secret in (made["key"].split("_")[3], rotated["key"].split("_")[3]):
        assert secret not in stored[0]["row"]
        assert secret not in api.get(f"/v1/api-keys/{made['id']}").text


def test_keys_of_a_sandbox_are_rotated_in_real_time(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox(datetime(2020, 1, 1, tzinfo=UTC))
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])

    rotated = rotate(api, made["id"])

    assert rotated["key"].startswith("hd_test_")
    assert datetime.fromisoformat(rotated["previous_secret_expires_at"]) > datetime.now(UTC)
    assert [works(stage, api, key) for key in (made["key"], rotated["key"])] == [True, True]


@pytest.mark.parametrize("body", [{"overlap_seconds": -1}, {"overlap_seconds": 2_592_001}, {"overlap_seconds": "1"}])
def test_an_overlap_out_of_bounds_is_refused(api: Client, body: dict[str, object]) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])

    answer = api.post(f"/v1/api-keys/{made['id']}/rotate", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/overlap_seconds")
    assert get(api, f"api-keys/{made['id']}")["version"] == 1
