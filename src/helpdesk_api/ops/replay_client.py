"""A client of the public API, as an integrator would write it: one key, kept connections, idempotent retries, timings.

Every write carries an idempotency key, so it may be sent again whenever its answer got lost. What is sent, and in which
order, is decided by `replay_play`.
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx2

_ATTEMPTS: Final = 10
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_MOST_POLLS: Final = 12_000
_PAGE: Final = 200
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_CONFLICTS_THAT_PASS: Final = frozenset({"request_in_progress", "clock_advancing"})
_MERGE_PATCH: Final = "application/merge-patch+json"


class APIError(Exception):
    """The API did not do what it was asked; the message names the request and the problem."""


@dataclass(slots=True)
class Timings:
    """How long the API took, by kind of request, and what had to be sent again."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    retried: Counter[str] = field(default_factory=Counter)


class Client:
    """The API as seen by one tenant's key."""

    def __init__(self, http: httpx2.AsyncClient, run: str) -> None:
        self._http = http
        self._run = run
        self.timings = Timings()

    async def post(self, path: str, body: Mapping[str, Any], *, key: str, kind: str) -> dict[str, Any]:
        """Create something; `key` names this write within the run, `kind` its line in the timings."""
        return await self._send("POST", path, body=body, key=key, kind=kind)

    async def patch(self, path: str, body: Mapping[str, Any], *, key: str, kind: str) -> dict[str, Any]:
        """Change something."""
        return await self._send("PATCH", path, body=body, key=key, kind=kind)

    async def delete(self, path: str, *, kind: str) -> None:
        """Remove something."""
        await self._send("DELETE", path, kind=kind)

    async def get(self, path: str, *, kind: str, **query: str | int) -> dict[str, Any]:
        """Read something."""
        return await self._send("GET", path, query=query, kind=kind)

    async def every(self, path: str, *, kind: str, **query: str | int) -> AsyncIterator[dict[str, Any]]:
        """Read every page of a list."""
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, kind=kind, limit=_PAGE, **query, **cursor)
            for item in page["data"]:
                yield item
            if page["page"]["next_cursor"] is None:
                return
            cursor = {"cursor": page["page"]["next_cursor"]}

    async def events(self, after: str | None, *, kind: str) -> tuple[list[dict[str, Any]], str]:
        """Read the feed to its present end; gives the events and where to go on."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.get("/v1/events", kind=kind, limit=_PAGE, **({"after": after} if after else {}))
            found += page["data"]
            after = str(page["page"]["next_cursor"])
            if not page["page"]["has_more"]:
                return found, after

    async def advance(self, to: datetime) -> None:
        """Move the test clock and wait until it has arrived."""
        target = instant_text(to)
        answer = await self.post("/v1/test-clock/advance", {"to": target}, key=f"advance-{target}", kind="advance")
        for _ in range(_MOST_POLLS):
            if answer["advancing_to"] is None:
                return
            await asyncio.sleep(_POLL_SECONDS)
            answer = await self.get("/v1/test-clock", kind="read clock")
        raise APIError(f"the test clock did not arrive at {target}")

    async def _send(
        self,
        method: str,
        path: str,
        *,
        kind: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        headers: dict[str, str] = {}
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers["content-type"] = _MERGE_PATCH if method == "PATCH" else "application/json"
        if key is not None:
            headers["idempotency-key"] = f"{self._run}-{key}"
        trouble = ""
        for attempt in range(_ATTEMPTS):
            asked = 0.0
            started_at = time.perf_counter()
            try:
                response = await self._http.request(method, path, content=content, params=query, headers=headers)
            except httpx2.TransportError as error:
                trouble = type(error).__name__
            else:
                self.timings.seconds[kind].append(time.perf_counter() - started_at)
                if response.is_success:
                    return dict(json.loads(response.content)) if response.content else {}
                trouble = _refusal(response)
                asked = _retry_after(response)
            self.timings.retried[trouble] += 1
            await asyncio.sleep(max(asked, _pause(attempt)))
        raise APIError(f"{method} {path} was tried {_ATTEMPTS} times and last ended with {trouble}")


@asynccontextmanager
async def open_client(url: str, key: str, *, run: str, concurrency: int) -> AsyncIterator[Client]:
    """Open connections for as many requests at once."""
    async with httpx2.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {key}"},
        timeout=_TIMEOUT_SECONDS,
        limits=httpx2.Limits(max_connections=concurrency + 4, max_keepalive_connections=concurrency + 4),
        trust_env=False,
    ) as http:
        yield Client(http, run)


def instant_text(at: datetime) -> str:
    """Write an instant as the API does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _refusal(response: httpx2.Response) -> str:
    """Name what may pass if it is tried again; raises APIError for what will not."""
    try:
        problem = json.loads(response.content)
        code = str(problem["code"])
    except (ValueError, KeyError, TypeError):
        code, problem = "no problem document", {}
    if response.status_code in _AGAIN or code in _CONFLICTS_THAT_PASS:
        return f"{response.status_code} {code}"
    detail = problem.get("detail", "") if isinstance(problem, dict) else ""
    request = f"{response.request.method} {response.request.url.path}"
    raise APIError(f"{request} was refused with {response.status_code} {code}: {detail}")


def _retry_after(response: httpx2.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), _LONGEST_PAUSE_SECONDS) if text.isdecimal() else 0.0


def _pause(attempt: int) -> float:
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret.
