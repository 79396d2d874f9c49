"""Who may write which field of a card: what a source that was declared owns, and what the desk does.

A rule stands for a field of the cards that a source knows. `source`: nobody else writes it. `helpdesk`: the source does
not. `latest`: whoever knows the newer state. What a push says of a field that it may not write is left out and told;
people who change a card are refused instead, because nobody reads warnings beside a form that was saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Text, Uuid, bindparam, column, exists, or_, select, table

from helpdesk_api.directory.crm.fields import CARD_COLUMNS, Card, fields_of, held_value, is_same, without
from helpdesk_api.directory.crm.models import crm_sources
from helpdesk_api.directory.crm.provenance import Written, note, written_by
from helpdesk_api.domain.errors import ConflictError, FieldError
from helpdesk_api.kit.checked_changes import Check, Follow
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sql import Statement

FieldRule = Literal["source", "helpdesk", "latest"]
Reason = Literal["owned_by_source", "owned_by_helpdesk", "newer_known"]

# The table of the references stands in a module above this one.
_references: Any = table(
    "external_references",
    *(column("tenant_id", Uuid), column("source", Text)),
    *(column(name, Uuid) for name in CARD_COLUMNS.values()),
)


def _declared(plural: str) -> Statement:
    linked = exists().where(
        _references.c.tenant_id == crm_sources.c.tenant_id,
        _references.c.source == crm_sources.c.source,
        _references.c[CARD_COLUMNS[plural]] == bindparam("card", type_=Uuid),
    )
    is_meant = or_(crm_sources.c.source == bindparam("own", type_=Text), linked)
    found = select(crm_sources.c.source, crm_sources.c[plural], crm_sources.c.is_strict)
    return Statement(found.where(crm_sources.c.tenant_id == bindparam("tenant"), is_meant))


_DECLARED: Final = {plural: _declared(plural) for plural in CARD_COLUMNS}


class FieldOwnedElsewhereError(ConflictError):
    """Another system owns a field, or the desk does; every such field is listed."""

    code = "field_owned_elsewhere"
    title = "The field belongs to another system"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a source owns of one kind of card."""

    source: str
    rules: Mapping[str, FieldRule]
    is_strict: bool


@dataclass(frozen=True, slots=True)
class Writer:
    """Which source writes a card, and as of when that is its state; without a time it is that of now."""

    source: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Withheld:
    """A field that was given and is not written: what was given, why not, and who owns it."""

    field: str
    theirs: Any
    reason: Reason
    owner: str | None

    @property
    def pointer(self) -> str:
        """Give the place of the field in a card."""
        return "/" + self.field.replace(".", "/", 1)

    @property
    def detail(self) -> str:
        """Tell why it is not written."""
        match self.reason:
            case "owned_by_source":
                return f"{self.field} belongs to {self.owner}."
            case "owned_by_helpdesk":
                return f"{self.field} belongs to the help desk."
            case "newer_known":
                return f"A newer value of {self.field} is known, from {self.owner or 'the help desk'}."


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a push is written: the fields, what is told of the others, and what is noted afterwards.

    `guarded` are the fields that belong to somebody else, whether or not their value differs.
    """

    given: dict[str, Any]
    withheld: tuple[Withheld, ...] = ()
    noted: tuple[str, ...] = ()
    guarded: tuple[Withheld, ...] = ()


async def declared_for(ctx: Ctx, card: Card, *, own: str | None = None) -> dict[str, Declared]:
    """Give the declared sources that know a card, and the one that is about to."""
    rows = await ctx.tx.rows(_DECLARED[card.plural], {"tenant": ctx.tenant_id, "card": card.id, "own": own})
    return {row[0]: Declared(row[0], row[1], row[2]) for row in rows}


async def settle(ctx: Ctx, card: Card, held: Entity, given: dict[str, Any], writer: Writer) -> Settled:
    """Decide which fields of a push are written to a card that the caller has locked.

    Raises FieldOwnedElsewhereError when the source is strict and gives a field that is not its own to change.
    """
    declared = await declared_for(ctx, card, own=writer.source)
    if not declared:
        return Settled(given)
    written = await written_by(ctx, card.id)
    now = Written(writer.source, writer.at or ctx.now)
    withheld, guarded, noted = [], [], []
    for name, value in fields_of(given).items():
        differs = not is_same(held_value(held, name), value)
        before = written.get(name)
        if (owned := _owned(declared, writer.source, name, value)) is not None:
            guarded.append(owned)
            withheld += [owned] * differs
        elif differs and before is not None and before.is_after(now) and _is_latest(declared, writer.source, name):
            withheld.append(Withheld(name, value, "newer_known", before.source))
        elif differs or (writer.at is not None and (before is None or now.is_after(before))):
            # Who agrees with a value has written it as well: otherwise the end would depend on the order of arrival.
            noted.append(name)
    _check_lenient(declared.get(writer.source), [each for each in withheld if each in guarded])
    left_out = {each.field for each in (*withheld, *guarded)}
    return Settled(without(given, left_out), tuple(withheld), tuple(noted), tuple(guarded))


async def settle_new(ctx: Ctx, plural: str, given: dict[str, Any], source: str, *, needed: frozenset[str]) -> Settled:
    """Decide which fields of a push a new card begins with; those that every card needs are always taken."""
    declared = await declared_for(ctx, Card(plural, ctx.tenant_id), own=source)
    if source not in declared:
        return Settled(given)
    fields = {name: value for name, value in fields_of(given).items() if name not in needed}
    found = [owned for name, value in fields.items() if (owned := _owned(declared, source, name, value)) is not None]
    withheld = [each for each in found if each.theirs not in (None, [], {})]
    _check_lenient(declared[source], withheld)
    kept = without(given, {each.field for each in found})
    return Settled(kept, tuple(withheld), tuple(fields_of(kept)))


def guarded(resource: Resource[R], check: Check[R]) -> Check[R]:
    """Make the check of a change by people: it is refused when it changes what a source owns."""

    async def refuse(ctx: Ctx, given: dict[str, Any], before: R | None) -> dict[str, Any]:
        if before is not None and given:
            await _check_unowned(ctx, Card(resource.plural, before.id), before, given)
        return await check(ctx, given, before)

    return refuse


def noted(resource: Resource[R]) -> Follow[R]:
    """Make what follows a change by people: the desk is noted as who wrote it last."""

    async def follow(ctx: Ctx, given: Mapping[str, Any], before: R | None, after: R) -> None:
        if before is None or before.version == after.version:
            return
        card = Card(resource.plural, after.id)
        if await declared_for(ctx, card):
            names = [name for name in fields_of(given) if held_value(before, name) != held_value(after, name)]
            await note(ctx, card, names, Written(None, ctx.now), version=after.version)

    return follow


async def _check_unowned(ctx: Ctx, card: Card, held: Entity, given: Mapping[str, Any]) -> None:
    changed = {name: value for name, value in fields_of(given).items() if not is_same(held_value(held, name), value)}
    declared = await declared_for(ctx, card) if changed else {}
    _refuse([owned for name in changed if (owned := _owned(declared, None, name, None)) is not None])


def _owned(declared: Mapping[str, Declared], own: str | None, name: str, value: object) -> Withheld | None:
    """Tell by whom a field is owned, if by somebody else than its writer; `own` is the source, the desk has none."""
    for each in declared.values():
        if each.source != own and each.rules.get(name) == "source":
            return Withheld(name, value, "owned_by_source", each.source)
    if own is not None and own in declared and declared[own].rules.get(name) == "helpdesk":
        return Withheld(name, value, "owned_by_helpdesk", None)
    return None


def _is_latest(declared: Mapping[str, Declared], own: str, name: str) -> bool:
    return own not in declared or declared[own].rules.get(name, "latest") == "latest"


def _check_lenient(own: Declared | None, withheld: list[Withheld]) -> None:
    if own is not None and own.is_strict:
        _refuse(withheld)


def _refuse(withheld: list[Withheld]) -> None:
    if withheld:
        errors = tuple(FieldError(each.pointer, each.reason, each.detail) for each in withheld)
        message = f"Not to be written here: {', '.join(each.field for each in withheld)}."
        raise FieldOwnedElsewhereError(message, errors=errors)
