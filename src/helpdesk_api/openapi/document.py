"""Builds the documents from the wiring: FastAPI's description of every route, completed and put in order.

One is for tenants, the other for the operator. They need no database, no settings and no running application, and are
the same everywhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from helpdesk_api.identity import operator_routes
from helpdesk_api.kit import service_routes
from helpdesk_api.kit.operator_route import OPERATOR_SCHEME
from helpdesk_api.kit.problems import Problem
from helpdesk_api.openapi import examples, guide, operator, webhooks
from helpdesk_api.openapi.operations import Components, complete
from helpdesk_api.openapi.schemas import (
    Schema,
    name_plainly,
    open_answers,
    operations,
    reachable,
    simplify,
    tell_defaults,
)
from helpdesk_api.openapi.shapes import shape_of
from helpdesk_api.wiring import RESOURCES, ROUTERS

_SECURITY = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "An API key, as `helpdesk keys create` or `POST /v1/api-keys` give it, or the access token of a session. Each "
        "operation names the permission it needs; where it names several, one will do."
    ),
}


@dataclass(frozen=True, slots=True)
class _Surface:
    """Whom a document is for: the routes that it describes, and what it says beside them."""

    routers: Sequence[APIRouter]
    title: str
    summary: str
    description: str
    tags: Mapping[str, str]
    security: Mapping[str, Schema]
    examples: Mapping[str, Any] = field(default_factory=dict)
    has_webhooks: bool = False


_FOR_TENANTS = _Surface(
    routers=(*ROUTERS, service_routes.router),
    title=guide.TITLE,
    summary=guide.SUMMARY,
    description=guide.DESCRIPTION,
    tags=guide.TAGS,
    security={"api_key": _SECURITY},
    has_webhooks=True,
)
_FOR_OPERATOR = _Surface(
    routers=(operator_routes.router,),
    title=operator.TITLE,
    summary=operator.SUMMARY,
    description=operator.DESCRIPTION,
    tags=operator.TAGS,
    security={OPERATOR_SCHEME: operator.SECURITY},
    examples=operator.EXAMPLES,
)


def document() -> dict[str, Any]:
    """Give the OpenAPI document of what tenants can call."""
    return _document(_FOR_TENANTS)


def operator_document() -> dict[str, Any]:
    """Give the OpenAPI document of what the operator can call."""
    return _document(_FOR_OPERATOR)


def _document(surface: _Surface) -> dict[str, Any]:
    raw = _described_by_fastapi(surface)
    name_plainly(raw)
    schemas = {name: simplify(schema) for name, schema in raw["components"]["schemas"].items()}
    by_tag = {resource.plural: resource for resource in RESOURCES}
    components = Components({**examples.of_schemas(RESOURCES, schemas), **surface.examples})
    paths: dict[str, Schema] = {}
    for path, method, operation in operations(raw["paths"]):
        shape = shape_of(method, operation, schemas, by_tag)
        paths.setdefault(path, {})[method] = complete(operation, shape, components)
    sections: dict[str, dict[str, Schema]] = {"paths": paths}
    if surface.has_webhooks:
        sections["webhooks"] = webhooks.section(components)
    bodies = [operation.get("requestBody") for _, _, operation in operations(paths)]
    tell_defaults(schemas, bodies)
    open_answers(schemas, [bodies, [operation["parameters"] for _, _, operation in operations(paths)]])
    used_tags = {tag for part in sections.values() for _, _, one in operations(part) for tag in one["tags"]}
    return {
        "openapi": raw["openapi"],
        "info": {
            "title": surface.title,
            "version": guide.VERSION,
            "summary": surface.summary,
            "description": surface.description,
            "contact": guide.CONTACT,
            "license": guide.LICENCE,
        },
        "servers": guide.SERVERS,
        "tags": [{"name": name, "description": said} for name, said in surface.tags.items() if name in used_tags],
        **sections,
        "components": {
            "securitySchemes": dict(surface.security),
            **components.used,
            "schemas": {name: schemas[name] for name in sorted(reachable([sections, components.used], schemas))},
        },
    }


@lru_cache(maxsize=1)
def rendered() -> str:
    """Give the tenants' document as the text that is committed and served."""
    return _as_text(document())


@lru_cache(maxsize=1)
def operator_rendered() -> str:
    """Give the operator's document as the text that is committed and served."""
    return _as_text(operator_document())


def _as_text(described: Schema) -> str:
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _described_by_fastapi(surface: _Surface) -> Schema:
    app = FastAPI()
    for router in surface.routers:
        app.include_router(router, responses={"default": {"model": Problem}})
    incoming = APIRouter()

    @incoming.post("message")
    async def receive(message: webhooks.MESSAGE) -> None:
        """Stand for every webhook, so that FastAPI describes the message."""
        del message

    hooks = incoming.routes if surface.has_webhooks else None
    return get_openapi(title=surface.title, version=guide.VERSION, routes=app.routes, webhooks=hooks)
