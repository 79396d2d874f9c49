"""The endpoints for writing cards by the ids of another system: one card, or up to 200 in one request.

They are the same for every kind of card; which kinds there are is said in `directory.card_kinds` and in the modules of
what is no client card.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated, Any, Final

from fastapi import Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from helpdesk_api.directory.external_references import ExternalId, Source, find_reference
from helpdesk_api.directory.upsert_schemas import (
    MOST_ITEMS,
    FieldWarning,
    UpsertBatch,
    Upserted,
    UpsertedBatch,
    UpsertedItem,
    UpsertItem,
    UpsertQuery,
    UpsertShapes,
)
from helpdesk_api.directory.upserting import CardKind, Push, Pushed, check_reach, lock_cards, upsert
from helpdesk_api.domain.errors import FieldError, Kind, NotFoundError, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.problems import problem_of
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation, tag_response
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.successors import name_successor
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
    "empties, absent keeps); a write that changes nothing leaves neither version nor event."
)
_WHO = " Needs a caller who sees every client."
_HOW_MATCHED = (
    " With `match_on`, an unknown card that matches one here is linked to it; several are a 409 with the candidates."
    f"{_WHO}"
)
_HOW_SEVERAL = (
    "Writes each card as the PUT of one does, in order, and tells what became of each. One that is refused leaves the "
    "others be, unless `atomic`. Needs a caller who sees every client."
)

SourceInPath = Annotated[Source, Path()]
IdInPath = Annotated[ExternalId, Path()]


def upsert_routes(kind: CardKind[R]) -> ResourceRouter:
    """Make the endpoints for reading and writing one kind of card by its ids in other systems."""
    resource, shapes = kind.resource, shapes_of(kind)
    router = ResourceRouter(resource)
    one, many = resource.name.replace("_", " "), resource.plural.replace("-", " ")

    async def get_card(
        source: SourceInPath, external_id: IdInPath, request: Request, response: Response, ctx: Ctx
    ) -> R:
        return await _read(request, response, ctx, kind, (source, external_id))

    async def put_card(
        *,
        source: SourceInPath,
        external_id: IdInPath,
        body: Input,
        request: Request,
        response: Response,
        expected: IfMatch,
        ctx: Ctx,
    ) -> Upserted:
        query = read_query(request, shapes.query)
        push = Push(source, external_id, body.given(), _match_on(query), expected, query.source_updated_at)
        pushed = await _write(response, ctx, kind, push, query)
        return shapes.upserted.trusted(_told(pushed))

    async def upsert_cards(request: Request, body: UpsertBatch, ctx: Ctx) -> UpsertedBatch:
        runtime: Runtime = request.app.state.runtime
        return await _write_batch(ctx, kind, body, TypeAdapter(shapes.item), resources=runtime.resources)

    # The models and the permissions are known only now; FastAPI reads annotations when a route is added.
    reading = Annotated[Ctx, allowed(f"{resource.plural}:read")]
    writing = Annotated[Ctx, allowed(f"{resource.plural}:write")]
    get_card.__annotations__ |= {"ctx": reading}
    put_card.__annotations__ |= {"body": shapes.push, "ctx": writing}
    upsert_cards.__annotations__ |= {"body": shapes.batch, "ctx": writing}
    router.add_api_route(
        _BY_ID, get_card, methods=["GET"], response_model=resource.read,
        operation_id=operation(resource, "get_by_reference"), summary=f"Get a {one} by its id in another system",
        description=f"Reads the {one} that goes by this id in a source; 404 for who does not see every client.",
    )  # fmt: skip
    router.add_api_route(
        _BY_ID, put_card, methods=["PUT"], response_model=shapes.upserted,
        responses={201: {"model": shapes.upserted}}, openapi_extra=documented(shapes.query),
        operation_id=operation(resource, "put_by_reference"), summary=f"Write a {one} by its id in another system",
        description=_HOW_ONE + (_HOW_MATCHED if kind.matched_by else _WHO),
    )  # fmt: skip
    router.add_api_route(
        "/upsert", upsert_cards, methods=["POST"], response_model=UpsertedBatch,
        operation_id=operation(resource, "upsert"),
        summary=f"Write up to {MOST_ITEMS} {many} by their ids in another system", description=_HOW_SEVERAL,
    )  # fmt: skip
    return router


def shapes_of(kind: CardKind[R]) -> UpsertShapes[R]:
    """Give the models of one kind of card."""
    named = {name: foreign.field for name, foreign in kind.named.items()}
    return UpsertShapes(kind.resource, kind.update, ways=tuple(kind.matched_by), named=named)


def _match_on(asked: UpsertQuery | UpsertBatch) -> str | None:
    return getattr(asked, "match_on", None)


async def _read(request: Request, response: Response, ctx: Ctx, kind: CardKind[R], name: tuple[str, str]) -> R:
    source, external_id = name
    known = await find_reference(ctx, kind.column, source, external_id)
    if known is None or not ctx.principal.reach.is_unlimited:
        message = f"No {kind.resource.name} goes by {external_id} in {source}."
        raise NotFoundError(message)
    found = await crud.fetch(ctx, kind.resource, getattr(known, kind.column))
    if kind.resource.watch is not None:
        await kind.resource.watch(request, ctx, [found])
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
    about = {"outcome": pushed.outcome, "matched_on": pushed.matched_on, "card": pushed.card}
    return about | {"warnings": _warnings(pushed, "#")}


def _warnings(pushed: Pushed[Any], place: str) -> list[FieldWarning]:
    return [
        FieldWarning(pointer=f"{place}{each.pointer}", code=each.reason, detail=each.detail) for each in pushed.withheld
    ]


async def _write_batch(
    ctx: Ctx,
    kind: CardKind[Any],
    body: UpsertBatch,
    shape: TypeAdapter[UpsertItem],
    *,
    resources: Mapping[str, Resource[Any]],
) -> UpsertedBatch:
    check_reach(ctx)
    read = [_item(body, index, shape) for index in range(len(body.items))]
    async with undoable(ctx) if body.dry_run else nullcontext() as part:
        await lock_cards(ctx, kind, [push for push in read if isinstance(push, Push)])
        items = [
            await _write_item(ctx, kind, body, index, push, resources=resources) for index, push in enumerate(read)
        ]
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
        body.source, given.external_id, card.given(), _match_on(body), given.base_version, given.source_updated_at
    )


async def _write_item(
    ctx: Ctx,
    kind: CardKind[Any],
    body: UpsertBatch,
    index: int,
    push: Push | Refusal,
    *,
    resources: Mapping[str, Resource[Any]],
) -> UpsertedItem:
    about: dict[str, Any] = {"index": index, "id": None, "version": None, "matched_on": None, "problem": None}
    about["warnings"] = []
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
        if isinstance(refusal, UnknownReferenceError):
            await name_successor(ctx, resources.values(), refusal, {"items": body.items})
        problem = problem_of(refusal, request_id=ctx.request_id, instance=f"/v1/{kind.resource.plural}/upsert")
        return UpsertedItem.trusted(about | {"outcome": _OF_ITEM[refusal.kind], "problem": problem})
    card = pushed.card
    told = {"outcome": pushed.outcome, "id": card.id, "version": card.version, "matched_on": pushed.matched_on}
    told["warnings"] = _warnings(pushed, f"#/items/{index}/card")
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
