"""Hostile queries, paths, headers, methods and sizes on every operation: refused with a problem, or harmless."""

import json
import re
import socket
from uuid import uuid4

import pytest

from tests.contract.bodies import create
from tests.contract.hostile import a_part, faults
from tests.contract.operations import DOCUMENT, OPERATIONS, WITH_BODY, Operation, World, resolve
from tests.contract.rows import contents
from tests.stage import Client, Stage

WRITES = [operation for operation in OPERATIONS if operation.method in {"POST", "PUT", "PATCH", "DELETE"}]
QUERIED = [operation for operation in OPERATIONS if operation.method == "GET" and operation.query_parameters()]
WITH_PATH = [operation for operation in OPERATIONS if operation.path_parameters]
CONDITIONAL = [
    operation
    for operation in OPERATIONS
    if any(item["name"].lower() == "if-match" for item in operation.details.get("parameters", []))
]

# As they stand in the URL.
PATH_IDS = (
    "x", "0", "-1", "1", "null", "%00", "%0a", "%20", "%ED%A0%80", "%FF", "%F0%9F%96%A8", "..%2f..%2fetc", "'",
    "%2e%2e%5c", "%27%20OR%20%271%27=%271", "%7Bid%7D", "*", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e0g", "0199a2f0",
    "1" * 40, "x" * 5_000,
    "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02%00", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02%0a",
    "0x0199a2f07c3e7d419b1a3f5a6c7d8e",
)  # fmt: skip
LIMITS = (
    "-1",
    "0",
    "1.5",
    "",
    "x",
    "1e3",
    "0x10",
    "NaN",
    "null",
    "true",
    "-99999999999999999999",
    "\uff19",
    "1" * 5_000,
    "1;2",
)
WRONG_QUERY_BY_FORMAT = {
    "uuid": ("", "x", "%00", "'", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e0g", "null", "0" * 3_000),
    "date-time": (
        "",
        "now",
        "2026-03-02",
        "2026-03-02T09:00:00",
        "1767225600",
        "-1",
        "%00",
        "9999-12-31T23:59:59-12:00",
    ),
}
WRONG_QUERY_BY_TYPE = {
    "integer": ("", "x", "1.5", "NaN", "null", str(2**70), str(-(2**70)), "9" * 5_000, "%00"),
    "boolean": ("", "x", "2", "null", "%00", "maybe"),
}
BRACKETS = (
    "created_at[gte", "created_at[]", "created_at[gte][lt]", "[gte]", "[]", "created_at[GTE]", "created_at[gte]x",
    "created_at[$gte]", "limit[]", "sort[0]", "cursor[]", "__proto__[x]", "created_at.gte", "created_at%00", "%00", "",
    " ",
)  # fmt: skip
# Not refused, because there is nothing wrong that anybody could tell: they only must not break anything.
HARMLESS = (
    "limit=1&limit=2", "&&&", "=", "?", "#", "%", "%zz", "limit=5%", "limit=1&" * 500, ";", "%26limit=1", "limit=+5",
)  # fmt: skip
ODD_QUERY_TEXTS = ("%00", "%ED%A0%80", "%FF", "%27", "%25", "%5C", "%C2%85", "x" * 3_000)
IF_MATCH = (
    "",
    "v1",
    '"1"',
    '"v0"',
    '"v01"',
    '"v1", "v2"',
    '"v99999999999"',
    "W/",
    '"',
    "'v1'",
    '"v-1"',
    "**",
    '"v1"x',
)
KEYS = ("", '""', '" "', "a b", "x" * 256, '"' + "x" * 256 + '"', "\u043a\u043b", "a\tb")
MEDIA_TYPES = (
    "", "text/plain", "text/html", "application/xml", "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/octet-stream", "application/jsonx", "application/json-patch+json", "json", "*/*", "application", "é",
)  # fmt: skip


def each(operations: list[Operation]) -> pytest.MarkDecorator:
    """Run a test once for each operation."""
    return pytest.mark.parametrize("operation", operations, ids=str)


@each(QUERIED)
def test_a_hostile_query_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    path = World(stage, api).path(operation)
    hostile = [f"{name}=x" for name in BRACKETS]
    seen: set[str] = set()
    for name, schema in operation.query_parameters().items():
        inner = resolve(schema)
        item = resolve(inner.get("items", inner))
        wrong = WRONG_QUERY_BY_FORMAT.get(item.get("format", ""), ()) or WRONG_QUERY_BY_TYPE.get(item["type"], ())
        # The comparisons of one field are read by the same code: the first is sent everything, the others a sample.
        field = name.partition("[")[0]
        wrong = wrong[:2] if field in seen else wrong
        seen.add(field)
        if name == "limit":
            wrong = LIMITS
        if "enum" in item:
            first: str = item["enum"][0]
            wrong = ("", "surprise", *{first.upper()} - {first}, f"{first}%00")
        hostile += [f"{name}={value}" for value in wrong]
        if inner.get("type") == "array":
            hostile.append("&".join([f"{name}=x"] * 51))
        if "maxLength" in item:
            hostile.append(f"{name}={'x' * (item['maxLength'] + 1)}")

    found = [fault for query in hostile for fault in faults(api.get(f"{path}?{query}"), query[:100])]

    assert found == []


@each(QUERIED)
def test_an_odd_query_breaks_nothing(api: Client, stage: Stage, operation: Operation) -> None:
    path = World(stage, api).path(operation)
    texts = [name for name, schema in operation.query_parameters().items() if _is_free_text(schema)]
    odd = [
        *HARMLESS,
        *(f"{name}={value}" for name in texts for value in ("%00", "%ED%A0%80", "%FF", "'", "%25", "\\", "x" * 3_000)),
    ]

    for query in odd:
        answer = api.get(f"{path}?{query}")

        # A ticket, or a link, stands for a credential.
        fine = {200, 400, 401, 422} if query.startswith(("ticket=", "link=")) else {200, 400, 422}
        assert answer.status_code in fine, f"{query[:100]}: {answer.status_code} {answer.text[:200]}"


def _is_free_text(schema: dict[str, object]) -> bool:
    inner = resolve(schema)
    item = resolve(inner.get("items", inner))
    return item.get("type") == "string" and not item.keys() & {"format", "enum", "pattern"}


@each(WITH_PATH)
def test_a_hostile_id_in_the_path_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    world = World(stage, api)
    body, _ = operation.valid_body(api), world.path(operation)
    before = contents(stage, api.tenant.id)

    found = [
        fault
        for name in operation.path_parameters
        for value in a_part(PATH_IDS, WITH_PATH.index(operation))
        if not operation.accepts(name, value)
        for fault in faults(
            api.request(operation.method, world.path(operation, **{name: value}), json=body), f"{name} = {value[:100]}"
        )
    ]

    assert found == []
    assert contents(stage, api.tenant.id) == before


@each([operation for operation in WRITES if operation.takes_key])
def test_a_key_for_repetition_that_is_no_key_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    path, body = World(stage, api).path(operation), operation.valid_body(api)
    before = contents(stage, api.tenant.id)

    for key in KEYS:
        raw = [(b"idempotency-key", key.encode())]
        answer = api.request(operation.method, path, json=body, headers=raw)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key"), key
    assert contents(stage, api.tenant.id) == before


@each(CONDITIONAL)
def test_a_condition_that_cannot_be_read_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    path, body = World(stage, api).path(operation), operation.valid_body(api)
    before = contents(stage, api.tenant.id)

    for tag in IF_MATCH:
        answer = api.request(operation.method, path, json=body, headers=[(b"if-match", tag.encode())])

        assert answer.status_code in {400, 412}, f"{tag}: {answer.text}"
        assert answer.json()["code"] in {"invalid_if_match", "stale_version"}
    assert contents(stage, api.tenant.id) == before


@each(list(WITH_BODY))
def test_a_body_that_does_not_say_it_is_json_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    path, body = World(stage, api).path(operation), json.dumps(operation.valid_body(api)).encode()
    before = contents(stage, api.tenant.id)
    wrong = MEDIA_TYPES if operation.method == "PATCH" else (*MEDIA_TYPES, "application/merge-patch+json")

    for media_type in wrong:
        headers = [(b"content-type", media_type.encode())] if media_type else []
        answer = api.request(operation.method, path, content=body, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), media_type
    assert contents(stage, api.tenant.id) == before


@pytest.mark.parametrize("template", DOCUMENT["paths"])
def test_a_method_that_is_not_offered_is_refused(api: Client, template: str) -> None:
    # Where others have an id, the word in a path such as `…/retry` is read as one.
    alike = (other for other in DOCUMENT["paths"] if re.fullmatch(re.sub(r"{\w+}", "[^/]+", other), template))
    offered = {method.upper() for path in alike for method in DOCUMENT["paths"][path]}
    path = template.replace("{code}", "not_found")
    for name in ("{id}", "{comment_id}", "{external_id}"):
        path = path.replace(name, str(uuid4()))
    path = path.replace("{source}", "crm")

    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"} - offered:
        answer = api.request(method, path)

        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), method


def test_a_path_that_does_not_exist_is_not_found(api: Client) -> None:
    for path in (
        "/",
        "/v1",
        "/v1/",
        "/v1/surprises",
        "/V1/tickets",
        "//v1/tickets",
        "/v1/tickets/",
        "/v2/tickets",
        "/.env",
        "/%00",
    ):
        for method in ("GET", "POST"):
            answer = api.request(method, path)

            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_what_is_said_of_the_caller_is_not_believed(api: Client) -> None:
    junk = "x" * 200
    headers = {
        "x-request-id": 'a b"<script>', "accept": "application/xml, */*;q=0.1",
        "accept-language": junk, "host": "evil.example",
        "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "evil.example", "x-http-method-override": "DELETE",
        "traceparent": junk, "range": "bytes=0-", "cookie": junk, "origin": "null", "if-modified-since": junk,
        "if-none-match": junk, "content-encoding": "gzip", "expect": "x", "te": "trailers", "upgrade": "h2c",
    }  # fmt: skip
    made = create(api, "companies", name="Kept")

    for name, value in headers.items():
        answer = api.get(f"/v1/companies/{made['id']}", headers={name: value})

        assert answer.status_code in {200, 400, 417}, f"{name}: {answer.status_code} {answer.text}"
        assert "evil.example" not in answer.text
        assert "<script>" not in answer.headers["x-request-id"]
    assert api.get(f"/v1/companies/{made['id']}").json()["version"] == 1


def head(operation: Operation, path: str, key: str, *lines: str) -> bytes:
    """Write the beginning of a request."""
    first = (
        f"{operation.method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {key}",
        "Content-Type: application/json",
    )
    return "\r\n".join((*first, *lines, "", "")).encode()


# Files are larger; how they are bounded is in tests/api/test_files.py.
@each([operation for operation in WRITES if operation.id != "files_upload"])
def test_a_body_of_50_mb_is_refused_without_being_read(api: Client, stage: Stage, operation: Operation) -> None:
    path = World(stage, api).path(operation)
    before = contents(stage, api.tenant.id)
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    requests = {
        "announced": head(operation, path, api.key, "Content-Length: 50000000"),
        "announced beyond bounds": head(operation, path, api.key, f"Content-Length: {10**18}"),
        "in pieces": head(operation, path, api.key, "Transfer-Encoding: chunked") + piece * 17,
    }

    for name, request in a_part(list(requests.items()), WRITES.index(operation) % len(requests)):
        status, problem = exchanged(api, request)

        assert (status, problem["code"]) == (413, "body_too_large"), name
    assert contents(stage, api.tenant.id) == before


def exchanged(api: Client, request: bytes) -> tuple[int, dict[str, object]]:
    """Send bytes and read one answer, which comes in one piece or in chunks; then leave."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while b"}" not in received:
            part = connection.recv(65_536)
            assert part, received
            received += part
    start, _, body = received.partition(b"\r\n\r\n")
    problem: dict[str, object] = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    return int(start.split()[1]), problem
