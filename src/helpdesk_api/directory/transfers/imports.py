"""Imports of client cards: what was asked for, and how far it has come, row by row where there is something to tell.

The work itself is `directory.transfers.importing`.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints

from helpdesk_api.directory.card_kinds import KINDS
from helpdesk_api.directory.external_references import Source
from helpdesk_api.directory.transfers.callers import kept
from helpdesk_api.directory.transfers.exports import Cards, Format
from helpdesk_api.directory.transfers.models import import_rows, imports
from helpdesk_api.directory.transfers.records import Encoding
from helpdesk_api.directory.upserting import check_reach
from helpdesk_api.domain.errors import ConflictError, InvalidError, Refusal
from helpdesk_api.files.storing import claim
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.listing import Filter, Listing, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Flag, Input, Output

IMPORT: Final = "directory.import"

_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class ImportState(StrEnum):
    """Where an import stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RowOutcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class ImportEndedError(ConflictError):
    """The import is done, has failed or was cancelled."""

    code = "import_ended"
    title = "The import has ended"


class UnknownMatchError(InvalidError):
    """Cards of this kind are not matched by this, or there is no source whose cards are to be matched."""

    code = "unknown_match"
    title = "Cards are not matched by this"


class ImportCreate(Input):
    """What to import."""

    file_id: Annotated[UUID, Field(description="A file that the caller has uploaded to `POST /v1/files`.")]
    resource: Annotated[Cards, Field(description="Which cards.")]
    format: Annotated[Format, Field(description="As exports are written.")]
    source: Annotated[
        Source | None,
        Field(description="The system whose cards they are, by its ids; null: cards of the desk, by their `id`."),
    ] = None
    match_on: Annotated[
        str | None,
        Field(max_length=40, description="What cards that the source has not sent may be matched by, as in a batch."),
    ] = None
    encoding: Annotated[
        Encoding | None, Field(description="Null: UTF-16 if the file begins with its mark, else UTF-8.")
    ] = None
    mapping: Annotated[
        dict[_Name, _Name | None],
        Field(max_length=200, description="Columns that are called otherwise here, and those to leave out: null."),
    ] = Field(default={})
    dry_run: Annotated[Flag, Field(description="Tell what would become of each row, and change nothing.")] = False


class Import(Entity):
    """A file of client cards that is being written, or has been."""

    file_id: Annotated[UUID, Field(description="May have been deleted since.")]
    resource: Annotated[str, Field(examples=["companies", "contacts", "locations"])]
    format: Annotated[str, Field(examples=list(Format))]
    source: str | None
    match_on: str | None
    encoding: str | None
    mapping: dict[str, str | None]
    dry_run: bool
    state: Annotated[str, Field(examples=list(ImportState))]
    progress_percent: Annotated[int, Field(description="How much of the file is done; 100 when all of it is.")]
    created_count: int
    updated_count: int
    unchanged_count: int
    failed_count: Annotated[int, Field(description="Rows that were refused; `GET /v1/imports/{id}/rows` says why.")]
    problem_code: Annotated[str | None, Field(description="Why the whole file was refused.")]
    problem_detail: str | None
    completed_at: AwareDatetime | None


class ImportRow(Output):
    """A row that has something to tell: it was refused, or some of its fields were not written."""

    id: UUID
    line_number: Annotated[int, Field(description="The line of the file where it begins, from 1.")]
    outcome: Annotated[str, Field(examples=list(RowOutcome))]
    card_id: UUID | None
    external_id: str | None
    code: Annotated[str | None, Field(description="Why it was refused; see `GET /problems/{code}`.")]
    detail: str | None
    errors: Annotated[
        list[dict[str, JsonValue]],
        Field(description="Each with the `column` that is meant, if one is, a `pointer` into it, `code` and `detail`."),
    ]


IMPORTS = Resource(
    name="import",
    plural="imports",
    table=imports,
    read=Import,
    example={
        "file_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48",
        "resource": "companies",
        "format": "csv",
        "source": "crm",
        "match_on": "tax_id",
        "encoding": None,
        "mapping": {"Account name": "name", "Account id": "external_id", "Owner": None},
        "dry_run": False,
        "state": "done",
        "progress_percent": 100,
        "created_count": 1_180,
        "updated_count": 12,
        "unchanged_count": 10,
        "failed_count": 2,
        "problem_code": None,
        "problem_detail": None,
        "completed_at": "2026-11-23T09:00:07Z",
    },
    filters=(
        Filter("resource", imports.c.resource, Cards),
        Filter("state", imports.c.state, ImportState),
    ),
    rows=SHARED,
)
ROWS: Final = Listing(
    columns=tuple(import_rows.c[name] for name in ImportRow.model_fields),
    tenant=import_rows.c.tenant_id,
    key=import_rows.c.id,
    filters=(Filter("outcome", import_rows.c.outcome, RowOutcome),),
    sorts=(Sort("line_number", import_rows.c.line_number, "integer"),),
    default_sort="line_number",
    # Who sees the import sees what became of its rows.
    rows=SHARED,
)

_ROW_EXAMPLE: Final = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e91",
    "line_number": 17,
    "outcome": "failed",
    "card_id": None,
    "external_id": "0015g00000A",
    "code": "invalid_request",
    "detail": "1 place in the request is invalid.",
    "errors": [
        {
            "column": "emails",
            "pointer": "/emails/0",
            "code": "value_error",
            "detail": "An email address must have an @.",
        }
    ],
}
IMPORT_EXAMPLES: Final = {
    "ImportCreate": {
        "file_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48",
        "resource": "companies",
        "format": "csv",
        "source": "crm",
        "match_on": "tax_id",
        "encoding": None,
        "mapping": {"Account name": "name", "Account id": "external_id", "Owner": None},
        "dry_run": False,
    },
    "ImportRow": _ROW_EXAMPLE,
    "ImportRowPage": {
        "data": [_ROW_EXAMPLE],
        "page": {"next_cursor": None, "prev_cursor": None},
        "total": None,
    },
}


async def start_import(ctx: Ctx, wanted: ImportCreate) -> Import:
    """Begin an import.

    Raises MissingPermissionError, ReachTooNarrowError, UnknownReferenceError for a file that the caller has not
    uploaded, and UnknownMatchError.
    """
    kind = KINDS[wanted.resource]
    ctx.principal.require(f"{wanted.resource}:write")
    check_reach(ctx)
    if wanted.match_on is not None and (wanted.source is None or wanted.match_on not in kind.matched_by):
        ways = ", ".join(kind.matched_by) or "nothing"
        message = f"Cards of a source are matched by {ways}, those of the desk by their id."
        raise UnknownMatchError(message, pointer="/match_on")
    await claim_file(ctx, wanted.file_id)
    counts = dict.fromkeys(("progress_percent", *(f"{outcome}_count" for outcome in RowOutcome)), 0)
    values = wanted.model_dump() | {"state": ImportState.RUNNING, "caller": kept(ctx.principal), **counts}
    started = await crud.add(ctx, IMPORTS, values)
    await jobs.put(ctx, [NewJob(IMPORT, {"import_id": str(started.id)}, ctx.real_now, cause=ctx.cause)])
    return started


async def claim_file(ctx: Ctx, file_id: UUID) -> Any:  # noqa: ANN401 - a file; its module does not export the type.
    """Give a file that the caller has uploaded; raises UnknownReferenceError."""
    try:
        (file,) = await claim(ctx, [file_id])
    except Refusal as refusal:
        refusal.errors = tuple(replace(error, pointer="/file_id") for error in refusal.errors)
        raise
    return file


async def cancel_import(ctx: Ctx, import_id: UUID) -> Import:
    """Stop an import: what is written stays. Raises ImportEndedError for one that is not running."""
    before = await crud.fetch_locked(ctx, IMPORTS, import_id)
    if before.state != ImportState.RUNNING:
        message = f"The import {import_id} is {before.state}."
        raise ImportEndedError(message, params={"state": before.state})
    return await end_import(ctx, before, "cancelled", {"state": ImportState.CANCELLED})


async def end_import(ctx: Ctx, running: Import, happened: str, values: dict[str, Any]) -> Import:
    """End an import that the caller has locked."""
    ended = await crud.store_changes(ctx, IMPORTS, running, values | {"completed_at": ctx.now, "caller": None})
    data = {name: getattr(ended, name) for name in (*(f"{outcome}_count" for outcome in RowOutcome), "problem_code")}
    changes: dict[str, tuple[Any, Any]] = {"state": (running.state, ended.state)}
    record(ctx, f"import.{happened}", object_id=ended.id, version=ended.version, changes=changes, data=data)
    return ended
