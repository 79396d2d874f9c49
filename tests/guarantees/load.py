"""Honest clients under load: each creates tickets one by one, and repeats a request with its key until answered."""

import asyncio
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID, uuid4

import httpx2

from tests.ops.processes import wait_until
from tests.stage import Client

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_PAUSE = 0.05
_AGAIN = frozenset({409, 503})


@dataclass(frozen=True, slots=True)
class Unwelcome:
    """An answer that was no success."""

    status: int
    media_type: str
    retry_after: str | None
    code: str

    @property
    def is_orderly(self) -> bool:
        """Tell whether it asks for a repetition in the way that is promised."""
        is_problem = self.media_type == "application/problem+json"
        return is_problem and self.retry_after is not None and self.status in _AGAIN


@dataclass
class Account:
    """What the clients met."""

    acknowledged: dict[str, UUID] = field(default_factory=dict)
    unwelcome: list[Unwelcome] = field(default_factory=list)
    cut: int = 0
    unconnected: int = 0
    replayed: int = 0
    slowest: float = 0.0

    @property
    def codes(self) -> Counter[str]:
        """Count the answers that were no success, by code."""
        return Counter(f"{answer.status} {answer.code}" for answer in self.unwelcome)

    @property
    def disorderly(self) -> list[Unwelcome]:
        """Give the answers that an honest client cannot live with."""
        return [answer for answer in self.unwelcome if not answer.is_orderly]


class Load:
    """Clients in a thread of their own. Leaving the context lets each finish its last request, unless by an error."""

    def __init__(self, client: Client, *, clients: int) -> None:
        self._client = client
        self._clients = clients
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self._stopping = threading.Event()
        self._gives_up = False
        self.account = Account()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._gives_up = error is not None
        self._stopping.set()
        self._thread.join()

    @property
    def count(self) -> int:
        """Give how many requests were acknowledged so far."""
        return len(self.account.acknowledged)

    def wait_for_more(self, count: int) -> None:
        """Wait until this many more requests than now were acknowledged."""
        wanted = self.count + count
        wait_until(lambda: self.count >= wanted, f"{count} more requests were acknowledged")

    async def _run(self) -> None:
        headers = {"authorization": f"Bearer {self._client.key}"}
        async with httpx2.AsyncClient(
            base_url=self._client.base_url, headers=headers, timeout=30, trust_env=False, verify=_NO_TLS
        ) as http:
            await asyncio.gather(*(self._work(http) for _ in range(self._clients)))

    async def _work(self, http: httpx2.AsyncClient) -> None:
        while not self._stopping.is_set():
            key = str(uuid4())
            started = time.monotonic()
            self.account.acknowledged[key] = await self._create(http, key)
            self.account.slowest = max(self.account.slowest, time.monotonic() - started)

    async def _create(self, http: httpx2.AsyncClient, key: str) -> UUID:
        while not self._gives_up:
            try:
                answer = await http.post("/v1/tickets", json={"subject": key}, headers={"idempotency-key": key})
            except httpx2.ConnectError:
                self.account.unconnected += 1
            except httpx2.TransportError:
                self.account.cut += 1
            else:
                if answer.status_code == 201:
                    self.account.replayed += answer.headers.get("idempotency-replayed") == "true"
                    return UUID(answer.json()["id"])
                self.account.unwelcome.append(_unwelcome(answer))
            await asyncio.sleep(_PAUSE)
        raise asyncio.CancelledError


def _unwelcome(answer: httpx2.Response) -> Unwelcome:
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    body: dict[str, Any] = answer.json() if media_type.endswith("json") else {}
    return Unwelcome(answer.status_code, media_type, answer.headers.get("retry-after"), str(body.get("code")))
