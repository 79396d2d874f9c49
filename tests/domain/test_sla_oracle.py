"""The life of a clock against a simulation that lives it a minute at a time, with and without the deadline table."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpdesk_api.domain import clock_firing, sla
from helpdesk_api.domain.attainment import remaining
from helpdesk_api.domain.business_time import Calendar
from helpdesk_api.domain.clock_history import Move, Moved, Retargeted, replay
from helpdesk_api.domain.escalation import EscalationStep
from helpdesk_api.domain.sla import Clock, ClockState, Metric, Terms
from tests.domain.calendars import DAY, EVENTFUL_WEEKS, EXAMPLES, HOUR, calendar_of, rules_around, window_around
from tests.domain.oracle import Rules, Walk

MINUTE = timedelta(minutes=1)

_POSSIBLE: dict[ClockState, list[Move | None]] = {
    ClockState.RUNNING: [Move.PAUSE, None, Move.PAUSE, Move.STOP, Move.CANCEL],
    ClockState.PAUSED: [Move.RESUME, None, Move.RESUME, Move.STOP, Move.CANCEL],
    ClockState.MET: [Move.REOPEN],
    ClockState.BREACHED: [Move.REOPEN],
    ClockState.CANCELLED: [Move.REOPEN],
}


_MOVES = {
    Move.PAUSE: sla.pause,
    Move.RESUME: sla.resume,
    Move.STOP: sla.stop,
    Move.CANCEL: sla.cancel,
    Move.REOPEN: sla.reopen,
}


@dataclass
class LivedClock:
    """A clock that is lived through minute by minute. All instants and budgets lie on whole minutes."""

    walks: dict[Calendar, Walk]
    terms: Terms
    at: datetime
    state: ClockState = ClockState.RUNNING
    elapsed: timedelta = timedelta()
    paused: timedelta = timedelta()
    breached_at: datetime | None = None
    warned_at: datetime | None = None
    # When each step was reached, by its key, and whether the clock got it too late.
    steps: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    # What had been used up at each minute since the present stretch began.
    used: list[tuple[datetime, timedelta]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begin_stretch()

    def live_until(self, at: datetime) -> None:
        while self.at < at:
            is_open = self.walks[self.terms.calendar].is_open(self.at)
            self.at += MINUTE
            if is_open and self.state is ClockState.RUNNING:
                self.elapsed += MINUTE
            if is_open and self.state is ClockState.PAUSED:
                self.paused += MINUTE
            self.used.append((self.at, self.elapsed))
            self._notice()

    def move(self, move: Move) -> None:
        match move:
            case Move.PAUSE:
                self.state = ClockState.PAUSED
            case Move.RESUME | Move.REOPEN:
                self.state = ClockState.RUNNING
            case Move.STOP:
                self.state = ClockState.BREACHED if self.breached_at else ClockState.MET
            case Move.CANCEL:
                self.state = ClockState.CANCELLED
            case Move.RELEASE:
                pytest.fail("nothing is set by hand here")
        self._begin_stretch()

    def retarget(self, terms: Terms) -> None:
        is_other_calendar = terms.calendar != self.terms.calendar
        self.terms = terms
        for key, after in self.ahead().items():
            if self.elapsed >= after:
                self.steps[key] = self.at, True
        self._notice()
        if is_other_calendar:
            self._begin_stretch()

    def ahead(self) -> dict[str, timedelta]:
        """Return after how much time the steps come that have not."""
        target = self.terms.target
        return {
            step.key: target * (step.percent // 100)
            if step.percent
            else max(target + (step.offset or timedelta()), timedelta())
            for step in self.terms.steps
            if step.key not in self.steps
        }

    def due_at(self, budget: timedelta | None, recorded_at: datetime | None) -> datetime | None:
        """Return when the budget is or will be used up if nothing more happens; None if outside the window."""
        if budget is None:
            return None
        if self.used[0][1] >= budget and recorded_at is not None:
            return recorded_at
        reached_at = self._reached_at(budget)
        return reached_at or self.walks[self.terms.calendar].add(self.at, budget - self.elapsed)

    def _begin_stretch(self) -> None:
        self.used = [(self.at, self.elapsed)]
        self._notice()

    def _notice(self) -> None:
        if self.state not in {ClockState.RUNNING, ClockState.PAUSED}:
            return
        if self.breached_at is None:
            self.breached_at = self._reached_at(self.terms.target)
        if self.warned_at is None and self.terms.warning is not None:
            self.warned_at = self._reached_at(self.terms.warning)
        for key, after in self.ahead().items():
            if (reached_at := self._reached_at(after)) is not None:
                self.steps[key] = reached_at, False

    def _reached_at(self, budget: timedelta) -> datetime | None:
        if self.elapsed < budget:
            return None
        return next(at for at, used in self.used if used >= budget)


# Few keys, so that other terms often have a step that is known already.
_STEPS = st.builds(EscalationStep, st.sampled_from("abc"), percent=st.sampled_from([100, 200])) | st.builds(
    EscalationStep, st.sampled_from("abc"), offset=st.integers(-500, 500).map(lambda minutes: minutes * MINUTE)
)


@st.composite
def _terms(draw: st.DrawFn, calendar: Calendar) -> Terms:
    target = draw(st.sampled_from([0, 1, 60, 480]) | st.integers(0, 1500))
    warning = draw(st.none() | st.integers(0, target))
    steps = draw(st.lists(_STEPS, max_size=3, unique_by=lambda step: step.key))
    return Terms(target * MINUTE, calendar, None if warning is None else warning * MINUTE, tuple(steps))


# Minutes to the next event, which of the possible events it is, and whether the deadline table fires before it.
_EVENTS = st.lists(
    st.tuples(st.sampled_from([0, 0, 60, 480]) | st.integers(0, 900), st.integers(0, 4), st.booleans()), max_size=8
)


@EXAMPLES
@given(data=st.data(), week=st.sampled_from(EVENTFUL_WEEKS), begin=st.integers(0, 1440), events=_EVENTS)
def test_a_clock_is_what_living_through_its_history_makes_of_it(
    data: st.DataObject, week: tuple[str, date], begin: int, events: list[tuple[int, int, bool]]
) -> None:
    rules = data.draw(rules_around(*week))
    # Fewer hours than this, and the longest target would be out of reach.
    assume(sum(end - begin for hours in rules.weekly for begin, end in hours) > 4 * HOUR)
    office = Rules(week[0], (((9 * HOUR, 17 * HOUR),),) * 5 + ((), ()))
    always = Rules("UTC", (((0, DAY),),) * 7)
    since, _ = window_around(week[1])
    walks = {calendar_of(of): Walk(of, since, timedelta(days=7)) for of in (rules, office, always)}
    any_terms = st.sampled_from([calendar_of(office), *walks]).flatmap(_terms)
    at = since + begin * MINUTE
    terms = first_terms = data.draw(any_terms)
    started_at = at
    lived = LivedClock(walks, terms, at)
    clock = sla.start(Metric.RESOLUTION, terms, at)
    history: list[Moved | Retargeted] = []

    for gap, choice, is_table_prompt in events:
        at += gap * MINUTE
        lived.live_until(at)
        if is_table_prompt:
            clock = _fired(clock, at)
        _assert_same_amounts(clock, lived, terms.calendar, at)
        possible = _POSSIBLE[clock.state]
        move = possible[choice % len(possible)]
        if move is None:
            other = data.draw(any_terms)
            clock = sla.retarget(clock, other, calendar=terms.calendar, at=at)
            history.append(Retargeted(other, at))
            lived.retarget(other)
            terms = other
        else:
            clock = _MOVES[move](clock, terms.calendar, at)
            history.append(Moved(move, at))
            lived.move(move)

    at += 600 * MINUTE
    lived.live_until(at)
    replayed = replay(Metric.RESOLUTION, first_terms, started_at, history=history, until=at)
    assert sla.settle(clock, at) == replayed
    assert _fired(clock, at) == replayed
    _assert_same(replayed, lived)


def _fired(clock: Clock, at: datetime) -> Clock:
    """Do what the deadline table does when everything due by `at` has fired."""
    for place, one in enumerate(clock.escalations, start=1):
        is_reached = one.reached_at is not None
        is_due = clock.state is ClockState.RUNNING and one.at is not None and one.at <= at
        if not one.is_told and (is_reached or is_due):
            clock, told = clock_firing.escalate(clock, place, at)
            assert told.reached_at == (one.reached_at or one.at)
    if clock.state is not ClockState.RUNNING:
        return clock
    if clock.warned_at is None and clock.warning_at is not None and clock.warning_at <= at:
        clock = clock_firing.warn(clock, at)
    if clock.breached_at is None and clock.due_at is not None and clock.due_at <= at:
        clock = clock_firing.breach(clock, at)
    return clock


def _assert_same_amounts(clock: Clock, lived: LivedClock, calendar: Calendar, at: datetime) -> None:
    assert remaining(clock, calendar, at) == lived.terms.target - lived.elapsed
    assert clock.state == lived.state


def _assert_same(clock: Clock, lived: LivedClock) -> None:
    _assert_same_amounts(clock, lived, lived.terms.calendar, lived.at)
    assert clock.breached_at == lived.breached_at
    assert clock.warned_at == lived.warned_at
    reached = {one.step.key: (one.reached_at, one.is_late) for one in clock.escalations if one.reached_at}
    assert reached == lived.steps
    if clock.state is ClockState.PAUSED:
        assert clock.due_at is None
        assert clock.warning_at is None
        assert clock.paused + lived.terms.calendar.between(clock.since_at, lived.at) == lived.paused
    else:
        assert clock.paused == lived.paused
    if clock.state is ClockState.RUNNING:
        _assert_same_instant(clock.due_at, lived.due_at(lived.terms.target, lived.breached_at), lived)
        ahead = {one.step.key: one.at for one in clock.escalations if one.is_current and one.reached_at is None}
        assert ahead.keys() == lived.ahead().keys()
        for key, after in lived.ahead().items():
            _assert_same_instant(ahead[key], lived.due_at(after, None), lived)
        _assert_same_instant(clock.warning_at, lived.due_at(lived.terms.warning, lived.warned_at), lived)


def _assert_same_instant(computed: datetime | None, expected: datetime | None, lived: LivedClock) -> None:
    if computed is not None and expected is None:
        assert computed > lived.walks[lived.terms.calendar].end
    else:
        assert computed == expected
