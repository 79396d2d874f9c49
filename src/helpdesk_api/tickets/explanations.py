"""The explanation of a clock as the API gives it: for a program as typed steps, for a person as sentences.

The steps themselves are `domain.explanation`; here the history is loaded, the calendars' names are found and the steps
are put into words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.agreements.calendars import calendar_versions
from helpdesk_api.domain.attainment import remaining
from helpdesk_api.domain.business_time import Calendar, zone_named
from helpdesk_api.domain.clock_history import Move, Started
from helpdesk_api.domain.errors import ConflictError, NotFoundError
from helpdesk_api.domain.explained_steps import Step, StepKind
from helpdesk_api.domain.explanation import Explanation, explain
from helpdesk_api.domain.sla import Clock, ClockState, Metric, budget, settle
from helpdesk_api.identity.permissions import TICKET_INTERNAL
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.languages import Language
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.tickets.clock_entries import Entry, Source, happened, read
from helpdesk_api.tickets.clock_rows import READ, from_row, hours_by
from helpdesk_api.tickets.explanation_schemas import ClockExplanation, ExplainedStep
from helpdesk_api.tickets.explanation_texts import duration, has_sentence, instant, sentence, word
from helpdesk_api.tickets.models import sla_clocks
from helpdesk_api.tickets.resources import TICKETS

_SECOND: Final = timedelta(seconds=1)
_TERMS: Final = frozenset({StepKind.STARTED, StepKind.RETARGETED, StepKind.EXTENDED, StepKind.SUMMARY})

_LANGUAGE = Statement(select(tenants.c.language).where(tenants.c.id == bindparam("tenant")))
_OF_TICKET = Statement(
    select(*READ, sla_clocks.c.history)
    .where(sla_clocks.c.tenant_id == bindparam("tenant"), sla_clocks.c.ticket_id == bindparam("ticket"))
    .order_by(sla_clocks.c.metric, sla_clocks.c.instance.desc())
)


class HistoryIncompleteError(ConflictError):
    """The clock is older than the keeping of histories, so nobody can tell how it came about."""

    code = "history_incomplete"
    title = "The history of the clock is not known"


async def language_of_tenant(ctx: Ctx) -> Language:
    """Give the language that a tenant's people are answered in when they ask for none."""
    language: Language = await ctx.tx.value(_LANGUAGE, {"tenant": ctx.tenant_id})
    return language


async def explain_clock(ctx: Ctx, ticket_id: UUID, clock: str, language: Language) -> ClockExplanation:
    """Explain a clock, named by its id or, for the latest of its metric, by that; raises NotFoundError."""
    await crud.fetch(ctx, TICKETS, ticket_id)
    rows = await ctx.tx.rows(_OF_TICKET, {"tenant": ctx.tenant_id, "ticket": ticket_id})
    row = next((row for row in rows if clock in {str(row["id"]), row["metric"]}), None)
    if row is None:
        message = f"The ticket has no clock {clock[:60]!r}."
        raise NotFoundError(message)
    entries = read(row["history"])
    if not entries or entries[0].kind != "start":
        message = "The clock was started before histories were kept."
        raise HistoryIncompleteError(message)
    calendars = {
        source: await hours_by(ctx, source.calendar_id, source.calendar_version)
        for source in dict.fromkeys(entry.source for entry in entries if entry.source is not None)
    }
    history = [happened(entry, calendars[entry.source] if entry.source else None) for entry in entries]
    # Whom steps notify and whom they give tickets to is for the people inside.
    stored = (await from_row(ctx, row)).clock if ctx.principal.sees(TICKET_INTERNAL) else None
    told = explain(
        Metric(row["metric"]),
        history,
        until=ctx.now,
        instance=row["instance"],
        escalations=() if stored is None else settle(stored, ctx.now).escalations,
    )
    teller = _Teller(
        language,
        entries,
        told,
        await _holiday_names(ctx, calendars),
    )
    started = history[0]
    assert isinstance(started, Started)  # noqa: S101 - `explain` has refused anything else.
    return teller.shown(row["id"], ticket_id, started.at, ctx.now)


async def _holiday_names(ctx: Ctx, sources: Mapping[Source, Any]) -> dict[date, list[str]]:
    keys = [(source.calendar_id, source.calendar_version) for source in sources if source.calendar_id is not None]
    names: dict[date, list[str]] = {}
    for calendar_id, version in keys:
        holidays = await ctx.tx.value(_HOLIDAYS, {"tenant": ctx.tenant_id, "calendar": calendar_id, "version": version})
        for entry in holidays or ():
            called = names.setdefault(date.fromisoformat(entry["on"]), [])
            if entry["name"] not in called:
                called.append(entry["name"])
    return names


_HOLIDAYS = Statement(
    select(calendar_versions.c.holidays).where(
        calendar_versions.c.tenant_id == bindparam("tenant"),
        calendar_versions.c.calendar_id == bindparam("calendar"),
        # A day may be a holiday by an earlier edit, which was in force until a later one.
        calendar_versions.c.calendar_version <= bindparam("version"),
    )
)


@dataclass(frozen=True, slots=True)
class _Teller:
    """Put an explanation into one language."""

    language: Language
    entries: Sequence[Entry]
    told: Explanation
    names: Mapping[date, Sequence[str]]

    def shown(self, clock_id: UUID, ticket_id: UUID, started_at: datetime, now: datetime) -> ClockExplanation:
        """Give the whole explanation."""
        clock, calendar = self.told.measured.clock, self.told.measured.terms.calendar
        left = remaining(clock, calendar, now)
        return ClockExplanation(
            clock_id=clock_id,
            ticket_id=ticket_id,
            metric=clock.metric,
            instance=clock.instance,
            state=clock.state,
            language=self.language,
            time_zone=calendar.zone,
            started_at=started_at,
            target_seconds=budget(clock) // _SECOND,
            elapsed_seconds=_used(clock, calendar, now) // _SECOND,
            remaining_seconds=left // _SECOND,
            due_at=clock.due_at,
            breached_at=clock.breached_at,
            stopped_at=clock.stopped_at,
            conclusion=self._conclusion(clock, left),
            steps=self._steps(),
        )

    def _steps(self) -> list[ExplainedStep]:
        total = timedelta()
        target = self._target_by(0)
        shown: list[ExplainedStep] = []
        for step in self.told.steps:
            total += step.counted
            entry = None if step.change is None else self.entries[step.change]
            terms = self._terms_by(step)
            target = target if terms is None or step.change is None else self._target_by(step.change)
            shown.append(self._step(step, entry, terms, target, total))
        return shown

    def _terms_by(self, step: Step) -> Entry | None:
        """Find the last entry with terms up to the change that a step tells, if it may have brought any."""
        if step.change is None or step.kind not in _TERMS:
            return None
        return next(entry for entry in reversed(self.entries[: step.change + 1]) if entry.target is not None)

    def _target_by(self, change: int) -> timedelta:
        """Give what may be used up after a change: the latest target, and what was granted beside it."""
        until = self.entries[: change + 1]
        target = next(entry.target for entry in reversed(until) if entry.target is not None)
        return target + sum((entry.extended for entry in until if entry.extended is not None), timedelta())

    def _due_by_hand(self, change: int) -> datetime | None:
        """Give the deadline that is set by hand after a change."""
        until = reversed(self.entries[: change + 1])
        return next((entry.due_at for entry in until if entry.kind in {"fix", Move.RELEASE}), None)

    def _step(
        self, step: Step, entry: Entry | None, terms: Entry | None, target: timedelta, total: timedelta
    ) -> ExplainedStep:
        source = terms.source if terms is not None else None
        names = list(dict.fromkeys(name for on in step.holidays for name in self.names.get(on, ())))
        return ExplainedStep(
            kind=step.kind,
            from_at=step.from_at,
            to_at=step.to_at,
            counted_seconds=step.counted // _SECOND,
            waited_seconds=step.waited // _SECOND,
            is_projected=step.is_projected,
            reason=None if entry is None else entry.reason.kind,
            status=None if entry is None else entry.reason.status,
            changed_fields=[] if entry is None else list(entry.reason.fields),
            holidays=names,
            target_seconds=None if terms is None else target // _SECOND,
            policy_id=None if source is None else source.policy_id,
            policy_version=None if source is None else source.policy_version,
            calendar_id=None if source is None else source.calendar_id,
            calendar_version=None if source is None else source.calendar_version,
            due_at=None if step.change is None else self._due_by_hand(step.change),
            step=step.key,
            text=self._text(step, entry, names, target=target, total=total),
        )

    def _text(
        self, step: Step, entry: Entry | None, names: Sequence[str], *, target: timedelta, total: timedelta
    ) -> str:
        language = self.language
        status = entry.reason.status if entry is not None else None
        name = step.kind.value
        if status is None and has_sentence(language, f"{name}_otherwise"):
            name = f"{name}_otherwise"
        if step.kind is StepKind.DUE and self.told.measured.clock.manual_due_at is not None:
            name = "due_by_hand"
        manual = None if entry is None else entry.due_at
        said = sentence(
            language,
            name,
            counted=duration(language, step.counted),
            waited=duration(language, step.waited),
            target=duration(language, target),
            total=duration(language, total),
            names=", ".join(names),
            step=step.key or "",
            manual="" if manual is None else self._instant(manual),
            status="" if status is None else word(language, status),
            fields=", ".join(word(language, field) for field in (entry.reason.fields if entry is not None else ())),
            **{"from": self._instant(step.from_at), "to": self._instant(step.to_at)},
        )
        return sentence(language, "projected", sentence=said) if step.is_projected else said

    def _conclusion(self, clock: Clock, left: timedelta) -> str:
        name = "overdue" if clock.state is ClockState.RUNNING and left <= timedelta() else clock.state.value
        return sentence(
            self.language,
            f"conclusion_{name}",
            due="" if clock.due_at is None else self._instant(clock.due_at),
            stopped="" if clock.stopped_at is None else self._instant(clock.stopped_at),
            left=duration(self.language, left),
        )

    def _instant(self, at: datetime) -> str:
        return instant(self.language, at, zone_named(self.told.measured.terms.calendar.zone))


def _used(clock: Clock, calendar: Calendar, now: datetime) -> timedelta:
    running = clock.state is ClockState.RUNNING
    return clock.elapsed + (calendar.between(clock.since_at, max(now, clock.since_at)) if running else timedelta())
