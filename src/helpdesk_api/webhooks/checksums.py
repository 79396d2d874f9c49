"""Checksums of collections: how a client proves that the copy it keeps by the feed is complete.

A checksum belongs to a cursor: it is that of the objects as the events up to there have left them. What was changed by
transactions that have committed but are not told yet is taken back, from the last event that is told, so the sum is
exact however much is being written. It is one statement and one scan.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, Select, Text, and_, cast, exists, func, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import BIT, distinct_on

from helpdesk_api.domain.errors import InvalidError, UnavailableError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import events, is_settled
from helpdesk_api.kit.following import before
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.visibility import seen_rows
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.feed import cursor_of

_HALF_BITS: Final = 64
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.1


class UnknownCollectionError(InvalidError):
    """No collection of this name is told by the feed."""

    code = "unknown_collection"
    title = "There is no such collection"


class UndecidedChecksumError(UnavailableError):
    """An object is being changed whose former state the feed has not kept; a moment later it has settled."""

    code = "checksum_undecided"
    title = "The checksum cannot be told just now"


class ChecksumQuery(BaseModel):
    """Of what."""

    model_config = ConfigDict(extra="forbid")

    collection: Annotated[
        str, Field(max_length=60, description="The collection by its path, such as `tickets` or `sla-policies`.")
    ]


class Checksum(Output):
    """The checksum of a collection at a place of the feed."""

    collection: Annotated[str, Field(examples=["tickets"])]
    object_count: Annotated[int, Field(description="How many objects there are.")]
    checksum: Annotated[
        str,
        Field(
            description=(
                "Hexadecimal: over all objects, the first 16 bytes of the SHA-256 of `{id}:{version}`, combined by "
                "XOR. The id is written in lower case with hyphens. 32 zeros when there are none."
            ),
            examples=["5d1f0c9e0ab34f6e8c0b7d3a91f2e4c6"],
        ),
    ]
    cursor: Annotated[
        str, Field(description="The place of the feed that it belongs to: follow the feed up to there, then compare.")
    ]


router = APIRouter(prefix="/v1", tags=["events"], route_class=UnitOfWorkRoute)


@router.get(
    "/events/checksum",
    operation_id="events_checksum",
    summary="Get the checksum of a collection",
    description=(
        "Tells how many objects of a collection there are and the checksum over their ids and versions, exactly as "
        "the events before `cursor` have left them; whoever keeps a copy by the feed can prove that it is complete. "
        "Counted are the objects that the caller sees. Needs the permissions to read and to list the collection too."
    ),
)
async def get_checksum(
    request: Request, query: Annotated[ChecksumQuery, Query()], ctx: Annotated[Ctx, allowed("events:read")]
) -> Checksum:
    """Compute a checksum."""
    runtime: Runtime = request.app.state.runtime
    resource = _told_by_feed(runtime.resources, query.collection)
    ctx.principal.require(f"{resource.plural}:read")
    if resource.guards_lists:
        ctx.principal.require(f"{resource.plural}:list")
    statement = _statement(ctx, resource)
    for _ in range(_ATTEMPTS):
        row = await ctx.tx.row(statement, ctx.principal.reach.values)
        if row is not None and not row["undecided_count"]:
            return Checksum(
                collection=resource.plural,
                object_count=row["object_count"],
                checksum=_hexadecimal(row["high"]) + _hexadecimal(row["low"]),
                cursor=cursor_of(runtime.signer, ctx.tenant_id, before(row["settled_below"])),
            )
        await asyncio.sleep(_PAUSE_SECONDS)
    message = "An object is being changed whose former state is not in the feed any more; ask again in a moment."
    raise UndecidedChecksumError(message)


def _told_by_feed(resources: Mapping[str, Resource[Any]], collection: str) -> Resource[Any]:
    for resource in resources.values():
        if resource.plural == collection and f"{resource.name}.created" in EVENT_TYPES:
            return resource
    message = f"The feed tells of no collection {collection!r}; its objects are those with an event `….created`."
    raise UnknownCollectionError(message, pointer="/collection", location="query")


def _statement(ctx: Ctx, resource: Resource[Any]) -> Select[Any]:
    table, tenant = resource.table, events.c.tenant_id == ctx.tenant_id
    seen = and_(table.c.tenant_id == ctx.tenant_id, *seen_rows(resource.rows, ctx.principal.reach.kind))
    of_type = and_(tenant, events.c.object_type == resource.name)
    # Objects with events that are committed and not told yet, each with the first of these.
    unsettled = (
        select(events.c.object_id, events.c.type.label("first_type"))
        .ext(distinct_on(events.c.object_id))
        .where(of_type, ~is_settled())
        .order_by(events.c.object_id, events.c.xid, events.c.seq)
        .cte("unsettled")
    )
    last = (
        select(events.c.type, events.c.object_version)
        .where(of_type, events.c.object_id == unsettled.c.object_id, is_settled())
        .order_by(events.c.xid.desc(), events.c.seq.desc())
        .limit(1)
        .lateral("last_told")
    )
    taken_back = (
        select(
            unsettled.c.object_id.label("id"),
            last.c.object_version.label("version"),
            last.c.type,
            (last.c.type.is_(None) & (unsettled.c.first_type != f"{resource.name}.created")).label("is_undecided"),
        )
        .select_from(unsettled.outerjoin(last, true()))
        .cte("taken_back")
    )
    was_there = and_(taken_back.c.type.is_not(None), taken_back.c.type != f"{resource.name}.deleted")
    if not ctx.principal.reach.is_unlimited:
        was_there = and_(was_there, exists().where(table.c.id == taken_back.c.id, seen))
    copies = union_all(
        select(table.c.id, table.c.version).where(seen, ~exists().where(unsettled.c.object_id == table.c.id)),
        select(taken_back.c.id, taken_back.c.version).where(was_there),
    ).subquery("copies")
    digest = func.sha256(func.convert_to(cast(copies.c.id, Text) + literal(":") + cast(copies.c.version, Text), "UTF8"))
    sums = (
        select(func.count().label("object_count"), _half(digest, 1).label("high"), _half(digest, 9).label("low"))
        .select_from(copies)
        .subquery("sums")
    )
    undecided = select(func.count()).where(taken_back.c.is_undecided).scalar_subquery()
    return select(
        func.pg_snapshot_xmin(func.pg_current_snapshot()).label("settled_below"),
        undecided.label("undecided_count"),
        *sums.c,
    )


def _half(digest: Any, first_byte: int) -> Any:  # noqa: ANN401 - expressions of functions that SQLAlchemy does not type.
    """Combine eight bytes of all digests by XOR."""
    text = literal("x") + func.encode(func.substr(digest, first_byte, 8), "hex")
    return func.coalesce(func.bit_xor(cast(cast(text, BIT(_HALF_BITS)), BigInteger)), 0)


def _hexadecimal(half: int) -> str:
    return f"{half % 2**_HALF_BITS:016x}"
