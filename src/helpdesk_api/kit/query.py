"""Query parameters as one model: read from what was sent, documented from the model.

FastAPI can do both by itself, but it walks every declared parameter on every request: on a list with thirty filters
that took a good part of the request. Here only what was sent is looked at.
"""

from functools import cache
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Q = TypeVar("Q", bound=BaseModel)


def read_query(request: Request, model: type[Q]) -> Q:
    """Read all query parameters of a request as one `model`; raises RequestValidationError.

    The route needs `openapi_extra=documented(model)`. What may be repeated is a list in the model.
    """
    sent = request.query_params
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
