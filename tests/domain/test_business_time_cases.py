"""Thirty cases from the tests of other projects; `data/business_time_cases.json` names each source."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpdesk_api.domain import sla
from helpdesk_api.domain.business_time import Calendar, ReversedPeriodError
from helpdesk_api.domain.sla import Metric, Terms
from tests.domain.calendars import DAY, calendar_of
from tests.domain.oracle import Rules, Spans

Case = Mapping[str, Any]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FILE = Path(__file__).parent / "data" / "business_time_cases.json"
_CASES: list[Case] = json.loads(_FILE.read_text())["cases"]


def _with(op: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in _CASES if case["op"] == op and "pauses" not in case]


@pytest.mark.parametrize("case", _with("add"))
def test_a_budget_is_used_up_at_the_earliest_possible_instant(case: Case) -> None:
    due_at = _calendar(case).add(_instant(case["start_utc"]), timedelta(seconds=case["amount_seconds"]))

    assert due_at == _instant(case["check"]["bruteforce_earliest"])


@pytest.mark.parametrize("case", _with("subtract"))
def test_a_budget_reaches_back_to_the_latest_possible_instant(case: Case) -> None:
    began_at = _calendar(case).subtract(_instant(case["start_utc"]), timedelta(seconds=case["amount_seconds"]))

    assert began_at == _instant(case["check"]["bruteforce_latest"])


@pytest.mark.parametrize("case", _with("between"))
def test_open_time_between_two_instants(case: Case) -> None:
    calendar, start, end = _calendar(case), _instant(case["start_utc"]), _instant(case["end_utc"])

    if end < start:
        with pytest.raises(ReversedPeriodError):
            calendar.between(start, end)
        return
    assert calendar.between(start, end) == timedelta(seconds=case["check"]["bruteforce_seconds"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in _CASES if "pauses" in case])
def test_a_paused_clock_moves_its_deadline_by_the_open_time_of_the_pause(case: Case) -> None:
    calendar = _calendar(case)
    target = timedelta(seconds=case.get("amount_seconds", DAY))
    clock = sla.start(Metric.FIRST_RESPONSE, Terms(target, calendar), _instant(case["start_utc"]))

    for pause_at, resume_at in case["pauses"]:
        clock = sla.pause(clock, calendar, _instant(pause_at))
        clock = sla.resume(clock, calendar, _instant(resume_at))

    if case["op"] == "add":
        assert clock.due_at == _instant(case["check"]["bruteforce_earliest"])
    else:
        stopped = sla.stop(clock, calendar, _instant(case["end_utc"]))
        assert stopped.elapsed == timedelta(seconds=case["check"]["bruteforce_seconds"])


def test_no_case_is_left_out() -> None:
    assert len(_CASES) == 30
    assert {case["op"] for case in _CASES} == {"add", "subtract", "between"}


def _calendar(case: Case) -> Calendar:
    whole_days: dict[date, Spans] = {date.fromisoformat(on): ((0, DAY),) for on in case["holidays"]}
    breaks = {date.fromisoformat(on): _spans(spans) for on, spans in case.get("breaks", {}).items()}
    return calendar_of(
        Rules(
            zone=case["timezone"],
            weekly=tuple(_spans(case["weekly_hours"].get(day, [])) for day in _DAYS),
            special={date.fromisoformat(on): _spans(spans) for on, spans in case.get("date_overrides", {}).items()},
            holidays=breaks | whole_days,
        )
    )


def _spans(spans: list[list[str]]) -> Spans:
    return tuple((_second(begin), _second(end)) for begin, end in spans)


def _second(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
