"""What a tenant has in the database: to see that a refused request has left no trace."""

import json
import sys
from typing import Any
from uuid import UUID

import helpdesk_api.wiring
from helpdesk_api.kit.events import DISPATCH
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import metadata
from helpdesk_api.tickets.recomputing import RECOMPUTE
from tests.jobs.webhooks import until
from tests.stage import Stage

assert helpdesk_api.wiring.ROUTERS, "importing the wiring declares every table"

TENANT_TABLES = tuple(sorted(name for name, table in metadata.tables.items() if "tenant_id" in table.c))
# Worker and API change them while a test looks on.
RESTLESS = frozenset({"api_key_usage", "audit_seals", "jobs", "ticket_summaries"})
# Tickets are counted for their clients some time after they have changed, whatever a test does meanwhile.
NOT_COUNTING = {"deadlines": "kind NOT LIKE '%.ticket_summary'", "events": "object_type <> 'ticket_summary'"}


def contents(stage: Stage, tenant_id: UUID, *, ignoring: frozenset[str] = RESTLESS) -> dict[str, tuple[int, str]]:
    """Give the number of rows of a tenant in each table, and a digest of them.

    When a key was last used is left out: every request is a use.
    """
    counts = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS number, coalesce(md5(string_agg("  # noqa: S608 - names of our tables.
        f"(to_jsonb(t) - 'last_used_at')::text, '|' ORDER BY id)), '') AS digest FROM {name} AS t "
        f"WHERE tenant_id = $1 AND {NOT_COUNTING.get(name, 'true')}"
        for name in TENANT_TABLES
        if name not in ignoring
    )
    return {row["name"]: (row["number"], row["digest"]) for row in stage.sql(counts, tenant_id)}


def at_rest(stage: Stage, tenant_id: UUID) -> dict[str, tuple[int, str]]:
    """Give the contents once workers have done what the changes up to now ask of them, such as moving deadlines."""
    asked = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = ANY($2) LIMIT 1"
    until(lambda: None if stage.sql(asked, tenant_id, [DISPATCH, RECOMPUTE]) else True)
    return contents(stage, tenant_id)


def events(stage: Stage, tenant_id: UUID, object_id: str) -> list[dict[str, Any]]:
    """Give what was recorded about an object, in order."""
    rows = stage.sql(
        "SELECT type, object_type, object_version, changes::text FROM events "
        "WHERE tenant_id = $1 AND object_id = $2 ORDER BY xid, seq",
        tenant_id,
        UUID(object_id),
    )
    return [{**row, "changes": json.loads(row["changes"])} for row in rows]


def row(stage: Stage, resource: Resource[Any], object_id: str) -> dict[str, Any]:
    """Give the row of an object."""
    statement = f"SELECT * FROM {resource.table.name} WHERE id = $1"  # noqa: S608 - the name of one of our tables.
    (found,) = stage.sql(statement, UUID(object_id))
    return dict(found)


def resources() -> dict[str, Resource[Any]]:
    """Find every resource of the product, by its plural."""
    found = {
        value.plural: value
        for name, module in list(sys.modules.items())
        if name.startswith("helpdesk_api")
        for value in vars(module).values()
        if isinstance(value, Resource)
    }
    assert found
    return found
