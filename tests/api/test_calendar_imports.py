"""iCalendar files as holidays of a calendar, over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import MakeSandbox
from tests.factories import Json, a_calendar, get, patch
from tests.stage import Client

YEARS = {"first_year": 2026, "last_year": 2028}


def event(uid: str, *lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:Event {uid}", *lines, "END:VEVENT"])


def a_file(*events: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *events, "END:VCALENDAR", ""])


def take(api: Client, calendar: Json, **values: object) -> Json:
    answer = api.post(f"/v1/calendars/{calendar['id']}/import", json=YEARS | values)
    assert answer.status_code == 200, answer.text
    imported: Json = answer.json()
    return imported


def closed(api: Client, calendar: Json) -> list[tuple[str, str | None, str | None]]:
    holidays = get(api, f"calendars/{calendar['id']}")["holidays"]
    return [(entry["on"], entry["start"], entry["end"]) for entry in holidays]


@contextmanager
def serving(body: str, status: int = 200) -> Iterator[str]:
    """Serve one file on loopback; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = body.encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/calendar.ics"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["DTSTART;VALUE=DATE:20261225"], [("2026-12-25", None, None)], id="one-date"),
        pytest.param(
            ["DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261227"],
            [("2026-12-25", None, None), ("2026-12-26", None, None)],
            id="two-dates",
        ),
        pytest.param(
            ["DTSTART:20261224T130000Z", "DURATION:PT1H30M"], [("2026-12-24", "14:00", "15:30")], id="instants-in-utc"
        ),
        pytest.param(
            ["DTSTART:20261224T130000", "DTEND:20261224T240000"[:-6] + "235959"],
            [("2026-12-24", "13:00", "24:00")],
            id="times-without-a-zone-are-those-of-the-calendar",
        ),
        pytest.param(
            ["DTSTART;TZID=America/New_York:20261224T160000", "DTEND;TZID=America/New_York:20261225T040000"],
            [("2026-12-24", "22:00", "24:00"), ("2026-12-25", "00:00", "10:00")],
            id="over-midnight-in-another-zone",
        ),
        pytest.param(
            ["DTSTART;VALUE=DATE:20200106", "RRULE:FREQ=YEARLY", "EXDATE;VALUE=DATE:20270106"],
            [("2026-01-06", None, None), ("2028-01-06", None, None)],
            id="yearly-but-once",
        ),
        pytest.param(
            ["DTSTART;VALUE=DATE:20201127", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"],
            [("2026-11-26", None, None), ("2027-11-25", None, None), ("2028-11-23", None, None)],
            id="a-weekday-of-a-month",
        ),
        pytest.param(
            ["DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"],
            [("2028-02-29", None, None)],
            id="leap-day",
        ),
    ],
)
def test_events_become_dates_and_parts_of_dates(
    sandbox: MakeSandbox, lines: list[str], expected: list[tuple[str, str | None, str | None]]
) -> None:
    api = sandbox()
    calendar = a_calendar(api, time_zone="Europe/Rome")

    imported = take(api, calendar, file=a_file(event("a", *lines)))

    assert [(row["uid"], row["name"], row["result"]) for row in imported["events"]] == [("a", "Event a", "imported")]
    assert closed(api, calendar) == expected
    assert {entry["source"] for entry in get(api, f"calendars/{calendar['id']}")["holidays"]} == {"imported"}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["DTSTART;VALUE=DATE:20360101"], "outside_years"),
        (["DTSTART;VALUE=DATE:20260101", "STATUS:CANCELLED"], "cancelled"),
        (["DTSTART:tomorrow"], "unreadable"),
        (["SUMMARY:No date at all"], "unreadable"),
        (["DTSTART;VALUE=DATE:20260105", "DTEND;VALUE=DATE:20260101"], "unreadable"),
        (["DTSTART;VALUE=DATE:20260101", "DTEND;VALUE=DATE:20280101"], "too_long"),
        (["DTSTART:20260101T000000Z", "RRULE:FREQ=SECONDLY"], "unsupported_recurrence"),
        (["DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"], "unsupported_recurrence"),
        (
            ["DTSTART;VALUE=DATE:20270101", "RRULE:FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29"],
            "unsupported_recurrence",
        ),
        (["DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6"], "unsupported_recurrence"),
        (["DTSTART;VALUE=DATE:20260101", "RDATE;VALUE=DATE:" + ",".join(["20260102"] * 3_000)], "too_costly"),
    ],
)
def test_an_event_that_cannot_be_taken_is_refused_by_itself(
    sandbox: MakeSandbox, lines: list[str], reason: str
) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    imported = take(api, calendar, file=a_file(event("bad", *lines), event("good", "DTSTART;VALUE=DATE:20261225")))

    assert [(row["uid"], row["result"], row["reason"]) for row in imported["events"]] == [
        ("bad", "refused", reason),
        ("good", "imported", None),
    ]
    assert closed(api, calendar) == [("2026-12-25", None, None)]


def test_zones_that_a_file_defines_itself_are_not_computed(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api, time_zone="Europe/Rome")
    zone = "\r\n".join(
        [
            *("BEGIN:VTIMEZONE", "TZID:Trap", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:+0000"),
            *("TZOFFSETTO:+0100", "RRULE:FREQ=SECONDLY", "END:STANDARD", "END:VTIMEZONE"),
        ]
    )

    imported = take(api, calendar, file=a_file(zone, event("a", "DTSTART;TZID=Trap:20260105T100000", "DURATION:PT1H")))

    assert imported["events"][0]["result"] == "imported"
    assert closed(api, calendar) == [("2026-01-05", "10:00", "11:00")]


def test_what_all_the_rules_of_a_file_cost_is_bounded(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    daily = [event(f"{number:03}", "DTSTART;VALUE=DATE:19700101", "RRULE:FREQ=DAILY") for number in range(20)]

    imported = take(api, calendar, file=a_file(*daily), dry_run=True)

    assert [row["reason"] for row in imported["events"]] == [None] * 2 + ["too_costly"] * 18


def test_a_second_import_changes_nothing_and_a_dry_run_neither(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    text = a_file(event("a", "DTSTART;VALUE=DATE:20261225"))

    rehearsed = take(api, calendar, file=text, dry_run=True)
    assert get(api, f"calendars/{calendar['id']}") == calendar
    first = take(api, calendar, file=text)
    second = take(api, calendar, file=text)

    assert [answer["applied"] for answer in (rehearsed, first, second)] == [False, True, True]
    assert [answer["version"] for answer in (rehearsed, first, second)] == [1, 2, 2]
    assert [answer["events"][0]["result"] for answer in (rehearsed, first, second)] == [
        *("imported", "imported", "unchanged")
    ]


def test_replacing_removes_what_the_file_no_longer_has_and_nothing_of_the_calendars_own(sandbox: MakeSandbox) -> None:
    api = sandbox()
    own = {"on": "2026-03-19", "name": "Patron", "start": None, "end": None, "source": "own"}
    calendar = a_calendar(api, holidays=[own])
    take(
        api,
        calendar,
        file=a_file(event("a", "DTSTART;VALUE=DATE:20261225"), event("b", "DTSTART;VALUE=DATE:20261226")),
    )

    imported = take(api, calendar, file=a_file(event("b", "DTSTART;VALUE=DATE:20261226")), replace=True)

    assert [entry["on"] for entry in imported["removed"]] == ["2026-12-25"]
    assert closed(api, calendar) == [("2026-03-19", None, None), ("2026-12-26", None, None)]


def test_a_file_is_fetched_from_its_url(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)

    with serving(a_file(event("a", "DTSTART;VALUE=DATE:20261225"))) as url:
        imported = take(api, calendar, file=url)

    assert imported["events"][0]["result"] == "imported"
    assert closed(api, calendar) == [("2026-12-25", None, None)]


def test_what_cannot_be_fetched_is_told_and_changes_nothing(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    path = f"/v1/calendars/{calendar['id']}/import"

    with serving("gone", status=410) as url:
        gone = api.post(path, json=YEARS | {"file": url})
    away = api.post(path, json=YEARS | {"file": url})
    inside = api.post(path, json=YEARS | {"file": "https://10.1.2.3/calendar.ics"})

    assert (gone.status_code, gone.json()["code"], gone.json()["params"]["reason"]) == (
        *(422, "calendar_not_fetched"),
        "status_410",
    )
    assert (away.status_code, away.json()["code"], away.json()["params"]["reason"]) == (
        *(422, "calendar_not_fetched"),
        "connect_failed",
    )
    assert inside.status_code == 422
    assert get(api, f"calendars/{calendar['id']}") == calendar


def test_a_text_that_is_no_calendar_is_refused(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    path = f"/v1/calendars/{calendar['id']}/import"
    many = a_file(*(event(f"{number}", "DTSTART;VALUE=DATE:20261225") for number in range(2_001)))

    html = api.post(path, json=YEARS | {"file": "<html></html>"})
    large = api.post(path, json=YEARS | {"file": many})

    assert (html.status_code, html.json()["code"]) == (422, "not_a_calendar_file")
    assert (large.status_code, large.json()["code"]) == (422, "calendar_file_too_large")


def test_what_people_entered_since_the_file_was_read_is_kept(sandbox: MakeSandbox) -> None:
    api = sandbox()
    calendar = a_calendar(api)
    patch(api, f"calendars/{calendar['id']}", holidays=[{"on": "2026-12-25", "name": "By hand"}])

    imported = take(api, calendar, file=a_file(event("a", "DTSTART;VALUE=DATE:20261225")))

    assert imported["events"][0]["result"] == "unchanged"
    assert [entry["name"] for entry in get(api, f"calendars/{calendar['id']}")["holidays"]] == ["By hand"]
