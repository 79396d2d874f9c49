"""A tunnel for developers: follows the feed of a tenant and forwards every event to a local port, as a webhook.

It is a client of the API like any other, so nothing has to reach this machine from outside, and no endpoint is made.
What arrives is what an endpoint would be sent: the same body, signed for this run, under the same `webhook-id`. What
the receiver answers is shown and not tried again; a cursor says where to go on.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
from pydantic_core import to_json

from helpdesk_api.ops.replay_client import APIError
from helpdesk_api.webhooks.message_writing import thin_message
from helpdesk_api.webhooks.payload_versions import PAYLOAD_VERSIONS
from helpdesk_api.webhooks.signing import SigningKeys, sign

_WAIT_SECONDS: Final = 20
_TIMEOUT_SECONDS: Final = 15.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
_PAGE: Final = 50
_LASTING: Final = range(400, 500)
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Tunnel:
    """From which server, as whom, to which local address, and what."""

    url: str
    key: str = field(repr=False)
    forward: str
    keys: SigningKeys
    event_types: Sequence[str] = ()
    payload_version: str = PAYLOAD_VERSIONS.newest


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One event and how the receiver took it: its status, or why there is none."""

    event: dict[str, Any]
    status: int | None
    error: str | None
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Tell whether an endpoint would count it as delivered."""
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - 2xx.


class Listener:
    """Follows the feed; `cursor` is where to go on, behind all that was forwarded."""

    def __init__(self, tunnel: Tunnel, api: httpx2.AsyncClient, local: httpx2.AsyncClient, cursor: str) -> None:
        self._tunnel = tunnel
        self._api = api
        self._local = local
        self.cursor = cursor

    async def follow(
        self, show: Callable[[Forwarded], None], lost: Callable[[str], None], *, limit: int | None = None
    ) -> None:
        """Forward what happens, until cancelled or `limit` events are; while the server is away, ask again."""
        pause = _FIRST_PAUSE_SECONDS
        left = limit
        while left is None or left > 0:
            try:
                count = await self._step(show, most=_PAGE if left is None else min(left, _PAGE))
            except httpx2.TransportError as error:
                lost(f"The server does not answer ({type(error).__name__}); it is asked again.")
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)
                continue
            pause = _FIRST_PAUSE_SECONDS
            left = None if left is None else left - count

    async def _step(self, show: Callable[[Forwarded], None], *, most: int) -> int:
        """Forward one page of the feed, in order; the cursor moves when all of it has been tried."""
        query: dict[str, Any] = {"after": self.cursor, "limit": most, "wait": _WAIT_SECONDS}
        if self._tunnel.event_types:
            query["type"] = list(self._tunnel.event_types)
        response = await self._api.get("/v1/events", params=query)
        if response.status_code in _LASTING and response.status_code != _TOO_MANY:
            raise APIError(_problem(response))
        if not response.is_success:
            message = f"status {response.status_code}"
            raise httpx2.ReadError(message)
        page = response.json()
        for event in page["data"]:
            show(await self._forward(event))
        self.cursor = page["page"]["next_cursor"]
        return len(page["data"])

    async def _forward(self, event: dict[str, Any]) -> Forwarded:
        version = self._tunnel.payload_version
        body = message_of(event, version)
        headers = {"content-type": "application/json", "user-agent": "helpdesk-api", "webhook-payload-version": version}
        headers |= sign([self._tunnel.keys], event["id"], int(datetime.now(UTC).timestamp()), body)
        began = time.perf_counter()
        try:
            answer = await self._local.post(self._tunnel.forward, content=body, headers=headers)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            return Forwarded(event, None, type(error).__name__, time.perf_counter() - began)
        return Forwarded(event, answer.status_code, None, time.perf_counter() - began)


@asynccontextmanager
async def listening(tunnel: Tunnel, *, after: str) -> AsyncIterator[Listener]:
    """Open the way to the server and to the receiver."""
    authorization = {"authorization": f"Bearer {tunnel.key}"}
    async with (
        httpx2.AsyncClient(
            base_url=tunnel.url, headers=authorization, timeout=_WAIT_SECONDS + _TIMEOUT_SECONDS, trust_env=False
        ) as api,
        httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as local,
    ):
        yield Listener(tunnel, api, local, after)


def message_of(event: dict[str, Any], payload_version: str) -> bytes:
    """Write the thin message that an endpoint of a version would be sent for an event of the feed."""
    message = thin_message(event, actor=event["actor"], cause=event["cause"])
    return to_json(PAYLOAD_VERSIONS.taken_back(message, payload_version))


def _problem(response: httpx2.Response) -> str:
    try:
        problem = json.loads(response.content)
        return f"the server refused with {response.status_code} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the server refused with {response.status_code}"
