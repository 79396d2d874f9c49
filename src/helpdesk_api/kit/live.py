"""Who listens to the events of which tenant in this process: streams, and requests that wait for something to happen.

Feeds (`kit.following`) are told by signals (`kit.signals`) that there is something; while no signals are heard they
look more often by themselves, so that Valkey being away costs a second and nothing else. How many may listen is limited
per caller and per tenant over all processes (`kit.leased_places`), because each costs memory. At shutdown everybody is
sent home.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from helpdesk_api.domain.errors import TooManyError
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.db import Database
from helpdesk_api.kit.events import Position
from helpdesk_api.kit.following import Listener, TenantFeed
from helpdesk_api.kit.http import ShuttingDownError
from helpdesk_api.kit.leased_places import Bound, LeasedPlaces, NoPlaceLeftError
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.signals import Message, Signals

# Without signals every tenant is looked at so often; with them only in case one was lost.
_DEAF_SECONDS: Final = 1.0
_HEARING_SECONDS: Final = 15.0
# So many questions of listeners go to the database at once, so that they leave connections for requests.
_QUESTIONS_AT_ONCE: Final = 4


class TooManyStreamsError(TooManyError):
    """So many streams and waiting requests are open for this caller, or for its tenant, as there may be at once."""

    code = "too_many_streams"
    title = "There are too many open streams"


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """How many may listen at once, over all processes; and how often a silent stream gives a sign of life."""

    of_caller: int = 50
    of_tenant: int = 2_000
    heartbeat_seconds: float = 10.0


class LiveEvents:
    """The tenants that are followed in this process, and who listens to them."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        metrics: Metrics,
        places: LeasedPlaces,
        *,
        grants: frozenset[str],
        limits: ListenerLimits,
    ) -> None:
        self.limits = limits
        self.questions = asyncio.Semaphore(_QUESTIONS_AT_ONCE)
        self._database = database
        self._signals = signals
        self._metrics = metrics
        self._places = places
        self._grants = grants
        self._feeds: dict[UUID, TenantFeed] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._is_listening = False
        self._is_closing = False

    @asynccontextmanager
    async def listening(self, principal: Principal, position: Position | None = None) -> AsyncIterator[Listener]:
        """Listen to the tenant of a principal, from a position on or from now on.

        Raises TooManyStreamsError, and ShuttingDownError when the process is about to end.
        """
        tenant_id = principal.tenant_id
        async with self._admitted(principal):
            self._check_open()
            feed = self._feeds.get(tenant_id) or self._follow(tenant_id)
            listener = Listener(feed, position if position is not None else feed.end, _ids(principal))
            feed.listeners.add(listener)
            self._metrics.live_listeners(1)
            try:
                yield listener
            finally:
                self._stop_listening(feed, listener, tenant_id)

    def close(self) -> None:
        """Send everybody home, and let nobody in any more."""
        self._is_closing = True
        for feed in self._feeds.values():
            for listener in feed.listeners:
                listener.is_closed = True
                listener.wake()

    @asynccontextmanager
    async def _admitted(self, principal: Principal) -> AsyncIterator[None]:
        tenant = f"{{{principal.tenant_id}}}"
        of_caller = Bound(f"{tenant}:{principal.id}", self.limits.of_caller)
        try:
            async with self._places.place((of_caller, Bound(tenant, self.limits.of_tenant))):
                yield
        except NoPlaceLeftError as error:
            name, most = "caller" if error.bound is of_caller else "tenant", error.bound.most
            message = f"The {name} has {most} streams and waiting requests open; close one first."
            raise TooManyStreamsError(
                message, params={"limit": name, "most": most}, retry_after=timedelta(seconds=5)
            ) from error

    def _check_open(self) -> None:
        if self._is_closing:
            message = "This process is about to end; another one takes streams, or a new one soon."
            raise ShuttingDownError(message, retry_after=timedelta(seconds=1))

    def _stop_listening(self, feed: TenantFeed, listener: Listener, tenant_id: UUID) -> None:
        feed.listeners.discard(listener)
        self._metrics.live_listeners(-1)
        if not feed.listeners:
            del self._feeds[tenant_id]
            feed.end_following()

    def _follow(self, tenant_id: UUID) -> TenantFeed:
        if not self._is_listening:
            self._is_listening = True
            self._signals.listen(self._hear)
        feed = TenantFeed(self._database, tenant_id, grants=self._grants, sweep=self._sweep)
        self._feeds[tenant_id] = feed
        following = asyncio.create_task(feed.follow(), name="live events of a tenant")
        self._following.add(following)
        following.add_done_callback(self._following.discard)
        return feed

    def _sweep(self) -> float:
        return _HEARING_SECONDS if self._signals.is_heard else _DEAF_SECONDS

    def _hear(self, tenant_id: UUID | None, message: Message | None) -> None:
        if tenant_id is None:
            for feed in self._feeds.values():
                feed.tell()
            return
        found = self._feeds.get(tenant_id)
        if found is None:
            return
        if message is None:
            found.tell()
            return
        for listener in found.listeners:
            listener.messages.append(message)
            listener.wake()


def _ids(principal: Principal) -> frozenset[UUID]:
    return frozenset(known for known in (principal.id, principal.credential_id) if known is not None)
