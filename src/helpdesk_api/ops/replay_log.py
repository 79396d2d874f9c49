"""Reading a help-desk log: one row a line, strictly. What is not as described is reported by its line and left out.

Nothing is guessed: a row is either read whole or skipped, and the rest of its case is played as if it were not there.
What the rows mean for tickets is decided in `replay_plan`.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

ZONE_NAME: Final = "Europe/Rome"
COLUMNS: Final = (
    "Case ID", "Activity", "Resource", "Complete Timestamp", "Variant", "Variant index", "Variant", "seriousness",
    "customer", "product", "responsible_section", "seriousness_2", "service_level", "service_type", "support_section",
    "workgroup",
)  # fmt: skip

_ZONE: Final = ZoneInfo(ZONE_NAME)
_CASE: Final = re.compile(r"Case [1-9][0-9]{0,8}")
_VALUE: Final = re.compile(r"Value ([1-9][0-9]{0,5})")
_TIME: Final = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.000")
_CASE_AT, _ACTIVITY_AT, _RESOURCE_AT, _TIME_AT = range(4)
# Columns of four anonymous values each, for which the plan has a word of the API.
_FOUR_KINDS: Final = frozenset({"seriousness_2", "service_type"})
_KINDS: Final = 4


class Activity(StrEnum):
    """Everything that happens to a case of the log."""

    INSERT_TICKET = "Insert ticket"
    ASSIGN_SERIOUSNESS = "Assign seriousness"
    TAKE_IN_CHARGE = "Take in charge ticket"
    WAIT = "Wait"
    REQUIRE_UPGRADE = "Require upgrade"
    CREATE_SW_ANOMALY = "Create SW anomaly"
    RESOLVE_SW_ANOMALY = "Resolve SW anomaly"
    SCHEDULE_INTERVENTION = "Schedule intervention"
    RESOLVE_TICKET = "Resolve ticket"
    RESOLVED = "RESOLVED"
    VERIFIED = "VERIFIED"
    DUPLICATE = "DUPLICATE"
    INVALID = "INVALID"
    CLOSED = "Closed"


class LogError(Exception):
    """The file is no such log at all; the message says why."""


class MalformedRowError(Exception):
    """A row is not as described; the message names what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, read whole. The values of the log are anonymous numbers."""

    line: int
    case: str
    activity: Activity
    resource: int
    at: datetime
    written_at: str
    customer: int
    product: int
    responsible_section: int
    seriousness: int
    service_level: int
    service_type: int
    support_section: int
    workgroup: int


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A line that was left out, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Log:
    """The cases of a log in the order in which they begin in the file, each with its rows in file order."""

    cases: tuple[tuple[Row, ...], ...]
    skipped: tuple[SkippedRow, ...]


def read_log(path: Path) -> Log:
    """Read a log; raises LogError if there is none, or if its columns are others."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LogError(f"{path} cannot be read: {error.strerror}") from error
    lines = content.removesuffix(b"\n").split(b"\n")
    if _fields(lines[0]) != list(COLUMNS):
        raise LogError(f"the first line of {path} does not name the columns {', '.join(COLUMNS)}")
    cases: defaultdict[str, list[Row]] = defaultdict(list)
    skipped: list[SkippedRow] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = _read_row(number, line, cases)
        except MalformedRowError as error:
            skipped.append(SkippedRow(number, str(error)))
        else:
            cases[row.case].append(row)
    return Log(tuple(tuple(rows) for rows in cases.values()), tuple(skipped))


def _fields(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.removesuffix(b"\r").decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedRowError(f"is not a line of comma-separated UTF-8: {error}") from None


def _read_row(number: int, line: bytes, cases: "defaultdict[str, list[Row]]") -> Row:
    fields = _fields(line)
    if len(fields) != len(COLUMNS):
        raise MalformedRowError(f"has {len(fields)} columns instead of {len(COLUMNS)}")
    case = fields[_CASE_AT]
    if not _CASE.fullmatch(case):
        raise MalformedRowError(f"names the case {case[:40]!r}, which is not of the form 'Case 1'")
    try:
        activity = Activity(fields[_ACTIVITY_AT])
    except ValueError:
        raise MalformedRowError(f"has the unknown activity {fields[_ACTIVITY_AT][:40]!r}") from None
    before = cases[case][-1].at if case in cases else None
    values = dict(_values(fields))
    return Row(
        line=number,
        case=case,
        activity=activity,
        resource=values["Resource"],
        at=_instant(fields[_TIME_AT], before),
        written_at=fields[_TIME_AT],
        customer=values["customer"],
        product=values["product"],
        responsible_section=values["responsible_section"],
        seriousness=values["seriousness_2"],
        service_level=values["service_level"],
        service_type=values["service_type"],
        support_section=values["support_section"],
        workgroup=values["workgroup"],
    )


def _values(fields: Sequence[str]) -> Iterator[tuple[str, int]]:
    for name, text in zip(COLUMNS, fields, strict=True):
        if name != "Resource" and not name.islower():
            continue
        found = _VALUE.fullmatch(text)
        if found is None:
            raise MalformedRowError(f"has {text[:40]!r} as {name}, which is not of the form 'Value 1'")
        value = int(found[1])
        if name in _FOUR_KINDS and value > _KINDS:
            raise MalformedRowError(f"has {text!r} as {name}, of which only four values are known")
        yield name, value


def _instant(text: str, before: datetime | None) -> datetime:
    """Read local time as an instant that is not before the case's last row.

    The hour that a clock change repeats is taken the first time, unless the case has been past that already. An hour
    that a clock change leaves out never was.
    """
    if not _TIME.fullmatch(text):
        raise MalformedRowError(f"has the time {text[:40]!r}, which is not of the form '2012/10/09 14:50:17.000'")
    try:
        wall = datetime.strptime(text, "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=_ZONE)
    except ValueError:
        raise MalformedRowError(f"has the time {text!r}, which does not exist") from None
    readings = sorted({wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)})
    if wall.replace(tzinfo=None) not in {at.astimezone(_ZONE).replace(tzinfo=None) for at in readings}:
        raise MalformedRowError(f"has the time {text!r}, which the clocks of {ZONE_NAME} left out")
    for at in readings:
        if before is None or at >= before:
            return at
    raise MalformedRowError(f"has the time {text!r}, which is before the row above it of the same case")
