"""However a test clock is moved over a stretch of time, the same happens at the same instants in the same order."""

import random
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.conftest import MakeSandbox
from tests.factories import Json, a_policy, a_reply, a_ticket, a_user, get, patch
from tests.guarantees.report import SCALE, tell
from tests.stage import Client, Stage, utc

START = utc(2026, 3, 23, 8)
# The clocks of Rome go forward on 2026-03-29 and the month has a holiday, so that hours differ between its weeks.
CALENDAR = {
    "name": "Rome",
    "time_zone": "Europe/Rome",
    "weekly_hours": {
        day: [{"start": "08:30", "end": "12:30"}, {"start": "14:00", "end": "18:00"}]
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
    },
    "holidays": [{"on": "2026-04-06", "name": "Easter Monday"}],
}
TICKETS = 40 * SCALE
CROWD = 140 * SCALE
_FIRED_PER_CALL = 500
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATIENCE = 60.0


@dataclass
class Mover:
    """Moves a clock to an instant, in its own manner."""

    now: datetime
    step: timedelta | None = None
    calls: int = 0
    fired: int = 0
    background: int = 0

    def to(self, api: Client, instant: datetime) -> None:
        """Advance to an instant in steps, or at once when there is no step."""
        while self.now < instant:
            self.now = instant if self.step is None else min(instant, self.now + self.step)
            answer = api.post("/v1/test-clock/advance", json={"to": self.now.isoformat()})
            assert answer.status_code in {200, 202}, answer.text
            self.calls += 1
            self.fired += answer.json()["fired_count"]
            if answer.status_code == 202:
                self.background += 1
                wait_for_arrival(api, self.now)


def wait_for_arrival(api: Client, instant: datetime) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (clock := get(api, "test-clock"))["advancing_to"] is not None:
        assert time.monotonic() < deadline, "the clock did not arrive"
        time.sleep(0.05)
    assert datetime.fromisoformat(clock["now"]) == instant


def policies(api: Client) -> None:
    """Promise by priority, in business and in calendar hours, with and without a warning."""
    a_policy(
        api,
        name="Round the clock",
        position=1,
        calendar_id=None,
        condition={"field": "priority", "op": "eq", "value": "urgent"},
        targets=[
            {"metric": "first_response", "seconds": 1_800, "hours": "calendar"},
            {"metric": "resolution", "seconds": 6 * 3_600, "hours": "calendar", "warning_percent": 50},
        ],
    )
    calendar = api.post("/v1/calendars", json=CALENDAR)
    assert calendar.status_code == 201, calendar.text
    a_policy(
        api,
        name="Office hours",
        position=2,
        calendar_id=calendar.json()["id"],
        targets=[
            {"metric": "first_response", "seconds": 4 * 3_600},
            {"metric": "resolution", "priority": "low", "seconds": 100 * 3_600, "warning_percent": None},
            {"metric": "resolution", "seconds": 30 * 3_600, "warning_percent": 80},
        ],
    )


def live(api: Client, mover: Mover, seed: int) -> None:
    """Play one and the same history of a day or two: tickets come, wait, go on, are answered, solved and reopened."""
    chance = random.Random(seed)
    policies(api)
    user = a_user(api, email="ada@service.example")
    tickets: list[Json] = []
    for number in range(TICKETS * 2):
        mover.to(api, mover.now + timedelta(seconds=chance.choice([0, 1, chance.randrange(6_480 // SCALE)])))
        if number % 2 == 0:
            priority = chance.choice(["low", "normal", "high", "urgent"])
            status = chance.choice(["new", "new", "open", "pending"])
            tickets.append(a_ticket(api, subject=f"Ticket {number}", priority=priority, status=status))
            continue
        path = f"tickets/{chance.choice(tickets)['id']}"
        match chance.choice(["open", "pending", "on_hold", "solved", "reply", "priority"]):
            case "reply":
                a_reply(api, {"id": path.rpartition("/")[2]}, author_user_id=user["id"])
            case "priority":
                patch(api, path, priority=chance.choice(["low", "normal", "high", "urgent"]))
            case status:
                patch(api, path, status=status)


def crowd(api: Client) -> None:
    """Make so many tickets at one instant that one call cannot fire all their deadlines."""
    policies(api)
    for number in range(CROWD):
        a_ticket(api, subject=f"Ticket {number}", priority=("normal", "urgent", "low", "high")[number % 4])


def told(stage: Stage, api: Client) -> list[tuple[str, ...]]:
    """Give all that happened in the tenant, in order; an id is told by its place in the order of appearance.

    How often the clock was moved is what the two differ in.
    """
    rows = stage.sql(
        "SELECT type, object_id::text, object_version::text, occurred_at::text, changes::text, data::text"
        " FROM events WHERE tenant_id = $1 AND type <> 'test_clock.advanced' ORDER BY xid, seq",
        api.tenant.id,
    )
    places: dict[str, str] = {}

    def placed(match: re.Match[str]) -> str:
        return places.setdefault(match[0], f"#{len(places)}")

    return [tuple(_UUID.sub(placed, text) for text in row) for row in rows]


def deadlines_told(events: list[tuple[str, ...]]) -> int:
    return sum(event[0] in {"ticket.sla_warning", "ticket.sla_breached"} for event in events)


def test_a_month_in_one_call_equals_the_same_month_hour_by_hour(sandbox: MakeSandbox, stage: Stage) -> None:
    end = START + timedelta(days=3 + 31)
    at_once, hourly = Mover(START), Mover(START, step=timedelta(hours=1))
    histories = []

    for mover in (at_once, hourly):
        api = sandbox(START)
        live(api, mover, seed=20_260_323)
        mover.to(api, end)
        histories.append(told(stage, api))

    one_call, hour_by_hour = histories
    different = sum(one != other for one, other in zip(one_call, hour_by_hour, strict=False))
    lost = abs(len(one_call) - len(hour_by_hour))
    tell(
        "clock_month_in_one_call_equals_hour_by_hour",
        n=len(one_call),
        faults=hourly.calls - at_once.calls,
        lost=lost,
        dup=0,
        different=different,
        deadlines=deadlines_told(one_call),
    )
    assert hourly.calls > 31 * 24
    assert at_once.calls <= TICKETS * 2 + 1
    assert at_once.background == hourly.background == 0
    assert deadlines_told(one_call) == at_once.fired == hourly.fired > TICKETS
    assert one_call == hour_by_hour


def test_a_stretch_too_long_for_one_call_arrives_by_the_worker_with_the_same_events(
    sandbox: MakeSandbox, stage: Stage
) -> None:
    end = START + timedelta(days=31)
    at_once, daily = Mover(START), Mover(START, step=timedelta(hours=6))
    histories = []

    for mover in (at_once, daily):
        api = sandbox(START)
        crowd(api)
        mover.to(api, end)
        histories.append(told(stage, api))

    by_worker, day_by_day = histories
    tell(
        "clock_long_stretch_by_the_worker",
        n=len(by_worker),
        faults=at_once.background,
        lost=abs(len(by_worker) - len(day_by_day)),
        dup=0,
        deadlines=deadlines_told(by_worker),
    )
    assert (at_once.calls, at_once.background, at_once.fired) == (1, 1, _FIRED_PER_CALL)
    assert deadlines_told(by_worker) > _FIRED_PER_CALL
    assert by_worker == day_by_day
