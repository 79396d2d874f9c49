"""Query parameters as one model: read from what was sent, documented from the model.

FastAPI can do both by itself, but it walks every declared parameter on every request: on a list with thirty filters
that took a good part of the request. Here only what was sent is looked at.
"""

from functools import cache
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

Q = TypeVar("Q", bound=BaseModel)


def read_query(request: Request, model: type[Q]) -> Q:
    """Read all query parameters of a request as one `model`; raises RequestValidationError.

    The route needs `openapi_extra=documented(model)`. What may be repeated is a list in the model.
    """
    return read_parameters(request.query_params, model)


def read_parameters(sent: QueryParams, model: type[Q]) -> Q:
    """Read query parameters as one `model`, wherever they were said; raises RequestValidationError."""
    repeatable = _repeatable(model)
    values: dict[str, Any] = {}
    for name in sent:
        several = sent.getlist(name)
        values[name] = several if name in repeatable or len(several) > 1 else several[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**place, "loc": ("query", *place["loc"])} for place in places]) from None


@cache
def _repeatable(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(info.alias or name for name, info in model.model_fields.items() if _is_list(info.annotation))


def query_names(route: APIRoute) -> frozenset[str]:
    """Name the query parameters that a route knows: those of its signature, and those of `documented` models."""
    names = {item["name"] for item in (route.openapi_extra or {}).get("parameters", ()) if item["in"] == "query"}
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names |= {info.alias or name for name, info in model.model_fields.items()}
        else:
            names.add(field.alias)
    return frozenset(names)


def refuse_unknown(request: Request, known: frozenset[str]) -> None:
    """Raise RequestValidationError for query parameters that are not known: a misspelt one must not be passed over."""
    if request.scope["query_string"] and (unknown := request.query_params.keys() - known):
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": "Extra inputs are not permitted"}
                for name in sorted(unknown)
            ]
        )


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """Give the part of an operation's description that lists the parameters of a model."""
    schema = model.model_json_schema()
    definitions: dict[str, Any] = schema.get("$defs", {})
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": _resolved(part, definitions)}
            | ({"description": part["description"]} if "description" in part else {})
            for name, part in schema["properties"].items()
        ]
    }


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    match part:
        case {"$ref": str(reference)}:
            return definitions[reference.rpartition("/")[2]]
        case dict():
            return {key: _resolved(value, definitions) for key, value in part.items()}
        case list():
            return [_resolved(value, definitions) for value in part]
        case _:
            return part


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is list
