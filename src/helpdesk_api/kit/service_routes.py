"""The endpoints about the service itself: is it alive, is it ready, what does it count, what does a problem code mean.

They need no credential and tell nothing of any tenant. `/metrics` is for the inside of the network; a proxy should not
pass it on.
"""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from starlette.responses import Response

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.kit.admission import count_for_address
from helpdesk_api.kit.db import ping
from helpdesk_api.kit.problems import ProblemType, catalogue
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sqlstate import DatabaseUnavailableError

_PING_SECONDS = 0.5

router = APIRouter(tags=["service"])


class Alive(Output):
    """The process runs."""

    status: Literal["alive"] = "alive"


class Ready(Output):
    """The process can serve."""

    status: Literal["ready"] = "ready"


class UnknownProblemError(NotFoundError):
    """No problem goes by this code."""

    code = "unknown_problem"
    title = "There is no problem of this name"


@router.get("/livez", operation_id="service_livez", summary="Is the process alive?")
async def livez() -> Alive:
    """Answer as long as the process can answer at all; looks at nothing else."""
    return Alive()


@router.get("/readyz", operation_id="service_readyz", summary="Can the process serve requests?")
async def readyz(request: Request) -> Ready:
    """Answer 200 when the database answers within half a second, else 503. Redis may be away without harm."""
    runtime: Runtime = request.app.state.runtime
    try:
        async with asyncio.timeout(_PING_SECONDS):
            answers = await ping(runtime.db)
    except TimeoutError:
        answers = False
    if not answers:
        message = "The database does not answer."
        raise DatabaseUnavailableError(message)
    return Ready()


@router.get(
    "/problems",
    operation_id="problems_list",
    summary="List every problem code",
    dependencies=[Depends(count_for_address)],
)
async def list_problems() -> dict[str, ProblemType]:
    """List every code this API can answer with, by code."""
    return catalogue()


@router.get(
    "/problems/{code}",
    operation_id="problems_get",
    summary="Explain a problem code",
    dependencies=[Depends(count_for_address)],
)
async def get_problem(code: Annotated[str, Path(max_length=100), Field(examples=["stale_version"])]) -> ProblemType:
    """Explain one code; the `type` of every problem document leads here."""
    known = catalogue()
    if code not in known:
        message = f"There is no problem {code!r}."
        raise UnknownProblemError(message)
    return known[code]


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Give the page that Prometheus reads."""
    runtime: Runtime = request.app.state.runtime
    runtime.metrics.pool_state(*runtime.db.size)
    body, media_type = runtime.metrics.render()
    return Response(body, media_type=media_type)
