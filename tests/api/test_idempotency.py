"""Repeated writes over HTTP, where a refusal is only for now."""

from sqlalchemy import bindparam, func, select
from starlette.responses import Response

from helpdesk_api.kit.context import Cause, Principal
from helpdesk_api.kit.idempotency import Keyed, earlier_answer, idempotency_keys, store_refusal
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.conftest import MakeSandbox
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
