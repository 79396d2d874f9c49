"""Writing client cards by the ids of another system: created when they are new, changed where they differ, else left.

A write that changes nothing does nothing: no version, no event, so two systems that echo each other fall silent after
one round. Cards are matched by what they hold only when that is asked for, and never by guessing between several. Two
writers of the same card wait for each other, so the same card pushed twice at once is created once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Literal
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy import Column, ColumnElement, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.directory.crm.disagreeing import note_conflicts
from helpdesk_api.directory.crm.fields import CARD_COLUMNS as OWNED
from helpdesk_api.directory.crm.fields import Card, folded
from helpdesk_api.directory.crm.ownership import Settled, Withheld, Writer, settle, settle_new
from helpdesk_api.directory.crm.provenance import Written, note
from helpdesk_api.directory.external_references import (
    CARD_COLUMNS,
    EXTERNAL_REFERENCES,
    CardColumn,
    ExternalReference,
    find_reference,
    linked_cards,
)
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit import crud
from helpdesk_api.kit.checked_changes import Check, Follow, create
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.sql import Statement, as_held, holds_any
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.validation import invalid_request
from helpdesk_api.kit.visibility import check_fields

_MOST_CANDIDATES = 10
_names = select(func.unnest(bindparam("names", type_=ARRAY(Text))).label("name")).subquery()
_keys = select(func.hashtextextended(_names.c.name, 0).label("key")).distinct().order_by("key").subquery()
# In one order for everybody, so that two writers of the same cards never wait for each other in a ring.
_LOCK = Statement(select(func.pg_advisory_xact_lock(_keys.c.key)))


class StaleSourceError(ConflictError):
    """A newer state of the card has already come from this system."""

    code = "stale_source"
    title = "A newer state of the card is known"


class SeveralMatchesError(ConflictError):
    """More than one card matches; which of them is meant, only a person can tell."""

    code = "several_matches"
    title = "More than one card matches"


class AlreadyLinkedError(ConflictError):
    """The card that matches goes by another id of this system already."""

    code = "already_linked"
    title = "The card goes by another id of this system"


async def _as_given(ctx: Ctx, given: dict[str, Any], before: object) -> dict[str, Any]:
    del ctx, before
    return given


@dataclass(frozen=True, slots=True)
class ForeignId:
    """A member of a pushed card that takes an id of the other system: the field it stands for, and the kind of card."""

    field: str
    column: CardColumn


@dataclass(frozen=True, eq=False)
class CardKind(Generic[R]):
    """What may be written by reference: its resource, the models of a new one and of a change, how it is recognised.

    `column` is that of the reference that points at it; `matched_by` names the list of values for each way to match;
    `named` are the members that take ids of the other system in place of ours.
    """

    resource: Resource[R]
    column: CardColumn
    create: type[Input]
    update: type[Input]
    matched_by: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, ForeignId] = field(default_factory=dict)
    check: Check[R] = _as_given
    follow: Follow[R] | None = None

    @cached_property
    def matching(self) -> Mapping[str, Statement]:
        """Give the statement that finds cards, for each way to match."""
        return {way: self._matching(self.resource.table.c[name]) for way, name in self.matched_by.items()}

    @cached_property
    def held(self) -> Mapping[str, Statement]:
        """Give the statement that tells which values cards hold, of those with any of some values, for each way."""
        columns = ((way, self.resource.table.c[name]) for way, name in self.matched_by.items())
        return {way: Statement(select(column).where(*self._holding(column))) for way, column in columns}

    def _matching(self, column: Column[Any]) -> Statement:
        table = self.resource.table
        found = select(table.c.id).where(*self._holding(column))
        return Statement(found.order_by(table.c.id).limit(_MOST_CANDIDATES + 1))

    def _holding(self, column: Column[Any]) -> tuple[ColumnElement[bool], ...]:
        if isinstance(column.type, JSONB):
            shares = holds_any(column, "values")
        else:
            shares = column.overlap(bindparam("values", type_=ARRAY(Text)))
        return self.resource.table.c.tenant_id == bindparam("tenant"), shares


@dataclass(frozen=True, slots=True)
class Push:
    """One card as another system has it. `given` holds the fields that were sent, by name; the others stay."""

    source: str
    external_id: str
    given: dict[str, Any]
    match_on: str | None = None
    base_version: int | None = None
    source_updated_at: datetime | None = None

    @property
    def writer(self) -> Writer:
        """Say who writes."""
        return Writer(self.source, self.source_updated_at)


@dataclass(frozen=True, slots=True)
class Pushed(Generic[R]):
    """What became of it."""

    outcome: Literal["created", "updated", "unchanged"]
    card: R
    matched_on: str | None = field(default=None)
    withheld: tuple[Withheld, ...] = ()


def check_reach(ctx: Ctx) -> None:
    """Raise ReachTooNarrowError for who does not see every client: what is taken would tell of the others."""
    if not ctx.principal.reach.is_unlimited:
        message = "Cards are written by reference only by who sees every client."
        raise ReachTooNarrowError(message)


async def lock_cards(ctx: Ctx, kind: CardKind[R], pushes: Sequence[Push]) -> None:
    """Wait for others who write, or are about to create, the same cards."""
    names = []
    for push in pushes:
        owner = f"{ctx.tenant_id} {kind.column}"
        names.append(f"reference {owner} {push.source} {push.external_id}")
        if push.match_on is not None:
            names += [f"match {owner} {push.match_on} {value}" for value in _values(kind, push)]
    await ctx.tx.rows(_LOCK, {"names": names})


async def upsert(ctx: Ctx, kind: CardKind[R], push: Push) -> Pushed[R]:
    """Write one card; the caller has locked it.

    Raises StaleSourceError, SeveralMatchesError, AlreadyLinkedError, StaleVersionError, FieldNotAllowedError,
    InvalidError for a new card that lacks what it must have, and what the card's own checks raise.
    """
    given = await _resolved(ctx, kind, push)
    known = await find_reference(ctx, kind.column, push.source, push.external_id, is_locked=True)
    if known is not None:
        await _note_source_time(ctx, known, push)
        return await _change(ctx, kind, getattr(known, kind.column), given, push)
    matched = await _match(ctx, kind, push)
    if matched is not None:
        await _link(ctx, kind, push, matched)
        return await _change(ctx, kind, matched, given, push, matched_on=push.match_on)
    settled = await _settled_new(ctx, kind, given, push)
    values = new_values(ctx, kind, settled.given)
    created = await create(ctx, kind.resource, values, check=kind.check, follow=kind.follow)
    await _link(ctx, kind, push, created.id)
    await _note(ctx, kind, created, settled, push)
    return Pushed("created", created, withheld=settled.withheld)


async def _resolved(ctx: Ctx, kind: CardKind[R], push: Push) -> dict[str, Any]:
    """Put what goes by an id of the same system in the place of that id."""
    given = dict(push.given)
    for name, foreign in kind.named.items():
        external_id = given.pop(name, None)
        if external_id is None:
            continue
        known = await find_reference(ctx, foreign.column, push.source, external_id)
        if known is None:
            one = foreign.column.removesuffix("_id")
            message = f"No {one} goes by {external_id} in {push.source}; push it first."
            raise UnknownReferenceError(message, pointer=f"/{name}")
        given[foreign.field] = getattr(known, foreign.column)
    return given


async def _note_source_time(ctx: Ctx, known: ExternalReference, push: Push) -> None:
    newer, current = push.source_updated_at, known.source_updated_at
    if newer is None or newer == current:
        return
    if current is not None and newer < current:
        message = f"The card as it was at {current.isoformat()} is known; {newer.isoformat()} is older."
        raise StaleSourceError(message, params={"known": current.isoformat()})
    # How far the other system is known is no news of the card: no event tells of it.
    await crud.store_changes(ctx, EXTERNAL_REFERENCES, known, {"source_updated_at": newer})


async def _match(ctx: Ctx, kind: CardKind[R], push: Push) -> UUID | None:
    values = _values(kind, push)
    if push.match_on is None or not values:
        return None
    wanted = as_held(values) if isinstance(values[0], Mapping) else values
    rows = await ctx.tx.rows(kind.matching[push.match_on], {"tenant": ctx.tenant_id, "values": wanted})
    found = [row[0] for row in rows]
    if not found:
        return None
    candidates = {"candidates": " ".join(map(str, found[:_MOST_CANDIDATES])), "match_on": push.match_on}
    if len(found) > 1:
        message = f"Several cards match by {push.match_on}; link the right one by POST /v1/external-references."
        raise SeveralMatchesError(message, params=candidates)
    if await linked_cards(ctx, kind.column, push.source, found):
        message = f"The card {found[0]} matches by {push.match_on}, and goes by another id of {push.source}."
        raise AlreadyLinkedError(message, params=candidates)
    matched: UUID = found[0]
    return matched


def _values(kind: CardKind[R], push: Push) -> list[Any]:
    return [] if push.match_on is None else push.given.get(kind.matched_by[push.match_on]) or []


async def _link(ctx: Ctx, kind: CardKind[R], push: Push, card_id: UUID) -> None:
    reference: dict[str, Any] = {**dict.fromkeys(CARD_COLUMNS), kind.column: card_id}
    reference |= {"source": push.source, "external_id": push.external_id, "source_updated_at": push.source_updated_at}
    await crud.add(ctx, EXTERNAL_REFERENCES, reference)


def new_values(ctx: Ctx, kind: CardKind[R], given: dict[str, Any]) -> dict[str, Any]:
    """Give the values of a new card; raises FieldNotAllowedError, and InvalidError when it lacks what it must have."""
    groups = kind.resource.groups
    check_fields(groups, ctx.principal.field_groups, {name: name for name in given}, creating=True)
    try:
        return kind.create.model_validate(given).model_dump()
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        lacking = RequestValidationError([{**place, "loc": ("body", *place["loc"])} for place in places])
        raise invalid_request(lacking) from None


async def _change(
    ctx: Ctx, kind: CardKind[R], card_id: UUID, given: dict[str, Any], push: Push, *, matched_on: str | None = None
) -> Pushed[R]:
    resource = kind.resource
    before = await crud.fetch_locked(ctx, resource, card_id)
    check_fields(resource.groups, ctx.principal.field_groups, {name: name for name in given})
    crud.difference(resource, before, given)
    settled = await _settled(ctx, kind, before, given, push)
    given = settled.given
    differing = {name: value for name, value in given.items() if folded(getattr(before, name)) != folded(value)}
    changes = await kind.check(ctx, differing, before) if differing else {}
    after = await crud.amend(ctx, resource, card_id, changes, expected=push.base_version)
    if kind.follow is not None and differing:
        await kind.follow(ctx, changes, before, after)
    await _note(ctx, kind, after, settled, push)
    return Pushed("unchanged" if after.version == before.version else "updated", after, matched_on, settled.withheld)


async def _settled(ctx: Ctx, kind: CardKind[R], before: R, given: dict[str, Any], push: Push) -> Settled:
    plural = kind.resource.plural
    if plural not in OWNED:
        return Settled(given)
    return await settle(ctx, Card(plural, before.id), before, given, push.writer)


async def _settled_new(ctx: Ctx, kind: CardKind[R], given: dict[str, Any], push: Push) -> Settled:
    plural = kind.resource.plural
    if plural not in OWNED:
        return Settled(given)
    needed = frozenset(name for name, info in kind.create.model_fields.items() if info.is_required())
    return await settle_new(ctx, plural, given, push.source, needed=needed)


async def _note(ctx: Ctx, kind: CardKind[R], after: R, settled: Settled, push: Push) -> None:
    if settled.noted or settled.guarded:
        card, at = Card(kind.resource.plural, after.id), push.source_updated_at or ctx.now
        await note(ctx, card, settled.noted, Written(push.source, at), version=after.version)
        await note_conflicts(ctx, card, settled, push.writer)
