"""The OpenAPI document: what it promises about every operation, and that the code keeps to it."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from helpdesk_api.domain.errors import REGISTRY
from helpdesk_api.kit.problems import catalogue
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute
from helpdesk_api.main import create_app
from helpdesk_api.openapi import VERSION
from helpdesk_api.settings import load_settings
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from tests.contract.sign_in_cases import DIRECT_OPERATIONS, PUBLIC_OPERATIONS
from tests.stage import Client

JSON = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "openapi" / "openapi.json"
REVIEWED_IDS = ROOT / "tests" / "contract" / "operation_ids.txt"
# What is committed is what the server gives, and that the code says so is `make openapi-drift`.
DOCUMENT: JSON = json.loads(COMMITTED.read_text())
APP = create_app(load_settings({}))

BYTES = "application/octet-stream"
# What load balancers ask is not counted by rate limits.
UNCOUNTED = {"service_livez", "service_readyz"}
# Codes that no operation answers with: bases of others, what routing refuses before there is an operation, and rules of
# the domain that its callers never break.
NOT_OF_AN_OPERATION = {
    "malformed_request",
    "forbidden",
    "conflict",
    "gone",
    "precondition_failed",
    "too_large",
    "too_many_requests",
    "temporarily_unavailable",
    "method_not_allowed",
    "clock_not_paused",
    "clock_not_running",
    "clock_not_stopped",
    "ambiguous_company",
    "clock_order",
    "deadline_already_fired",
    "deletion_scheduled",
    "deadline_not_due",
    "invalid_target",
    "nobody_in_team",
    # Told of single rows of an import, or of its whole file.
    "invalid_cell",
    "malformed_row",
    "record_too_long",
    "repeated_import_column",
    "row_without_reference",
    "unclosed_quote",
    "unknown_import_column",
    "wrong_encoding",
    "negative_duration",
    "reversed_period",
    "unknown_time_zone",
}
# The words of JSON Schema that the document uses; any other is a word of the library that wrote the schema.
SCHEMA_KEYWORDS = {
    *(
        "$ref",
        "type",
        "format",
        "enum",
        "const",
        "anyOf",
        "allOf",
        "oneOf",
        "discriminator",
        "not",
        "default",
        "description",
        "examples",
    ),
    *("properties", "patternProperties", "additionalProperties", "propertyNames", "required"),
    *("minProperties", "maxProperties", "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength"),
    *("pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "x-field-group"),
}
# What a body that its schema allows may meet: objects that an example names do not exist, or do so already.
OUTSIDE_OF_SCHEMAS = {
    "invalid_credentials",
    "invalid_token",
    "session_required",
    "unknown_reference",
    "unknown_custom_field",
    "not_found",
    "no_test_clock",
    "already_exists",
}


def operations(section: str = "paths") -> Iterator[tuple[str, str, JSON]]:
    for path, methods in DOCUMENT[section].items():
        for method, operation in methods.items():
            yield path, method, operation


OPERATIONS = {operation["operationId"]: (path, method, operation) for path, method, operation in operations()}


def resolve(node: JSON) -> JSON:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolve(found)


def contents(section: str = "paths") -> Iterator[tuple[str, JSON]]:
    """Yield every body that is described, named by its operation and status."""
    for _, _, operation in operations(section):
        parts = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for name, part in parts.items():
            for media_type, content in resolve(part).get("content", {}).items():
                yield f"{operation['operationId']} {name} {media_type}", content


def problems_of(operation: JSON) -> Iterator[tuple[str, str]]:
    for status, response in operation["responses"].items():
        for media_type, content in resolve(response).get("content", {}).items():
            if media_type == "application/problem+json":
                yield from ((status, resolve(example)["value"]["code"]) for example in content["examples"].values())


def schema_errors(schema: JSON, value: object) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    checker = OAS31Validator(whole, format_checker=oas31_format_checker)
    return [f"{error.json_path}: {error.message}" for error in checker.iter_errors(value)]


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def keywords(schema: object) -> Iterator[str]:
    """Yield every keyword of a schema and of those within it."""
    if isinstance(schema, list):
        for part in schema:
            yield from keywords(part)
    elif isinstance(schema, dict):
        for word, value in schema.items():
            yield word
            if word in {"properties", "patternProperties", "$defs"}:
                yield from keywords(list(value.values()))
            elif word in {"items", "additionalProperties", "propertyNames", "anyOf", "allOf", "oneOf"}:
                yield from keywords(value)


def test_no_schema_says_what_only_our_own_library_understands() -> None:
    told = [*DOCUMENT["components"]["schemas"].values()]
    told += [item["schema"] for _, _, operation in operations() for item in map(resolve, operation["parameters"])]

    assert set(keywords(told)) - SCHEMA_KEYWORDS == set()


def test_the_document_has_the_version_of_the_package() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()

    assert f'\nversion = "{VERSION}"\n' in pyproject


def test_operation_ids_are_unique_and_those_that_were_reviewed() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]

    assert sorted(ids) == REVIEWED_IDS.read_text().split(), "client libraries are named after them: add, never rename"


def test_the_document_describes_exactly_the_routes_of_the_application() -> None:
    routes = {
        (context.path_format, method.lower())
        for context in iter_route_contexts(APP.routes)
        if isinstance(context.original_route, APIRoute) and context.include_in_schema
        for method in context.methods or ()
    }

    assert {(path, method) for path, method, _ in operations()} == routes


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_is_told_in_words(operation_id: str) -> None:
    _, _, operation = OPERATIONS[operation_id]

    assert operation["summary"]
    assert len(operation["description"]) > len(operation["summary"])
    assert [item for item in operation["parameters"] if not resolve(item)["description"].endswith(".")] == []
    assert [status for status, answer in operation["responses"].items() if not resolve(answer)["description"]] == []


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_has_one_tag_and_tells_its_permission_unless_it_is_public(operation_id: str) -> None:
    _, _, operation = OPERATIONS[operation_id]

    assert len(operation["tags"]) == 1
    if operation_id in PUBLIC_OPERATIONS:
        assert operation["security"] == []
        return
    permissions = [name for need in operation["security"] for name in need["api_key"]]
    told = " or ".join(f"`{name}`" for name in permissions)
    assert len(operation["security"]) == max(len(permissions), 1)
    assert operation["description"].endswith(f"Needs the permission {told}." if told else "Needs no permission.")


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_tells_its_problems(operation_id: str) -> None:
    _, method, operation = OPERATIONS[operation_id]
    problems = set(problems_of(operation))
    known = catalogue()

    assert {(str(known[code].status), code) for status, code in problems if status != "default"} <= problems
    assert ("default", "internal_error") in problems
    expected = {"body_too_large"} if operation_id in UNCOUNTED else {"body_too_large", "rate_limited"}
    if operation_id not in PUBLIC_OPERATIONS:
        expected |= {"unauthenticated", "database_unavailable"}
        expected |= {"missing_permission"} if any(need["api_key"] for need in operation["security"]) else set()
    if "{id}" in OPERATIONS[operation_id][0]:
        expected |= {"not_found", "validation_failed"}
    if method != "get" and operation_id not in DIRECT_OPERATIONS:
        expected |= {"idempotency_key_reused", "request_in_progress", "invalid_idempotency_key"}
    if BYTES in operation.get("requestBody", {}).get("content", {}):
        expected |= {"body_too_slow"}
    elif "requestBody" in operation:
        expected |= {"validation_failed", "invalid_json", "unsupported_media_type"}
    assert expected - {code for _, code in problems} == set()


@pytest.mark.parametrize(
    ("method", "names"), [("post", {"Idempotency-Key"}), ("patch", {"Idempotency-Key", "If-Match"})]
)
def test_a_write_takes_its_headers(method: str, names: set[str]) -> None:
    taken = {
        operation["operationId"]: {resolve(item)["name"] for item in operation["parameters"]}
        for _, verb, operation in operations()
        if verb == method and operation["operationId"] not in DIRECT_OPERATIONS
    }

    assert {name for name, headers in taken.items() if not names <= headers} == set()


def test_every_answer_tells_its_request_id() -> None:
    without = [
        (operation["operationId"], status)
        for _, _, operation in operations()
        for status, answer in operation["responses"].items()
        if "X-Request-Id" not in resolve(answer)["headers"]
    ]

    assert without == []


def test_every_body_has_examples_and_each_fits_its_schema() -> None:
    wrong = {
        f"{name} {example}": errors
        for section in ("paths", "webhooks")
        for name, content in contents(section)
        for example, given in (content.get("examples") or {"-": {"value": "there is no example"}}).items()
        if (errors := schema_errors(content["schema"], resolve(given)["value"]))
    }

    assert wrong == {}


def test_an_example_of_a_request_is_a_request_that_the_server_takes(api: Client) -> None:
    refused = {}
    for path, method, operation in OPERATIONS.values():
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for name, example in content["examples"].items():
                url = re.sub(r"{\w+}", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e99", path)
                asked = [item["name"] for item in map(resolve, operation["parameters"]) if item["in"] == "query"]
                answer = api.request(
                    method.upper(),
                    url,
                    params=dict.fromkeys(asked, "x") if media_type == BYTES else None,
                    content=json.dumps(resolve(example)["value"]),
                    headers={"content-type": media_type},
                )
                if answer.is_error and answer.json()["code"] not in OUTSIDE_OF_SCHEMAS:
                    refused[f"{operation['operationId']} {name}"] = answer.json()

    assert refused == {}


def test_every_problem_code_is_explained_and_belongs_to_an_operation() -> None:
    told = {code for _, _, operation in operations() for _, code in problems_of(operation)}
    codes = {code for code, refusal in REGISTRY.items() if refusal.__module__.startswith("helpdesk_api.")}

    assert sorted(code for code in codes if not catalogue()[code].description) == []
    assert codes - told == NOT_OF_AN_OPERATION


def test_every_answer_is_written_inside_a_unit_of_work() -> None:
    outside = {
        context.operation_id
        for context in iter_route_contexts(APP.routes)
        if isinstance(context.original_route, APIRoute)
        and context.include_in_schema
        and not isinstance(context.original_route, UnitOfWorkRoute)
    }

    assert outside == DIRECT_OPERATIONS


def test_every_route_declares_what_it_answers_and_none_chooses_a_response_class() -> None:
    routes = [
        context.original_route
        for context in iter_route_contexts(APP.routes)
        if isinstance(context.original_route, APIRoute) and context.include_in_schema
    ]

    assert [route.operation_id for route in routes if route.response_model is None and route.status_code != 204] == []
    assert {type(route.response_class).__name__ for route in routes} == {"DefaultPlaceholder"}


def test_names_are_plain_and_schemas_carry_no_generated_titles() -> None:
    names = [*DOCUMENT["components"]["schemas"], *DOCUMENT["components"]["examples"]]

    assert [name for name in names if re.search(r"HTTPValidation|Input-|Output|Page_|_$|Shown", name)] == []
    assert [name for name, schema in DOCUMENT["components"]["schemas"].items() if "title" in schema] == []


def test_value_lists_are_closed_for_requests_and_open_for_answers() -> None:
    schemas: Mapping[str, JSON] = DOCUMENT["components"]["schemas"]

    assert schemas["TicketCreate"]["properties"]["priority"]["enum"] == ["low", "normal", "high", "urgent"]
    assert "enum" not in json.dumps([schemas["Ticket"], schemas["Problem"], schemas["ProblemField"]])


def test_every_field_of_an_answer_is_always_there() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    bodies = [content["schema"] for name, content in contents() if " request " not in name]
    waiting, seen = [json.dumps(bodies)], set()
    while waiting:
        for name in re.findall(r'"#/components/schemas/(\w+)"', waiting.pop()):
            if name not in seen:
                seen.add(name)
                waiting.append(json.dumps(schemas[name]))

    optional = {
        name: missing
        for name in seen
        if (missing := set(schemas[name].get("properties", {})) - set(schemas[name].get("required", [])))
    }

    # A condition is of one of several forms, and an action names only the fields that it sets.
    assert optional.keys() == {"ConditionTree", "TicketValues", "NewTicketValues"}


def test_every_type_of_event_has_its_webhook() -> None:
    headers = {
        name: [resolve(item)["name"] for item in methods["post"]["parameters"]]
        for name, methods in DOCUMENT["webhooks"].items()
    }

    assert list(headers) == list(EVENT_TYPES)
    assert {tuple(names) for names in headers.values()} == {
        ("webhook-id", "webhook-timestamp", "webhook-signature", "webhook-payload-version")
    }


def test_a_page_size_has_a_least_value_and_is_never_too_large() -> None:
    _, _, operation = OPERATIONS["tickets_list"]
    (limit,) = [item["schema"] for item in operation["parameters"] if item.get("name") == "limit"]

    assert limit == {"type": "integer", "minimum": 1, "default": 50}


def test_the_server_gives_the_document_and_a_page_that_needs_no_other_server(api: Client) -> None:
    given = api.get("/openapi.json", headers={"authorization": ""})
    page = api.get("/docs", headers={"authorization": ""})
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert given.text == COMMITTED.read_text()
    assert given.headers["content-type"] == "application/json"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert {part: api.get(f"/{part}").status_code for part in parts} == dict.fromkeys(parts, 200)
    assert "<script>" not in page.text
