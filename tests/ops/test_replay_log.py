"""A log is read row by row; a row that is not as described is told by its line and left out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpdesk_api.ops.replay_log import COLUMNS, Activity, LogError, read_log

SAMPLE = Path(__file__).parents[1] / "data" / "helpdesk_event_log_sample.csv"
GOOD = "Case 1,Wait,Value 2,2012/10/09 14:50:17.000,Variant 12,12,Variant 12" + ",Value 1" * 9


def a_log(path: Path, *lines: str) -> Path:
    """Write a log with these rows."""
    file = path / "log.csv"
    file.write_bytes("\n".join([",".join(COLUMNS), *lines, ""]).encode("utf-8", "surrogateescape"))
    return file


def test_the_sample_is_read_whole() -> None:
    log = read_log(SAMPLE)

    assert len(log.cases) == 60
    assert sum(map(len, log.cases)) == 329
    assert log.skipped == ()


def test_a_row_is_read_with_its_line_and_its_local_time_as_an_instant(tmp_path: Path) -> None:
    [[row]] = read_log(a_log(tmp_path, GOOD)).cases

    assert (row.line, row.case, row.activity, row.resource) == (2, "Case 1", Activity.WAIT, 2)
    assert row.at == datetime(2012, 10, 9, 12, 50, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "has 0 columns instead of 16"),
        (GOOD + ",more", "has 17 columns instead of 16"),
        (GOOD.replace("Case 1", "Case one"), "names the case 'Case one'"),
        (GOOD.replace("Wait", "Ponder"), "has the unknown activity 'Ponder'"),
        (GOOD.replace("Value 2", "Value -2"), "has 'Value -2' as Resource"),
        (GOOD.replace("2012/10/09", "2012/02/30"), "has the time '2012/02/30 14:50:17.000', which does not exist"),
        (GOOD.replace("2012/10/09", "2012-10-09"), "has the time '2012-10-09 14:50:17.000'"),
        (GOOD.replace("2012/10/09 14", "2012/03/25 02"), "which the clocks of Europe/Rome left out"),
        (GOOD.removesuffix(",Value 1") + ",Value x", "has 'Value x' as workgroup"),
        (GOOD.replace(",Value 1" * 9, ",Value 1" * 4 + ",Value 5" + ",Value 1" * 4), "has 'Value 5' as seriousness_2"),
        (GOOD + "\udcff", "is not a line of comma-separated UTF-8"),
        (GOOD.replace("Wait", '"Wait'), "is not a line of comma-separated UTF-8"),
    ],
)
def test_a_malformed_row_is_told_by_its_line_and_left_out(tmp_path: Path, line: str, reason: str) -> None:
    log = read_log(a_log(tmp_path, GOOD, line, GOOD))

    assert [row.line for row in log.cases[0]] == [2, 4]
    assert [skipped.line for skipped in log.skipped] == [3]
    assert reason in log.skipped[0].reason


def test_a_row_before_the_one_above_it_of_the_same_case_is_left_out(tmp_path: Path) -> None:
    earlier = GOOD.replace("14:50:17", "14:50:16")

    log = read_log(a_log(tmp_path, GOOD, earlier, earlier.replace("Case 1", "Case 2")))

    assert [[row.line for row in rows] for rows in log.cases] == [[2], [4]]
    assert "is before the row above it" in log.skipped[0].reason


def test_the_hour_that_comes_twice_is_the_first_unless_the_case_is_past_it(tmp_path: Path) -> None:
    half_past, quarter_past = (GOOD.replace("2012/10/09 14:50:17", f"2012/10/28 02:{minute}:00") for minute in (30, 15))

    [rows] = read_log(a_log(tmp_path, half_past, quarter_past)).cases

    assert [row.at for row in rows] == [
        datetime(2012, 10, 28, 0, 30, tzinfo=UTC),
        datetime(2012, 10, 28, 1, 15, tzinfo=UTC),
    ]


def test_a_file_with_other_columns_is_no_log(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b,c\n")

    with pytest.raises(LogError, match="does not name the columns"):
        read_log(file)


def test_a_file_that_is_not_there_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be read"):
        read_log(tmp_path / "none.csv")
