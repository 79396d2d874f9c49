"""Many tickets at once: copies of one that came in over the API, made behind the product's back, for want of time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.factories import Json

Sql = Callable[..., list[Any]]

_COPY = """
WITH chosen AS MATERIALIZED (
  SELECT $3::bigint + one AS number, gen_random_uuid() AS ticket_id, gen_random_uuid() AS clock_id,
    $4::timestamptz + one * $5::interval AS due_at
  FROM generate_series(1, $2::int) AS one
), copied_tickets AS (
  INSERT INTO tickets SELECT made.* FROM tickets AS original, chosen, jsonb_populate_record(
    original, jsonb_build_object('id', ticket_id, 'number', chosen.number, 'due_at', chosen.due_at)) AS made
  WHERE original.id = $1::uuid
), copied_clocks AS (
  INSERT INTO sla_clocks SELECT made.* FROM sla_clocks AS original, chosen, jsonb_populate_record(
    original, jsonb_build_object('id', clock_id, 'ticket_id', chosen.ticket_id, 'due_at', chosen.due_at)) AS made
  WHERE original.ticket_id = $1::uuid
)
INSERT INTO deadlines SELECT made.* FROM deadlines AS original, chosen, jsonb_populate_record(
  original, jsonb_build_object(
    'id', gen_random_uuid(), 'object_id', clock_id, 'due_at', chosen.due_at, 'try_at', chosen.due_at)) AS made
WHERE original.object_id = (SELECT id FROM sla_clocks WHERE ticket_id = $1::uuid)
"""


def copy_ticket(sql: Sql, ticket: Json, count: int, *, first_due_at: datetime, apart: timedelta) -> None:
    """Make copies of a ticket that has one clock and one deadline, due one after the other."""
    sql(_COPY, UUID(ticket["id"]), count, ticket["number"], first_due_at, apart)
    # As after any load of data, and as autovacuum does it by itself a little later.
    for table in ("tickets", "sla_clocks", "deadlines"):
        sql(f"ANALYZE {table}")
