"""Input that nobody means well with: bodies, values of every type, queries, paths and headers.

Everything here must be refused with a problem document, wherever it is put. What is odd but permitted stands apart, in
`ODD_TEXTS`: it must come back as it went in.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import httpx2

from helpdesk_api.domain.errors import REGISTRY
from tests.contract.bodies import JSON, Value
from tests.contract.operations import Operation, is_nullable, resolve
from tests.guarantees.report import SCALE

T = TypeVar("T")

MARK = "put the hostile value here"

# No JSON, or JSON that no reader should accept.
BODIES: dict[str, bytes] = {
    "white space": b" \r\n\t ",
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "NUL byte": b'{"name": "\x00"}',
    "NUL bytes only": b"\x00" * 64,
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\x80"}',
    "surrogate in UTF-8": b'{"name": "\xed\xa0\x80"}',
    "cut UTF-8": b'{"name": "\xf0\x9f\x96"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"name": "x"}'.encode("utf-16-le"),
    "UTF-32": '{"name": "x"}'.encode("utf-32"),
    "Latin-1": '{"name": "naïve"}'.encode("latin-1"),
    "cut off": b'{"name": "x"',
    "cut off in a text": b'{"name": "x',
    "cut off in an escape": b'{"name": "\\u12',
    "trailing comma": b'{"name": "x",}',
    "comment": b'{"name": "x"} // y',
    "two values": b'{"name": "x"} {"name": "y"}',
    "single quotes": b"{'name': 'x'}",
    "key without quotes": b'{name: "x"}',
    "number as key": b'{1: "x"}',
    "control character": b'{"name": "a\x01b"}',
    "line break in a text": b'{"name": "a\nb"}',
    "bad escape": b'{"name": "\\x41"}',
    "Python": b"{'name': True, 'tags': None}",
    "leading zero": b'{"name": 0123}',
    "hexadecimal": b'{"name": 0x41}',
    "plus sign": b'{"name": +1}',
    "point without digits": b'{"name": 1.}',
    "underscore in a number": b'{"name": 1_000}',
    "minus alone": b"-",
    "HTML": b"<html><body>x</body></html>",
    "XML with an entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "form": b"name=x&tags=y",
    "multipart": b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--b--\r\n',
    "YAML": b"name: !!python/object/apply:os.system [id]",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtins\x94.",
    "gzip": gzip.compress(b'{"name": "x"}', mtime=0),
    "arrays 1,000 deep": b"[" * 1_000 + b"]" * 1_000,
    "arrays 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "open arrays 100,000 deep": b"[" * 100_000,
    "objects 1,000 deep": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a quote that never ends": b'"' + b"\\" * 100_001,
}  # fmt: skip

# Well-formed values that fit no field of any type; the text is JSON, and goes where any value could stand.
VALUES: dict[str, str] = {
    "NUL": r'"\u0000"',
    "NUL inside": r'"a\u0000b"',
    "high surrogate": r'"\ud800"',
    "low surrogate": r'"\udc00"',
    "surrogates in the wrong order": r'"\udc00\ud800"',
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e999": "1e999",
    "-1e999": "-1e999",
    "2^63": str(2**63),
    "-2^63-1": str(-(2**63) - 1),
    "2^64": str(2**64),
    "2^70": str(2**70),
    "10^400": "1" + "0" * 400,
    "a million digits": "9" * 900_000,
    "same key twice": '{"a": 1, "a": 2}',
    "same key twice, escaped": r'{"a": 1, "\u0061": 2}',
    "prototype": '{"__proto__": {"x": 1}}',
    "operator": '{"$gt": ""}',
    "33 deep": "[" * 33 + "]" * 33,
}

# Bodies that are JSON, but no object.
NO_OBJECTS: dict[str, bytes] = {
    "array": b"[]",
    "array of objects": b'[{"name": "x"}]',
    "text": b'"name"',
    "number": b"1",
    "true": b"true",
}

_WRONG_BY_TYPE: dict[str, tuple[Value, ...]] = {
    "string": (1, 0, -1, 1.5, True, False, [], {}, ["x"], {"a": 1}),
    "integer": ("1", "", True, False, 1.5, 1.0, [], {}, [1], -1, -(2**31) - 1, 2**31, 2**63 - 1, -(2**63)),
    "number": ("1", "", True, False, [], {}, [1]),
    "boolean": (0, 1, -1, "true", "false", "yes", "", [], {}, 1.0),
    "array": ("x", "", 1, True, {}, {"0": "x"}, [None], [[]], [{}], [1.5], ["x"] * 20_001),
    "object": ("x", "", 1, True, [], [{}], [None]),
}
_WRONG_BY_FORMAT: dict[str, tuple[Value, ...]] = {
    "uuid": (
        *("", "x", "0", "null", "0199a2f0-7c3e-7d41-9b1a", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e0g", "../../etc/passwd"),
        *("' OR '1'='1", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02\n", "\u0660" * 32, "0" * 10_000),
    ),
    "date-time": (
        *("", "now", "today", "2026-03-02", "2026-03-02T09:00:00", "2026-03-02 09:00", "1767225600", "1.7e9", "-1"),
        *("2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-02T25:00:00Z", "2026-03-02T09:00:00+99:00"),
        *("10000-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "0000-01-01T00:00:00Z"),
        *("-0001-01-01T00:00:00Z", "٢٠٢٦-03-02T09:00:00Z", "Mon, 02 Mar 2026 09:00:00 GMT", "2026-W10-1T00:00:00Z"),
    ),
    "date": (
        *("", "now", "86400", "1767225600", "2026-02-30", "2026-13-01", "10000-01-01", "0000-01-01", "2026-3-2"),
        *("2026-03-02T00:00:00Z", "20260302", "02.03.2026"),
    ),
    "email": (
        "",
        "x",
        "@",
        "a@",
        "@b.example",
        "a@b@c.example",
        "a b@c.example",
        "a@c.example\nBcc: x@y.example",
        "a" * 300,
    ),
}
_CONTROL = ("\x01", "a\x07b", "\x1b[31mred", "\x7f", "\x85", "x\u2028y")
# What is wrong with texts that have a form of their own.
_WRONG_BY_NAME: dict[str, tuple[Value, ...]] = {
    "time_zone": (
        *("", "Mars/Olympus", "europe/rome", "../../etc/passwd", "/etc/localtime", "Europe/../Europe/Rome"),
        *("Europe/Rome/", "Europe/Rome\n", "UTC+3", "posixrules", "localtime", "tzdata.zi", ".", "Europe", "CON"),
    ),
    "url": (
        *("", "x", "javascript:alert(1)", "file:///etc/passwd", "//x.example", "http://", "https://", "ftp://x.example"),
        *("https://user:pw@x.example/", "https://169.254.169.254/", "https://[::ffff:10.0.0.1]/", "https://0x7f.1/"),
        *("https://2130706433/", "https://x.example\r\nX: y", "https://x.example/#f", "gopher://x.example"),
    ),
    "start": ("", "9", "9:00", "24:01", "25:00", "09:60", "09:00:00", "-1:00", "09:00 ", "\u0660\u0669:\u0660\u0660"),
    "end": ("", "9", "9:00", "24:01", "25:00", "09:60", "09:00:00", "-1:00", "09:00 ", "\u0660\u0669:\u0660\u0660"),
    "scopes": (["x"], ["tickets"], ["tickets:admin"], ["*:*"], [":read"], ["tickets:read "], ["TICKETS:READ"], []),
    "domains": (["x"], ["-x.example"], ["x..example"], ["x.example/"], ["http://x.example"], ["x" * 300 + ".it"], [""]),
    "phones": (["x"], ["112"], ["+"], ["+39"], [""], ["+" + "9" * 60]),
    "event_types": (["x"], ["ticket.*.x"], ["ticket"], ["*.*"], [""], []),
    "types": ([""], ["x" * 61], ["a\nb"]),
    "targets": ([],),
}  # fmt: skip

# Texts that people really write, or that harm only what reads them badly: they are kept exactly as they are.
ODD_TEXTS = (
    "مرحبا بالعالم", "שלום", "\u202egnp.exe", "a\u200bb", "🖨️👩‍🔧", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞a", "ﬀ①ⅷ", "İıſß", "\U0001d573\U0001d58a",
    "'; DROP TABLE tickets; --", '" OR 1=1', "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://x.example}",
    "%s%n%x", "%00", "..\\..\\x", "=cmd|' /C calc'!A0", "null", "NaN", "true", "-1", "[object Object]", "\\u0000",
    "\ufeffmark", "\ufffe", "\U0010ffff", "x" * 200,
)  # fmt: skip


def fields(schema: JSON, pointer: str = "") -> Iterator[tuple[str, JSON]]:
    """Walk a schema; gives every field with its place in a body whose lists have one item.

    Of fields side by side that differ in nothing but their name, such as the days of a week, the first stands for all.
    """
    seen: list[JSON] = []
    for name, part in resolve(schema).get("properties", {}).items():
        rules = {key: value for key, value in part.items() if key != "title"}
        if rules in seen:
            continue
        seen.append(rules)
        place = f"{pointer}/{name}"
        yield place, part
        inner = resolve(part)
        yield from fields(inner.get("items", inner), f"{place}/0" if "items" in inner else place)


def wrong_values(pointer: str, schema: JSON) -> Iterator[str]:
    """Give values, as JSON texts, that a field must refuse for its type, its form or its name."""
    inner = resolve(schema)
    name = pointer.rpartition("/")[2]
    kind = inner.get("type", "string")
    wrong = [*_WRONG_BY_TYPE[kind], *_WRONG_BY_FORMAT.get(inner.get("format", ""), ()), *_WRONG_BY_NAME.get(name, ())]
    if not is_nullable(schema):
        wrong.append(None)
    if kind in {"integer", "number"}:
        # Some may be negative, as times before a deadline are.
        wrong = [value for value in wrong if value != -1 or inner.get("minimum", 0) >= 0]
        wrong += [inner[limit] + step for limit, step in (("minimum", -1), ("maximum", 1)) if limit in inner]
    if "enum" in inner:
        known = inner["enum"][0]
        wrong += [text for text in ("", "surprise", known.upper(), f" {known}", f"{known}\n") if text != known]
    elif kind == "string":
        wrong += _CONTROL[:4]
        if inner.get("minLength"):
            wrong += ["", "   "] if "format" not in inner and "pattern" not in inner else [""]
        if "maxLength" in inner:
            wrong.append("x" * (inner["maxLength"] + 1))
    elif kind == "array" and "maxItems" in inner:
        wrong.append([MARK] * (inner["maxItems"] + 1))
    yield from map(json.dumps, wrong)


def a_part(everything: Sequence[T], turn: int) -> Sequence[T]:
    """Give a quarter of what there is, another with each turn, of which four make the whole; all when at scale."""
    return everything if SCALE > 1 else everything[turn % 4 :: 4]


def wrong_values_of(operations: Iterable[Operation]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Give for each operation which wrong value goes where in its body.

    What several operations take under one name by the same rules, as a client's name when it is created, changed or
    pushed, is read by one type: the first of them is sent everything, the others a part each.
    """
    met: defaultdict[str, int] = defaultdict(int)
    chosen: dict[str, list[tuple[str, str]]] = {}
    for operation in operations:
        chosen[operation.id] = []
        for place, schema in fields(operation.body_schema or {}):
            values = list(wrong_values(place, schema))
            field = f"{place.rpartition('/')[2]} {json.dumps(schema, sort_keys=True)}"
            turn, met[field] = met[field], met[field] + 1
            chosen[operation.id] += [(place, value) for value in (a_part(values, turn) if turn else values)]
    return chosen


def faults(answer: httpx2.Response, what: str) -> list[str]:
    """Tell what is wrong with an answer that should be a refusal in the words of the API; nothing if it is one."""
    if not 400 <= answer.status_code < 500:
        return [f"{what}: {answer.status_code} {answer.text[:200]}"]
    if answer.headers["content-type"] != "application/problem+json":
        return [f"{what}: {answer.headers['content-type']}"]
    problem = answer.json()
    told = (problem["code"] in REGISTRY, problem["status"], problem["request_id"])
    is_right = told == (True, answer.status_code, answer.headers["x-request-id"])
    return [] if is_right else [f"{what}: {problem}"]
