"""What Pydantic found wrong, as a problem with a pointer per field.

The offending input is never echoed: it may be a secret.
"""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError

from helpdesk_api.domain.errors import FieldError, InvalidError, Location

_PLACES: dict[str, Location] = {"body": "body", "query": "query", "path": "path", "header": "header"}
_MOST = 20


def invalid_request(error: RequestValidationError) -> InvalidError:
    """Word a failed validation; at most 20 places are listed."""
    found = [
        _field_error(_without_shapes(item["loc"], error.body), item["type"], item["msg"]) for item in error.errors()
    ]
    places = "place" if len(found) == 1 else "places"
    detail = f"The request is wrong in {len(found)} {places}; the first: {found[0].pointer}: {found[0].detail}"
    return InvalidError(detail, errors=tuple(found[:_MOST]))


def _without_shapes(location: tuple[str | int, ...], body: Any) -> tuple[str | int, ...]:
    """Leave out what is no place: the name of the shape, among several, that an object says it has."""
    if location[0] != "body":
        return location
    place: list[str | int] = [location[0]]
    here = body
    for step in location[1:]:
        if isinstance(here, Mapping) and step not in here and step in here.values():
            continue
        place.append(step)
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
    return tuple(place)


def _field_error(location: tuple[str | int, ...], code: str, message: str) -> FieldError:
    place = _PLACES.get(str(location[0]), "body")
    steps = [str(step).replace("~", "~0").replace("/", "~1")[:100] for step in location[1:]]
    return FieldError(
        pointer="".join(f"/{step}" for step in steps),
        code=code,
        detail=message.removeprefix("Value error, ")[:300].encode("utf-8", "replace").decode(),
        location=place,
    )
