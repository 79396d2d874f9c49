"""What rules refer to, by name instead of by id: a name means something in another tenant, an id does not.

A reference is found by the field or member that it stands for, such as `team_id`, wherever that is in a condition or in
actions. By name it is `{"team": "Night shift"}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.domain.errors import FieldError, InvalidError
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.users import USERS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import check_fields


class UnresolvedNameError(InvalidError):
    """A name stands for nothing here, or for several things."""

    code = "unresolved_name"
    title = "A name does not stand for one thing here"


@dataclass(frozen=True, eq=False)
class _Kind:
    """What is referred to, and the column that names it."""

    resource: Resource[Any]
    column: str

    @property
    def finding(self) -> Statement:
        """Give the statement that finds the ids of names; a column of several values counts by each of them."""
        table = self.resource.table
        column = table.c[self.column]
        each = func.unnest(column) if isinstance(column.type, ARRAY) else column
        named = select(table.c.id, each.label("name")).where(table.c.tenant_id == bindparam("tenant")).subquery("named")
        return Statement(
            select(named.c.id, named.c.name).where(named.c.name == any_(bindparam("names", type_=ARRAY(Text))))
        )


_KINDS: Final[Mapping[str, _Kind]] = {
    "team": _Kind(TEAMS, "name"),
    "user": _Kind(USERS, "email"),
    "company": _Kind(COMPANIES, "name"),
    "contact": _Kind(CONTACTS, "emails"),
    "location": _Kind(LOCATIONS, "name"),
    "calendar": _Kind(CALENDARS, "name"),
}
_MEMBERS: Final[Mapping[str, str]] = {
    "team_id": "team",
    "team_ids": "team",
    "assignee_id": "user",
    "user_id": "user",
    "user_ids": "user",
    "company_id": "company",
    "contact_id": "contact",
    "contact_ids": "contact",
    "location_id": "location",
    "calendar_id": "calendar",
}

# Takes the kind, what stands there and its pointer; gives what is to stand there instead.
_Change = Callable[[str, JsonValue, str], JsonValue]
_Wanted = dict[str, dict[str, list[str]]]


async def by_name(ctx: Ctx, given: JsonValue) -> JsonValue:
    """Give conditions or actions with names for ids; of what is gone, or not for the caller, the id stays."""
    wanted: _Wanted = {}
    _mapped(given, "", lambda kind, leaf, place: _noted(wanted, kind, leaf, place, leaf))
    names: dict[tuple[str, str], str] = {}
    for name, ids in wanted.items():
        kind = _KINDS[name]
        if _may_name(ctx, kind):
            for found in (
                await crud.fetch_many(ctx, kind.resource, [UUID(each) for each in ids if _is_id(each)])
            ).values():
                if called := getattr(found, kind.column):
                    names[name, str(found.id)] = called if isinstance(called, str) else called[0]
    return _mapped(
        given, "", lambda kind, leaf, _: {kind: names[kind, str(leaf)]} if (kind, str(leaf)) in names else leaf
    )


async def by_id(ctx: Ctx, given: JsonValue, *, pointer: str) -> JsonValue:
    """Give conditions or actions with ids for names; raises UnresolvedNameError for all that are not one thing."""
    wanted: _Wanted = {}
    _mapped(given, pointer, lambda kind, leaf, place: _noted(wanted, kind, leaf, place, _name_in(kind, leaf)))
    ids: dict[tuple[str, str], set[UUID]] = {}
    for name, places in wanted.items():
        kind = _KINDS[name]
        ctx.principal.require(f"{kind.resource.plural}:read")
        asked = {place[1:]: kind.column for every in places.values() for place in every}
        check_fields(kind.resource.groups, ctx.principal.field_groups, asked)
        for row in await ctx.tx.rows(kind.finding, {"tenant": ctx.tenant_id, "names": list(places)}):
            ids.setdefault((name, row["name"]), set()).add(row["id"])
    errors = tuple(
        FieldError(place, UnresolvedNameError.code, _complaint(kind, name, len(ids.get((kind, name), ()))))
        for kind, places in wanted.items()
        for name, every in places.items()
        if len(ids.get((kind, name), ())) != 1
        for place in every
    )
    if errors:
        raise UnresolvedNameError(errors[0].detail, errors=errors)

    def known(kind: str, leaf: JsonValue, place: str) -> JsonValue:
        del place
        name = _name_in(kind, leaf)
        return leaf if name is None else str(next(iter(ids[kind, name])))

    return _mapped(given, pointer, known)


def _mapped(given: JsonValue, pointer: str, change: _Change) -> JsonValue:
    """Change the references in conditions or actions."""
    match given:
        case dict() if isinstance(path := given.get("field"), str) and "value" in given:
            return {**given, "value": _at(path, given["value"], f"{pointer}/value", change)}
        case dict():
            return {name: _at(name, value, f"{pointer}/{name}", change) for name, value in given.items()}
        case list():
            return [_mapped(value, f"{pointer}/{index}", change) for index, value in enumerate(given)]
        case _:
            return given


def _at(path: str, value: JsonValue, pointer: str, change: _Change) -> JsonValue:
    kind = _MEMBERS.get(path.rpartition(".")[2])
    if kind is None:
        return _mapped(value, pointer, change)
    if isinstance(value, list):
        return [change(kind, each, f"{pointer}/{index}") for index, each in enumerate(value)]
    return change(kind, value, pointer)


def _noted(wanted: _Wanted, kind: str, leaf: JsonValue, place: str, name: JsonValue) -> JsonValue:
    if isinstance(name, str):
        wanted.setdefault(kind, {}).setdefault(name, []).append(place)
    return leaf


def _name_in(kind: str, leaf: JsonValue) -> str | None:
    """Give the name that stands for something, if it is one."""
    name = leaf.get(kind) if isinstance(leaf, dict) and len(leaf) == 1 else None
    return name if isinstance(name, str) else None


def _complaint(kind: str, name: str, count: int) -> str:
    called = f"called {name[:200]!r}"
    if count == 0:
        return f"There is no {kind} {called}."
    return (
        f"There are {count} {_KINDS[kind].resource.plural} {called}; give one of them another name, or put its id here."
    )


def _may_name(ctx: Ctx, kind: _Kind) -> bool:
    group = kind.resource.groups.get(kind.column)
    return ctx.principal.may(f"{kind.resource.plural}:read") and (group is None or ctx.principal.sees(group.name))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
