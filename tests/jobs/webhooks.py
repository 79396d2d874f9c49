"""What the tests of webhooks share: an endpoint, a look at deliveries, and making what waits due."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from tests.receivers import WebhookReceiver
from tests.stage import Client, Stage

T = TypeVar("T")

_PATIENCE = 20.0


def create(api: Client, path: str, **values: object) -> dict[str, Any]:
    answer = api.post(f"/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def an_endpoint(api: Client, receiver: WebhookReceiver, *event_types: str, **values: object) -> dict[str, Any]:
    """Create an endpoint and wait until a ping has verified it."""
    created = create(api, "webhook-endpoints", url=receiver.url, event_types=event_types or ["team.*"], **values)
    verified(api, created["id"])
    return created


def verified(api: Client, endpoint_id: str) -> dict[str, Any]:
    """Wait until a ping has verified an endpoint."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = api.get(f"/v1/webhook-endpoints/{endpoint_id}").json()
        return found if found["verified_at"] else None

    return until(look)


def deliveries(api: Client, **query: str) -> list[dict[str, Any]]:
    """List deliveries, oldest first."""
    answer = api.get("/v1/webhook-deliveries", params={"sort": "created_at", **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return [delivery for delivery in found if delivery["event_type"] != "webhook_endpoint.ping"]


def until(look: Callable[[], T | None]) -> T:
    """Look until there is something, which neither false nor empty is; the worker works when it wants."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def after_attempts(api: Client, count: int, **query: str) -> dict[str, Any]:
    """Wait until the only delivery has so many attempts behind it, and read it with them."""

    def look() -> dict[str, Any] | None:
        for delivery in deliveries(api, **query):
            if delivery["attempt_count"] >= count:
                found: dict[str, Any] = api.get(f"/v1/webhook-deliveries/{delivery['id']}").json()
                return found
        return None

    return until(look)


def in_state(api: Client, state: str, **query: str) -> dict[str, Any]:
    """Wait until the only delivery is in a state, and give it."""
    return until(lambda: next((found for found in deliveries(api, **query) if found["state"] == state), None))


def settle(stage: Stage, api: Client) -> None:
    """Wait until the feed tells all that was committed: until every older transaction, of any tenant, has ended."""
    query = "SELECT 1 FROM events WHERE tenant_id = $1 AND xid >= pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1"
    until(lambda: None if stage.sql(query, api.tenant.id) else True)


def events(stage: Stage, api: Client, **query: str) -> list[dict[str, Any]]:
    """Read the first events, in commit order."""
    settle(stage, api)
    answer = api.get("/v1/events", params={"limit": "200", **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def make_due(stage: Stage, delivery: dict[str, Any]) -> None:
    """Let the time until the next attempt be over."""
    query = "UPDATE jobs SET run_at = now() WHERE payload ->> 'delivery_id' = $1 RETURNING lane"
    (job,) = stage.sql(query, delivery["id"])
    look(stage, job["lane"])


def look(stage: Stage, lane: UUID) -> None:
    """Let a worker look at a lane at once, also at one that is held back; one that is worked on is left alone."""
    stage.sql(
        "UPDATE job_lanes SET due_at = now(), not_before = '-infinity' WHERE id = $1 AND lease_token IS NULL", lane
    )


def no_job_left(stage: Stage, api: Client) -> bool:
    """Tell whether nothing of a tenant waits to be sent."""
    query = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = 'webhooks.deliver'"
    return not stage.sql(query, api.tenant.id)


def pause_of(delivery: dict[str, str]) -> timedelta:
    """Give the time between the last attempt of a delivery and the next."""
    return datetime.fromisoformat(delivery["next_attempt_at"]) - datetime.fromisoformat(delivery["updated_at"])
