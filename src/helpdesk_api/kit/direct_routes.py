"""The route class of operations that open their own units of work: signing in, proving oneself again, fetching a file.

They cannot run inside one unit of work: an attempt must be counted even when it is refused, no connection may be held
while a password is verified or another server is asked, and who signs in names the tenant in the body. Each unit is
committed before the answer is sent. They take no idempotency key, because the answers to signing in hold secrets and
must not be stored; what else is of this class can be repeated without harm. Which operations those are is listed, and a
test compares.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.kit.caller import authenticated
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.query import query_names, refuse_unknown
from helpdesk_api.kit.unit_of_work import Authentication, StrictRequest, read_body
from helpdesk_api.kit.validation import invalid_request

# Tells whoever describes the operation that it takes no idempotency key.
DIRECT: Final = "x-direct"


class DirectRoute(APIRoute):
    """Serve an endpoint that commits by itself, with strict parsing."""

    takes_json = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "openapi_extra": {**(kwargs.get("openapi_extra") or {}), DIRECT: True}})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()
        parameters = query_names(self)

        async def serve(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if self.takes_json:
                await read_body(strict)
            try:
                refuse_unknown(strict, parameters)
                return await handler(strict)
            except RequestValidationError as error:
                raise invalid_request(error) from error

        return serve


class RawBodyRoute(DirectRoute):
    """Serve an endpoint that reads the bytes of the body by itself, whatever they are."""

    takes_json = False


class _Known(Authentication):
    """Hand an endpoint its caller, if that one has a permission."""

    def __init__(self, *permissions: str) -> None:
        self._permissions = permissions

    async def __call__(self, request: Request) -> Principal:
        principal = await authenticated(request)
        principal.require(*self._permissions)
        return principal


def known(*permissions: str) -> Any:
    """Declare that the caller must be known, and the permission that is needed or several of which one will do.

    It stands beside the type of the principal in the signature.
    """
    return Security(_Known(*permissions), scopes=permissions)
