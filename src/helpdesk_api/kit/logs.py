"""How log events become lines on standard error: one pipeline for structlog and for the standard library's loggers.

Lines are JSON for machines, or aligned text for people; both are redacted and hold no raw control character, so none
can forge a line or command a terminal. What is worth an event is decided where it happens; what may stand in it, by
`kit.redaction`. Standard output stays free for what commands print.
"""

import logging
import sys
from json import JSONEncoder

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from helpdesk_api.kit.redaction import redact, redact_text
from helpdesk_api.kit.strict_json import JSONValue

# Loggers that come with handlers of their own, or get them from their frameworks' defaults.
_FOREIGN = ("arq", "asyncio", "uvicorn", "uvicorn.error")
# They tell every request with its full URL, or every ring twice; the module that sends them writes its own event.
_TALKATIVE = ("arq", "httpcore2", "httpx2")
# C0, DEL and C1 command terminals; the separators break lines and the bidirectional marks reorder them.
_CONTROL = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_CONTROL_BUT_LINES = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}
_encode = JSONEncoder(separators=(",", ":")).encode
# One list for the life of the process, changed in place: loggers keep it from their first use on.
_pipeline: list[Processor] = []


def configure(level: str, *, json: bool) -> None:
    """Set up logging for this process; a second call replaces the first, but for the level of loggers in use."""
    _pipeline[:] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named,
        _redacted,
        *((_json_line,) if json else _text_line()),
    ]
    structlog.configure(
        processors=_pipeline,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StandardError,
        cache_logger_on_first_use=True,
    )
    _route_standard_library(level)


def _route_standard_library(level: str) -> None:
    root = logging.getLogger()
    root.setLevel(level.upper())
    for handler in [handler for handler in root.handlers if isinstance(handler, _IntoStructlog)]:
        root.removeHandler(handler)
    root.addHandler(_IntoStructlog())
    for name in _FOREIGN:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    # The access line is the edge's; without a handler uvicorn does not even format its own.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


class _IntoStructlog(logging.Handler):
    """Pass records of the standard library into structlog."""

    def __init__(self) -> None:
        super().__init__()
        self._log: FilteringBoundLogger = structlog.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # Levels between or beyond the five named ones count as the nearest below.
            level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
            self._log.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - the contract of emit: a wrong log call is reported, never raised.
            self.handleError(record)


class _StandardError:
    """Write lines to what is standard error at that moment, so that redirecting it later has its effect."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # A full disk or a closed pipe takes the log, but must not take the request with it.
            return

    debug = info = warning = error = critical = msg


def _named(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say which module writes, as lines of the standard library's loggers do."""
    if logger.name is not None:
        event.setdefault("logger", logger.name)
    return event


def _redacted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    line: dict[str, JSONValue] = {
        "timestamp": event.pop("timestamp"),
        "level": event.pop("level"),
        "event": redact_text(str(event.pop("event"))),
    }
    for name, value in event.items():
        line[name] = redact(name, value)
    return line


def _json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    # The encoder writes ASCII only and escapes everything outside its printable range.
    return _encode(event)


def _text_line() -> tuple[Processor, ...]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return _escaped, renderer


def _escaped(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = value.translate(_CONTROL_BUT_LINES if name == "exception" else _CONTROL)
    return event
