"""Why a clock is due when it is: its history told as steps, whose counted time adds up to the deadline.

Steps follow one another without a gap. A period says how much of it counted; an instant says what happened. Counted
time is told in whole seconds of the running total, so that the sum is exact however often a clock was paused within a
second. Long stretches are told by the day, week, month or year, never by leaving anything out. How a step is worded
belongs to `tickets.explanation_texts`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from helpdesk_api.domain.clock_history import (
    Change,
    Extended,
    Fixed,
    History,
    MeasuredClock,
    Move,
    Moved,
    Retargeted,
    Started,
    begun,
)
from helpdesk_api.domain.escalation import Escalations
from helpdesk_api.domain.explained_steps import Piece, Spell, Step, StepKind, in_whole_seconds, instant, told
from helpdesk_api.domain.sla import LIVE, Clock, ClockState, Metric, settle


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps of a clock, and the clock as they leave it."""

    steps: Sequence[Step]
    measured: MeasuredClock


def explain(
    metric: Metric, history: History, *, until: datetime, instance: int = 1, escalations: Escalations | None = None
) -> Explanation:
    """Tell how a clock came to be as it is at `until`, and what leads to its deadline from there.

    `escalations` are its steps as they were recorded, if they are to be told; by its history they may be reached at
    other instants, once its calendar was edited.
    """
    first, *changes = history
    if not isinstance(first, Started):
        message = "a history begins with the start of the clock"
        raise TypeError(message)
    measured, change = begun(metric, first, instance=instance), 0
    at = first.at
    pieces: list[Piece] = [instant(StepKind.STARTED, at, 0)]
    for place, happened in enumerate(changes, start=1):
        if isinstance(happened, Started):
            message = "a clock starts once"
            raise TypeError(message)
        pieces.append(Spell(measured.clock.state, measured.terms.calendar, at, happened.at, change))
        measured, at = measured.after(happened), happened.at
        if isinstance(happened, Moved) and happened.move is Move.PAUSE:
            # The pause is told as the period that follows.
            change = place
            continue
        pieces.append(instant(_kind(happened, measured.clock), at, place))
    clock = settle(measured.clock, max(until, at))
    if clock.state in LIVE:
        pieces.append(Spell(clock.state, measured.terms.calendar, at, max(until, at), change))
        at = max(until, at)
    if clock.due_at is not None and clock.due_at > at:
        state = ClockState.PAUSED if clock.state is ClockState.PAUSED else ClockState.RUNNING
        pieces.append(Spell(state, measured.terms.calendar, at, clock.due_at, change, is_projected=True))
    pieces = _cut(_escalated(pieces, clock, escalations or ()), clock)
    if clock.due_at is not None:
        pieces.append(instant(StepKind.DUE, clock.due_at, None))
    return Explanation(in_whole_seconds(told(pieces)), MeasuredClock(clock, measured.terms))


def _kind(happened: Change, clock: Clock) -> StepKind:
    match happened:
        case Retargeted():
            return StepKind.RETARGETED
        case Extended():
            return StepKind.EXTENDED
        case Fixed():
            return StepKind.DEADLINE_SET
        case Moved():
            return _KINDS.get(happened.move) or (StepKind.MET if clock.state is ClockState.MET else StepKind.MISSED)


_KINDS: Final = {
    Move.RESUME: StepKind.RESUMED,
    Move.REOPEN: StepKind.REOPENED,
    Move.CANCEL: StepKind.CANCELLED,
    Move.RELEASE: StepKind.DEADLINE_RELEASED,
}


def _escalated(pieces: Sequence[Piece], clock: Clock, escalations: Escalations) -> list[Piece]:
    """Put the escalation steps where they came, and those still to come up to the deadline."""
    last = pieces[-1].until if isinstance(pieces[-1], Spell) else pieces[-1].to_at
    marks = [(one.reached_at, one.step.key, False) for one in escalations if one.reached_at is not None]
    if clock.state in LIVE:
        ahead = (one for one in escalations if one.reached_at is None and one.is_current)
        marks += [(one.at, one.step.key, True) for one in ahead if one.at is not None and one.at <= last]
    marks.sort()
    found: list[Piece] = []

    def tell_until(at: datetime) -> None:
        while marks and marks[0][0] <= at:
            came_at, key, is_projected = marks.pop(0)
            found.append(replace(instant(StepKind.ESCALATED, came_at, None), key=key, is_projected=is_projected))

    for piece in pieces:
        if isinstance(piece, Step):
            found.append(piece)
            continue
        # Behind whatever else happened at the instant at which this begins.
        tell_until(piece.since)
        since = piece.since
        while marks and marks[0][0] < piece.until:
            found.append(replace(piece, since=since, until=marks[0][0]))
            since = marks[0][0]
            tell_until(since)
        found.append(replace(piece, since=since))
    tell_until(max(last, marks[-1][0]) if marks else last)
    return found


def _cut(pieces: Iterable[Piece], clock: Clock) -> list[Piece]:
    """Let a step end where the target was used up, and one where the clock is due, however long stretches are told."""
    cuts = sorted({at for at in (clock.breached_at, clock.due_at) if at is not None})
    found: list[Piece] = []
    untold = clock.breached_at
    for piece in pieces:
        if isinstance(piece, Step):
            found.append(piece)
            continue
        if untold is not None and untold == piece.since:
            found.append(instant(StepKind.BREACHED, untold, None))
            untold = None
        edges = [piece.since, *(at for at in cuts if piece.since < at < piece.until), piece.until]
        for since, until in pairwise(edges):
            found.append(replace(piece, since=since, until=until))
            # At the end of a pause it stands behind what ended the pause.
            is_told_here = piece.state is ClockState.RUNNING or until != piece.until
            if untold is not None and untold == until and is_told_here:
                found.append(instant(StepKind.BREACHED, untold, None))
                untold = None
    return found if untold is None else [*found, instant(StepKind.BREACHED, untold, None)]
