"""The route of the reads that every resource has: one object by its id, and a list.

They are asked for more than everything else together, and take nothing but an id and a query that the endpoint reads
itself. FastAPI describes them; serving them needs none of its solving of parameters and dependencies, which took a
sixth of such a request.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from helpdesk_api.kit.unit_of_work import Handler, UnitOfWorkRoute

_ID: TypeAdapter[UUID] = TypeAdapter(UUID)


class ReadingRoute(UnitOfWorkRoute):
    """Call an endpoint `(id?, request, response, ctx)` and write what it gives as the declared model."""

    def make_handler(self) -> Handler:
        """Make the handler: permission, id, endpoint, answer, in the order in which FastAPI would."""
        (guard,) = (dependency.call for dependency in self.dependant.dependencies if dependency.call is not None)
        endpoint: Callable[..., Any] = self.endpoint
        takes_id = "{id}" in self.path_format
        answer = TypeAdapter[Any](self.response_model)

        async def read(request: Request) -> Response:
            ctx = await guard(request)
            response = Response(media_type="application/json")
            given = {"id": _id_in(request)} if takes_id else {}
            found = await endpoint(**given, request=request, response=response, ctx=ctx)
            response.body = answer.dump_json(found, by_alias=True)
            response.headers["content-length"] = str(len(response.body))
            return response

        return read


def _id_in(request: Request) -> UUID:
    try:
        return _ID.validate_python(request.path_params["id"])
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**place, "loc": ("path", "id")} for place in places]) from None
