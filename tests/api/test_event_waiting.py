"""The feed's long poll: it answers when something happens, holds nothing while it waits, and believes no old rights."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

import httpx2
import pytest

from helpdesk_api.kit.context import Cause, new_id, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.factories import a_company, a_ticket, a_user, create, patch
from tests.jobs.webhooks import settle, until
from tests.stage import Client, Services, Stage
from tests.streams import listeners

Json = dict[str, Any]
Wait = Callable[..., Future[httpx2.Response]]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.fixture
def wait(stage: Stage, pool: ThreadPoolExecutor) -> Wait:
    """Begin to wait at the end of the feed, with all told that was before, and come back once the server waits."""

    def begin(api: Client, **query: str | list[str]) -> Future[httpx2.Response]:
        if query.pop("settled", "yes") == "yes":
            settle(stage, api)
        before = listeners(api)
        asked = {"after": at_the_end(api), "wait": "25", **query}
        waiting = pool.submit(api.get, "/v1/events", params=asked)
        until(lambda: True if waiting.done() or listeners(api) > before else None)
        return waiting

    return begin


def at_the_end(api: Client) -> str:
    cursor: str = api.get("/v1/events", params={"after": "end"}).json()["page"]["next_cursor"]
    return cursor


def told(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [event["type"] for event in answer.json()["data"]]


def test_what_is_there_is_told_without_waiting(stage: Stage, api: Client) -> None:
    settle(stage, api)
    start = at_the_end(api)
    create(api, "teams", name="Dispatch")
    settle(stage, api)

    began = monotonic()
    answer = api.get("/v1/events", params={"after": start, "wait": 25})

    assert told(answer) == ["team.created"]
    assert monotonic() - began < 5


def test_what_happens_while_it_waits_is_told_at_once(api: Client, wait: Wait) -> None:
    waiting = wait(api)

    began = monotonic()
    create(api, "teams", name="Dispatch")

    assert told(waiting.result(20)) == ["team.created"]
    assert monotonic() - began < 5


def test_nothing_happens_and_the_answer_is_empty_with_a_cursor_to_go_on(stage: Stage, api: Client) -> None:
    settle(stage, api)
    began = monotonic()
    answer = api.get("/v1/events", params={"after": "end", "wait": 1})
    took = monotonic() - began
    create(api, "teams", name="Dispatch")
    settle(stage, api)

    assert told(answer) == []
    assert 1 <= took < 10
    assert answer.json()["page"]["has_more"] is False
    following = api.get("/v1/events", params={"after": answer.json()["page"]["next_cursor"]})
    assert told(following) == ["team.created"]


def test_it_waits_for_what_was_asked_for_only(stage: Stage, api: Client, wait: Wait) -> None:
    waiting = wait(api, type=["team.*"])

    a_company(api)
    settle(stage, api)
    create(api, "teams", name="Dispatch")

    assert told(waiting.result(20)) == ["team.created"]


def test_it_waits_for_what_the_caller_may_read_only(stage: Stage, api: Client, wait: Wait) -> None:
    with stage.client(api.tenant, stage.key(api.tenant, ("events:read", "teams:read"))) as narrow:
        waiting = wait(narrow)

        a_company(api)
        settle(stage, api)
        create(api, "teams", name="Dispatch")

        assert told(waiting.result(20)) == ["team.created"]


def test_an_event_that_waits_for_an_older_transaction_is_told_when_it_has_settled(
    stage: Stage, api: Client, wait: Wait
) -> None:
    settle(stage, api)
    older = threading.Event()
    holding = threading.Thread(target=stage.run, args=(held_open(stage, api, older),))
    holding.start()
    query = "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND backend_xid IS NOT NULL"
    until(lambda: True if stage.sql(query, str(api.tenant.id)[:30]) else None)
    waiting = wait(api, settled="no")

    create(api, "teams", name="Dispatch")
    unsettled = told(api.get("/v1/events", params={"type": "team.created"}))
    was_answered = waiting.done()
    older.set()
    holding.join()

    assert (unsettled, was_answered) == ([], False)
    assert told(waiting.result(20)) == ["team.created"]


async def held_open(stage: Stage, api: Client, until_set: threading.Event) -> None:
    """Hold a transaction with an id open, as any writer of any tenant may."""
    import asyncpg  # noqa: PLC0415 - only tests look behind the product's gateway.

    url = stage.services.superuser_url.rpartition("/")[0] + "/" + stage.services.app_url.rpartition("/")[2]
    connection = await asyncpg.connect(url, server_settings={"application_name": str(api.tenant.id)[:30]})
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_current_xact_id()")
            await asyncio.to_thread(until_set.wait, 30)
    finally:
        await connection.close()


def test_a_key_that_was_revoked_while_it_waited_is_told_nothing(api: Client, stage: Stage, wait: Wait) -> None:
    made = create(api, "api-keys", name="Follower", scopes=["*:read"])
    with stage.client(api.tenant, made["key"]) as follower:
        waiting = wait(follower)

        api.post(f"/v1/api-keys/{made['id']}/revoke")
        create(api, "teams", name="Dispatch")
        answer = waiting.result(20)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_rights_that_were_taken_away_while_it_waited_hold(api: Client, stage: Stage, wait: Wait) -> None:
    role = create(api, "roles", name="Follower", permissions=["events:read", "teams:read"], reach="all")
    made = create(api, "api-keys", name="Follower", role_id=role["id"])
    with stage.client(api.tenant, made["key"]) as follower:
        waiting = wait(follower, type=["team.*"])

        patch(api, f"roles/{role['id']}", permissions=["tickets:read"])
        create(api, "teams", name="Dispatch")
        answer = waiting.result(20)

    assert "Dispatch" not in answer.text
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")


def test_waiting_counts_as_one_request_however_often_it_looks(services: Services, wait: Wait) -> None:
    with Stage(services, HELPDESK_RATE_LIMIT_CREDENTIAL="30") as stage, stage.tenant() as api:
        permissions = ["events:read", "tickets:read"]
        role = create(api, "roles", name="Technician", permissions=permissions, reach="assigned")
        user = a_user(api, role_id=role["id"])
        made = create(api, "api-keys", name="Follower", user_id=user["id"])
        with stage.client(api.tenant, made["key"]) as follower:
            waiting = wait(follower, type="ticket.created")

            for _ in range(8):
                a_ticket(api)
                settle(stage, api)
            a_ticket(api, assignee_id=user["id"])
            answer = waiting.result(20)
            (left,) = re.findall(r'"credential";r=(\d+)', follower.get("/v1/events").headers["ratelimit"])

    assert told(answer) == ["ticket.created"]
    # The end of the feed, the wait and the last look; tokens that came back meanwhile make it more, never less.
    assert int(left) >= 27


@pytest.fixture(scope="module")
def narrow_stage(services: Services) -> Iterator[Stage]:
    """Make a stage without Valkey, with two connections and room for three who wait."""
    with Stage(
        services,
        HELPDESK_REDIS_URL="redis://127.0.0.1:1/0",
        HELPDESK_POOL_SIZE="2",
        HELPDESK_STREAMS_OF_CALLER="3",
    ) as running:
        yield running


def test_without_valkey_it_is_told_a_little_later(narrow_stage: Stage, wait: Wait) -> None:
    with narrow_stage.tenant() as api:
        waiting = wait(api)

        narrow_stage.run(written_elsewhere(narrow_stage, api))

        assert told(waiting.result(20)) == ["team.updated"]


async def written_elsewhere(stage: Stage, api: Client) -> None:
    """Record an event in another process than the one that is waited in: on the stage's own runtime."""
    cause = Cause("command", "test")
    async with unit_of_work(stage.runtime, system(api.tenant.id), cause=cause, request_id="test") as ctx:
        record(ctx, "team.updated", object_id=new_id(), version=2)


def test_waiting_holds_no_connection_and_only_so_many_may_wait(narrow_stage: Stage, wait: Wait) -> None:
    with narrow_stage.tenant() as api:
        waiting = [wait(api) for _ in range(3)]

        refused = api.get("/v1/events", params={"after": "end", "wait": 25})
        made = create(api, "teams", name="Dispatch")

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert refused.json()["params"] == {"limit": "caller", "most": 3}
        assert made["version"] == 1
        assert [told(one.result(20)) for one in waiting] == [["team.created"]] * 3


@pytest.mark.parametrize("seconds", ["-1", "26", "1.5", "long"])
def test_a_wait_out_of_bounds_is_refused(api: Client, seconds: str) -> None:
    answer = api.get("/v1/events", params={"wait": seconds})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
