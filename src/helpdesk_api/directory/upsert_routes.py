"""The endpoints for writing client cards by the ids of another system: one card, or up to 200 in one request."""

from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, Any, Final

from fastapi import Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from helpdesk_api.directory.card_reads import watch_reading
from helpdesk_api.directory.companies import COMPANIES, Company, CompanyCreate
from helpdesk_api.directory.contacts import CONTACTS, Contact, ContactCreate, check_contact
from helpdesk_api.directory.external_references import ExternalId, Source, find_reference
from helpdesk_api.directory.upsert_schemas import (
    CompanyPush,
    CompanyUpsertBatch,
    CompanyUpserted,
    CompanyUpsertItem,
    CompanyUpsertQuery,
    ContactPush,
    ContactUpsertBatch,
    ContactUpserted,
    ContactUpsertItem,
    ContactUpsertQuery,
    UpsertBatch,
    UpsertedBatch,
    UpsertedItem,
    UpsertItem,
    UpsertQuery,
)
from helpdesk_api.directory.upserting import CardKind, Push, Pushed, check_reach, lock_cards, upsert
from helpdesk_api.domain.errors import FieldError, Kind, NotFoundError, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.problems import problem_of
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource import R
from helpdesk_api.kit.resource_routes import ResourceRouter, operation, tag_response
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.kit.validation import invalid_request

_BY_ID: Final = "/by-ref/{source}/{external_id}"
_LONGEST_ECHO: Final = 200
# Refusals that are of one card; others, such as a database that is away, are of the whole request.
_OF_ITEM: Final = {
    Kind.CONFLICT: "conflict",
    Kind.PRECONDITION_FAILED: "conflict",
    Kind.NOT_FOUND: "error",
    Kind.INVALID: "error",
    Kind.FORBIDDEN: "error",
    Kind.TOO_LARGE: "error",
}
_HOW_ONE = (
    "Creates the card when this source has not sent it before, else changes the given fields where they differ (null "
    "empties, absent keeps); a write that changes nothing leaves neither version nor event. With `match_on`, an "
    "unknown card that matches one here is linked to it; several are a 409 with the candidates. Needs a caller who "
    "sees every client."
)
_HOW_SEVERAL = (
    "Writes each card as the PUT of one does, in order, and tells what became of each. One that is refused leaves the "
    "others be, unless `atomic`. Needs a caller who sees every client."
)

SourceInPath = Annotated[Source, Path()]
IdInPath = Annotated[ExternalId, Path()]


async def _company_of_source(ctx: Ctx, source: str, given: dict[str, Any]) -> dict[str, Any]:
    """Put the company that goes by an id of the same system in the place of that id."""
    external_id = given.pop("company_external_id", None)
    if external_id is None:
        return given
    known = await find_reference(ctx, "company_id", source, external_id)
    if known is None:
        message = f"No company goes by {external_id} in {source}; push it first."
        raise UnknownReferenceError(message, pointer="/company_external_id")
    return given | {"company_id": known.company_id}


_COMPANY = CardKind(COMPANIES, "company_id", CompanyCreate, {"domain": "domains"})
_CONTACT = CardKind(
    CONTACTS, "contact_id", ContactCreate, {"email": "emails", "phone": "phones"}, check_contact, _company_of_source
)

companies_router = ResourceRouter(COMPANIES)
contacts_router = ResourceRouter(CONTACTS)


@companies_router.get(
    _BY_ID,
    operation_id=operation(COMPANIES, "get_by_reference"),
    summary="Get a company by its id in another system",
    description="Reads the company that goes by this id in a source; 404 for who does not see every client.",
)
async def get_company(
    source: SourceInPath,
    external_id: IdInPath,
    request: Request,
    response: Response,
    ctx: Annotated[Ctx, allowed("companies:read")],
) -> Company:
    """Read a company."""
    return await _read(request, response, ctx, _COMPANY, (source, external_id))


@companies_router.put(
    _BY_ID,
    responses={201: {"model": CompanyUpserted}},
    openapi_extra=documented(CompanyUpsertQuery),
    operation_id=operation(COMPANIES, "put_by_reference"),
    summary="Write a company by its id in another system",
    description=_HOW_ONE,
)
async def put_company(
    *,
    source: SourceInPath,
    external_id: IdInPath,
    body: CompanyPush,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("companies:write")],
) -> CompanyUpserted:
    """Write a company."""
    query = read_query(request, CompanyUpsertQuery)
    push = Push(source, external_id, body.given(), query.match_on, expected, query.source_updated_at)
    pushed = await _write(response, ctx, _COMPANY, push, query)
    return CompanyUpserted.trusted(_told(pushed))


@companies_router.post(
    "/upsert",
    operation_id=operation(COMPANIES, "upsert"),
    summary="Write up to 200 companies by their ids in another system",
    description=_HOW_SEVERAL,
)
async def upsert_companies(body: CompanyUpsertBatch, ctx: Annotated[Ctx, allowed("companies:write")]) -> UpsertedBatch:
    """Write companies."""
    return await _write_batch(ctx, _COMPANY, body, TypeAdapter(CompanyUpsertItem))


@contacts_router.get(
    _BY_ID,
    operation_id=operation(CONTACTS, "get_by_reference"),
    summary="Get a contact by its id in another system",
    description="Reads the contact that goes by this id in a source; 404 for who does not see every client.",
)
async def get_contact(
    source: SourceInPath,
    external_id: IdInPath,
    request: Request,
    response: Response,
    ctx: Annotated[Ctx, allowed("contacts:read")],
) -> Contact:
    """Read a contact."""
    return await _read(request, response, ctx, _CONTACT, (source, external_id))


@contacts_router.put(
    _BY_ID,
    responses={201: {"model": ContactUpserted}},
    openapi_extra=documented(ContactUpsertQuery),
    operation_id=operation(CONTACTS, "put_by_reference"),
    summary="Write a contact by its id in another system",
    description=_HOW_ONE,
)
async def put_contact(
    *,
    source: SourceInPath,
    external_id: IdInPath,
    body: ContactPush,
    request: Request,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("contacts:write")],
) -> ContactUpserted:
    """Write a contact."""
    query = read_query(request, ContactUpsertQuery)
    push = Push(source, external_id, body.given(), query.match_on, expected, query.source_updated_at)
    pushed = await _write(response, ctx, _CONTACT, push, query)
    return ContactUpserted.trusted(_told(pushed))


@contacts_router.post(
    "/upsert",
    operation_id=operation(CONTACTS, "upsert"),
    summary="Write up to 200 contacts by their ids in another system",
    description=_HOW_SEVERAL,
)
async def upsert_contacts(body: ContactUpsertBatch, ctx: Annotated[Ctx, allowed("contacts:write")]) -> UpsertedBatch:
    """Write contacts."""
    return await _write_batch(ctx, _CONTACT, body, TypeAdapter(ContactUpsertItem))


async def _read(request: Request, response: Response, ctx: Ctx, kind: CardKind[R], name: tuple[str, str]) -> R:
    source, external_id = name
    known = await find_reference(ctx, kind.column, source, external_id)
    if known is None or not ctx.principal.reach.is_unlimited:
        message = f"No {kind.resource.name} goes by {external_id} in {source}."
        raise NotFoundError(message)
    found = await crud.fetch(ctx, kind.resource, getattr(known, kind.column))
    await watch_reading(request, ctx, [found])
    tag_response(response, found)
    return found


async def _write(response: Response, ctx: Ctx, kind: CardKind[R], push: Push, query: UpsertQuery) -> Pushed[R]:
    check_reach(ctx)
    async with undoable(ctx) if query.dry_run else nullcontext() as part:
        await lock_cards(ctx, kind, [push])
        pushed = await upsert(ctx, kind, push)
        if part is not None:
            part.undo()
    if pushed.outcome == "created":
        response.status_code = 201
        response.headers["location"] = f"/v1/{kind.resource.plural}/{pushed.card.id}"
    tag_response(response, pushed.card)
    return pushed


def _told(pushed: Pushed[Any]) -> dict[str, Any]:
    return {"outcome": pushed.outcome, "matched_on": pushed.matched_on, "card": pushed.card}


async def _write_batch(
    ctx: Ctx, kind: CardKind[Any], body: UpsertBatch, shape: TypeAdapter[UpsertItem]
) -> UpsertedBatch:
    check_reach(ctx)
    read = [_item(body, index, shape) for index in range(len(body.items))]
    async with undoable(ctx) if body.dry_run else nullcontext() as part:
        await lock_cards(ctx, kind, [push for push in read if isinstance(push, Push)])
        items = [await _write_item(ctx, kind, body, index, push) for index, push in enumerate(read)]
        if part is not None:
            part.undo()
    counts = dict(Counter(item.outcome for item in items))
    return UpsertedBatch.trusted({"dry_run": body.dry_run, "counts": counts, "items": items})


def _item(body: UpsertBatch, index: int, shape: TypeAdapter[UpsertItem]) -> Push | Refusal:
    """Read one card of a batch, or tell what is wrong with it."""
    try:
        given = shape.validate_python(body.items[index])
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        found = [{**place, "loc": ("body", "items", index, *place["loc"])} for place in places]
        return invalid_request(RequestValidationError(found))
    card: Input = vars(given)["card"]
    return Push(
        body.source, given.external_id, card.given(), body.match_on, given.base_version, given.source_updated_at
    )


async def _write_item(
    ctx: Ctx, kind: CardKind[Any], body: UpsertBatch, index: int, push: Push | Refusal
) -> UpsertedItem:
    about: dict[str, Any] = {"index": index, "id": None, "version": None, "matched_on": None, "problem": None}
    try:
        if isinstance(push, Refusal):
            about["external_id"] = _external_id(body.items[index])
            raise push
        about["external_id"] = push.external_id
        async with nullcontext() if body.atomic else undoable(ctx):
            pushed = await _written(ctx, kind, index, push)
    except Refusal as refusal:
        if body.atomic or refusal.kind not in _OF_ITEM:
            raise
        problem = problem_of(refusal, request_id=ctx.request_id, instance=f"/v1/{kind.resource.plural}/upsert")
        return UpsertedItem.trusted(about | {"outcome": _OF_ITEM[refusal.kind], "problem": problem})
    card = pushed.card
    told = {"outcome": pushed.outcome, "id": card.id, "version": card.version, "matched_on": pushed.matched_on}
    return UpsertedItem.trusted(about | told)


async def _written(ctx: Ctx, kind: CardKind[Any], index: int, push: Push) -> Pushed[Any]:
    """Write one card; what is refused points into the whole body."""
    try:
        return await upsert(ctx, kind, push)
    except Refusal as refusal:
        refusal.errors = tuple(
            FieldError(f"/items/{index}/card{error.pointer}", error.code, error.detail, error.location)
            for error in refusal.errors
        )
        raise


def _external_id(item: object) -> str | None:
    given = item.get("external_id") if isinstance(item, Mapping) else None
    return given[:_LONGEST_ECHO] if isinstance(given, str) else None
