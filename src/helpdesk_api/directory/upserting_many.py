"""Writing many client cards at once, as an import does: to the same effect as one by one, by a few statements.

All that the cards of a batch need to know is read together, what is new or differs is stored together, and what is not
plain - a card that a declared source knows, that matches one here, or that the batch names twice - is written one by
one, by the very functions of single cards. So is everything of a batch of which the database refuses a part.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.crm.fields import folded
from helpdesk_api.directory.crm.models import crm_sources
from helpdesk_api.directory.crm.ownership import Withheld, guarded, noted
from helpdesk_api.directory.custom_fields.definitions import definitions_read_once
from helpdesk_api.directory.external_references import CARD_COLUMNS, EXTERNAL_REFERENCES, CardColumn
from helpdesk_api.directory.external_references import external_references as references
from helpdesk_api.directory.upserting import CardKind, Push, lock_cards, new_values, upsert
from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.checked_changes import change, create
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.crud_many import add_many, amend_many, fetch_locked_many
from helpdesk_api.kit.resource import R
from helpdesk_api.kit.sql import Statement, as_held
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.visibility import check_fields

# Refusals that are of one card; others, such as a database that is away, are of the whole batch.
_OF_CARD: Final = frozenset(
    {Kind.CONFLICT, Kind.PRECONDITION_FAILED, Kind.NOT_FOUND, Kind.INVALID, Kind.FORBIDDEN, Kind.TOO_LARGE}
)
_SOURCES: Final = Statement(
    select(crm_sources.c.id).where(crm_sources.c.tenant_id == bindparam("tenant", type_=Uuid)).limit(1)
)


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """A card of no other system, by its id here, or a new one."""

    given: dict[str, Any]
    card_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one card."""

    outcome: str
    card_id: UUID | None = None
    withheld: tuple[Withheld, ...] = ()
    refusal: Refusal | None = None


Write = Push | OwnWrite


@dataclass(slots=True)
class _Batch(Generic[R]):
    """The cards of one batch, and what is known of them."""

    ctx: Ctx
    kind: CardKind[R]
    writes: Sequence[Write]
    done: dict[int, Written] = field(default_factory=dict)

    async def slowly(self, indices: Sequence[int]) -> None:
        """Write cards one by one."""
        for index in indices:
            try:
                async with undoable(self.ctx):
                    self.done[index] = await _write(self.ctx, self.kind, self.writes[index])
            except Refusal as refusal:
                self.refuse(index, refusal)

    def refuse(self, index: int, refusal: Refusal) -> None:
        if refusal.kind not in _OF_CARD:
            raise refusal
        self.done[index] = Written("failed", refusal=refusal)


async def write_many(ctx: Ctx, kind: CardKind[R], writes: Sequence[Write]) -> list[Written]:
    """Write cards of one kind, all of one source or all of none; gives what became of each, in order."""
    batch = _Batch(ctx, kind, writes)
    async with definitions_read_once(ctx, kind.resource.plural):
        await lock_cards(ctx, kind, [each for each in writes if isinstance(each, Push)])
        plain, slow = await _sorted(batch)
        try:
            async with undoable(ctx):
                slow += await _write_plain(batch, plain)
        except Refusal as refusal:
            if refusal.kind not in _OF_CARD:
                raise
            # The database does not tell which of them it means.
            batch.done = {index: done for index, done in batch.done.items() if index not in plain}
            slow += list(plain)
        await batch.slowly(sorted(slow))
    return [batch.done[index] for index in range(len(writes))]


async def _write(ctx: Ctx, kind: CardKind[R], write: Write) -> Written:
    """Write one card as its own endpoint does."""
    if isinstance(write, Push):
        pushed = await upsert(ctx, kind, write)
        return Written(pushed.outcome, pushed.card.id, pushed.withheld)
    resource = kind.resource
    if write.card_id is None:
        created = await create(ctx, resource, new_values(ctx, kind, write.given), check=kind.check, follow=kind.follow)
        return Written("created", created.id)
    before = await crud.fetch_locked(ctx, resource, write.card_id)
    check_fields(resource.groups, ctx.principal.field_groups, {name: name for name in write.given})
    check = guarded(resource, kind.check)
    after = await change(ctx, resource, write.card_id, write.given, check=check, follow=noted(resource))
    return Written("unchanged" if after.version == before.version else "updated", after.id)


async def _sorted(batch: _Batch[R]) -> tuple[dict[int, UUID | None], list[int]]:
    """Tell which cards can be written together, each with its id here if it is known, and which one by one."""
    ctx, kind, writes = batch.ctx, batch.kind, batch.writes
    everything = list(range(len(writes)))
    if kind.follow is not None or await ctx.tx.value(_SOURCES, {"tenant": ctx.tenant_id}) is not None:
        return {}, everything
    names = [write.external_id if isinstance(write, Push) else write.card_id for write in writes]
    seen = Counter(name for name in names if name is not None)
    pushes = [write for write in writes if isinstance(write, Push)]
    known = await _known(ctx, kind.column, pushes[0].source, [push.external_id for push in pushes]) if pushes else {}
    taken = await _taken(ctx, kind, [push for push in pushes if push.external_id not in known])
    plain: dict[int, UUID | None] = {}
    for index, write in enumerate(writes):
        name = names[index]
        if name is not None and seen[name] > 1:
            continue
        if isinstance(write, OwnWrite):
            plain[index] = write.card_id
        elif write.source_updated_at is None and write.base_version is None:
            card_id = known.get(write.external_id)
            if card_id is not None or not taken & _match_keys(kind, write):
                plain[index] = card_id
    return plain, [index for index in everything if index not in plain]


async def _known(ctx: Ctx, column: CardColumn, source: str, ids: Sequence[str]) -> dict[str, UUID]:
    """Give the cards that go by ids of a source."""
    rows = await ctx.tx.rows(_KNOWN[column], {"tenant": ctx.tenant_id, "source": source, "ids": list(set(ids))})
    return {row[0]: row[1] for row in rows}


def _known_by(column: CardColumn) -> Statement:
    ids = bindparam("ids", type_=ARRAY(Text))
    found = select(references.c.external_id, references.c[column]).where(
        references.c.tenant_id == bindparam("tenant", type_=Uuid),
        references.c.source == bindparam("source", type_=Text),
        references.c.external_id == func.any(ids),
        references.c[column].is_not(None),
    )
    return Statement(found.order_by(references.c.external_id).with_for_update())


_KNOWN: Final = {column: _known_by(column) for column in CARD_COLUMNS}


async def _taken(ctx: Ctx, kind: CardKind[R], unknown: Sequence[Push]) -> set[str]:
    """Give the values to match by that a card here holds, or several cards of the batch."""
    counted = Counter(key for push in unknown for key in _match_keys(kind, push))
    taken = {key for key, count in counted.items() if count > 1}
    for way in {push.match_on for push in unknown if push.match_on is not None}:
        values = [each for push in unknown if push.match_on == way for each in _match_values(kind, push)]
        if values:
            wanted = as_held(values) if isinstance(values[0], Mapping) else values
            rows = await ctx.tx.rows(kind.held[way], {"tenant": ctx.tenant_id, "values": wanted})
            taken |= {_key(way, each) for row in rows for each in row[0]}
    return taken


def _match_values(kind: CardKind[R], push: Push) -> list[Any]:
    return [] if push.match_on is None else push.given.get(kind.matched_by[push.match_on]) or []


def _match_keys(kind: CardKind[R], push: Push) -> set[str]:
    return {_key(push.match_on or "", each) for each in _match_values(kind, push)}


def _key(way: str, value: object) -> str:
    return f"{way} {json.dumps(value, sort_keys=True)}"


async def _write_plain(batch: _Batch[R], plain: Mapping[int, UUID | None]) -> list[int]:
    """Write cards together; gives those that have to be written one by one after all."""
    ctx, kind = batch.ctx, batch.kind
    resource = kind.resource
    given, slow = await _resolved(batch, list(plain))
    held = await fetch_locked_many(ctx, resource, [each for each in plain.values() if each is not None])
    new: dict[int, dict[str, Any]] = {}
    changed: dict[int, tuple[R, Any]] = {}
    for index in given:
        card_id = plain[index]
        try:
            if card_id is None:
                new[index] = await kind.check(ctx, new_values(ctx, kind, given[index]), None)
            elif card_id in held:
                before = held[card_id]
                effective = await _effective(ctx, kind, before, given[index])
                if effective:
                    changed[index] = (before, effective)
                else:
                    batch.done[index] = Written("unchanged", card_id)
            else:
                slow.append(index)
        except Refusal as refusal:
            batch.refuse(index, refusal)
    missing = await _missing(ctx, kind, new | {index: _news(effective) for index, (_, effective) in changed.items()})
    slow += sorted(missing)
    new = {index: values for index, values in new.items() if index not in missing}
    changed = {index: each for index, each in changed.items() if index not in missing}
    created = await add_many(ctx, resource, list(new.values()))
    await _refer(batch, list(zip(new, [card.id for card in created], strict=True)))
    await amend_many(ctx, resource, list(changed.values()))
    batch.done |= {index: Written("created", card.id) for index, card in zip(new, created, strict=True)}
    batch.done |= {index: Written("updated", before.id) for index, (before, _) in changed.items()}
    return slow


async def _resolved(batch: _Batch[R], indices: Sequence[int]) -> tuple[dict[int, dict[str, Any]], list[int]]:
    """Put what goes by ids of the same system in the place of those ids; gives also the cards where one is unknown."""
    given = {index: dict(batch.writes[index].given) for index in indices}
    unknown: set[int] = set()
    for name, foreign in batch.kind.named.items():
        asked = {index: values.pop(name) for index, values in given.items() if values.get(name) is not None}
        for values in given.values():
            values.pop(name, None)
        if not asked:
            continue
        first = batch.writes[next(iter(asked))]
        source = first.source if isinstance(first, Push) else ""
        known = await _known(batch.ctx, foreign.column, source, list(asked.values()))
        for index, external_id in asked.items():
            if external_id in known:
                given[index][foreign.field] = known[external_id]
            else:
                unknown.add(index)
    return {index: values for index, values in given.items() if index not in unknown}, sorted(unknown)


async def _effective(ctx: Ctx, kind: CardKind[R], before: R, given: dict[str, Any]) -> Any:  # noqa: ANN401 - changes of any field.
    """Give what writing a card would really change."""
    resource = kind.resource
    check_fields(resource.groups, ctx.principal.field_groups, {name: name for name in given})
    crud.difference(resource, before, given)
    differing = {name: value for name, value in given.items() if folded(getattr(before, name)) != folded(value)}
    return crud.difference(resource, before, await kind.check(ctx, differing, before)) if differing else {}


def _news(effective: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {name: new for name, (_, new) in effective.items()}


async def _missing(ctx: Ctx, kind: CardKind[R], values: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Tell which cards refer to what is not there, as far as it can be looked up together."""
    named: list[tuple[Any, int, UUID]] = []
    for index, each in values.items():
        for include in kind.resource.includes:
            if each.get(include.column) is not None:
                named += [(include.resource, index, each[include.column])]
        for listed in kind.resource.reference_lists:
            named += [(listed.resource, index, listed_id) for listed_id in listed.ids(each.get(listed.column) or ())]
    missing: set[int] = set()
    for resource in {resource for resource, _, _ in named}:
        found = await crud.fetch_many(ctx, resource, list({each for of, _, each in named if of is resource}))
        missing |= {index for of, index, each in named if of is resource and each not in found}
    return missing


async def _refer(batch: _Batch[R], created: Sequence[tuple[int, UUID]]) -> None:
    """Note by which ids new cards go in their source."""
    rows = []
    for index, card_id in created:
        write = batch.writes[index]
        if isinstance(write, Push):
            place: dict[str, Any] = {each: card_id if each == batch.kind.column else None for each in CARD_COLUMNS}
            about = {"source": write.source, "external_id": write.external_id, "source_updated_at": None}
            rows.append({**place, **about})
    await add_many(batch.ctx, EXTERNAL_REFERENCES, rows)
