"""Repeated writes over HTTP, where a refusal is only for now."""

from tests.conftest import MakeSandbox
from tests.stage import Stage

_LATER = "2026-03-02T09:00:00Z"


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
