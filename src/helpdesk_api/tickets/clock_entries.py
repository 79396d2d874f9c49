"""The history of a clock as it is stored: one entry for every change, with why it happened and under which terms.

The entries of a clock say all that `domain.clock_history` needs to make the clock of them again. They hold instants,
numbers and words of ours, never what a person wrote.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from helpdesk_api.agreements.escalation_schemas import read_step, read_steps, stored_step
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.clock_history import Change, Extended, Fixed, Move, Moved, Retargeted, Started
from helpdesk_api.domain.escalation import Escalation, EscalationStep
from helpdesk_api.domain.sla import Terms
from helpdesk_api.domain.workflow import Status

ReasonKind = Literal["created", "status", "reply", "message", "assignment", "change", "manual", "extension"]

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a clock changed.

    The ticket was created, got a status, was answered by a user, got a client's message, was assigned or taken back, or
    fields that promises depend on were changed; or somebody set the deadline by hand, or extended it.
    """

    kind: ReasonKind
    status: Status | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The versions of the policy and of the calendar that terms come from; no calendar means calendar time."""

    policy_id: UUID
    policy_version: int
    calendar_id: UUID | None
    calendar_version: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One change as it was stored; terms stand with the start and with every change of them."""

    kind: str
    at: datetime
    reason: Reason
    source: Source | None
    target: timedelta | None
    warning: timedelta | None
    steps: tuple[EscalationStep, ...] = ()
    due_at: datetime | None = None
    extended: timedelta | None = None


def written(happened: Started | Change, reason: Reason, source: Source) -> dict[str, Any]:
    """Give a change in the form in which it is stored."""
    entry: dict[str, Any] = {"at": happened.at.isoformat(), "reason": reason.kind}
    if reason.status is not None:
        entry["status"] = reason.status
    if reason.fields:
        entry["fields"] = list(reason.fields)
    match happened:
        case Moved():
            return {"kind": happened.move, **entry}
        case Fixed():
            return {"kind": "fix", **entry, "due_at": happened.due_at.isoformat()}
        case Extended():
            return {"kind": "extend", **entry, "seconds": happened.by / _SECOND}
        case Started() | Retargeted():
            terms = happened.terms
            kind = "start" if isinstance(happened, Started) else "retarget"
            return {
                "kind": kind,
                **entry,
                "target_seconds": terms.target / _SECOND,
                "warning_seconds": None if terms.warning is None else terms.warning / _SECOND,
                "policy_id": str(source.policy_id),
                "policy_version": source.policy_version,
                "calendar_id": None if source.calendar_id is None else str(source.calendar_id),
                "calendar_version": source.calendar_version,
                **({"steps": list(map(stored_step, terms.steps))} if terms.steps else {}),
            }


def read(stored: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Give the entries of a clock as values."""
    return [_read(entry) for entry in stored]


def _read(entry: Mapping[str, Any]) -> Entry:
    status = entry.get("status")
    reason = Reason(entry["reason"], None if status is None else Status(status), tuple(entry.get("fields", ())))
    has_terms = "policy_id" in entry
    return Entry(
        kind=entry["kind"],
        at=datetime.fromisoformat(entry["at"]),
        reason=reason,
        source=_source(entry) if has_terms else None,
        target=timedelta(seconds=entry["target_seconds"]) if has_terms else None,
        warning=_seconds(entry["warning_seconds"]) if has_terms else None,
        steps=read_steps(entry.get("steps", ())),
        due_at=datetime.fromisoformat(entry["due_at"]) if "due_at" in entry else None,
        extended=_seconds(entry.get("seconds")),
    )


def _source(entry: Mapping[str, Any]) -> Source:
    calendar_id = entry["calendar_id"]
    return Source(
        policy_id=UUID(entry["policy_id"]),
        policy_version=entry["policy_version"],
        calendar_id=None if calendar_id is None else UUID(calendar_id),
        calendar_version=entry["calendar_version"],
    )


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def happened(entry: Entry, calendar: Calendar | None) -> Started | Change:
    """Give what an entry tells; `calendar` is that of its source, for an entry with terms."""
    if entry.due_at is not None:
        return Fixed(entry.due_at, entry.at)
    if entry.extended is not None:
        return Extended(entry.extended, entry.at)
    if entry.target is None or calendar is None:
        return Moved(Move(entry.kind), entry.at)
    terms = Terms(entry.target, calendar, entry.warning, entry.steps)
    return Started(terms, entry.at) if entry.kind == "start" else Retargeted(terms, entry.at)


def stored_escalation(one: Escalation) -> dict[str, Any]:
    """Give a step of a clock in the form in which it is stored with the clock."""
    return {
        **stored_step(one.step),
        "at": None if one.at is None else one.at.isoformat(),
        "reached_at": None if one.reached_at is None else one.reached_at.isoformat(),
        "is_late": one.is_late,
        "is_current": one.is_current,
        "is_told": one.is_told,
    }


def read_escalation(stored: Mapping[str, Any]) -> Escalation:
    """Give a stored step of a clock as a value."""
    return Escalation(
        step=read_step(stored),
        at=_instant(stored["at"]),
        reached_at=_instant(stored["reached_at"]),
        is_late=stored["is_late"],
        is_current=stored["is_current"],
        is_told=stored["is_told"],
    )


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
