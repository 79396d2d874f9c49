"""The data to measure with: a tenant, its calendar and policy, and tickets, made through the API as a client would.

Only the hundreds of thousands of tickets of the large database are multiplied by SQL, from those that the API made.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from bench.load import ask, request, send_all
from helpdesk_api.identity.tenants import Tenant, create_tenant
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.tokens import read_key
from helpdesk_api.opening import open_runtime
from helpdesk_api.ops import tenants_admin
from helpdesk_api.settings import load_settings

CONNECTIONS = 8
_DAY = [{"start": "09:00", "end": "13:00"}, {"start": "14:00", "end": "18:00"}]
_WEEK = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), _DAY)
_TARGETS = [
    {"metric": "first_response", "seconds": 3_600, "hours": "business", "warning_percent": 75},
    {"metric": "resolution", "seconds": 28_800, "hours": "business", "warning_percent": 75},
]
_DESCRIPTION = "The label printer at dock 3 prints blank labels since this morning. Restarting it did not help. " * 3


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant with a key, another one that sees the tickets of listed companies only, and what tickets refer to."""

    tenant_id: UUID
    key: str
    narrowed_key: str
    contact_ids: tuple[str, ...]

    @property
    def authorization(self) -> str:
        """Give the header for the product."""
        return f"Bearer {self.key}"

    @property
    def narrowed_authorization(self) -> str:
        """Give the header of the key that does not see everything."""
        return f"Bearer {self.narrowed_key}"

    @property
    def floor_authorization(self) -> str:
        """Give the header for the floor: the same key, taken apart."""
        token = read_key(self.key)
        assert token is not None
        return f"Bearer {token.tenant_id}.{token.key_id}.{self.key.split('_')[3]}"

    def new_ticket(self, number: int) -> dict[str, Any]:
        """Describe a ticket."""
        return {
            "subject": f"Printer {number} at dock 3 prints blank labels",
            "description": _DESCRIPTION,
            "priority": ("low", "normal", "high", "urgent")[number % 4],
            "contact_id": self.contact_ids[number % len(self.contact_ids)],
            "tags": ["dock-3", "printer"],
        }


async def make_tenant(environment: dict[str, str]) -> tuple[Tenant, str]:
    """Make a tenant and a key, as an operator does."""
    names = {name: value for name, value in environment.items() if name.startswith("HELPDESK_")}
    async with open_runtime(load_settings(names), SilentBell(), Metrics(), name="bench") as runtime:
        tenant = await create_tenant(runtime.db, "Bench")
        _, key = await tenants_admin.create_key(runtime, "Bench", name="bench", scopes=tenants_admin.EVERYTHING)
    return tenant, key


async def furnish(port: int, tenant: Tenant, key: str) -> Account:
    """Give a tenant companies, contacts, office hours and a policy with two targets."""
    authorization = f"Bearer {key}"

    async def make(path: str, body: dict[str, Any], told: str = "id") -> str:
        answer = await ask(port, request("POST", path, authorization, body))
        assert told in answer, answer
        return str(answer[told])

    companies = [await make("/v1/companies", {"name": f"Company {number}"}) for number in range(20)]
    contacts = [
        await make("/v1/contacts", {"name": f"Contact {number}", "company_id": company})
        for number, company in enumerate(companies)
    ]
    role = {"name": "Narrowed", "permissions": ["tickets:read"], "reach": "companies", "company_ids": companies}
    narrowed = await make("/v1/api-keys", {"name": "Narrowed", "role_id": await make("/v1/roles", role)}, "key")
    calendar = {"name": "Office", "time_zone": "Europe/Berlin", "weekly_hours": _WEEK}
    calendar_id = await make("/v1/calendars", calendar)
    policy = {"name": "Standard", "position": 1, "calendar_id": calendar_id, "targets": _TARGETS}
    await make("/v1/sla-policies", policy)
    return Account(tenant.id, key, narrowed, tuple(contacts))


async def add_tickets(port: int, account: Account, count: int) -> list[str]:
    """Create tickets through the API; gives their ids."""
    messages = (
        request("POST", "/v1/tickets", account.authorization, account.new_ticket(number)) for number in range(count)
    )
    created = await send_all(port, messages, status=201, connections=CONNECTIONS)
    return [ticket["id"] for ticket in created]


async def tidy(superuser_url: str) -> None:
    """Drop the jobs that seeding left, which no worker is there for, and let PostgreSQL know its tables."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("TRUNCATE jobs")
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def multiply_tickets(superuser_url: str, copies: int) -> None:
    """Copy every ticket with its clocks a number of times, under new ids and numbers and with earlier times."""
    connection = await asyncpg.connect(superuser_url)
    try:
        # Copies of rows that were checked once need not be checked again.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "CREATE TEMPORARY TABLE copies AS"  # noqa: S608 - a number.
            " SELECT t.id AS old_id, uuidv7() AS new_id, row_number() OVER () AS position"
            f" FROM tickets t CROSS JOIN generate_series(1, {copies:d})"
        )
        await _copy(connection, "tickets", "old.id", {
            "id": "new_id",
            "number": "(SELECT max(number) FROM tickets) + position",
            "created_at": "old.created_at - position * interval '1 second'",
        })  # fmt: skip
        await _copy(connection, "sla_clocks", "old.ticket_id", {"id": "uuidv7()", "ticket_id": "new_id"})
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def _copy(connection: Any, table: str, key: str, replaced: dict[str, str]) -> None:  # noqa: ANN401 - asyncpg's own.
    rows = await connection.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'", table
    )
    names = [row["column_name"] for row in rows]
    values = ", ".join(replaced.get(name, f"old.{name}") for name in names)
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values}"  # noqa: S608 - names of our own tables.
        f" FROM copies JOIN {table} old ON {key} = old_id ORDER BY position"
    )


async def add_rules(port: int, account: Account, count: int) -> None:
    """Publish rules that are tried at every new ticket, on its own fields and its client's, and do not fire."""
    conditions: tuple[dict[str, Any], ...] = (
        {"field": "subject", "op": "contains", "value": "toner"},
        {"field": "company.territory", "op": "eq", "value": "north"},
        {
            "all": [
                {"field": "priority", "op": "gte", "value": "high"},
                {"field": "tags", "op": "contains", "value": "vip"},
            ]
        },
        {"field": "channel", "op": "in", "value": ["email", "phone"]},
        {"not": {"field": "description", "op": "contains", "value": "label printer"}},
    )
    for number in range(count):
        rule = {
            "name": f"Rule {number}",
            "position": number + 1,
            "state": "published",
            "occasions": ["created", "updated"],
            "condition": {
                "all": [conditions[number % len(conditions)], {"field": "number", "op": "gt", "value": -number}]
            },
            "actions": [{"action": "add_tags", "tags": [f"rule-{number}"]}],
        }
        answer = await ask(port, request("POST", "/v1/rules", account.authorization, rule))
        assert "id" in answer, answer
