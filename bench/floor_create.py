"""How the floor creates a ticket: the product's statements, one after the other, with as little as possible between."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from bench import floor_sql as sql


class NewTicket(BaseModel):
    subject: str
    description: str = ""
    type: str = "incident"
    priority: str = "normal"
    status: str = "new"
    company_id: UUID | None = None
    contact_id: UUID | None = None
    team_id: UUID | None = None
    assignee_id: UUID | None = None
    tags: list[str] = []
    channel: str = "api"


async def create(connection: Any, caller: tuple[UUID, UUID], body: NewTicket) -> dict[str, Any]:  # noqa: ANN401 - asyncpg ships no types.
    """Store a ticket and all that belongs to it."""
    tenant_id, key_id = caller
    now = datetime.now(UTC)
    company_id = body.company_id
    if body.contact_id is not None:
        (contact,) = await connection.fetch(sql.CONTACT, tenant_id, [body.contact_id])
        company_id = company_id or contact["company_id"]
    team_id = body.team_id
    if company_id is not None:
        company = await connection.fetchrow(sql.COMPANY, tenant_id, company_id)
        team_id = team_id or company["default_team_id"]
    policies = await connection.fetch(sql.POLICIES, tenant_id)
    ticket_id = uuid7()
    clocks = _clocks(policies, body, now)
    row = await connection.fetchrow(
        sql.NEW_TICKET,
        tenant_id, ticket_id, body.subject, body.description, body.type, body.priority, body.status, company_id,
        body.contact_id, team_id, body.assignee_id, body.tags, body.channel,
        min((clock["due_at"] for clock in clocks), default=None), now,
    )  # fmt: skip
    ticket = dict(row)
    await _store_clocks(connection, tenant_id, ticket_id, clocks, now)
    await _store_deadlines(connection, tenant_id, clocks, str(ticket_id))
    await _store_events(connection, tenant_id, key_id, ticket, clocks, now)
    ticket["clocks"] = clocks
    return ticket


def _clocks(policies: list[Any], body: NewTicket, now: datetime) -> list[dict[str, Any]]:
    clocks: dict[str, dict[str, Any]] = {}
    for policy in policies:
        if policy["condition"] is not None:  # The policy of the bench is for every ticket.
            continue
        for target in policy["targets"]:
            if target["metric"] in clocks or target["priority"] not in {None, body.priority}:
                continue
            seconds = target["seconds"]
            is_business = target["hours"] == "business"
            clocks[target["metric"]] = {
                "id": uuid7(),
                "metric": target["metric"],
                "instance": 1,
                "state": "running",
                "hours": target["hours"],
                "target_seconds": seconds,
                "extension_seconds": 0,
                "is_manual": False,
                "remaining_seconds": seconds,
                "warning": timedelta(seconds=seconds * target["warning_percent"] // 100),
                "due_at": now + timedelta(seconds=seconds),
                "warning_at": now + timedelta(seconds=seconds * target["warning_percent"] // 100),
                "warned_at": None,
                "breached_at": None,
                "stopped_at": None,
                "policy_id": policy["id"],
                "policy_version": policy["version"],
                "calendar_id": policy["calendar_id"] if is_business else None,
                "calendar_version": policy["calendar_version"] if is_business else None,
            }
    return list(clocks.values())


async def _store_clocks(
    connection: Any,  # noqa: ANN401 - asyncpg's own.
    tenant_id: UUID,
    ticket_id: UUID,
    clocks: list[dict[str, Any]],
    now: datetime,
) -> None:
    size = len(clocks)
    nothing = [timedelta()] * size
    await connection.execute(
        sql.NEW_CLOCKS,
        [tenant_id] * size, [clock["id"] for clock in clocks], [ticket_id] * size,
        [clock["policy_id"] for clock in clocks], [clock["policy_version"] for clock in clocks],
        [clock["calendar_id"] for clock in clocks], [clock["calendar_version"] for clock in clocks],
        [clock["metric"] for clock in clocks], [1] * size,
        [timedelta(seconds=clock["target_seconds"]) for clock in clocks], [clock["warning"] for clock in clocks],
        ["running"] * size, [now] * size, [now] * size, nothing, nothing, [clock["due_at"] for clock in clocks],
        [clock["warning_at"] for clock in clocks], [None] * size, [None] * size, [None] * size,
    )  # fmt: skip


async def _store_deadlines(
    connection: Any,  # noqa: ANN401 - asyncpg ships no types.
    tenant_id: UUID,
    clocks: list[dict[str, Any]],
    cause_id: str,
) -> None:
    due: list[tuple[str, UUID, datetime]] = []
    for clock in clocks:
        due.append(("ticket.sla_warning", clock["id"], clock["warning_at"]))
        due.append(("ticket.sla_breach", clock["id"], clock["due_at"]))
    size = len(due)
    times = [at for _, _, at in due]
    await connection.execute(
        sql.NEW_DEADLINES,
        [tenant_id] * size, [uuid7() for _ in due], [kind for kind, _, _ in due], [clock for _, clock, _ in due],
        [1] * size, times, times, [False] * size, ["request"] * size, [cause_id] * size,
    )  # fmt: skip


async def _store_events(  # noqa: PLR0917 - the parts of one creation.
    connection: Any,  # noqa: ANN401 - asyncpg's own.
    tenant_id: UUID,
    key_id: UUID,
    ticket: dict[str, Any],
    clocks: list[dict[str, Any]],
    now: datetime,
) -> None:
    bookkeeping = {"id", "created_at", "updated_at", "version"}
    changes = {name: (None, value) for name, value in ticket.items() if name not in bookkeeping and value is not None}
    data = [
        {
            "clock_id": clock["id"],
            "metric": clock["metric"],
            "instance": 1,
            "state": "running",
            "due_at": clock["due_at"],
            "target_seconds": clock["target_seconds"],
            "elapsed_seconds": 0,
            "policy_id": clock["policy_id"],
            "policy_version": clock["policy_version"],
        }
        for clock in clocks
    ]
    size = 1 + len(clocks)
    ids = [uuid7() for _ in range(size)]
    await connection.execute(
        sql.NEW_EVENTS_AND_JOB,
        tenant_id, uuid7(), "events.dispatch", {"event_ids": [str(event_id) for event_id in ids]},
        [tenant_id] * size, ids, ["ticket.created"] + ["ticket.sla_started"] * len(clocks), ["ticket"] * size,
        [ticket["id"]] * size, [1] * size, [changes] + [{} for _ in clocks], [{}, *data], ["api_key"] * size,
        [key_id] * size, ["request"] * size, [str(uuid7())] * size, [now] * size,
    )  # fmt: skip
