"""Dead letters: listed by the delivery log, sent again in bulk, and seen in the statistics of their endpoint."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.jobs.webhooks import an_endpoint, create, deliveries, events, in_state, until
from tests.receivers import Answer, WebhookReceiver
from tests.stage import Client, Stage, an_id

ABORT = Answer(400, headers={"webhook-delivery": "abort-message"})


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def dead_letters(api: Client, receiver: WebhookReceiver, count: int) -> list[dict[str, Any]]:
    receiver.answer_next(*[ABORT] * count)
    before = len(deliveries(api, state="failed"))
    for number in range(count):
        create(api, "teams", name=f"Team {before + number}")
    return until(lambda: found if len(found := deliveries(api, state="failed")) == before + count else None)


def retry(api: Client, **body: object) -> httpx2.Response:
    answer = api.post("/v1/webhook-deliveries/retry", json=body)
    assert answer.status_code == 207, answer.text
    return answer


def test_dead_letters_are_sent_again_by_id_with_a_result_for_each(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    one, two = dead_letters(api, receiver, 2)
    paused = an_endpoint(api, receiver)
    api.post(f"/v1/webhook-endpoints/{paused['id']}/pause")
    api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"event_types": ["user.*"]})
    create(api, "teams", name="Waiting")
    waiting = until(lambda: next(iter(deliveries(api, state="pending")), None))
    api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"event_types": ["team.*"]})
    nothing = str(an_id())

    results = retry(api, ids=[two["id"], nothing, waiting["id"], one["id"]]).json()

    assert results["has_more"] is False
    told = [
        (each["index"], each["id"], each["status"], each["error"] and each["error"]["code"])
        for each in results["results"]
    ]
    assert told == [
        (0, two["id"], 202, None),
        (1, nothing, 404, "not_found"),
        (2, waiting["id"], 409, "delivery_pending"),
        (3, one["id"], 202, None),
    ]
    until(lambda: len(deliveries(api, state="delivered")) == 2 or None)
    assert {request.id for request in receiver.wait_for(4)[2:]} == {one["event_id"], two["event_id"]}
    again = events(stage, api, type="webhook_delivery.redelivered")
    assert {event["object_id"] for event in again} == {one["id"], two["id"]}


def test_dead_letters_are_sent_again_by_a_filter(stage: Stage, api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)
    early, late = dead_letters(api, receiver, 2)
    moved = "UPDATE webhook_deliveries SET created_at = $2 WHERE id = $1"
    stage.sql(moved, UUID(early["id"]), datetime(2026, 3, 2, 8, tzinfo=UTC))
    window = {"since": "2026-03-02T08:00:00Z", "until": "2026-03-02T08:00:01Z"}

    nothing = [
        retry(api, filter={"endpoint_id": str(an_id())}),
        retry(api, filter={"event_types": ["user.*"]}),
        retry(api, filter={"state": ["cancelled"]}),
        retry(api, filter={"until": "2026-03-02T08:00:00Z"}),
    ]
    found = retry(api, filter={"endpoint_id": endpoint["id"], "event_types": ["team.created"], **window}).json()

    assert [answer.json()["results"] for answer in nothing] == [[]] * 4
    assert [each["id"] for each in found["results"]] == [early["id"]]
    assert in_state(api, "delivered")["id"] == early["id"]
    assert [delivery["id"] for delivery in deliveries(api, state="failed")] == [late["id"]]


def test_a_filter_takes_the_oldest_hundred_and_tells_that_there_are_more(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    (first,) = dead_letters(api, receiver, 1)
    stage.sql(
        """
        WITH happened AS (
            INSERT INTO events (tenant_id, id, type, object_type, object_id, object_version, changes, data, actor_type,
                cause_type, cause_id, occurred_at)
            SELECT tenant_id, gen_random_uuid(), type, object_type, object_id, object_version, changes, data,
                actor_type, cause_type, cause_id, occurred_at
            FROM events, generate_series(1, 120)
            WHERE tenant_id = $1 AND id = $2
            RETURNING id
        )
        INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, event_id, event_type, state, attempt_count, job_id,
            created_at, updated_at)
        SELECT $1, gen_random_uuid(), $3, id, 'team.created', 'cancelled', 0, id, now(), now() FROM happened
        """,
        api.tenant.id,
        UUID(first["event_id"]),
        UUID(endpoint["id"]),
    )

    one, two = retry(api, filter={}).json(), retry(api, filter={}).json()

    assert (len(one["results"]), one["has_more"]) == (100, True)
    assert (len(two["results"]), two["has_more"]) == (21, False)
    assert one["results"][0]["id"] == first["id"]
    assert {each["status"] for each in (*one["results"], *two["results"])} == {202}
    receiver.wait_for(122)


def test_what_went_to_an_endpoint_that_is_off_is_refused_by_id_and_not_found_by_a_filter(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver)
    (letter,) = dead_letters(api, receiver, 1)
    api.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"is_enabled": False})

    (refused,) = retry(api, ids=[letter["id"]]).json()["results"]

    assert (refused["status"], refused["error"]["code"]) == (409, "endpoint_disabled")
    assert retry(api, filter={}).json() == {"results": [], "has_more": False}
    assert deliveries(api)[0]["state"] == "failed"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": [], "filter": None},
        {"ids": [str(an_id())], "filter": {}},
        {"ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"] * 2},
        {"ids": [str(an_id()) for _ in range(101)]},
        {"filter": {"state": ["delivered"]}},
        {"filter": {"since": "2026-03-02T08:00:00Z", "until": "2026-03-01T08:00:00Z"}},
    ],
    ids=["nothing", "no id", "both", "twice", "too many", "delivered", "backwards"],
)
def test_a_bulk_names_deliveries_in_one_way(api: Client, body: dict[str, Any]) -> None:
    answer = api.post("/v1/webhook-deliveries/retry", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


def attempts(stage: Stage, api: Client, endpoint: dict[str, Any], *made: tuple[datetime, int, int | None]) -> None:
    """Store attempts: when, how many milliseconds, and the status or None for none."""
    for at, duration, status in made:
        stage.sql(
            """
            INSERT INTO webhook_attempts (tenant_id, id, delivery_id, endpoint_id, number, started_at, duration_ms,
                status, error)
            SELECT $1, gen_random_uuid(), id, $2, (SELECT count(*) + 1000 FROM webhook_attempts), $3, $4, $5::int,
                CASE WHEN $5::int IS NULL THEN 'timeout' END
            FROM webhook_deliveries WHERE tenant_id = $1 LIMIT 1
            """,
            api.tenant.id,
            UUID(endpoint["id"]),
            at,
            duration,
            status,
        )


def test_statistics_count_success_and_latency_in_all_and_by_step(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    endpoint, other = an_endpoint(api, receiver), an_endpoint(api, receiver, "user.*")
    create(api, "teams", name="one")
    in_state(api, "delivered")
    start = datetime(2026, 3, 2, 8, tzinfo=UTC)
    minute = timedelta(minutes=1)
    made: list[tuple[datetime, int, int | None]] = [
        (start + number * timedelta(seconds=1), number, 200) for number in range(1, 101)
    ]
    # 100 of them from 08:00:01 to 08:01:40; then two failures in the third minute and one beyond the window.
    made += [(start + 2 * minute, 500, 503), (start + 2 * minute, 15_000, None), (start + 3 * minute, 9_999, 500)]
    attempts(stage, api, endpoint, *made)
    attempts(stage, api, other, (start, 7_777, 500))

    answer = api.get(
        f"/v1/webhook-endpoints/{endpoint['id']}/stats",
        params={"since": "2026-03-02T08:00:00Z", "until": "2026-03-02T08:03:00Z", "step": 60},
    )

    found = answer.json()
    steps = found.pop("steps")
    assert answer.status_code == 200, answer.text
    assert found == {
        "endpoint_id": endpoint["id"],
        "since": "2026-03-02T08:00:00Z",
        "until": "2026-03-02T08:03:00Z",
        "step_seconds": 60,
        "attempt_count": 102,
        "success_count": 100,
        "unanswered_count": 1,
        "success_rate": 0.9804,
        "latency_ms": {"p50": 51, "p90": 92, "p99": 500, "max": 15_000},
    }
    assert [(step["begins_at"][11:16], step["attempt_count"], step["success_rate"]) for step in steps] == [
        ("08:00", 59, 1.0),
        ("08:01", 41, 1.0),
        ("08:02", 2, 0.0),
    ]
    assert steps[1]["latency_ms"] == {"p50": 80, "p90": 96, "p99": 100, "max": 100}


def test_statistics_hold_the_last_day_by_default_and_every_step_of_it(api: Client, receiver: WebhookReceiver) -> None:
    endpoint = an_endpoint(api, receiver)

    found = api.get(f"/v1/webhook-endpoints/{endpoint['id']}/stats").json()

    # The ping was an attempt too.
    assert (found["attempt_count"], found["step_seconds"], len(found["steps"])) == (1, 3_600, 24)
    assert found["steps"][0]["success_rate"] is None
    assert found["steps"][0]["latency_ms"] == {"p50": None, "p90": None, "p99": None, "max": None}
    assert found["steps"][-1]["attempt_count"] == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"since": "2026-03-02T08:00:00Z", "until": "2026-03-02T08:00:00Z"}, "window_backwards"),
        ({"since": "2026-03-02T08:00:00Z", "until": "2026-03-02T08:08:21Z", "step": 1}, "step_too_short"),
        ({"step": 0}, "validation_failed"),
    ],
    ids=["no time", "501 steps", "no step"],
)
def test_statistics_of_no_time_or_too_many_steps_are_refused(
    api: Client, receiver: WebhookReceiver, query: dict[str, Any], code: str
) -> None:
    endpoint = an_endpoint(api, receiver)

    answer = api.get(f"/v1/webhook-endpoints/{endpoint['id']}/stats", params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
