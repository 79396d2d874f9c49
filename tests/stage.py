"""The product on a stage: API and worker in a background loop of the test process, over real databases.

Tests talk HTTP to it like any client. Isolation is a tenant per test, so tests run in parallel against one database.
"""

import asyncio
import io
import ssl
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

import asyncpg
import httpx2
import uvicorn

from helpdesk_api.identity import api_keys
from helpdesk_api.identity.api_keys import ApiKeyCreate
from helpdesk_api.identity.tenants import Tenant, create_tenant
from helpdesk_api.kit import logs
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.main import create_app
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import Settings, load_settings
from helpdesk_api.worker import work

T = TypeVar("T")
_THREAD = "stage"

# What tests ask for in a minute, and more; and a stream that a test has left may be open for a moment longer.
PLENTY = {f"HELPDESK_RATE_LIMIT_{subject}": "1000000" for subject in ("CREDENTIAL", "TENANT", "ADDRESS")} | {
    "HELPDESK_STREAMS_OF_CALLER": "1000"
}
EVERYTHING = ("*:read", "*:write", "contacts:reveal", "view-as:use")

# Everything here speaks plain HTTP. A client makes a TLS context of its own unless given one, and that takes 70 ms.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class SaidHere(io.StringIO):
    """Takes the place of standard error, but for what the product on a stage logs meanwhile."""

    def write(self, text: str) -> int:
        """Keep a text, unless it is the stage's."""
        return len(text) if threading.current_thread().name == _THREAD else super().write(text)


class Client(httpx2.Client):
    """A client of one tenant. Of an answer that never ends it reads the first message, unless it is streamed."""

    def __init__(self, base_url: str, tenant: Tenant, key: str) -> None:
        super().__init__(
            base_url=base_url, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False, verify=_NO_TLS
        )
        self.tenant = tenant
        self.key = key

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:  # noqa: ANN401 - handed on.
        """Send a request and read its answer."""
        answer = super().send(request, stream=True, **options)
        if stream:
            return answer
        try:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer._content = _first_message(answer)
            else:
                answer.read()
        finally:
            answer.close()
        return answer


def _first_message(answer: httpx2.Response) -> bytes:
    received = b""
    for part in answer.iter_raw():
        received += part
        if b"\n\n" in received:
            break
    return received


@dataclass(frozen=True, slots=True)
class Services:
    """Where the databases of this test run are."""

    app_url: str
    owner_url: str
    superuser_url: str
    redis_url: str

    def settings(self, **changes: str) -> Settings:
        """Give settings for processes under test; webhooks may reach this machine."""
        return load_settings(
            {
                "HELPDESK_DATABASE_URL": self.app_url,
                "HELPDESK_MIGRATION_DATABASE_URL": self.owner_url,
                "HELPDESK_REDIS_URL": self.redis_url,
                "HELPDESK_SECRET_KEY": "a secret for tests that signs nothing of worth",
                "HELPDESK_OUTBOUND_ALLOW": "127.0.0.0/8",
                "HELPDESK_SWEEP_SECONDS": "0.2",
                "HELPDESK_USAGE_SECONDS": "0.2",
                # Fifty threads of a test share one process with the product: two seconds are not always enough.
                "HELPDESK_POOL_WAIT_SECONDS": "30",
                **PLENTY,
                "HELPDESK_LOG_LEVEL": "error",
                **changes,
            }
        )


class Stage:
    """API and worker, running; coroutines of the product can be run on their loop."""

    def __init__(self, services: Services, **changes: str) -> None:
        self.services = services
        self.settings = services.settings(**changes)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=_THREAD)
        self._parts = AsyncExitStack()
        self._behind: asyncpg.Connection | None = None
        self._one_statement = asyncio.Lock()
        self.runtime: Runtime
        self.base_url = ""

    def __enter__(self) -> Self:
        # Of the whole process, and kept by each logger at its first use: other tests look at lines of "info".
        logs.configure("info", json=True)
        self._thread.start()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._parts.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the product and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def tenant(self, *, clock_at: datetime | None = None, scopes: tuple[str, ...] = EVERYTHING) -> Client:
        """Create a tenant with a key, and a client that uses it."""
        tenant = self.run(create_tenant(self.runtime.db, f"test {uuid4()}", clock_at=clock_at))
        return self.client(tenant, self.key(tenant, scopes))

    def key(
        self,
        tenant: Tenant,
        scopes: tuple[str, ...],
        *,
        field_groups: tuple[str, ...] = ("*",),
        expires_at: datetime | None = None,
    ) -> str:
        """Create an API key."""
        wanted = ApiKeyCreate(name="test", scopes=list(scopes), field_groups=list(field_groups), expires_at=expires_at)
        return self.run(self._issue(tenant, wanted))

    def client(self, tenant: Tenant, key: str) -> Client:
        """Make a client for a key."""
        return Client(self.base_url, tenant, key)

    def sql(self, statement: str, *arguments: object) -> list[Any]:
        """Run SQL as superuser in the product's database: row-level security does not hold it."""
        return self.run(self._sql(statement, arguments))

    async def _sql(self, statement: str, arguments: tuple[object, ...]) -> list[Any]:
        async with self._one_statement:
            if self._behind is None:
                url = self.services.superuser_url.rpartition("/")[0] + "/" + self.services.app_url.rpartition("/")[2]
                self._behind = await asyncpg.connect(url)
                self._parts.push_async_callback(self._behind.close)
            return list(await self._behind.fetch(statement, *arguments))

    async def _issue(self, tenant: Tenant, wanted: ApiKeyCreate) -> str:
        principal = system(tenant.id, is_sandbox=tenant.is_sandbox)
        async with unit_of_work(self.runtime, principal, cause=Cause("command", "test"), request_id="test") as ctx:
            _, text = await api_keys.issue(ctx, wanted, is_sandbox=tenant.is_sandbox)
        return text

    async def _open(self) -> None:
        self.runtime = await self._parts.enter_async_context(
            open_runtime(self.settings, SilentBell(), Metrics(), name="helpdesk-test")
        )
        stopping = asyncio.Event()
        worker = asyncio.create_task(work(self.settings, stopping=stopping))

        async def end_worker() -> None:
            stopping.set()
            await worker

        self._parts.push_async_callback(end_worker)
        config = uvicorn.Config(
            create_app(self.settings),
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            lifespan="on",
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it by nothing else.
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"

        async def end_server() -> None:
            server.should_exit = True
            await serving

        self._parts.push_async_callback(end_server)


def an_id() -> UUID:
    """Give an id that nothing has."""
    return uuid4()


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Give an instant."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)
