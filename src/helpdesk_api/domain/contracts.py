"""Contracts in time: what terms mean at an instant, and how an amendment changes what is known of them.

Terms hold over spells of time that do not overlap. An amendment states some of them for a span; what it does not touch
stays as it was, and what it replaces is kept by whoever stores it, for what was known before to stay readable. Where an
instant is asked for, spans are half-open: a contract that ends at noon is over at noon.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from helpdesk_api.domain.timeline import LAST_YEAR

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_MONTHS: Final = 12


class Renewal(StrEnum):
    """What happens at the end of a term: it is over, it goes on by itself, or it goes on if somebody says so."""

    FIXED = "fixed"
    TACIT = "tacit"
    EXPRESS = "express"


class ContractStatus(StrEnum):
    """Where a contract stands; derived from its terms."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """A service that is offered under a contract, with what is promised for it there."""

    service_id: UUID
    sla_policy_id: UUID | None = None
    calendar_id: UUID | None = None
    # Said by services themselves; a contract names one list for all that is done under it.
    price_list_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """What has been agreed: for whom, from when to when, and what is covered how. Without companies it is for all."""

    starts_at: datetime
    ends_at: datetime | None = None
    time_zone: str = "UTC"
    renewal: Renewal = Renewal.FIXED
    renewal_months: int | None = None
    notice_days: int = 0
    is_suspended: bool = False
    company_ids: frozenset[UUID] = frozenset()
    covers_everything: bool = True
    location_ids: frozenset[UUID] = frozenset()
    asset_ids: frozenset[UUID] = frozenset()
    asset_type_ids: frozenset[UUID] = frozenset()
    services: tuple[ServiceTerms, ...] = ()
    sla_policy_id: UUID | None = None
    calendar_id: UUID | None = None
    price_list_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Spell:
    """Terms that hold from an instant on until another, and why; null is from always, or for good."""

    effective_from: datetime | None
    effective_until: datetime | None
    terms: ContractTerms
    reason: str | None = None

    def holds_at(self, at: datetime) -> bool:
        """Tell whether the terms hold at an instant."""
        return _from(self.effective_from) <= at < _until(self.effective_until)


@dataclass(frozen=True, slots=True)
class Notice:
    """The last instant for giving notice, and the end of the term that it is about."""

    due_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an amendment does to what is known: which spells it replaces, and by which."""

    replaced: Sequence[Spell]
    added: Sequence[Spell]


def amended(
    known: Sequence[Spell],
    effective_from: datetime | None,
    effective_until: datetime | None,
    change: Callable[[ContractTerms | None], ContractTerms],
    *,
    reason: str | None = None,
) -> Amendment:
    """State other terms for a span, over spells in order; `change` is given None where nothing held.

    A spell whose terms the change leaves as they are is left alone.
    """
    first, last = _from(effective_from), _until(effective_until)
    replaced: list[Spell] = []
    added: list[Spell] = []
    reached = first
    for spell in known:
        begins, ends = _from(spell.effective_from), _until(spell.effective_until)
        if ends <= first or begins >= last:
            continue
        if begins > reached:
            added.append(_spell(reached, begins, change(None), reason))
        reached = ends
        terms = change(spell.terms)
        if terms == spell.terms:
            continue
        replaced.append(spell)
        if begins < first:
            added.append(_spell(begins, first, spell.terms, spell.reason))
        added.append(_spell(max(begins, first), min(ends, last), terms, reason))
        if ends > last:
            added.append(_spell(last, ends, spell.terms, spell.reason))
    if reached < last:
        added.append(_spell(reached, last, change(None), reason))
    return Amendment(replaced, added)


def terms_at(known: Sequence[Spell], at: datetime) -> ContractTerms | None:
    """Give the terms that hold at an instant."""
    return next((spell.terms for spell in known if spell.holds_at(at)), None)


def status_at(terms: ContractTerms | None, at: datetime) -> ContractStatus:
    """Tell where a contract stands at an instant at which these terms hold."""
    if terms is None:
        return ContractStatus.DRAFT
    if at < terms.starts_at:
        return ContractStatus.SCHEDULED
    if terms.renewal is not Renewal.TACIT and terms.ends_at is not None and at >= terms.ends_at:
        return ContractStatus.EXPIRED
    return ContractStatus.SUSPENDED if terms.is_suspended else ContractStatus.ACTIVE


def end_of_term(terms: ContractTerms, at: datetime) -> datetime | None:
    """Give the end of the term that an instant is in; a tacit renewal begins another one at the end of each.

    The ends are counted in months of the zone from the first one, so that a term which ends on the 31st does so in
    every month that has one.
    """
    if terms.ends_at is None or terms.renewal is not Renewal.TACIT or terms.renewal_months is None:
        return terms.ends_at
    anchor = terms.ends_at.astimezone(ZoneInfo(terms.time_zone))
    apart = (at.year - anchor.year) * _MONTHS + at.month - anchor.month
    times = max(apart // terms.renewal_months - 1, 0)
    end: datetime | None = terms.ends_at
    while end is not None and end <= at:
        end = months_after(anchor, times * terms.renewal_months)
        times += 1
    return end


def next_notice(terms: ContractTerms, after: datetime) -> Notice | None:
    """Give the first last chance for giving notice that comes after an instant."""
    end = end_of_term(terms, after)
    while end is not None:
        due_at = _days_before(end, terms)
        if due_at > after:
            return Notice(due_at, end)
        following = end_of_term(terms, end)
        end = None if following == end else following
    return None


def notice_at(known: Sequence[Spell], at: datetime) -> Notice | None:
    """Give the notice whose last chance is at this very instant."""
    terms = terms_at(known, at)
    found = None if terms is None else next_notice(terms, at - timedelta(microseconds=1))
    return found if found is not None and found.due_at == at else None


def next_turn(known: Sequence[Spell], after: datetime) -> datetime | None:
    """Give the next instant at which a contract may stand otherwise, or at which notice is due."""
    turns: set[datetime] = set()
    for spell in known:
        begins, ends = _from(spell.effective_from), _until(spell.effective_until)
        turns |= {at for at in (spell.effective_from, spell.effective_until) if at is not None}
        within = [spell.terms.starts_at]
        if spell.terms.renewal is not Renewal.TACIT and spell.terms.ends_at is not None:
            within.append(spell.terms.ends_at)
        notice = next_notice(spell.terms, max(begins, after)) if ends > after else None
        if notice is not None:
            within.append(notice.due_at)
        turns |= {at for at in within if begins <= at < ends}
    return min((at for at in turns if at > after), default=None)


def months_after(anchor: datetime, months: int) -> datetime | None:
    """Give the instant so many months after a local one, on the last day where a month is shorter; None is too late."""
    years, month = divmod(anchor.month - 1 + months, _MONTHS)
    year = anchor.year + years
    if year > LAST_YEAR + 1:
        return None
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day).astimezone(UTC)


def _days_before(end: datetime, terms: ContractTerms) -> datetime:
    local = end.astimezone(ZoneInfo(terms.time_zone))
    return (local - timedelta(days=terms.notice_days)).astimezone(UTC)


def _spell(begins: datetime, ends: datetime, terms: ContractTerms, reason: str | None) -> Spell:
    return Spell(None if begins == _BEGINNING else begins, None if ends == _END else ends, terms, reason)


def _from(at: datetime | None) -> datetime:
    return _BEGINNING if at is None else at


def _until(at: datetime | None) -> datetime:
    return _END if at is None else at
