"""Forms that stand for nested values, as PHP writes them and some CRMs send them: `contacts[add][0][id]=7`.

A form is read as the JSON it stands for before anything else is done with it: that is what expressions are asked of,
and what is kept. Members that are numbered from 0 are a list.
"""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.domain.errors import MalformedError
from helpdesk_api.kit.direct_routes import DirectRoute

FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 5_000
_DEEPEST: Final = 16
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class InvalidFormError(MalformedError):
    """A form that is no UTF-8, has too many fields, or says two things of one name."""

    code = "invalid_form"
    title = "The form cannot be read"


def read_form(raw: bytes) -> dict[str, Any]:
    """Give the value that a form stands for; raises InvalidFormError."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        message = f"The form is not percent-encoded UTF-8 of at most {_MOST_FIELDS} fields."
        raise InvalidFormError(message) from None
    whole: dict[str, Any] = {}
    for name, value in pairs:
        _put(whole, _path(name), value, name)
    return {name: _listed(part) for name, part in whole.items()}


class FormRoute(DirectRoute):
    """Serve an endpoint that takes a form in place of the JSON it stands for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler of direct routes."""
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
                return await handler(request)
            body = json.dumps(read_form(await request.body()), ensure_ascii=False).encode()

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": body, "more_body": False}

            named = [pair for pair in request.scope["headers"] if pair[0] not in {b"content-type", b"content-length"}]
            headers = [*named, (b"content-type", b"application/json")]
            return await handler(Request({**request.scope, "headers": headers}, receive))

        return serve


def _path(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    path = [] if found is None else [found[1], *found[2][1:-1].split("][")] if found[2] else [found[1]]
    if not 0 < len(path) <= _DEEPEST:
        raise _unreadable(name)
    return path


def _put(whole: dict[str, Any], path: list[str], value: str, name: str) -> None:
    part = whole
    for key in path[:-1]:
        part = part.setdefault(key or str(len(part)), {})
        if not isinstance(part, dict):
            raise _unreadable(name)
    last = path[-1] or str(len(part))
    if isinstance(part.get(last), dict):
        raise _unreadable(name)
    part[last] = value


def _listed(part: Any) -> Any:  # noqa: ANN401 - JSON.
    if not isinstance(part, dict):
        return part
    values = {key: _listed(each) for key, each in part.items()}
    return list(values.values()) if list(values) == [str(index) for index in range(len(values))] else values


def _unreadable(name: str) -> InvalidFormError:
    return InvalidFormError(f"The name {name[:100]!r} is not to be read beside the others.")
