"""Builds the document from the wiring: FastAPI's description of every route, completed and put in order.

Needs no database, no settings and no running application, and gives the same document everywhere.
"""

import json
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from helpdesk_api.kit import service_routes
from helpdesk_api.kit.problems import Problem
from helpdesk_api.openapi import examples, guide, webhooks
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


def document() -> dict[str, Any]:
    """Give the OpenAPI document."""
    raw = _described_by_fastapi()
    name_plainly(raw)
    schemas = {name: simplify(schema) for name, schema in raw["components"]["schemas"].items()}
    by_tag = {resource.plural: resource for resource in RESOURCES}
    components = Components(examples.of_schemas(RESOURCES, schemas))
    paths: dict[str, Schema] = {}
    for path, method, operation in operations(raw["paths"]):
        shape = shape_of(method, operation, schemas, by_tag)
        paths.setdefault(path, {})[method] = complete(operation, shape, components)
    sections: dict[str, dict[str, Schema]] = {"paths": paths, "webhooks": webhooks.section(components)}
    bodies = [operation.get("requestBody") for _, _, operation in operations(paths)]
    tell_defaults(schemas, bodies)
    open_answers(schemas, [bodies, [operation["parameters"] for _, _, operation in operations(paths)]])
    used_tags = {tag for part in sections.values() for _, _, one in operations(part) for tag in one["tags"]}
    return {
        "openapi": raw["openapi"],
        "info": {
            "title": guide.TITLE,
            "version": guide.VERSION,
            "summary": guide.SUMMARY,
            "description": guide.DESCRIPTION,
            "contact": guide.CONTACT,
            "license": guide.LICENCE,
        },
        "servers": guide.SERVERS,
        "tags": [{"name": name, "description": said} for name, said in guide.TAGS.items() if name in used_tags],
        **sections,
        "components": {
            "securitySchemes": {"api_key": _SECURITY},
            **components.used,
            "schemas": {name: schemas[name] for name in sorted(reachable([sections, components.used], schemas))},
        },
    }


@lru_cache(maxsize=1)
def rendered() -> str:
    """Give the document as the text that is committed and served."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _described_by_fastapi() -> Schema:
    app = FastAPI()
    for router in (*ROUTERS, service_routes.router):
        app.include_router(router, responses={"default": {"model": Problem}})
    incoming = APIRouter()

    @incoming.post("message")
    async def receive(message: webhooks.MESSAGE) -> None:
        """Stand for every webhook, so that FastAPI describes the message."""
        del message

    return get_openapi(title=guide.TITLE, version=guide.VERSION, routes=app.routes, webhooks=incoming.routes)
