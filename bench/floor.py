"""The floor: the least that FastAPI and asyncpg can do for the same answers out of the same rows.

It reads a ticket, lists fifty and creates one, with the product's SQL (`floor_sql`), under the same role and row-level
security, in one transaction that is committed before the answer. It shares no code with the product and has none of
its layers: no middleware, request ids, log lines, metrics, problem documents, strict input, filters, cursors, scopes,
entity tags or idempotency. Like the product it believes a key for two seconds once it was found good. It counts every
hour as open, which spares it the arithmetic of business hours. Rows go to FastAPI as dictionaries with a declared
response model, which is how FastAPI's own guide writes it.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from bench import floor_create
from bench import floor_sql as sql
from bench.floor_create import NewTicket

POOL_SIZE = 10
SECOND = timedelta(seconds=1)
BELIEVED_SECONDS = 2.0


class Clock(BaseModel):
    id: UUID
    metric: str
    instance: int
    state: str
    hours: str
    target_seconds: int
    extension_seconds: int
    is_manual: bool
    remaining_seconds: int | None
    due_at: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None
    stopped_at: datetime | None
    policy_id: UUID
    policy_version: int


class Ticket(BaseModel):
    id: UUID
    created_at: datetime
    updated_at: datetime
    version: int
    number: int
    subject: str
    description: str
    type: str
    priority: str
    status: str
    company_id: UUID | None
    contact_id: UUID | None
    location_id: UUID | None
    asset_id: UUID | None
    service_id: UUID | None
    contract_id: UUID | None
    coverage: str | None
    covered_by: str | None
    coverage_decided_at: datetime | None
    sla_policy_id: UUID | None
    calendar_id: UUID | None
    team_id: UUID | None
    assignee_id: UUID | None
    tags: list[str]
    channel: str
    due_at: datetime | None
    snoozed_until: datetime | None
    first_responded_at: datetime | None
    solved_at: datetime | None
    closed_at: datetime | None
    reopen_count: int
    custom_fields: dict[str, Any]
    attachments: list[dict[str, Any]]
    clocks: list[Clock]


class Included(BaseModel):
    assets: dict[str, str] = {}
    companies: dict[str, str] = {}
    contacts: dict[str, str] = {}
    contracts: dict[str, str] = {}
    locations: dict[str, str] = {}
    services: dict[str, str] = {}
    teams: dict[str, str] = {}
    users: dict[str, str] = {}


class TicketDetail(Ticket):
    included: Included


class PageInfo(BaseModel):
    next_cursor: str | None
    prev_cursor: str | None


class TicketPage(BaseModel):
    data: list[Ticket]
    page: PageInfo
    total: int | None
    included: Included


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool as an application does that resets nothing between its own transactions."""
    app.state.pool = await asyncpg.create_pool(
        os.environ["FLOOR_DATABASE_URL"],
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        connection_class=_Connection,
        init=_prepare,
        server_settings={"jit": "off", "timezone": "UTC"},
    )
    yield
    await app.state.pool.close()


class _Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""


async def _prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg's own.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=lambda value: to_json(value).decode(), decoder=from_json, format="text"
    )


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
_believed: dict[str, tuple[float, UUID, UUID]] = {}


@asynccontextmanager
async def transaction(tenant_id: UUID, mode: str = "") -> AsyncIterator[Any]:
    """Hold a connection in a transaction of one tenant; commit at the end."""
    async with app.state.pool.acquire() as connection:
        await connection.execute(f"BEGIN {mode}; SET LOCAL app.tenant_id = '{tenant_id}'")
        try:
            yield connection
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")


async def who(authorization: Annotated[str, Header()]) -> tuple[UUID, UUID]:
    """Give the tenant and the id of a key that reads `Bearer <tenant>.<key>.<secret>`."""
    known = _believed.get(authorization)
    if known is None or known[0] < monotonic():
        tenant, key, secret = authorization.removeprefix("Bearer ").split(".")
        async with transaction(UUID(tenant), "READ ONLY") as connection:
            row = await connection.fetchrow(sql.KEY, UUID(tenant), UUID(key))
        secret_hash = hashlib.sha256(secret.encode()).digest()
        if row is None or row["revoked_at"] or not hmac.compare_digest(row["secret_hash"], secret_hash):
            raise HTTPException(401)
        known = _believed[authorization] = (monotonic() + BELIEVED_SECONDS, UUID(tenant), UUID(key))
    return known[1], known[2]


Who = Annotated[tuple[UUID, UUID], Depends(who)]


@app.get("/v1/tickets/{ticket_id}")
async def read_ticket(ticket_id: UUID, caller: Who) -> TicketDetail:
    """Read one ticket with its clocks."""
    async with transaction(caller[0], "READ ONLY") as connection:
        row = await connection.fetchrow(sql.ONE_TICKET, caller[0], ticket_id)
        if row is None:
            raise HTTPException(404)
        (ticket,) = await _with_clocks(connection, caller[0], [row])
    ticket["included"] = {}
    return ticket  # type: ignore[return-value]  # FastAPI makes the declared model of it.


@app.get("/v1/tickets")
async def list_tickets(caller: Who, limit: int = 50) -> TicketPage:
    """List the newest tickets with their clocks."""
    async with transaction(caller[0], "READ ONLY") as connection:
        rows = await connection.fetch(sql.NEWEST_TICKETS, caller[0], limit + 1)
        tickets = await _with_clocks(connection, caller[0], rows[:limit])
    last = tickets[-1]
    cursor = f"{last['created_at'].isoformat()}~{last['id']}" if len(rows) > limit else None
    page = {"next_cursor": cursor, "prev_cursor": None}
    return {"data": tickets, "page": page, "total": None, "included": {}}  # type: ignore[return-value]  # As above.


async def _with_clocks(connection: Any, tenant_id: UUID, rows: list[Any]) -> list[dict[str, Any]]:  # noqa: ANN401 - asyncpg ships no types.
    now = datetime.now(UTC)
    tickets = {row["id"]: dict(row, clocks=[]) for row in rows}
    for row in await connection.fetch(sql.CLOCKS, tenant_id, list(tickets)):
        tickets[row["ticket_id"]]["clocks"].append(_shown(row, now))
    return list(tickets.values())


def _shown(row: Any, now: datetime) -> dict[str, Any]:  # noqa: ANN401 - a row of asyncpg.
    left = None
    if row["state"] == "running":
        left = row["target"] - row["elapsed"] - (now - row["since_at"])
    elif row["state"] == "paused":
        left = row["target"] - row["elapsed"]
    return {
        "id": row["id"],
        "metric": row["metric"],
        "instance": row["instance"],
        "state": row["state"],
        "hours": "business" if row["calendar_id"] else "calendar",
        "target_seconds": row["target"] // SECOND,
        "extension_seconds": row["extension"] // SECOND,
        "is_manual": row["manual_due_at"] is not None,
        "remaining_seconds": None if left is None else left // SECOND,
        "due_at": row["due_at"],
        "warned_at": row["warned_at"],
        "breached_at": row["breached_at"],
        "stopped_at": row["stopped_at"],
        "policy_id": row["policy_id"],
        "policy_version": row["policy_version"],
    }


@app.post("/v1/tickets", status_code=201)
async def create_ticket(body: NewTicket, caller: Who) -> Ticket:
    """Create a ticket with its number, clocks, deadlines, events and the job that will dispatch them."""
    async with transaction(caller[0]) as connection:
        return await floor_create.create(connection, caller, body)  # type: ignore[return-value]  # As above.
