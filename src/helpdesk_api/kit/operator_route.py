"""Routes for whoever runs the service: one key for all of them, from the settings, and no tenant.

Without that key the routes do not exist. It is compared in constant time, and wrong ones are counted for the address.
A handler commits what it does before it returns.
"""

import hashlib
import hmac
from typing import Final

from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.domain.errors import NotFoundError, UnauthenticatedError
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import Handler, StrictRequest, handled, read_body

PREFIX: Final = "/operator/v1"
OPERATOR_SCHEME: Final = "operator_key"


class OperatorKey:
    """The key of the operator, of which only a digest is kept."""

    def __init__(self, key: str) -> None:
        self._digest = _digest(key)

    def fits(self, authorization: str | None) -> bool:
        """Tell whether an Authorization header holds the key."""
        scheme, _, text = (authorization or "").partition(" ")
        return hmac.compare_digest(self._digest, _digest(text.strip())) and scheme.lower() == "bearer"


class OperatorAccess(SecurityBase):
    """What FastAPI's description calls the operator's key, at which the route has looked by then."""

    scheme_name = OPERATOR_SCHEME
    model = HTTPBearerModel()

    async def __call__(self) -> None:
        """Do nothing more."""


class OperatorRoute(APIRoute):
    """Serve an endpoint to the operator only, with strict parsing."""

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def serve(request: Request) -> Response:
            await _check_operator(request)
            strict = StrictRequest(request.scope, request.receive)
            await read_body(strict)
            return await handled(handler, strict)

        return serve


async def _check_operator(request: Request) -> None:
    runtime: Runtime = request.app.state.runtime
    if runtime.operator_key is None:
        message = f"There is nothing at {request.url.path[:200]}."
        raise NotFoundError(message)
    if not runtime.operator_key.fits(request.headers.get("authorization")):
        await runtime.admission.anonymous(request)
        message = "Send the operator key as `Authorization: Bearer …`."
        raise UnauthenticatedError(message)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
