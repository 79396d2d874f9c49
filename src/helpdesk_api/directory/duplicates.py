"""Client cards that may be the same one twice: candidates, with what speaks for it, for people to judge.

The database keeps by which values cards may meet (`card_keys`): tax ids, domains, addresses, phones, and parts of the
name in one spelling for Cyrillic and Latin letters. Cards that share one are compared; nothing is merged by itself, and
what only looks alike is a candidate at most.
"""

import json
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Final, Generic, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Float, Integer, Uuid, any_, bindparam, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from helpdesk_api.directory.card_keys import card_keys
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.directory.upserting import check_reach
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.kit.unit_of_work import allowed

Reason = Literal["tax_id", "domain", "email", "phone", "address", "name"]
# How sure one is that two cards are the same when they share this; several together are surer than each.
_WEIGHTS: Final = {"tax_id": 0.95, "email": 0.9, "address": 0.85, "name": 0.8, "phone": 0.7, "domain": 0.6}
_LEAST_LIKE: Final = 0.45
# What more cards than this share tells of none of them that it is the same as another.
_MOST_SHARING: Final = 100
_MOST_CARDS: Final = 50
_CURSOR: Final = "duplicates"


class DuplicatesQuery(BaseModel):
    """Which cards to compare."""

    model_config = ConfigDict(extra="forbid")

    of: Annotated[
        UUID | None, Field(description="Compare this card with all others; absent: each with those before.")
    ] = None
    min_score: Annotated[float, Field(ge=0, le=1, description="Leave out candidates that are less likely.")] = 0.3
    limit: Annotated[int, Field(ge=1, le=_MOST_CARDS, description="How many cards to compare with the others.")] = 20
    cursor: Annotated[str | None, Field(max_length=500, description="`next_cursor` of the answer before.")] = None


class DuplicateReason(Output):
    """Something that speaks for two cards being one."""

    reason: Annotated[Reason, Field(description="What they share; of names: that they are alike.")]
    score: Annotated[float, Field(description="How sure one is by this alone, from 0 to 1.", examples=[0.95])]


class DuplicatePage(Output):
    """Where to go on."""

    next_cursor: Annotated[str | None, Field(description="Pass as `cursor`; null when every card was compared.")]


class Duplicate(Output):
    """Two cards that may be one."""

    score: Annotated[float, Field(description="How likely they are the same, by all reasons together.")]
    reasons: list[DuplicateReason]


class _Shapes(Generic[R]):
    """The models of one kind of card."""

    def __init__(self, resource: Resource[R]) -> None:
        title = resource.read.__name__
        card: Any = (resource.read, Field(description="The card that was compared."))
        other: Any = (resource.read, Field(description="The card that it may be the same as."))
        self.pair = create_model(
            f"{title}Duplicate",
            __base__=Duplicate,
            __doc__=f"Two {resource.plural} that may be one.",
            card=card,
            other=other,
        )
        data: Any = (list.__class_getitem__(self.pair), Field(description="The likeliest of each card first."))
        self.answer: type[Output] = create_model(
            f"{title}Duplicates",
            __base__=Output,
            __doc__=f"Which {resource.plural} may be the same.",
            data=data,
            page=(DuplicatePage, ...),
        )


@dataclass(frozen=True, slots=True)
class _Comparing:
    """The statements that give a page of cards, and the pairs of which each has one of given cards."""

    page: Statement
    pairs: Statement
    pairs_of_one: Statement


def _comparing(resource: Resource[Any], kinds: tuple[str, ...]) -> _Comparing:
    table = resource.table
    in_tenant = table.c.tenant_id == bindparam("tenant", type_=Uuid())
    page = (
        select(table.c.id)
        .where(in_tenant, table.c.id > bindparam("after", type_=Uuid()))
        .order_by(table.c.id)
        .limit(bindparam("page_limit", type_=Integer))
    )
    return _Comparing(Statement(page), _pairs(table, kinds, is_whole=False), _pairs(table, kinds, is_whole=True))


def _pairs(table: Any, kinds: tuple[str, ...], *, is_whole: bool) -> Statement:  # noqa: ANN401 - a table.
    """Find what cards share with others: of all others when whole, else of those that are older."""
    tenant = bindparam("tenant", type_=Uuid())
    mine, theirs = card_keys.alias("mine"), card_keys.alias("theirs")
    others = theirs.c.object_id != mine.c.object_id if is_whole else theirs.c.object_id < mine.c.object_id
    sharing = (
        select(theirs.c.object_id)
        .where(theirs.c.tenant_id == tenant, theirs.c.kind == mine.c.kind, theirs.c.value == mine.c.value, others)
        .order_by(theirs.c.object_id)
        .limit(_MOST_SHARING)
        .lateral("sharing")
    )
    shared = (
        select(
            mine.c.object_id.label("id"),
            sharing.c.object_id.label("other_id"),
            func.array_agg(aggregate_order_by(mine.c.kind.distinct(), mine.c.kind)).label("kinds"),
        )
        .select_from(mine.join(sharing, true()))
        .where(
            mine.c.tenant_id == tenant,
            mine.c.object_id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
            or_(*(mine.c.kind == kind for kind in kinds)),
        )
        .group_by(mine.c.object_id, sharing.c.object_id)
        .subquery("shared")
    )
    card, other = table.alias("card"), table.alias("other")
    alike = func.similarity(func.card_name_key(card.c.name), func.card_name_key(other.c.name), type_=Float())
    return Statement(
        select(*shared.c, alike.label("alike"))
        .select_from(
            shared.join(card, (card.c.tenant_id == tenant) & (card.c.id == shared.c.id)).join(
                other, (other.c.tenant_id == tenant) & (other.c.id == shared.c.other_id)
            )
        )
        .order_by(shared.c.id, shared.c.other_id)
    )


def duplicates_routes(resource: Resource[R], *kinds: str) -> ResourceRouter:
    """Make the endpoint that tells which cards of one kind may be the same; `kinds` are those of their keys."""
    router, shapes, comparing = ResourceRouter(resource), _Shapes(resource), _comparing(resource, kinds)
    one = resource.name

    async def list_duplicates(request: Request, query: DuplicatesQuery, ctx: Ctx) -> Output:
        ctx.principal.require(f"{resource.plural}:list")
        check_reach(ctx)
        runtime: Runtime = request.app.state.runtime
        compared, next_cursor = await _compared(ctx, runtime.signer, resource, comparing, query)
        statement = comparing.pairs_of_one if query.of is not None else comparing.pairs
        rows = await ctx.tx.rows(statement, {"tenant": ctx.tenant_id, "ids": compared})
        pairs = [(row, reasons) for row in rows if (reasons := _reasons(row)) and _score(reasons) >= query.min_score]
        ids = {key for row, _ in pairs for key in (row["id"], row["other_id"])}
        cards = await crud.fetch_many(ctx, resource, list(ids))
        if resource.watch is not None:
            await resource.watch(request, ctx, list(cards.values()))
        data = [
            shapes.pair.trusted({
                "score": _score(reasons), "reasons": reasons, "card": cards[row["id"]], "other": cards[row["other_id"]],
            })
            for row, reasons in sorted(pairs, key=lambda pair: (pair[0]["id"], -_score(pair[1])))
        ]  # fmt: skip
        return shapes.answer.trusted({"data": data, "page": DuplicatePage.trusted({"next_cursor": next_cursor})})

    list_duplicates.__annotations__ |= {
        "query": Annotated[DuplicatesQuery, Query()],
        "ctx": Annotated[Ctx, allowed(f"{resource.plural}:read")],
    }
    router.add_api_route(
        "/duplicates", list_duplicates, methods=["GET"], response_model=shapes.answer,
        operation_id=operation(resource, "list_duplicates"), summary=f"Find {resource.plural} that may be the same",
        description=(
            f"Tells which {resource.plural} may be one {one} twice, with the reasons and how much each weighs. With "
            "`of` one card is compared with all others. Without it, an answer compares the next `limit` cards, oldest "
            "first, each with those before it: each pair is told once, and there may be none in an answer with a "
            "`next_cursor`. Nothing is merged by itself. What more than 100 cards share is compared with the oldest "
            f"of them. Needs `{resource.plural}:list` too, and a caller who sees every client."
        ),
    )  # fmt: skip
    return router


async def _compared(
    ctx: Ctx, signer: Signer, resource: Resource[Any], comparing: _Comparing, query: DuplicatesQuery
) -> tuple[list[UUID], str | None]:
    """Give the cards to compare, and where to go on; raises NotFoundError for a card that is not there."""
    if query.of is not None:
        await crud.fetch(ctx, resource, query.of)
        return [query.of], None
    after = UUID(int=0) if query.cursor is None else _read_cursor(ctx, signer, resource, query.cursor)
    keys = {"tenant": ctx.tenant_id, "after": after, "page_limit": query.limit + 1}
    found = [row[0] for row in await ctx.tx.rows(comparing.page, keys)]
    page = found[: query.limit]
    return page, _write_cursor(ctx, signer, resource, page[-1]) if len(found) > query.limit else None


def _write_cursor(ctx: Ctx, signer: Signer, resource: Resource[Any], last: UUID) -> str:
    return signer.sign(_CURSOR, json.dumps([ctx.tenant_id.hex, resource.plural, last.hex]).encode())


def _read_cursor(ctx: Ctx, signer: Signer, resource: Resource[Any], cursor: str) -> UUID:
    payload = signer.verify(_CURSOR, cursor)
    *about, last = (None, None, "") if payload is None else json.loads(payload)
    if about != [ctx.tenant_id.hex, resource.plural]:
        message = "The cursor is not one of these duplicates, or is damaged; begin anew."
        raise CursorMismatchError(message, pointer="/cursor", location="query")
    return UUID(last)


def _reasons(row: Record) -> list[DuplicateReason]:
    """Give what speaks for it, the strongest first; nothing when only parts of the names are the same."""
    shared = [kind for kind in row["kinds"] if kind in _WEIGHTS]
    scores = {kind: _WEIGHTS[kind] for kind in shared}
    if row["alike"] >= _LEAST_LIKE:
        scores["name"] = round(_WEIGHTS["name"] * row["alike"], 2)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [DuplicateReason.trusted({"reason": reason, "score": score}) for reason, score in ranked]


def _score(reasons: list[DuplicateReason]) -> float:
    return round(1 - prod(1 - reason.score for reason in reasons), 2)


companies_router = duplicates_routes(COMPANIES, "tax_id", "domain", "company_name")
contacts_router = duplicates_routes(CONTACTS, "email", "phone", "contact_name")
locations_router = duplicates_routes(LOCATIONS, "address", "location_name")


def _example(resource: Resource[Any], reason: str, score: float) -> dict[str, Any]:
    times = {"created_at": "2026-11-23T09:00:00Z", "updated_at": "2026-11-23T09:30:00Z", "version": 4}
    card, other = (f"0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e{number}" for number in (11, 10))
    pair = {
        "score": score,
        "reasons": [{"reason": reason, "score": score}],
        "card": {"id": card, **times, **resource.example},
        "other": {"id": other, **times, **resource.example},
    }
    return {f"{resource.read.__name__}Duplicates": {"data": [pair], "page": {"next_cursor": None}}}


DUPLICATES_EXAMPLES: Final[dict[str, Any]] = {
    **_example(COMPANIES, "tax_id", _WEIGHTS["tax_id"]),
    **_example(CONTACTS, "email", _WEIGHTS["email"]),
    **_example(LOCATIONS, "address", _WEIGHTS["address"]),
}
