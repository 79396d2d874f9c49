"""The document of the operator's surface: what it promises, and that it is told to nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from helpdesk_api.identity import operator_routes
from helpdesk_api.openapi import operator_rendered
from tests.stage import Client, Services, Stage

JSON = dict[str, Any]

OPENAPI = Path(__file__).resolve().parents[2] / "openapi"
COMMITTED = OPENAPI / "operator.json"
DOCUMENT: JSON = json.loads(COMMITTED.read_text())
KEY = "an operator key for tests that opens nothing of worth"


def operations() -> Iterator[tuple[str, str, JSON]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolve(node: JSON) -> JSON:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolve(found)


def described() -> Iterator[tuple[str, JSON]]:
    """Yield every body that is described, named by its operation."""
    for _, _, operation in operations():
        for name, part in {"request": operation.get("requestBody", {}), **operation["responses"]}.items():
            for media_type, content in resolve(part).get("content", {}).items():
                yield f"{operation['operationId']} {name} {media_type}", content


def test_the_committed_document_is_what_the_code_says() -> None:
    assert COMMITTED.read_text() == operator_rendered(), "run `make openapi` and commit the result"


def test_the_document_is_valid_openapi_3_1() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_route_of_the_operator_is_described_and_nothing_else() -> None:
    routes = {
        (route.path_format, method.lower())
        for context in iter_route_contexts(operator_routes.router.routes)
        if isinstance(route := context.original_route, APIRoute)
        for method in route.methods or ()
    }

    assert {(path, method) for path, method, _ in operations()} == routes
    assert len({operation["operationId"] for _, _, operation in operations()}) == len(routes)
    assert {json.dumps(operation["security"]) for _, _, operation in operations()} == {'[{"operator_key": []}]'}


def test_nothing_of_it_is_in_the_document_of_the_tenants() -> None:
    of_tenants = json.loads((OPENAPI / "openapi.json").read_text())

    assert [path for path in of_tenants["paths"] if path.startswith("/operator")] == []
    assert "TenantState" not in of_tenants["components"]["schemas"]


@pytest.mark.parametrize(("name", "content"), list(described()))
def test_every_body_has_examples_that_fit_its_schema(name: str, content: JSON) -> None:
    assert content["examples"], name
    whole = {**content["schema"], "components": DOCUMENT["components"]}
    checker = OAS31Validator(whole, format_checker=oas31_format_checker)
    for example in content["examples"].values():
        assert [error.message for error in checker.iter_errors(resolve(example)["value"])] == []


def test_it_is_served_to_the_operator_and_to_nobody_where_there_is_none(services: Services, api: Client) -> None:
    path = "/operator/v1/openapi.json"
    with Stage(services, HELPDESK_OPERATOR_KEY=KEY) as operated, operated.tenant() as tenant:
        given = tenant.get(path, headers={"authorization": f"Bearer {KEY}"})
        refused = tenant.get(path)

    assert (given.status_code, given.text) == (200, operator_rendered())
    assert given.headers["content-type"] == "application/json"
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert api.get(path, headers={"authorization": f"Bearer {KEY}"}).status_code == 404
