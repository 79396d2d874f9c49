"""The screen of `helpdesk up`: everything on it can be copied, whatever the terminal."""

from io import StringIO
from pathlib import Path

from rich.console import Console

from helpdesk_api.ops.panel import Demo, Running, Screen


def test_in_a_narrow_terminal_the_line_to_copy_stays_in_one_piece() -> None:
    written = StringIO()
    screen = Screen(Console(file=written, force_terminal=True, no_color=True, width=60, highlight=False))
    demo = Demo("Demo", "hd_" + "k" * 60)

    screen.show(Running("http://127.0.0.1:8000", demo, Path("data"), {}))

    lines = written.getvalue().splitlines()
    curl = f"curl -H 'Authorization: Bearer {demo.key}' 'http://127.0.0.1:8000/v1/tickets?limit=3'"
    assert sum(curl in line for line in lines) == 1


def test_a_step_that_is_interrupted_by_other_news_ends_on_a_line_of_its_own() -> None:
    written = StringIO()
    screen = Screen(Console(file=written, highlight=False))

    with screen.step("Starting API"):
        screen.say("worker runs again")
    with screen.step("Starting worker"):
        pass

    assert written.getvalue() == (
        "Starting API ... \nworker runs again\nStarting API ... ready in 0.0 s\nStarting worker ... ready in 0.0 s\n"
    )
