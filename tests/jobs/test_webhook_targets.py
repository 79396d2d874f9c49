"""No target that may not be called is reached by a webhook: as a literal, by a name, a redirect or a rebinding.

Every denied address is tried when an endpoint is created and changed, when it is pinged and when it is delivered to.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any, cast
from uuid import UUID

import httpx2
import pytest

from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.outbound import OutboundClient, Reason
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.main import create_app
from helpdesk_api.webhooks.outgoing import Outgoing, load
from helpdesk_api.webhooks.sending import Answer, post
from tests.jobs.webhooks import create, deliveries, until
from tests.kit.hostile_addresses import DENIED_ADDRESSES
from tests.kit.receivers import ELSEWHERE, NAME, OK, Names, Receiver, answering, receiving
from tests.stage import Client, Stage, an_id

PING, TEAM_CREATED = "webhook_endpoint.ping", "team.created"
# What is called here on purpose, so that something can be rebound or redirected.
RECEIVER = "127.0.0.2"
TARGETS = [address for address in DENIED_ADDRESSES if address != RECEIVER]


def written(address: str) -> str:
    return f"[{address}]" if ip_address(address).version == 6 else address


@asynccontextmanager
async def product(stage: Stage, api: Client) -> AsyncIterator[httpx2.AsyncClient]:
    """Run an API that allows nothing private."""
    app = create_app(stage.services.settings(HELPDESK_OUTBOUND_ALLOW=""))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://api", headers=api.headers) as client,
    ):
        yield client


def test_the_table_is_large_enough() -> None:
    assert len(TARGETS) >= 60


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_literal_target_is_refused_when_an_endpoint_is_created_and_changed(
    stage: Stage, api: Client, method: str
) -> None:
    endpoint = create(api, "webhook-endpoints", url=f"https://{NAME}/", is_enabled=False)
    path = "/v1/webhook-endpoints" + (f"/{endpoint['id']}" if method == "PATCH" else "")

    async def attempt() -> list[tuple[str, int, str]]:
        async with product(stage, api) as client:
            answers = [
                (url, await client.request(method, path, json={"url": url}))
                for address in TARGETS
                for url in (f"https://{written(address)}/", f"http://{written(address)}:8443/latest/meta-data")
            ]
        return [(url, answer.status_code, answer.json()["code"]) for url, answer in answers]

    found = stage.run(attempt())

    assert [each for each in found if each[1:] != (422, "unsafe_url")] == []
    (stored,) = api.get("/v1/webhook-endpoints").json()["data"]
    assert (stored["url"], stored["version"]) == (endpoint["url"], 1)


@pytest.mark.parametrize("event_type", [PING, TEAM_CREATED])
class TestSending:
    """A ping and a delivery, as a worker sends them."""

    def test_a_literal_target_is_not_called_even_if_it_was_stored(
        self, stage: Stage, api: Client, event_type: str
    ) -> None:
        async def attempt() -> tuple[list[Answer], Receiver]:
            async with receiving(answering(OK)) as canary, OutboundClient(allow=ELSEWHERE) as outbound:
                urls = [f"http://{written(address)}:{canary.port}/" for address in TARGETS]
                return await sent(stage, api, outbound, event_type, urls), canary

        assert_denied(*stage.run(attempt()))

    def test_a_name_that_leads_to_a_target_is_not_called(self, stage: Stage, api: Client, event_type: str) -> None:
        async def attempt() -> tuple[list[Answer], Receiver]:
            names = Names(*([address] for address in TARGETS))
            async with (
                receiving(answering(OK)) as canary,
                OutboundClient(allow=ELSEWHERE, resolve=names) as outbound,
            ):
                urls = [f"http://{NAME}:{canary.port}/"] * len(TARGETS)
                return await sent(stage, api, outbound, event_type, urls), canary

        assert_denied(*stage.run(attempt()))

    def test_a_name_that_is_rebound_to_a_target_is_not_called(self, stage: Stage, api: Client, event_type: str) -> None:
        closing = answering(OK.replace(b"Content-Type", b"Connection: close\r\nContent-Type"), then_close=True)

        async def attempt() -> tuple[list[Answer], Receiver]:
            """Let the name lead to a receiver first and to a target the next time, again and again."""
            names = Names(*(answer for address in TARGETS for answer in ([RECEIVER], [address])))
            async with (
                receiving(answering(OK)) as canary,
                receiving(closing, host=RECEIVER, port=canary.port) as receiver,
                OutboundClient(allow=(ip_network(f"{RECEIVER}/32"),), resolve=names) as outbound,
            ):
                urls = [f"http://{NAME}:{canary.port}/"] * 2 * len(TARGETS)
                answers = await sent(stage, api, outbound, event_type, urls)
                assert receiver.connections == len(TARGETS)
                assert [answer.status for answer in answers[::2]] == [200] * len(TARGETS)
                return answers[1::2], canary

        assert_denied(*stage.run(attempt()))

    def test_a_redirect_to_a_target_is_not_followed(self, stage: Stage, api: Client, event_type: str) -> None:
        async def attempt() -> tuple[list[int | None], int]:
            async with receiving(answering(OK)) as canary:
                places = iter([f"http://{written(address)}:{canary.port}/" for address in TARGETS])
                statuses = itertools.cycle((301, 302, 303, 307, 308))

                async def redirect(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    head = f"HTTP/1.1 {next(statuses)} Moved\r\nLocation: {next(places)}\r\nContent-Length: 0\r\n\r\n"
                    writer.write(head.encode())

                async with (
                    receiving(redirect, host=RECEIVER) as receiver,
                    OutboundClient(allow=(ip_network("127.0.0.0/8"),)) as outbound,
                ):
                    urls = [f"http://{RECEIVER}:{receiver.port}/"] * len(TARGETS)
                    answers = await sent(stage, api, outbound, event_type, urls)
                return [answer.status for answer in answers], canary.connections

        found, reached = stage.run(attempt())
        assert (set(found), len(found), reached) == ({301, 302, 303, 307, 308}, len(TARGETS), 0)


def assert_denied(answers: Sequence[Answer], canary: Receiver) -> None:
    """Check that nothing was reached, and that no answer says what a name led to."""
    told = {address: answer.error for address, answer in zip(TARGETS, answers, strict=True)}
    assert {address: error for address, error in told.items() if error != Reason.ADDRESS_DENIED} == {}
    assert [answer.excerpt for answer in answers if answer.excerpt] == []
    assert canary.connections == 0


async def sent(
    stage: Stage, api: Client, outbound: OutboundClient, event_type: str, urls: Sequence[str]
) -> list[Answer]:
    """Send a message of this type to each of these URLs, one after the other, as a worker would."""
    row = await a_delivery(stage, api, event_type)
    job = Job(api.tenant.id, an_id(), "webhooks.deliver", {"attempts_before": 0}, None, an_id(), 0, row["created_at"])
    runtime = replace(stage.runtime, outbound=outbound)
    return [await post(runtime, job, cast("Outgoing", row | {"url": url})) for url in urls]


async def a_delivery(stage: Stage, api: Client, event_type: str) -> dict[str, Any]:
    """Give what a worker loads of the delivery of a new event."""
    (found,) = await stage._sql(
        "SELECT id, created_at FROM webhook_deliveries WHERE tenant_id = $1 AND event_type = $2",
        (api.tenant.id, event_type),
    )
    cause = Cause("job", "test")
    async with unit_of_work(
        stage.runtime, system(api.tenant.id), cause=cause, request_id="test", read_only=True
    ) as ctx:
        (row,) = await load(ctx, [UUID(str(found["id"]))])
    return dict(row.items()) | {"created_at": found["created_at"]}


@pytest.fixture(autouse=True)
def _endpoint(api: Client, request: pytest.FixtureRequest) -> None:
    """Make an endpoint that nobody listens at, and what is to be sent to it."""
    if "event_type" in request.fixturenames:
        create(api, "webhook-endpoints", url="http://127.0.0.1:9/", event_types=["team.*"])
        create(api, "teams", name="Night shift")
        until(lambda: deliveries(api) or None)
