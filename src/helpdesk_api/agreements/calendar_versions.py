"""Which hours of a calendar were in force when: every edit is kept, with the instant from which on it holds.

An edit states some of the fields of a calendar's hours. Each of them holds from the edit's instant on, over whatever
was stated for then or later before; the fields that it does not state keep their course, also what had been announced
for them. So the calendar as known at a version is a row of hours that were in force one after the other, and a
computation uses for each moment the hours in force at that moment (docs/adr/0016). What a calendar is, is
`agreements.calendars`; which clocks an edit moves is decided where the clocks are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert, select

from helpdesk_api.agreements.calendar_schemas import HOURS_FIELDS, Calendar, CalendarVersion, CalendarVersionDetail
from helpdesk_api.agreements.calendars import CALENDARS, calendar_versions, hours
from helpdesk_api.domain.business_time import BudgetOutOfReachError
from helpdesk_api.domain.business_time import Calendar as Hours
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.sql import Statement

MOST_VERSIONS = 1_000

_FIELDS = frozenset(HOURS_FIELDS)


class NeverOpensError(InvalidError):
    """No deadline could be measured by such a calendar."""

    code = "never_opens"
    title = "The calendar never opens"


class NothingTakesEffectError(InvalidError):
    """An instant was given from which on hours hold, but no hours."""

    code = "nothing_takes_effect"
    title = "There are no hours that could take effect"


class TooManyVersionsError(ConflictError):
    """The hours of the calendar were edited too often; a new calendar can take its place."""

    code = "too_many_versions"
    title = "The calendar has too many versions"


_of_calendar = (
    calendar_versions.c.tenant_id == bindparam("tenant_id"),
    calendar_versions.c.calendar_id == bindparam("calendar_id"),
)
_ALL = Statement(
    select(*(calendar_versions.c[name] for name in ("calendar_version", "effective_from", "fields", *HOURS_FIELDS)))
    .where(*_of_calendar, calendar_versions.c.calendar_version <= bindparam("version"))
    .order_by(calendar_versions.c.calendar_version)
)
_shown = (
    calendar_versions.c.id,
    calendar_versions.c.calendar_version.label("version"),
    calendar_versions.c.effective_from,
    calendar_versions.c.recorded_at,
    calendar_versions.c.fields,
)
_LIST = Statement(
    select(*_shown).where(*_of_calendar).order_by(calendar_versions.c.calendar_version).limit(MOST_VERSIONS)
)
_ONE = Statement(
    select(*_shown, *(calendar_versions.c[name] for name in HOURS_FIELDS)).where(
        *_of_calendar, calendar_versions.c.id == bindparam("id")
    )
)
_LATEST = Statement(
    select(calendar_versions.c.calendar_version, calendar_versions.c.effective_from)
    .where(*_of_calendar)
    .order_by(calendar_versions.c.calendar_version.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit states, and from when on; the stated values of the other fields stand beside it."""

    effective_from: datetime | None
    fields: frozenset[str]
    stated: Mapping[str, Any]


def in_force(edits: Sequence[Edit]) -> Hours:
    """Give the calendar that these edits make, the first of which states everything for all time."""
    spells: list[tuple[datetime | None, dict[str, Any]]] = []
    for edit in edits:
        spells = _with_edit(spells, edit)
    *earlier, (_, last) = spells
    untils = [since for since, _ in spells[1:] if since is not None]
    parts = tuple((until, hours(stated)) for until, (_, stated) in zip(untils, earlier, strict=True))
    return replace(hours(last), earlier=parts)


def _with_edit(spells: list[tuple[datetime | None, dict[str, Any]]], edit: Edit) -> list[Any]:
    """Lay an edit over what is stated so far, in the order of time; `None` begins before everything."""
    stated = {name: edit.stated[name] for name in edit.fields}
    if not spells or edit.effective_from is None:
        return [(since, before | stated) for since, before in spells] or [(None, stated)]
    earlier = [spell for spell in spells if spell[0] is None or spell[0] < edit.effective_from]
    later = [(since, before | stated) for since, before in spells[len(earlier) :]]
    if not later or later[0][0] != edit.effective_from:
        later.insert(0, (edit.effective_from, earlier[-1][1] | stated))
    merged: list[tuple[datetime | None, dict[str, Any]]] = earlier
    for since, after in later:
        # An edit that changes nothing from some instant on is no change of hours there.
        if merged[-1][1] != after:
            merged.append((since, after))
    return merged


async def hours_of(ctx: Ctx, calendar_id: UUID, version: int) -> Hours:
    """Give a calendar as known at a version; that never changes, so it is read once per process."""
    key = (ctx.tenant_id, calendar_id, version)
    known = _known.get(key)
    if known is None:
        edits = await edits_of(ctx, calendar_id, version)
        if not edits:
            message = f"calendar {calendar_id} has no version {version}"
            raise LookupError(message)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[key] = in_force(edits)
    return known


# A calendar of many intervals takes megabytes once it has been laid out over years.
_MOST_KNOWN = 128
_known: dict[tuple[UUID, UUID, int], Hours] = {}


async def edits_of(ctx: Ctx, calendar_id: UUID, version: int) -> list[Edit]:
    """Read the edits of a calendar up to a version, oldest first."""
    rows = await ctx.tx.rows(_ALL, {"tenant_id": ctx.tenant_id, "calendar_id": calendar_id, "version": version})
    return [
        Edit(row["effective_from"], frozenset(row["fields"]), {name: row[name] for name in HOURS_FIELDS})
        for row in rows
    ]


async def versions_of(ctx: Ctx, calendar_id: UUID) -> list[CalendarVersion]:
    """List the edits of a calendar, oldest first."""
    return await ctx.tx.all(CalendarVersion, _LIST, {"tenant_id": ctx.tenant_id, "calendar_id": calendar_id})


async def version_of(ctx: Ctx, calendar_id: UUID, version_id: UUID) -> CalendarVersionDetail | None:
    """Read one edit of a calendar with the hours as they were stated after it."""
    params = {"tenant_id": ctx.tenant_id, "calendar_id": calendar_id, "id": version_id}
    return await ctx.tx.first(CalendarVersionDetail, _ONE, params)


async def latest_version(ctx: Ctx, calendar_id: UUID) -> tuple[int, datetime | None]:
    """Give the version of the latest edit of the hours, and from when on it holds."""
    row = await ctx.tx.row(_LATEST, {"tenant_id": ctx.tenant_id, "calendar_id": calendar_id})
    if row is None:
        message = f"calendar {calendar_id} has no versions"
        raise LookupError(message)
    return row["calendar_version"], row["effective_from"]


async def dated(ctx: Ctx, given: dict[str, Any], before: Calendar | None) -> dict[str, Any]:
    """Say from when on an edit holds: now, unless it says so itself; a new calendar has always held."""
    if before is None:
        return {"national_holidays": None} | given | {"effective_from": None}
    if "effective_from" in given:
        if not given.keys() & _FIELDS:
            message = "effective_from needs hours, a time zone or holidays that take effect."
            raise NothingTakesEffectError(message, pointer="/effective_from")
        return given
    if crud.difference(CALENDARS, before, given).keys() & _FIELDS:
        return given | {"effective_from": ctx.now}
    return given


async def keep_version(ctx: Ctx, given: Mapping[str, Any], before: Calendar | None, after: Calendar) -> Hours | None:
    """Keep what an edit of hours states; gives the calendar as it is known then, None if no hours were edited.

    Raises NeverOpensError and TooManyVersionsError.
    """
    fields = _stated_fields(given, before, after)
    if not fields:
        return None
    stated = {name: getattr(after, name) for name in HOURS_FIELDS}
    earlier = [] if before is None else await edits_of(ctx, after.id, before.version)
    if len(earlier) >= MOST_VERSIONS:
        message = f"The hours of a calendar can be edited {MOST_VERSIONS} times; create a new one in its place."
        raise TooManyVersionsError(message)
    known = in_force([*earlier, Edit(after.effective_from, fields, stated)])
    try:
        # Trying it refuses hours that no clock could be measured by, before they are stored.
        known.add(ctx.now, timedelta(seconds=1))
    except BudgetOutOfReachError as error:
        message = "The calendar would not open within twenty years."
        raise NeverOpensError(message, pointer="/weekly_hours") from error
    await ctx.tx.run(
        insert(calendar_versions).values(
            tenant_id=ctx.tenant_id,
            id=new_id(),
            calendar_id=after.id,
            calendar_version=after.version,
            effective_from=after.effective_from,
            recorded_at=ctx.now,
            fields=sorted(fields),
            **stated,
        )
    )
    return known


def _stated_fields(given: Mapping[str, Any], before: Calendar | None, after: Calendar) -> frozenset[str]:
    if before is None:
        return _FIELDS
    if before.version == after.version:
        return frozenset()
    if "effective_from" in given:
        return _FIELDS & given.keys()
    return frozenset(name for name in HOURS_FIELDS if getattr(before, name) != getattr(after, name))
