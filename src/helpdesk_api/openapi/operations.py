"""Completes each operation: its parameters, bodies, headers and answers, with an example for each of them.

FastAPI describes what an operation takes and gives; what all have in common (keys, versions, request ids, problems) is
added here, from the operation's shape. What is said in prose stays with the route.
"""

import re
from collections.abc import Mapping
from typing import Any

from helpdesk_api.domain.errors import Kind, Refusal
from helpdesk_api.domain.file_names import UNKNOWN
from helpdesk_api.identity.tenant_export import NDJSON
from helpdesk_api.kit.problems import MEDIA_TYPE, status_of
from helpdesk_api.openapi import examples, refusals
from helpdesk_api.openapi.common import (
    HEADERS,
    LOCATED,
    PARAMETERS,
    RATE_LIMIT_HEADERS,
    STATUS_TEXT,
    SUCCESS_TEXT,
)
from helpdesk_api.openapi.schemas import REF, Schema, simplify
from helpdesk_api.openapi.shapes import Shape
from helpdesk_api.webhooks.stream_routes import EVENT_STREAM

_JSON = "application/json"
_RANGE = re.compile(r"(\w+)\[(gte|gt|lte|lt)\]")
_COMPARED = {"gte": "at or after", "gt": "after", "lte": "at or before", "lt": "before"}


class Components:
    """The parts that operations share; only what is referred to goes into the document."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self.used: dict[str, dict[str, Any]] = {"parameters": {}, "headers": {}, "examples": {}, "responses": {}}

    def parameter(self, name: str) -> Schema:
        """Refer to a parameter."""
        self.used["parameters"][name] = PARAMETERS[name]
        return {"$ref": f"#/components/parameters/{name}"}

    def headers(self, *names: str) -> Schema:
        """Refer to headers of an answer."""
        self.used["headers"].update({name: HEADERS[name] for name in names})
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

    def example_of_schema(self, name: str) -> Schema:
        """Refer to the examples of a schema; nothing for one without."""
        if name not in self._known:
            return {}
        named = {name: self._known[name]}
        if alone := examples.alone(name, self._known[name]):
            named = {f"{name}.alone": alone, **named}
        self.used["examples"].update({key: {"value": value} for key, value in named.items()})
        return {"examples": {key: {"$ref": f"#/components/examples/{key}"} for key in named}}

    def problem(self, refused: type[Refusal]) -> Schema:
        """Refer to the example of a problem."""
        name = f"problem.{refused.code}"
        self.used["examples"][name] = {"summary": refused.title, "value": refusals.example_of(refused)}
        return {"$ref": f"#/components/examples/{name}"}

    def answer(self, response: Schema) -> Schema:
        """Refer to an answer that several operations give; the same answer gets the same name."""
        refused = "_or_".join(response["content"][MEDIA_TYPE]["examples"])
        name = refused if len(refused) <= _LONGEST_NAME else f"{refused.partition('_or_')[0]}_or_others"
        if self.used["responses"].setdefault(name, response) != response:
            return response
        return {"$ref": f"#/components/responses/{name}"}


_LONGEST_NAME = 60


def complete(operation: Schema, shape: Shape, components: Components) -> Schema:
    """Give the whole description of an operation."""
    completed = {key: operation[key] for key in ("summary", "operationId")}
    # A nested resource brings the tag of the router it stands in; an operation belongs to one.
    completed["tags"] = operation["tags"][-1:]
    completed["description"] = _description(operation, shape)
    # One of several permissions will do; FastAPI lists them as if all were needed.
    completed["security"] = [
        {scheme: [scope] if scope else []}
        for need in operation.get("security", [])
        for scheme, scopes in need.items()
        for scope in scopes or [""]
    ]
    completed["parameters"] = _parameters(operation, shape, components)
    if shape.has_body:
        completed["requestBody"] = _body(operation["requestBody"], components)
    elif shape.has_bytes:
        completed["requestBody"] = operation["requestBody"]
    completed["responses"] = _answers(operation["responses"], shape, components)
    return completed


def _description(operation: Schema, shape: Shape) -> str:
    said = str(operation["description"]).strip()
    needs = " or ".join(f"`{scope}`" for scope in shape.scopes)
    if needs:
        return f"{said}\n\nNeeds the permission {needs}."
    if shape.is_of_operator:
        return f"{said}\n\nNeeds the key of the operator."
    return f"{said}\n\nNeeds no permission." if shape.is_known else f"{said}\n\nNeeds no API key."


def _parameters(operation: Schema, shape: Shape, components: Components) -> list[Schema]:
    found = [
        components.parameter("IfMatch") if item["name"] == "if-match" else _parameter(item, shape)
        for item in operation.get("parameters", [])
    ]
    if shape.takes_key:
        found.append(components.parameter("IdempotencyKey"))
    if shape.method == "get" and shape.answers_version:
        found.append(components.parameter("IfNoneMatch"))
    if shape.may_be_viewed_as:
        found.append(components.parameter("ViewAs"))
    return found


def _parameter(item: Schema, shape: Shape) -> Schema:
    schema = simplify(item["schema"])
    description = item.get("description") or schema.get("description") or _meaning(item["name"], shape)
    if item["in"] == "query":
        if schema.get("type") == "array":
            description = f"Only those with this `{item['name']}`. {description}"
        # A query parameter is absent or has a value; null and the empty list only stand for its absence.
        if isinstance(schema.get("type"), list):
            schema["type"] = schema["type"][0]
        if schema.get("default") == []:
            del schema["default"]
    schema.pop("description", None)
    return {
        "name": item["name"],
        "in": item["in"],
        "required": item["required"],
        "description": description,
        "schema": schema,
    }


def _meaning(name: str, shape: Shape) -> str:
    if compared := _RANGE.fullmatch(name):
        return f"Only those whose `{compared[1]}` is {_COMPARED[compared[2]]} this instant."
    if name == "id":
        # Comments are reached through the ticket, whose id comes first.
        owner = "ticket" if shape.id.startswith("comments_") else shape.resource.name if shape.resource else "object"
        return f"The id of the {owner.replace('_', ' ')}."
    return f"The {name.replace('_', ' ')}."


def _body(body: Schema, components: Components) -> Schema:
    ((media_type, media),) = body["content"].items()
    name = str(media["schema"].get("$ref", "")).removeprefix(REF)
    schema = {key: value for key, value in media["schema"].items() if key != "default"}
    described = {"schema": schema, **components.example_of_schema(name)}
    # A merge patch may also come as plain JSON: many clients cannot send any other media type.
    media_types = [media_type] if media_type == _JSON else [media_type, _JSON]
    return {"required": body.get("required", False), "content": dict.fromkeys(media_types, described)}


def _answers(responses: Schema, shape: Shape, components: Components) -> Schema:
    answers = {
        status: _success(status, response, shape, components)
        for status, response in responses.items()
        if status.startswith("2")
    }
    if shape.method == "get" and shape.answers_version:
        headers = components.headers("ETag", "X-Request-Id")
        answers["304"] = {"description": "Not changed since the version in `If-None-Match`.", "headers": headers}
    by_status: dict[str, list[type[Refusal]]] = {}
    for refused in refusals.possible(shape):
        by_status.setdefault(_key(refused), []).append(refused)
    for status, several in sorted(by_status.items()):
        answers[status] = components.answer(_problem(status, several, components))
    return answers


def _key(refused: type[Refusal]) -> str:
    return "default" if refused.kind is Kind.INTERNAL else str(status_of(refused))


def _success(status: str, response: Schema, shape: Shape, components: Components) -> Schema:
    names = ["X-Request-Id"]
    if shape.answers_version:
        names.append("ETag")
    if status == "201" or (shape.id, status) in LOCATED:
        names.append("Location")
    if shape.takes_key:
        names.append("Idempotency-Replayed")
    if shape.is_counted:
        names += RATE_LIMIT_HEADERS
    said = response["description"]
    if said == "Successful Response":
        said = SUCCESS_TEXT["page" if shape.pages or shape.follows else f"{shape.method} {status}"]
    answer: Schema = {"description": said, "headers": components.headers(*names)}
    content = response.get("content", {})
    streamed = next((name for name in (EVENT_STREAM, NDJSON, UNKNOWN) if name in content), None)
    if streamed is not None:
        answer["content"] = {streamed: {"schema": {"type": "string"}, **_example(shape.id, status, {}, components)}}
    elif content:
        schema = simplify(content[_JSON]["schema"])
        answer["content"] = {_JSON: {"schema": schema, **_example(shape.id, status, schema, components)}}
    return answer


def _example(operation_id: str, status: str, schema: Schema, components: Components) -> Schema:
    own = examples.of_operation(operation_id, status)
    if own is not None:
        return {"examples": {operation_id: {"value": own}}}
    return components.example_of_schema(str(schema.get("$ref", "")).removeprefix(REF))


def _problem(status: str, refused: list[type[Refusal]], components: Components) -> Schema:
    names = ["X-Request-Id"]
    if status == "308":
        names.append("Location")
    if status == "401":
        names.append("WWW-Authenticate")
    if status in {"409", "429", "503"}:
        names.append("Retry-After")
    if status == "429":
        names += RATE_LIMIT_HEADERS
    named = {one.code: components.problem(one) for one in refused}
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{REF}Problem"}, "examples": named}}
    return {"description": STATUS_TEXT[status], "headers": components.headers(*names), "content": content}
