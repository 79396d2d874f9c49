"""Every operation of the API, as its OpenAPI document tells, and what is needed to call each with success."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from tests.contract.actions import ACTIONS
from tests.contract.bodies import JSON, Value
from tests.contract.cases import CASES, FREE_FORM, SINGLE_OPERATIONS, Case
from tests.contract.other_bodies import OTHER_BODIES
from tests.contract.sign_in_cases import DIRECT_OPERATIONS, PUBLIC_OPERATIONS
from tests.stage import Client, Stage

_ROOT = Path(__file__).resolve().parents[2]
# What is committed is what the server gives (`test_openapi`); it would cost each process seconds to say it anew.
DOCUMENT: JSON = json.loads((_ROOT / "openapi" / "openapi.json").read_text())
_CONDITION = "#/components/schemas/ConditionTree"
_PARAMETER = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    template: str
    details: JSON = field(repr=False)

    @cached_property
    def case(self) -> Case | None:
        """Give the case of the resource that it belongs to."""
        named = [case for case in CASES if self.id.startswith(case.plural.replace("-", "_") + "_")]
        return max(named, key=lambda case: len(case.plural), default=None)

    @property
    def scopes(self) -> list[str]:
        """Give the scopes that it declares."""
        return [scope for requirement in self.details.get("security", []) for scope in requirement.get("api_key", [])]

    @property
    def is_public(self) -> bool:
        """Tell whether anybody may call it."""
        return self.id in PUBLIC_OPERATIONS

    @property
    def takes_key(self) -> bool:
        """Tell whether it takes an idempotency key."""
        return self.method in {"POST", "PUT", "PATCH", "DELETE"} and self.id not in DIRECT_OPERATIONS

    @property
    def path_parameters(self) -> list[str]:
        """Name the ids in the path."""
        return _PARAMETER.findall(self.template)

    def accepts(self, name: str, escaped: str) -> bool:
        """Tell whether a text, escaped as it stands in a path, is a value that a parameter of the path may have."""
        schemas = {item["name"]: item["schema"] for item in self.details["parameters"] if item["in"] == "path"}
        try:
            text = unquote(escaped, errors="strict")
        except UnicodeDecodeError:
            return False
        return "pattern" in schemas[name] and re.search(schemas[name]["pattern"], text) is not None

    def query_parameters(self, name: str = "") -> dict[str, JSON]:
        """Give the schemas of the query parameters, or of one of them."""
        found = {item["name"]: item["schema"] for item in self.details.get("parameters", []) if item["in"] == "query"}
        return {name: found[name]} if name else found

    @property
    def body_schema(self) -> JSON | None:
        """Give the schema of the body, or None when there is none."""
        content: JSON = self.details.get("requestBody", {}).get("content", {})
        return resolve(next(iter(content.values()))["schema"]) if content else None

    @property
    def media_type(self) -> str:
        """Give the media type of a good body."""
        return "application/merge-patch+json" if self.method == "PATCH" else "application/json"

    def valid_body(self, api: Client) -> JSON | None:
        """Give a body that it accepts."""
        if self.id in SINGLE_OPERATIONS:
            single = SINGLE_OPERATIONS[self.id].body
            return single(api) if callable(single) else single
        if self.id in ACTIONS:
            return ACTIONS[self.id]
        if self.case is None or self.body_schema is None:
            return None
        if self.method == "POST":
            return self.case.new_body(api)
        return dict(self.case.patch)

    def whole_body(self, api: Client) -> JSON:
        """Give a body with a value for everything that it takes."""
        if self.id in SINGLE_OPERATIONS or self.id in ACTIONS or self.case is None:
            return self.valid_body(api) or {}
        offered = (self.body_schema or {})["properties"]
        whole = self.case.new_body(api) | dict(self.case.patch if self.method == "PATCH" else {})
        return {name: value for name, value in whole.items() if name in offered}

    def other_bodies(self, api: Client) -> list[JSON]:
        """Give bodies for the references that the first body must leave empty."""
        is_creation = self.case is not None and self.method == "POST" and self.id not in ACTIONS
        owner = self.id if self.id in SINGLE_OPERATIONS or self.case is None else self.case.plural
        return [make(api) for make in OTHER_BODIES.get(owner, ()) if is_creation or owner == self.id]

    def __str__(self) -> str:
        """Name the operation in the report."""
        return self.id


def resolve(schema: JSON) -> JSON:
    """Follow references, and give the only alternative to null."""
    if schema.get("$ref", "").startswith(_CONDITION):
        # It nests without end; tests/domain/test_conditions.py and tests/api/test_ticket_search.py look into it.
        return {"type": "object"}
    if "$ref" in schema:
        found: Any = DOCUMENT
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolve(found)
    if isinstance(schema.get("type"), list):
        (kind,) = set(schema["type"]) - {"null"}
        return {**schema, "type": kind}
    others = [part for part in schema.get("anyOf", []) if part.get("type") != "null"]
    return resolve(others[0]) if len(others) == 1 else schema


def shape_of(schema: JSON, value: Value) -> JSON:
    """Follow references, and give of schemas that are told apart by a member the one that a value is of."""
    schema = resolve(schema)
    if "discriminator" not in schema or not isinstance(value, dict):
        return schema
    told_apart = schema["discriminator"]
    return resolve({"$ref": told_apart["mapping"][value[told_apart["propertyName"]]]})


def is_nullable(schema: JSON) -> bool:
    """Tell whether null is a value of it."""
    return "null" in schema.get("type", ()) or any(part.get("type") == "null" for part in schema.get("anyOf", []))


def leaves(value: Value, pointer: str = "") -> Iterator[tuple[str, Value]]:
    """Walk a body; gives each plain value with its pointer."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{pointer}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def at(value: JSON, pointer: str) -> Value:
    """Give the value at a pointer."""
    found: Any = value
    for step in pointer.split("/")[1:]:
        found = found[int(step)] if isinstance(found, list) else found[step]
    return cast("Value", found)


def with_value(value: JSON, pointer: str, new: Value) -> JSON:
    """Give a copy with another value at a pointer."""
    copy = deepcopy(value)
    parent, _, last = pointer.rpartition("/")
    place: Any = at(copy, parent)
    place[int(last) if isinstance(place, list) else last] = new
    return copy


def _operations() -> Iterator[Operation]:
    for template, item in DOCUMENT["paths"].items():
        for method, details in item.items():
            parameters = [resolve(parameter) for parameter in details.get("parameters", [])]
            yield Operation(details["operationId"], method.upper(), template, {**details, "parameters": parameters})


OPERATIONS = tuple(operation for operation in _operations() if operation.template.startswith("/v1/"))
BY_ID: Mapping[str, Operation] = {operation.id: operation for operation in OPERATIONS}
WITH_BODY = tuple(
    operation for operation in OPERATIONS if operation.body_schema is not None and operation.id not in FREE_FORM
)


def operation_of(case: Case, verb: str) -> Operation | None:
    """Give the operation of a resource, or None when it has no such."""
    return BY_ID.get(f"{case.plural.replace('-', '_')}_{verb}")


class World:
    """One object of every resource that is asked for, in one tenant."""

    def __init__(self, stage: Stage, api: Client) -> None:
        self.api = api
        self._stage = stage
        self._parameters: dict[str, dict[str, str]] = {}

    def parameters(self, operation: Operation) -> dict[str, str]:
        """Give values for the ids in the path of an operation."""
        if not operation.path_parameters:
            return {}
        is_usual = operation.case is not None and operation.id not in SINGLE_OPERATIONS
        owner = operation.case.plural if operation.case and is_usual else operation.id
        if owner not in self._parameters:
            self._parameters[owner] = self._create(operation)
        return {name: self._parameters[owner][name] for name in operation.path_parameters}

    def path(self, operation: Operation, **others: str) -> str:
        """Give the path of an operation, with other ids where they are named."""
        return operation.template.format(**self.parameters(operation) | others)

    def _create(self, operation: Operation) -> dict[str, str]:
        if operation.id in SINGLE_OPERATIONS or operation.case is None:
            make = SINGLE_OPERATIONS[operation.id].parameters
            assert make is not None, f"{operation.id} needs values for {operation.template}"
            return make(self._stage, self.api)
        location, _ = operation.case.create(self._stage, self.api)
        reading = operation_of(operation.case, "get")
        assert reading is not None, f"{operation.case} cannot be read"
        found = re.fullmatch(_PARAMETER.sub(r"([^/]+)", reading.template), location)
        assert found is not None, location
        return dict(zip(_PARAMETER.findall(reading.template), found.groups(), strict=True))
