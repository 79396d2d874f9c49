"""Serves the document: as JSON for programs and as a page on which people can try every operation.

The page needs no other server: Swagger UI comes with a Python package. It holds no inline script, so that a strict
content policy can stand, and the browser keeps the API key that was pasted under "Authorize" only for this origin.
"""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from helpdesk_api.kit.operator_route import PREFIX, OperatorRoute
from helpdesk_api.openapi.document import operator_rendered, rendered

_ASSETS = Path(str(files("fastapi_offline"))) / "static"
_OWN = Path(str(files("helpdesk_api.openapi"))) / "assets"
_FOR_AN_HOUR = {"cache-control": "public, max-age=3600"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def install(app: FastAPI) -> None:
    """Add `/openapi.json`, `/docs` and what the page needs to an application, and the operator's document."""
    app.include_router(_of_operator)
    app.router.routes += [
        Route("/openapi.json", _document, include_in_schema=False),
        Route("/docs", _page, include_in_schema=False),
        Mount("/docs/assets/swagger", StaticFiles(directory=_ASSETS)),
        Mount("/docs/assets", StaticFiles(directory=_OWN)),
    ]


_of_operator = APIRouter(route_class=OperatorRoute, include_in_schema=False)


@_of_operator.get(f"{PREFIX}/openapi.json")
def _operator_document() -> Response:
    return Response(operator_rendered(), media_type="application/json")


def _document(_: object) -> Response:
    # Building it takes a while the first time; as a plain function it runs on a thread and stops nobody else.
    return Response(rendered(), media_type="application/json", headers=_FOR_AN_HOUR)


def _page(_: object) -> Response:
    html = (_OWN / "docs.html").read_text()
    return HTMLResponse(html, headers={**_FOR_AN_HOUR, "content-security-policy": _POLICY})
