"""Exports of client cards: what was asked for, checked as the list would, and what has become of it.

The work itself is `directory.transfers.exporting`. An export ends in a file of whoever asked for it, which nobody else
reads and which goes after a day like any file that hangs on nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints
from starlette.datastructures import QueryParams

from helpdesk_api.directory.card_kinds import KINDS
from helpdesk_api.directory.custom_fields.definitions import definitions_of, field_group
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.directory.transfers.callers import kept
from helpdesk_api.directory.transfers.models import exports
from helpdesk_api.domain.errors import FieldError, InvalidError, Refusal
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import EVERYBODY
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.listing import Filter, PageQuery
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import read_parameters
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_reading import check_query
from helpdesk_api.kit.schema import Entity, Flag, Input, single_line
from helpdesk_api.kit.tokens import Signer

EXPORT: Final = "directory.export"
FILE_KEPT: Final = timedelta(days=1)

Cards = Literal["companies", "contacts", "locations"]
# What belongs to pages belongs to no export, which is all of them.
_OF_PAGES: Final = frozenset(PageQuery.model_fields)


class Format(StrEnum):
    """How cards are written in a file."""

    CSV = "csv"
    JSONL = "jsonl"


class ExportState(StrEnum):
    """Where an export stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class InvalidExportFilterError(InvalidError):
    """The filter is not what the list of these cards takes."""

    code = "invalid_export_filter"
    title = "The list cannot be narrowed like this"


class UnknownExportFieldError(InvalidError):
    """The cards have no such field, or it is not shown to the caller."""

    code = "unknown_export_field"
    title = "The cards have no such field"


class ExportCreate(Input):
    """What to export."""

    resource: Annotated[Cards, Field(description="Which cards.")]
    format: Annotated[Format, Field(description="`jsonl`: each card as the API shows it, one a line.")]
    filter: Annotated[
        str,
        StringConstraints(max_length=2_000),
        AfterValidator(single_line),
        Field(
            description="The query of the list of these cards, with `sort` if wanted; empty: all of them, oldest "
            "first.",
            examples=["category=VIP&sort=name"],
        ),
    ] = ""
    fields: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=60)]] | None,
        Field(min_length=1, max_length=150, description="Only these, in this order; null: all that the caller sees."),
    ] = None
    has_byte_order_mark: Annotated[
        Flag, Field(description="Begin a CSV file with U+FEFF, by which Excel knows UTF-8.")
    ] = False


class Export(Entity):
    """A file of client cards in the making, or made."""

    resource: Annotated[str, Field(examples=["companies", "contacts", "locations"])]
    format: Annotated[str, Field(examples=list(Format))]
    filter: str
    fields: list[str] | None
    has_byte_order_mark: bool
    state: Annotated[str, Field(examples=list(ExportState))]
    row_count: Annotated[int, Field(description="How many cards have been written so far.")]
    file_id: Annotated[
        UUID | None,
        Field(description="The file, at `GET /v1/files/{id}/content`, for whoever asked for it; null until done."),
    ]
    problem_code: Annotated[str | None, Field(description="Why it failed; see `GET /problems/{code}`.")]
    problem_detail: str | None
    expires_at: Annotated[AwareDatetime | None, Field(description="When the file is deleted.")]
    completed_at: AwareDatetime | None


EXPORTS = Resource(
    name="export",
    plural="exports",
    table=exports,
    read=Export,
    example={
        "resource": "companies",
        "format": "csv",
        "filter": "category=VIP&sort=name",
        "fields": ["name", "tax_ids", "custom_fields.service_tier"],
        "has_byte_order_mark": False,
        "state": "done",
        "row_count": 1_204,
        "file_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e48",
        "problem_code": None,
        "problem_detail": None,
        "expires_at": "2026-11-24T09:00:07Z",
        "completed_at": "2026-11-23T09:00:07Z",
    },
    filters=(
        Filter("resource", exports.c.resource, Cards),
        Filter("state", exports.c.state, ExportState),
    ),
    rows=SHARED,
)

EXPORT_EXAMPLES: Final = {
    "ExportCreate": {
        "resource": "companies",
        "format": "csv",
        "filter": "category=VIP&sort=name",
        "fields": ["name", "tax_ids", "custom_fields.service_tier"],
        "has_byte_order_mark": False,
    }
}


async def start_export(ctx: Ctx, wanted: ExportCreate, signer: Signer) -> Export:
    """Begin an export.

    Raises MissingPermissionError where the list would, InvalidExportFilterError, UnknownExportFieldError, and what the
    list raises of its custom fields.
    """
    resource = KINDS[wanted.resource].resource
    ctx.principal.require(f"{resource.plural}:read")
    query = query_of(resource, wanted.filter)
    if resource.guards_lists and not resource.listing.is_looked_up(query):
        ctx.principal.require(f"{resource.plural}:list")
    try:
        # Whatever the list would refuse is refused now, not when a worker meets it.
        check_query(ctx, resource, query)
        await cards_after(ctx, resource, query.model_copy(update={"limit": 1}), signer)
    except Refusal as refusal:
        refusal.errors = tuple(FieldError("/filter", each.code, each.detail) for each in refusal.errors)
        raise
    known = await columns_of(ctx, resource)
    for index, name in enumerate(wanted.fields or ()):
        if name not in known and name != COLUMN:
            message = f"The caller is shown no field {name!r} of {resource.plural}, but {', '.join(known)}."
            raise UnknownExportFieldError(message, pointer=f"/fields/{index}")
    values = wanted.model_dump() | {"state": ExportState.RUNNING, "row_count": 0, "caller": kept(ctx.principal)}
    started = await crud.add(ctx, EXPORTS, values)
    await jobs.put(ctx, [NewJob(EXPORT, {"export_id": str(started.id)}, ctx.real_now, cause=ctx.cause)])
    return started


def query_of(resource: Resource[Any], text: str) -> PageQuery:
    """Read a filter as the list of a resource would; raises InvalidExportFilterError."""
    sent = QueryParams(text)
    if paged := sorted(_OF_PAGES & sent.keys()):
        message = f"An export has no pages: leave out {', '.join(paged)}."
        raise InvalidExportFilterError(message, pointer="/filter")
    try:
        query = read_parameters(sent, resource.listing.query_model)
    except RequestValidationError as error:
        first = error.errors()[0]
        message = f"GET /v1/{resource.plural} does not take {'.'.join(map(str, first['loc'][1:]))}: {first['msg']}."
        raise InvalidExportFilterError(message, pointer="/filter") from error
    # Oldest first: what others refer to is usually older than they are.
    return query if getattr(query, "sort", None) else query.model_copy(update={"sort": "created_at"})


async def cards_after(
    ctx: Ctx, resource: Resource[Any], query: PageQuery, signer: Signer
) -> tuple[Sequence[Entity], str | None]:
    """Give a page of the cards that the caller sees, as the list does, and the cursor of the next one."""
    listing, narrowing = resource.listing, None
    if resource.refine is not None:
        listing, narrowing = await resource.refine(ctx, listing, query, None)
    found = await find_page(ctx, listing, query, signer, narrowing=narrowing)
    cards = [resource.read.from_record(row) for row in found.rows]
    return cards, found.page.next_cursor if len(cards) == query.limit else None


async def columns_of(ctx: Ctx, resource: Resource[Any]) -> Mapping[str, str | None]:
    """Name the columns of a file, each with the key of the custom field that it is, if it is one."""
    shown = [
        definition.key
        for definition in (await definitions_of(ctx, resource.plural)).values()
        if (group := field_group(definition)) == EVERYBODY or ctx.principal.sees(group)
    ]
    plain: dict[str, str | None] = {name: None for name in resource.read.model_fields if name != COLUMN}
    return plain | {f"{COLUMN}.{key}": key for key in shown}
