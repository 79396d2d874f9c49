"""Doing imports: a file is read as a stream, and its rows are written a batch at a time.

Each batch commits its cards together with how far the import has come, so that a worker that dies is followed by one
that goes on exactly there: no row is written twice, none is left out. A job does a few batches and leaves the rest to
the next one, so that none holds its lease for long.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.directory.card_kinds import KINDS
from helpdesk_api.directory.custom_fields.definitions import definitions_of
from helpdesk_api.directory.transfers.callers import restored
from helpdesk_api.directory.transfers.exports import Format
from helpdesk_api.directory.transfers.imports import (
    IMPORT,
    IMPORTS,
    Import,
    ImportState,
    RowOutcome,
    claim_file,
    end_import,
)
from helpdesk_api.directory.transfers.models import import_rows, imports
from helpdesk_api.directory.transfers.records import Encoding, Record, records, utf8_parts
from helpdesk_api.directory.transfers.rows import MalformedRowError, Plan, cells_of
from helpdesk_api.directory.upserting import Push
from helpdesk_api.directory.upserting_many import Write, Written, write_many
from helpdesk_api.domain.errors import Refusal, UnavailableError
from helpdesk_api.files.schemas import File
from helpdesk_api.files.storing import content_of
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, Principal, new_id, system
from helpdesk_api.kit.db import Record as Row
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import repeated, unit_of_work

ROWS_AT_ONCE: Final = 250
_BATCHES_OF_A_JOB: Final = 4
_HOW_FAR = Statement(
    select(imports.c.caller, imports.c.done_bytes, imports.c.done_lines).where(
        imports.c.tenant_id == bindparam("tenant"), imports.c.id == bindparam("import"), imports.c.state == "running"
    )
)
_ROW_COLUMNS: Final = tuple(column.name for column in import_rows.c)
_STORE_ROWS = Statement(insert_many(import_rows, _ROW_COLUMNS, as_text=("errors",)))


@dataclass(frozen=True, slots=True)
class _Read:
    """A row that was read: where it stands, and what is to be written, or why not."""

    record: Record
    write: Write | Refusal


@dataclass(frozen=True, slots=True)
class _Task:
    """One import as one job does it."""

    runtime: Runtime
    principal: Principal
    cause: Cause
    wanted: Import
    file: File
    plan: Plan


async def import_cards(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Do the next batches of an import, and leave a job for those after them."""
    import_id = UUID(claimed[0].payload["import_id"])
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        far = await ctx.tx.row(_HOW_FAR, {"tenant": tenant_id, "import": import_id})
        if far is None:
            await jobs.complete(ctx.tx, claimed)
            return
    principal = restored(tenant_id, far["caller"])
    try:
        task = await _task(runtime, principal, cause, import_id)
        is_running = await _batches(task, far)
    except UnavailableError:
        raise
    except Refusal as refusal:
        is_running = False
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            running = await crud.fetch_locked(ctx, IMPORTS, import_id)
            if running.state == ImportState.RUNNING:
                why = {"problem_code": refusal.code, "problem_detail": refusal.detail}
                await end_import(ctx, running, "failed", {"state": ImportState.FAILED, **why})
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        if await jobs.complete(ctx.tx, claimed) and is_running:
            await jobs.put(ctx, [NewJob(IMPORT, claimed[0].payload, ctx.real_now, cause=cause)])


async def _task(runtime: Runtime, principal: Principal, cause: Cause, import_id: UUID) -> _Task:
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        wanted = await crud.fetch(ctx, IMPORTS, import_id)
        kind = KINDS[wanted.resource]
        definitions = await definitions_of(ctx, kind.resource.plural)
        plan = Plan(kind, definitions, wanted.mapping, wanted.source, wanted.match_on)
        return _Task(runtime, principal, cause, wanted, await claim_file(ctx, wanted.file_id), plan)


async def _batches(task: _Task, far: Row) -> bool:
    """Write the next batches; tells whether there are more."""
    is_csv = task.wanted.format == Format.CSV
    fields: list[str | None] = []
    begin, line = far["done_bytes"], far["done_lines"] + 1
    if is_csv:
        (head,) = await _some(_records(task, 0, 1), 1) or (None,)
        if head is None:
            message = "The file is empty: its first line names the columns."
            raise MalformedRowError(message)
        if head.refusal is not None:
            raise head.refusal
        fields = task.plan.columns(cells_of(head.text))
        begin, line = max(begin, head.end), max(line, head.end_line)
    rest = _records(task, begin, line)
    done = far["done_bytes"]
    for _ in range(_BATCHES_OF_A_JOB):
        batch = [_read(task.plan, fields, each, is_csv=is_csv) for each in await _some(rest, ROWS_AT_ONCE)]
        is_last = len(batch) < ROWS_AT_ONCE
        if not await repeated(partial(_commit, task, batch, done, is_last=is_last)) or is_last:
            return False
        done = batch[-1].record.end
    return True


def _records(task: _Task, begin: int, line: int) -> AsyncIterator[Record]:
    encoding = cast("Encoding | None", task.wanted.encoding)
    parts = utf8_parts(content_of(task.runtime.db, task.principal.tenant_id, task.file), encoding)
    return records(parts, is_csv=task.wanted.format == Format.CSV, begin=begin, line=line)


async def _some(found: AsyncIterator[Record], most: int) -> list[Record]:
    some: list[Record] = []
    while len(some) < most and (each := await anext(found, None)) is not None:
        some.append(each)
    return some


def _read(plan: Plan, fields: Sequence[str | None], record: Record, *, is_csv: bool) -> _Read:
    if record.refusal is not None:
        return _Read(record, record.refusal)
    try:
        return _Read(record, plan.from_cells(fields, record.text) if is_csv else plan.from_json(record.text))
    except Refusal as refusal:
        return _Read(record, refusal)


async def _commit(task: _Task, batch: Sequence[_Read], done: int, *, is_last: bool) -> bool:
    """Write a batch together with how far the import has come; tells whether this worker is the one to do so."""
    cause = task.cause
    async with unit_of_work(task.runtime, task.principal, cause=cause, request_id=cause.id) as ctx:
        running = await crud.fetch_locked(ctx, IMPORTS, task.wanted.id)
        far = await ctx.tx.row(_HOW_FAR, {"tenant": ctx.tenant_id, "import": running.id})
        if far is None or far["done_bytes"] != done:
            return False
        async with undoable(ctx) if running.dry_run else nullcontext() as part:
            outcomes = await _written(ctx, task.plan, batch)
            if part is not None:
                part.undo()
        await _tell(ctx, task, batch, outcomes)
        counted = Counter(each.outcome for each in outcomes)
        values: dict[str, Any] = {
            f"{outcome}_count": getattr(running, f"{outcome}_count") + counted[outcome] for outcome in RowOutcome
        }
        if batch:
            last = batch[-1].record
            values |= {"done_bytes": last.end, "done_lines": last.end_line - 1}
            values["progress_percent"] = min(99, 100 * last.end // max(task.file.size_bytes, 1))
        if is_last:
            values |= {"state": ImportState.DONE, "progress_percent": 100}
            await end_import(ctx, running, "completed", values)
        else:
            await crud.store_changes(ctx, IMPORTS, running, values)
    return True


async def _written(ctx: Ctx, plan: Plan, batch: Sequence[_Read]) -> list[Written]:
    """Write what was read; gives what became of each row, in order."""
    writes = [each.write for each in batch if not isinstance(each.write, Refusal)]
    written = iter(await write_many(ctx, plan.kind, writes))
    return [
        Written("failed", refusal=each.write) if isinstance(each.write, Refusal) else next(written) for each in batch
    ]


async def _tell(ctx: Ctx, task: _Task, batch: Sequence[_Read], outcomes: Sequence[Written]) -> None:
    """Keep the rows that have something to tell."""
    kept = [
        _row(ctx, task, read, outcome)
        for read, outcome in zip(batch, outcomes, strict=True)
        if outcome.refusal is not None or outcome.withheld
    ]
    if kept:
        await ctx.tx.run(_STORE_ROWS, {name: [row[name] for row in kept] for name in _ROW_COLUMNS})


def _row(ctx: Ctx, task: _Task, read: _Read, outcome: Written) -> dict[str, Any]:
    refusal = outcome.refusal
    errors = [(each.pointer, each.code, each.detail) for each in (() if refusal is None else refusal.errors)]
    errors += [(each.pointer, each.reason, each.detail) for each in outcome.withheld]
    told = [
        {"column": task.plan.column_of(pointer), "pointer": pointer, "code": code, "detail": detail}
        for pointer, code, detail in errors
    ]
    return {
        "tenant_id": ctx.tenant_id,
        "id": new_id(),
        "import_id": task.wanted.id,
        "line_number": read.record.line,
        "outcome": outcome.outcome,
        "card_id": None if task.wanted.dry_run and outcome.outcome == RowOutcome.CREATED else outcome.card_id,
        "external_id": read.write.external_id if isinstance(read.write, Push) else None,
        "code": None if refusal is None else refusal.code,
        "detail": None if refusal is None else refusal.detail,
        "errors": json.dumps(told),
    }
