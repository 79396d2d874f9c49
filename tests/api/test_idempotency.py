"""Repeated writes over HTTP: what is kept of an answer, and where a refusal is only for now."""

import json
from typing import Any

import pytest
from sqlalchemy import bindparam, func, select
from starlette.responses import Response

from helpdesk_api.kit.context import Cause, Principal
from helpdesk_api.kit.idempotency import Keyed, earlier_answer, idempotency_keys, store_refusal
from helpdesk_api.kit.sealing import SealBrokenError, Sealer
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.conftest import MakeSandbox
from tests.factories import create
from tests.stage import Client, Stage, an_id

_LATER = "2026-03-02T09:00:00Z"
_KEPT = Statement(
    select(func.count()).select_from(idempotency_keys).where(idempotency_keys.c.tenant_id == bindparam("tenant"))
)


def test_a_refusal_that_passes_is_not_kept_under_its_key(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    on_its_way = "UPDATE tenants SET clock_target_at = $2 WHERE id = $1"
    stage.sql(on_its_way, api.tenant.id, api.tenant.clock_at)
    key = {"idempotency-key": "move-on"}

    early = api.post("/v1/test-clock/advance", json={"to": _LATER}, headers=key)
    stage.sql(on_its_way, api.tenant.id, None)
    later = api.post("/v1/test-clock/advance", json={"to": _LATER}, headers=key)

    assert (early.status_code, early.json()["code"]) == (409, "clock_advancing")
    assert early.headers["retry-after"] == "1"
    assert (later.status_code, later.json()["now"]) == (200, _LATER)


def test_a_refusal_is_not_kept_while_a_twin_is_at_work(stage: Stage, api: Client) -> None:
    write = Keyed(key="twins", method="POST", path="/v1/teams", fingerprint=b"same")
    principal = Principal("api_key", an_id(), api.tenant.id)
    cause = Cause("request", "test")

    async def refuse_beside_a_twin() -> tuple[int, int]:
        async with unit_of_work(stage.runtime, principal, cause=cause, request_id="twin") as twin:
            await earlier_answer(twin, write)
            async with unit_of_work(stage.runtime, principal, cause=cause, request_id="refused") as refused:
                await store_refusal(refused, write, Response(b"no", 409))
            beside = await twin.tx.value(_KEPT, {"tenant": api.tenant.id})
        async with unit_of_work(stage.runtime, principal, cause=cause, request_id="refused") as refused:
            await store_refusal(refused, write, Response(b"no", 409))
            alone = await refused.tx.value(_KEPT, {"tenant": api.tenant.id})
        return beside, alone

    assert stage.run(refuse_beside_a_twin()) == (0, 1)


def test_an_answer_that_shows_a_secret_comes_again_and_is_nowhere_in_the_database(api: Client, stage: Stage) -> None:
    endpoint = create(api, "webhook-endpoints", url="https://hooks.example.com/in")
    writes: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("/v1/api-keys", {"name": "Sync", "scopes": ["tickets:read"]}, "key"),
        ("/v1/webhook-endpoints", {"url": "https://hooks.example.com/other"}, "secret"),
        (f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret", {}, "secret"),
    )

    for path, body, shown in writes:
        first, again = (api.post(path, json=body, headers={"idempotency-key": "once"}) for _ in range(2))

        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
        secret = first.json()[shown].encode()
        kept = stage.sql("SELECT path, body FROM idempotency_keys WHERE tenant_id = $1", api.tenant.id)
        assert [row["path"] for row in kept if secret in row["body"] or b"secret" in row["body"]] == []
        assert path in {row["path"] for row in kept}


def test_whoever_reads_the_database_and_the_settings_cannot_open_a_sealed_answer(api: Client, stage: Stage) -> None:
    api.post("/v1/api-keys", json={"name": "x", "scopes": ["tickets:read"]}, headers={"idempotency-key": "once"})
    (kept,) = stage.sql("SELECT * FROM idempotency_keys WHERE tenant_id = $1", api.tenant.id)
    (key,) = stage.sql("SELECT secret_hash FROM api_keys WHERE tenant_id = $1 AND name = 'test'", api.tenant.id)
    belongs = {"tenant_id": api.tenant.id, "purpose": "POST /v1/api-keys once", "object_id": kept["credential_id"]}

    for secret in (key["secret_hash"], stage.settings.signing_secret, b""):
        with pytest.raises(SealBrokenError):
            Sealer.of_secret(secret).open(kept["body"], **belongs)
    opened = json.loads(Sealer.of_secret(api.key.encode()).open(kept["body"], **belongs))
    assert opened["name"] == "x"


def test_a_sealed_answer_that_does_not_open_is_told_and_not_made_anew(api: Client, stage: Stage) -> None:
    write: dict[str, Any] = {"json": {"name": "x", "scopes": ["tickets:read"]}, "headers": {"idempotency-key": "once"}}
    api.post("/v1/api-keys", **write)
    stage.sql("UPDATE idempotency_keys SET body = body || '\\x00'::bytea WHERE tenant_id = $1", api.tenant.id)

    again = api.post("/v1/api-keys", **write)

    assert (again.status_code, again.json()["code"]) == (409, "answer_sealed")
    assert stage.sql("SELECT FROM api_keys WHERE tenant_id = $1 AND name = 'x'", api.tenant.id) == [()]


def test_an_answer_without_a_secret_is_kept_as_it_is(api: Client, stage: Stage) -> None:
    answer = api.post("/v1/teams", json={"name": "Network"}, headers={"idempotency-key": "once"})

    (kept,) = stage.sql("SELECT body, is_sealed FROM idempotency_keys WHERE tenant_id = $1", api.tenant.id)

    assert (kept["body"], kept["is_sealed"]) == (answer.content, False)
