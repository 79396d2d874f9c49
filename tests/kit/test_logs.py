import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import structlog

from helpdesk_api.kit import logs
from helpdesk_api.kit.redaction import redact_text
from tests.stage import SaidHere

API_KEY = "hd_live_7Hq2mZ0c_3f9d0a1b2c3d4e5f60718293a4b5c6d7_9e1f"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw+/=="
CANARIES = (API_KEY, WEBHOOK_SECRET, "correct-horse", "maria@client.example")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers.copy()
    yield
    structlog.contextvars.clear_contextvars()
    logs.configure("info", json=True)
    root.setLevel(level)
    root.handlers = handlers


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    said = SaidHere()
    # Pytest puts its own in the place of the real one again after the fixtures.
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stderr=said))
    return said


@pytest.fixture
def lines(said: io.StringIO) -> Lines:
    logs.configure("info", json=True)
    return lambda: [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_line_is_json_with_utc_time_level_event_fields_and_context(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-1", tenant_id=UUID(int=7))

    structlog.get_logger().warning("webhook.delivered", attempt=3, seconds=0.25, retried=True, result=None)

    (line,) = lines()
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert list(line)[:2] == ["level", "event"]
    assert line == {
        "level": "warning",
        "event": "webhook.delivered",
        "request_id": "r-1",
        "tenant_id": "00000000-0000-0000-0000-000000000007",
        "attempt": 3,
        "seconds": 0.25,
        "retried": True,
        "result": None,
    }


def test_a_logger_with_a_name_tells_it(lines: Lines) -> None:
    structlog.get_logger("helpdesk_api.worker").info("worker.started")

    assert lines()[0]["logger"] == "helpdesk_api.worker"


def test_what_is_below_the_level_is_not_written(lines: Lines) -> None:
    structlog.get_logger().debug("cache.miss")
    logging.getLogger("asyncio").debug("Using selector")

    assert lines() == []


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "password", "db_password", "secret", "webhook_secrets", "token",
        "accessToken", "api_key", "X-Api-Key", "apikey", "idempotency_key", "cookie", "Set-Cookie", "signature",
        "webhook-signature", "body", "request_body", "subject", "description", "email", "emails", "phone", "dsn",
    ],
)  # fmt: skip
def test_a_field_with_a_telling_name_never_shows_its_value(lines: Lines, name: str) -> None:
    structlog.get_logger().info("probe", **{name: "harmless"}, nested=[{name: {"deep": 1}}])

    (line,) = lines()
    assert line[name] == "[redacted]"
    assert line["nested"] == [{name: "[redacted]"}]


@pytest.mark.parametrize(
    "name", ["credential_id", "token_id", "body_bytes", "key_count", "signature_kind", "monkey", "tokenizer", "route"]
)
def test_a_field_that_only_tells_about_a_value_is_shown(lines: Lines, name: str) -> None:
    structlog.get_logger().info("probe", **{name: "shown"})

    assert lines()[0][name] == "shown"


TEXTS = {
    "an API key": (f"bad key {API_KEY}!", "bad key [redacted]!"),
    "a webhook secret": (f"secret={WEBHOOK_SECRET}", "secret=[redacted]"),
    "a bearer credential": ("Authorization: bearer eyJhbGciOi.x.y, next", "Authorization: bearer [redacted], next"),
    "basic credentials": ("BASIC dXNlcjpwYXNz", "BASIC [redacted]"),
    "a password in an address": (
        "postgresql://app:correct-horse@db:5432/helpdesk refused",
        "postgresql://[redacted]@db:5432/helpdesk refused",
    ),
    "a password with @ and ? in an address": ("redis://:p?a@ss@cache/0", "redis://[redacted]@cache/0"),
    "the query of an address": ("GET https://x.example/a?sig=1&b=2 HTTP", "GET https://x.example/a?[redacted] HTTP"),
    "a mail address": ("no contact maria.b+x@client.example.org.", "no contact [redacted]."),
    "a row of the database": (
        "duplicate key\nDETAIL:  Key (subject)=(My\n\nsecret life) already exists.\nHINT:  Try again.",
        "duplicate key\nDETAIL: [redacted]\nHINT:  Try again.",
    ),
    "an input that was refused": (
        "Input should be 1 [type=x, input_value='my, diary', input_type=str]",
        "Input should be 1 [type=x, input_value=[redacted], input_type=str]",
    ),
    "an ordinary sentence": ("Basic facts: 3 of 4 shards at 10:00, see /v1/a_b", None),
    "an ordinary address": ("Listening on http://127.0.0.1:8000/docs", None),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_what_looks_like_a_secret_is_cut_out_of_any_text(text: str, expected: str | None) -> None:
    assert redact_text(text) == (expected or text)


@pytest.mark.parametrize("unit", ["a", "a@", "://", "hd_", "DETAIL:", "input_value=", "Bearer ", "a.b@c-"])
def test_redaction_of_a_hostile_text_takes_linear_time(unit: str) -> None:
    # A quadratic pattern would need minutes for this and meet the time limit of the test.
    assert len(redact_text("@://" + unit * 300_000)) < 25_000


def test_canaries_appear_nowhere_in_a_traceback_or_a_nested_value(lines: Lines, said: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        try:
            raise KeyError(API_KEY)  # noqa: TRY301 - a chain of causes is what this test is about.
        except KeyError as error:
            raise RuntimeError(
                f"postgresql://app:correct-horse@db/x for maria@client.example {WEBHOOK_SECRET}"
            ) from error
    except RuntimeError as error:
        log.exception("job.failed", error=error, context=[{"at": (API_KEY, error)}], raw=WEBHOOK_SECRET.encode())
        logging.getLogger("arq.worker").exception("job failed: %s", API_KEY)

    written = said.getvalue()
    assert written.count("\n") == 2
    assert [canary for canary in CANARIES if canary in written] == []
    first, second = (json.loads(line) for line in written.splitlines())
    assert first["exception"].startswith("Traceback (most recent call last):\n")
    assert first["exception"].endswith("postgresql://[redacted]@db/x for [redacted] [redacted]")
    assert first["raw"] == f"[{len(WEBHOOK_SECRET)} bytes]"
    assert second["event"] == "job failed: [redacted]"
    assert "RuntimeError" in second["exception"]


@pytest.mark.parametrize("as_json", [True, False])
def test_no_value_can_forge_a_line_or_command_a_terminal(said: io.StringIO, *, as_json: bool) -> None:
    logs.configure("info", json=as_json)
    hostile = "a\r\nb\x1b[2J\x00\x7f\x85\x9b\u2028\u202e"

    structlog.get_logger().info(hostile, route=hostile, nested={"path": hostile})

    written = said.getvalue()
    assert written.endswith("\n")
    assert [character for character in written[:-1] if ord(character) < 32 or not character.isprintable()] == []


def test_values_of_any_type_become_plain_json(lines: Lines) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    loop: list[object] = []
    loop.append(loop)

    structlog.get_logger().info(
        "probe", nan=float("nan"), a_set={1}, error=ValueError("no"), broken=Unprintable(), half="\ud800", loop=loop
    )

    (line,) = lines()
    assert line["nan"] == "nan"
    assert line["a_set"] == [1]
    assert line["error"] == "ValueError: no"
    assert line["broken"] == "[Unprintable without a text]"
    assert line["half"] == "\ud800"
    assert json.dumps(line["loop"]).startswith('[[[[[["')


def test_a_very_long_text_keeps_its_beginning_and_its_end(lines: Lines) -> None:
    structlog.get_logger().info("probe", text="a" * 30_000 + "b" * 30_000)

    text = lines()[0]["text"]
    assert text == "a" * 10_000 + " [40000 characters left out] " + "b" * 10_000


def test_loggers_of_the_standard_library_use_the_same_pipeline_with_their_name(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(request_id="r-2")

    logging.getLogger("uvicorn.error").info("Started server process [%d]", 42)
    logging.getLogger("some.library").log(35, "between warning and error")

    first, second = lines()
    assert (first["level"], first["event"], first["logger"]) == ("info", "Started server process [42]", "uvicorn.error")
    assert first["request_id"] == "r-2"
    assert second["level"] == "warning"


def test_handlers_that_frameworks_brought_are_replaced(said: io.StringIO) -> None:
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.addHandler(logging.StreamHandler(said))
    uvicorn.propagate = False

    logs.configure("info", json=True)
    logs.configure("info", json=True)
    uvicorn.info("once")

    (line,) = said.getvalue().splitlines()
    assert json.loads(line)["event"] == "once"


def test_the_lines_of_libraries_about_every_request_and_every_ring_are_left_out(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info("GET /v1/tickets?email=x")
    logging.getLogger("httpx2").info("HTTP Request: POST https://hooks.example/secret-path")
    logging.getLogger("arq.worker").info("  0.09s -> ring:0:ring()")

    assert lines() == []
    assert logging.getLogger("uvicorn.access").propagate is False


def test_a_wrong_log_call_of_a_library_is_reported_and_not_raised(
    lines: Lines, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pytest makes every handler raise; here the handler's own behaviour counts.
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logs_handler = next(
        handler for handler in logging.getLogger().handlers if type(handler).__module__ == logs.__name__
    )
    logs_handler.emit(logging.LogRecord("some.library", logging.INFO, "", 0, "%d", ("x",), None))

    assert said.getvalue() == ""


def test_a_logger_in_use_follows_a_second_call(said: io.StringIO) -> None:
    log = structlog.get_logger()
    logs.configure("info", json=True)
    log.info("first")
    logs.configure("info", json=False)
    log.info("second")

    first, second = said.getvalue().splitlines()
    assert json.loads(first)["event"] == "first"
    assert second.endswith("second")


def test_people_get_readable_lines_with_the_same_redaction(said: io.StringIO) -> None:
    logs.configure("info", json=False)

    structlog.get_logger().error("job.failed", kind="sweep", token="t", exc_info=RuntimeError(API_KEY))

    first, *rest = said.getvalue().splitlines()
    assert first.endswith("[error    ] job.failed kind=sweep token=[redacted]")
    assert rest == ["RuntimeError: [redacted]"]


def test_a_log_that_cannot_be_written_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def isatty(self) -> bool:
            return False

        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    logs.configure("info", json=True)
    monkeypatch.setattr(sys, "stderr", FullDisk())

    structlog.get_logger().info("probe")
