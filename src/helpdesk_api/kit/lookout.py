"""Which kinds of work are due, of all tenants: what a worker asks before any of its loops claims.

It is one statement with one probe of an index for each kind, and locks nothing. What it tells may be gone by the time
somebody claims it; what it does not tell yet is told by the next look.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Text, bindparam, func, literal, literal_column, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Select

from helpdesk_api.kit.db import Database
from helpdesk_api.kit.deadlines import deadlines
from helpdesk_api.kit.jobs import job_lanes, jobs
from helpdesk_api.kit.sql import Statement

# What the loop that fires deadlines is called; no kind of job is.
DEADLINES: Final = "deadlines"


def _first_due(due_at: Column[datetime], *waiting: ColumnElement[bool]) -> Select[datetime]:
    # The order is that of the index, and the limit stands in the text: then no planner ever reads the whole table.
    return select(due_at).where(*waiting, due_at <= func.now()).order_by(due_at).limit(literal_column("1"))


def _kinds_due(
    parameter: str, kind: Column[str], due_at: Column[datetime], *waiting: ColumnElement[bool]
) -> Select[str]:
    # Not named as a column is: beneath, that name would mean the column.
    asked = func.unnest(bindparam(parameter, type_=ARRAY(Text))).column_valued("asked")
    return select(asked).join(_first_due(due_at, kind == asked, *waiting).lateral(), true())


_WHAT_IS_DUE = Statement(
    union_all(
        _kinds_due("without_lane", jobs.c.kind, jobs.c.run_at, jobs.c.failed_at.is_(None), jobs.c.lane.is_(None)),
        _kinds_due("by_lane", job_lanes.c.kind, job_lanes.c.due_at),
        select(literal(DEADLINES)).select_from(
            _first_due(deadlines.c.try_at, deadlines.c.fired_at.is_(None), ~deadlines.c.is_test_clock).subquery()
        ),
    )
)


async def what_is_due(database: Database, without_lane: Sequence[str], by_lane: Sequence[str]) -> list[str]:
    """Give those of the named kinds of job that have one due, and `DEADLINES` if a deadline is."""
    async with database.sweep() as transaction:
        rows = await transaction.rows(_WHAT_IS_DUE, {"without_lane": list(without_lane), "by_lane": list(by_lane)})
    return [row[0] for row in rows]
