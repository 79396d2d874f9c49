"""Doing exports: all pages of a list at one instant, written to a file.

Cards are read in one snapshot, a page at a time, and spooled to disk, so that an export needs no memory that grows with
it; only whole files are stored. A worker that dies leaves nothing, and the next one begins anew.
"""

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import bindparam, select, update

from helpdesk_api.directory.card_kinds import KINDS
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.transfers.callers import restored
from helpdesk_api.directory.transfers.exports import (
    EXPORTS,
    FILE_KEPT,
    Export,
    ExportState,
    Format,
    cards_after,
    columns_of,
    query_of,
)
from helpdesk_api.directory.transfers.models import exports
from helpdesk_api.domain.csv_cells import written_value
from helpdesk_api.domain.errors import Refusal, UnavailableError
from helpdesk_api.files.storing import Arrived, store
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, Ctx, Principal, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.kit.visibility import showing

_CARDS_AT_ONCE: Final = 500
_TOLD_EVERY: Final = 10_000
_IN_MEMORY_BYTES: Final = 1_048_576
_MEDIA_TYPES: Final = {Format.CSV: "text/csv", Format.JSONL: "application/x-ndjson"}
_CALLER = Statement(
    select(exports.c.caller).where(
        exports.c.tenant_id == bindparam("tenant"), exports.c.id == bindparam("export"), exports.c.state == "running"
    )
)
_TELL = Statement(
    update(exports)
    .where(exports.c.tenant_id == bindparam("tenant"), exports.c.id == bindparam("export"))
    .values(row_count=bindparam("row_count"))
)


@dataclass(slots=True)
class _File:
    """A file that is being written."""

    content: BinaryIO
    size_bytes: int = 0
    row_count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, part: bytes) -> None:
        self.content.write(part)
        self.digest.update(part)
        self.size_bytes += len(part)


async def export(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Do one export, whole."""
    export_id = UUID(claimed[0].payload["export_id"])
    cause = Cause("job", str(claimed[0].id))
    async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
        told = await ctx.tx.value(_CALLER, {"tenant": tenant_id, "export": export_id})
        if told is None:
            await jobs.complete(ctx.tx, claimed)
            return
        wanted = await crud.fetch(ctx, EXPORTS, export_id)
    principal = restored(tenant_id, told)
    try:
        await _do(runtime, replace(ctx, principal=principal), wanted, claimed)
    except UnavailableError:
        raise
    except Refusal as refusal:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            if await jobs.complete(ctx.tx, claimed):
                why = {"problem_code": refusal.code, "problem_detail": refusal.detail}
                await _end(ctx, export_id, {"state": ExportState.FAILED, **why})


async def _do(runtime: Runtime, ctx: Ctx, wanted: Export, claimed: Sequence[Job]) -> None:
    principal: Principal = ctx.principal
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spool:
        file = _File(cast("BinaryIO", spool))
        async with runtime.db.snapshot(principal.tenant_id) as transaction:
            with showing(principal.field_groups):
                async for part, count in _parts(runtime, replace(ctx, tx=transaction), wanted):
                    file.write(part)
                    file.row_count += count
                    if count and file.row_count % _TOLD_EVERY == 0:
                        await _tell(runtime, wanted, principal.tenant_id, file.row_count)
        arrived = Arrived(
            name=f"{wanted.resource}-{wanted.created_at:%Y-%m-%d}.{wanted.format}",
            media_type=_MEDIA_TYPES[Format(wanted.format)],
            detected_media_type=None,
            size_bytes=file.size_bytes,
            sha256=file.digest.hexdigest(),
            content=file.content,
        )
        async with unit_of_work(runtime, principal, cause=ctx.cause, request_id=ctx.request_id) as storing:
            if not await jobs.complete(storing.tx, claimed):
                return
            stored = await store(storing, arrived)
            done = {"file_id": stored.id, "expires_at": storing.now + FILE_KEPT, "row_count": file.row_count}
            await _end(storing, wanted.id, {"state": ExportState.DONE, **done})


async def _parts(runtime: Runtime, ctx: Ctx, wanted: Export) -> AsyncIterator[tuple[bytes, int]]:
    """Give the content of the file in parts, each with the number of its cards."""
    resource = KINDS[wanted.resource].resource
    known = await columns_of(ctx, resource)
    is_csv = wanted.format == Format.CSV
    columns = _named(wanted.fields or list(known), known)
    if is_csv:
        mark = "\ufeff" if wanted.has_byte_order_mark else ""
        yield (mark + _lines([list(columns)])).encode(), 0
    query = query_of(resource, wanted.filter).model_copy(update={"limit": _CARDS_AT_ONCE})
    while True:
        cards, cursor = await cards_after(ctx, resource, query, runtime.signer)
        told = [card.model_dump(mode="json") for card in cards]
        if is_csv:
            cells = ([written_value(_value(each, *place)) for place in columns.items()] for each in told)
            part = _lines(cells).encode()
        else:
            part = b"".join(to_json(_only(each, wanted.fields)) + b"\n" for each in told)
        yield part, len(cards)
        if cursor is None:
            return
        query = query.model_copy(update={"cursor": cursor})


def _named(names: Sequence[str], known: Mapping[str, str | None]) -> dict[str, str | None]:
    """Give the columns of these names; `custom_fields` stands for every custom field."""
    custom = {name: key for name, key in known.items() if key is not None}
    columns: dict[str, str | None] = {}
    for name in names:
        columns |= custom if name == COLUMN else {name: known[name]}
    return columns


def _value(card: Mapping[str, Any], name: str, key: str | None) -> Any:  # noqa: ANN401 - of any field.
    return card[name] if key is None else card[COLUMN].get(key)


def _only(card: dict[str, Any], fields: list[str] | None) -> dict[str, Any]:
    """Give of a card the fields that were asked for."""
    if fields is None:
        return card
    names = dict.fromkeys(name.partition(".")[0] for name in fields)
    some = {name: card[name] for name in names}
    if COLUMN in names and COLUMN not in fields:
        some[COLUMN] = {key: value for key, value in card[COLUMN].items() if f"{COLUMN}.{key}" in fields}
    return some


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


async def _tell(runtime: Runtime, wanted: Export, tenant_id: UUID, row_count: int) -> None:
    """Let readers know how far it is; of that there is neither a version nor an event."""
    async with runtime.db.transaction(tenant_id) as transaction:
        await transaction.run(_TELL, {"tenant": tenant_id, "export": wanted.id, "row_count": row_count})


async def _end(ctx: Ctx, export_id: UUID, values: dict[str, Any]) -> None:
    before = await crud.fetch_locked(ctx, EXPORTS, export_id)
    ended = await crud.store_changes(ctx, EXPORTS, before, values | {"completed_at": ctx.now, "caller": None})
    data = {"row_count": ended.row_count, "file_id": ended.file_id, "problem_code": ended.problem_code}
    happened = "completed" if ended.state == ExportState.DONE else "failed"
    changes: dict[str, tuple[Any, Any]] = {"state": (before.state, ended.state)}
    record(ctx, f"export.{happened}", object_id=export_id, version=ended.version, changes=changes, data=data)
