"""The schemas of the document: FastAPI's, without what only disturbs people and generators.

Components get plain names, `X | null` is written as one type list (JSON Schema 2020-12), and value lists of answers are
opened: a value added later must not break a client generated today. What the schemas say is decided by the models.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

REF = "#/components/schemas/"
_NAMED_CHILDREN = ("properties", "$defs", "patternProperties")
_BOUNDS = frozenset({"ge", "gt", "le", "lt"})
_FRAMEWORK = frozenset({"HTTPValidationError", "ValidationError"})
_PAGE = re.compile(r"Page_(\w+)_")


def name_plainly(document: Schema) -> None:
    """Rename FastAPI's components: a page of comments is `CommentPage`, and what is shown needs no suffix."""
    _join_twins(document)
    schemas = document["components"]["schemas"]
    names = {name: _plain(name, schemas) for name in schemas if name not in _FRAMEWORK}
    renamed = {names[name]: schema for name, schema in schemas.items() if name in names}
    if len(renamed) != len(names):
        message = f"two schemas have one name: {sorted(names.values())}"
        raise ValueError(message)
    document["components"]["schemas"] = dict(sorted(renamed.items()))
    _refer_by(names, document)


def _join_twins(document: Schema) -> None:
    """Make one schema of two that FastAPI wrote of what refers to itself: going in and coming out, though the same."""
    schemas = document["components"]["schemas"]
    for name in [name.removesuffix("-Input") for name in schemas if name.endswith("-Input")]:
        taken, given = (json.dumps(schemas[f"{name}-{way}"]) for way in ("Input", "Output"))
        if taken.replace(f"{name}-Input", name) == given.replace(f"{name}-Output", name):
            schemas[name] = schemas.pop(f"{name}-Input")
            del schemas[f"{name}-Output"]
            _refer_by({f"{name}-Input": name, f"{name}-Output": name}, document)


def simplify(schema: Schema) -> Schema:
    """Drop generated titles and write nullable types as a list; properties may be named `title` themselves."""
    plain = {
        key: {name: simplify(child) for name, child in value.items()} if key in _NAMED_CHILDREN else _simplified(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }
    if plain.get("format") == "date-time":
        # JSON Schema has no bounds for instants; Pydantic writes its own words for them, which no generator knows.
        plain = {key: value for key, value in plain.items() if key not in _BOUNDS}
    # One order, so that the committed document does not change with the tool that happened to write a schema.
    return dict(sorted(_with_type_list(plain).items()))


def _simplified(value: object) -> object:
    if isinstance(value, list):
        return [_simplified(item) for item in value]
    return simplify(value) if isinstance(value, dict) else value


def open_answers(schemas: Mapping[str, Schema], requests: object) -> None:
    """Turn the value lists of schemas that no request uses into examples."""
    asked = set(reachable(requests, schemas))
    for name, schema in schemas.items():
        if name not in asked:
            _open(schema)


def tell_defaults(schemas: Mapping[str, Schema], requests: object) -> None:
    """Move the defaults of bodies into words.

    As keywords they mislead generators: some make every such field required, some send the default of the day on which
    the client was generated.
    """
    for name in reachable(requests, schemas):
        for field in schemas[name].get("properties", {}).values():
            if "default" in field:
                default = json.dumps(field.pop("default"))
                field["description"] = " ".join([*filter(None, [field.get("description")]), f"Default: `{default}`."])


def reachable(node: object, schemas: Mapping[str, Schema]) -> Iterator[str]:
    """Yield the names of the schemas that a part of the document refers to, directly or through others."""
    waiting: list[object] = [node]
    seen: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix(REF)
            if name in schemas and name not in seen:
                seen.add(name)
                yield name
                waiting.append(schemas[name])
            waiting.extend(part.values())


def operations(paths: Mapping[str, Schema]) -> Iterator[tuple[str, str, Schema]]:
    """Yield path, method and operation."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield path, method, operation


def _plain(name: str, taken: Mapping[str, Schema]) -> str:
    if page := _PAGE.fullmatch(name):
        return f"{page[1]}Page"
    shown = name.removesuffix("Shown")
    return shown if shown not in taken else name


def _refer_by(names: Mapping[str, str], node: object) -> None:
    if isinstance(node, list):
        for item in node:
            _refer_by(names, item)
    elif isinstance(node, dict):
        name = str(node.get("$ref", "")).removeprefix(REF)
        if name in names:
            node["$ref"] = REF + names[name]
        for child in node.values():
            _refer_by(names, child)


def _with_type_list(schema: Schema) -> Schema:
    choices = schema.get("anyOf", [])
    if len(choices) != 2 or {"type": "null"} not in choices:  # noqa: PLR2004 - the type and null.
        return schema
    (other,) = (choice for choice in choices if choice != {"type": "null"})
    # A reference or a value list cannot be widened by a second type.
    if not isinstance(other.get("type"), str) or "enum" in other or "const" in other:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**other, "type": [other["type"], "null"], **rest}


def _open(node: object) -> None:
    if isinstance(node, list):
        for item in node:
            _open(item)
    elif isinstance(node, dict):
        if isinstance(values := node.get("enum"), list):
            del node["enum"]
            node["examples"] = values
        for child in node.values():
            _open(child)
