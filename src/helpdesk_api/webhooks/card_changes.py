"""What has become of client cards since somebody looked last: the last state of each, for who keeps a copy.

It is the event feed of one kind of card with the events of each card taken together, under the same rules: gap-free,
only what the caller may see, and 410 when what lies behind the cursor is no longer kept (`webhooks.feed`). Changes that
the caller has made with the same credential are left out unless they are asked for: two systems that tell each other
what they have been told would never end.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Generic, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model
from sqlalchemy import BigInteger, ColumnElement, any_, func, literal
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import Position, Xid8, commit_order, events
from helpdesk_api.kit.listing import Limit
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.webhooks.event_visibility import seen_events
from helpdesk_api.webhooks.events_feed import FeedPage
from helpdesk_api.webhooks.feed import cursor_of, own_left_out, position_of, read_after
from helpdesk_api.webhooks.messages import Actor

_CURSOR: Final = "eyJleGFtcGxlIjp0cnVlfQ.c2lnbmF0dXJl"
_CARD: Final = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10"


class ChangesQuery(BaseModel):
    """Where to go on."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        str | None,
        Field(max_length=500, description="`next_cursor` of an earlier answer, or `end`; absent: from the beginning."),
    ] = None
    until: Annotated[
        str | None,
        Field(max_length=500, description="Stop at this place, such as the `cursor` of a checksum."),
    ] = None
    limit: Limit = 50
    include_own: Annotated[bool, Field(description="Tell also what was changed with the credential of the caller.")] = (
        False
    )


class CardChange(Output):
    """What has become of a card."""

    type: Annotated[
        Literal["upserted", "deleted", "merged", "restored"],
        Field(
            description=(
                "Whether it is there, new or changed; was deleted; was merged into another card, which its id leads to "
                "and what pointed at it points at; or is there again, because the merge was undone."
            )
        ),
    ]
    id: UUID
    merged_into: Annotated[UUID | None, Field(description="The card that stands for it, if it was merged.")]
    version: Annotated[int, Field(description="The version of the card at this place of the feed.")]
    actor: Annotated[Actor, Field(description="Who changed it last.")]
    occurred_at: AwareDatetime


class _Shapes(Generic[R]):
    """The models of one kind of card."""

    def __init__(self, resource: Resource[R]) -> None:
        title, one = resource.read.__name__, resource.name
        told: Any = (
            resource.read | None,
            Field(description="The card as it is by now, which may be newer; null when it is gone by now."),
        )
        change: Any = create_model(
            f"{title}Change", __base__=CardChange, __doc__=f"What has become of a {one}.", card=told
        )
        self.change: type[CardChange] = change
        data: Any = (
            list.__class_getitem__(change),
            Field(description="Each card once, in the order of the last change."),
        )
        self.changes: type[Output] = create_model(
            f"{title}Changes",
            __base__=Output,
            __doc__=f"What has become of {resource.plural} since the cursor.",
            data=data,
            page=(FeedPage, ...),
        )


def changes_routes(resource: Resource[R]) -> ResourceRouter:
    """Make the endpoint that tells what has become of one kind of card."""
    router, shapes = ResourceRouter(resource), _Shapes(resource)

    async def list_changes(request: Request, query: ChangesQuery, ctx: Ctx) -> Output:
        return await _answered(request, ctx, resource, shapes, query)

    list_changes.__annotations__ |= {
        "query": Annotated[ChangesQuery, Query()],
        "ctx": Annotated[Ctx, allowed(f"{resource.plural}:read")],
    }
    router.add_api_route(
        "/changes", list_changes, methods=["GET"], response_model=shapes.changes,
        operation_id=operation(resource, "list_changes"), summary=f"Follow the changes of {resource.plural}",
        description=(
            "Tells what has become of each card since `after`: its last state once, however often it was changed. "
            "Follow it with `next_cursor`, which is always given: nothing is left out, also while others write. "
            "Changes made with the credential of the caller are left out unless `include_own`. To begin: take the "
            "cursor of `after=end`, page through the list, then follow from that cursor; a 410 says to begin again. "
            f"With `include_own`, `until` and `GET /v1/events/checksum?collection={resource.plural}` a copy is proven "
            f"to be complete. Needs `{resource.plural}:list` too."
        ),
    )  # fmt: skip
    return router


async def _answered(
    request: Request, ctx: Ctx, resource: Resource[R], shapes: _Shapes[R], query: ChangesQuery
) -> Output:
    ctx.principal.require(f"{resource.plural}:list")
    runtime: Runtime = request.app.state.runtime
    signer = runtime.signer
    start = position_of(signer, ctx.tenant_id, query.after)
    until = None if query.until is None else position_of(signer, ctx.tenant_id, query.until, parameter="until")
    conditions: list[ColumnElement[bool]] = [_changed(resource), *seen_events(ctx, runtime.resources)]
    if not query.include_own:
        conditions += own_left_out(ctx.principal)
    if until is not None:
        conditions.append(
            func.row(*commit_order()) <= func.row(literal(until.xid, Xid8), literal(until.seq, BigInteger))
        )
    rows, end, has_more, kept_since = await read_after(ctx, signer, start, conditions, query.limit)
    page = {"next_cursor": cursor_of(signer, ctx.tenant_id, _not_beyond(end, until)), "has_more": has_more}
    data = await _coalesced(request, ctx, resource, shapes, rows)
    return shapes.changes.trusted({"data": data, "page": FeedPage.trusted(page | {"kept_since": kept_since})})


def _changed(resource: Resource[Any]) -> ColumnElement[bool]:
    """Give the condition for events that change a card; others, such as that somebody has read it, are not told."""
    kinds = [f"{resource.name}.{verb}" for verb in ("created", "updated", "deleted", "restored")]
    return events.c.type == any_(literal(kinds, ARRAY(events.c.type.type)))


def _not_beyond(end: Position, until: Position | None) -> Position:
    return end if until is None else min(end, until)


async def _coalesced(
    request: Request, ctx: Ctx, resource: Resource[R], shapes: _Shapes[R], rows: Sequence[Record]
) -> list[CardChange]:
    """Take the events of each card together."""
    last: dict[UUID, Record] = {}
    for row in rows:
        last.pop(row["object_id"], None)
        last[row["object_id"]] = row
    deleted = {key for key, row in last.items() if row["type"] == f"{resource.name}.deleted"}
    cards = await crud.fetch_many(ctx, resource, [key for key in last if key not in deleted])
    if resource.watch is not None:
        await resource.watch(request, ctx, list(cards.values()))
    return [
        shapes.change.trusted({
            "type": _become(resource, row),
            "id": key,
            "merged_into": _winner(row) if key in deleted else None,
            "version": row["object_version"],
            "actor": Actor.trusted({"type": row["actor_type"], "id": row["actor_id"]}),
            "occurred_at": row["occurred_at"],
            "card": cards.get(key),
        })
        for key, row in last.items()
    ]  # fmt: skip


def _winner(row: Record) -> UUID | None:
    """Give the card that stands for a deleted one, if it was merged."""
    winner_id = row["data"].get("merged_into")
    return None if winner_id is None else UUID(winner_id)


def _become(resource: Resource[Any], row: Record) -> str:
    if row["type"] == f"{resource.name}.deleted":
        return "deleted" if _winner(row) is None else "merged"
    return "restored" if row["type"] == f"{resource.name}.restored" else "upserted"


_KINDS: Final[tuple[Resource[Any], ...]] = (COMPANIES, CONTACTS, LOCATIONS)
routers: Final = tuple(changes_routes(resource) for resource in _KINDS)


def _examples(resource: Resource[Any]) -> dict[str, Any]:
    times = {"created_at": "2026-11-23T09:00:00Z", "updated_at": "2026-11-23T09:30:00Z", "version": 4}
    change = {
        "type": "upserted",
        "id": _CARD,
        "merged_into": None,
        "version": 4,
        "actor": {"type": "api_key", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01"},
        "occurred_at": "2026-11-23T09:30:00Z",
        "card": {"id": _CARD, **times, **resource.example},
    }
    page = {"next_cursor": _CURSOR, "has_more": False, "kept_since": None}
    return {f"{resource.read.__name__}Changes": {"data": [change], "page": page}}


CHANGES_EXAMPLES: Final[dict[str, Any]] = {
    name: example for resource in _KINDS for name, example in _examples(resource).items()
}
