"""Which fields a write takes: those that are offered, with references to what exists here, and nothing else."""

from typing import Any

import pytest

from tests.contract.bodies import JSON
from tests.contract.operations import WITH_BODY, Operation, World, at, leaves, resolve, shape_of, with_value
from tests.contract.rows import contents, resources
from tests.stage import Client, Stage, an_id

RESOURCES = resources()
# What attackers have found open elsewhere, whether or not a table here has such a column.
OFTEN_OPEN = frozenset({
    "id", "tenant_id", "created_at", "updated_at", "version", "secret_hash", "secret", "role", "scopes_granted",
    "is_internal", "is_admin", "actor_id", "number_of_tickets",
})  # fmt: skip

each_write = pytest.mark.parametrize("operation", WITH_BODY, ids=str)


def objects(schema: JSON, pointer: str = "") -> list[tuple[str, JSON]]:
    """Find every object in a schema, with its place in a body whose lists have one item."""
    schema = resolve(schema)
    if "items" in schema:
        return objects(schema["items"], f"{pointer}/0")
    if "properties" not in schema:
        return []
    nested = (found for name, part in schema["properties"].items() for found in objects(part, f"{pointer}/{name}"))
    return [(pointer, schema), *nested]


@each_write
def test_a_field_that_is_not_offered_is_refused_wherever_it_stands(
    api: Client, stage: Stage, operation: Operation
) -> None:
    world = World(stage, api)
    body, path = operation.whole_body(api), world.path(operation)
    assert operation.body_schema is not None
    before = contents(stage, api.tenant.id)

    for pointer, schema in objects(operation.body_schema):
        here = f"{pointer}/surprise"
        answer = api.request(operation.method, path, json=with_value(body, here, "x"))

        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"#{here}"]
        assert schema["additionalProperties"] is False
    assert contents(stage, api.tenant.id) == before


@each_write
def test_no_column_can_be_set_that_is_not_offered(api: Client, stage: Stage, operation: Operation) -> None:
    world = World(stage, api)
    body, path = operation.whole_body(api), world.path(operation)
    columns = set(RESOURCES[operation.case.plural].table.c.keys()) if operation.case else set()
    offered = (operation.body_schema or {})["properties"].keys()
    before = contents(stage, api.tenant.id)

    for name in sorted((columns | OFTEN_OPEN) - offered):
        answer = api.request(operation.method, path, json=body | {name: str(an_id())})

        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{name}"]
    assert contents(stage, api.tenant.id) == before


@each_write
def test_the_case_fills_every_field(api: Client, stage: Stage, operation: Operation) -> None:
    bodies = [operation.whole_body(api), *operation.other_bodies(api)]

    for pointer, schema in objects(operation.body_schema or {}):
        filled: set[str] = {name for body in bodies for name in object_at(body, pointer)}

        assert filled == schema["properties"].keys(), pointer


@pytest.mark.parametrize("operation", [each for each in WITH_BODY if not each.is_public], ids=str)
def test_a_reference_to_nothing_is_refused_where_it_stands(api: Client, stage: Stage, operation: Operation) -> None:
    world = World(stage, api)
    path = world.path(operation)
    for body in referring_bodies(operation, api):
        before = contents(stage, api.tenant.id)
        for pointer in references(operation, body):
            answer = api.request(operation.method, path, json=with_value(body, pointer, str(an_id())))

            assert (answer.status_code, answer.json()["code"]) == (422, "unknown_reference"), answer.text
            assert [error["pointer"] for error in answer.json()["errors"]] == [f"#{pointer}"]
        assert contents(stage, api.tenant.id) == before


def object_at(body: JSON, pointer: str) -> JSON:
    found = at(body, pointer)
    assert isinstance(found, dict)
    return found


def referring_bodies(operation: Operation, api: Client) -> list[JSON]:
    """Give bodies that together hold every reference which the operation takes."""
    return [operation.whole_body(api), *operation.other_bodies(api)]


def references(operation: Operation, body: JSON) -> list[str]:
    """Name the places of a body that hold the id of another object, as the schema tells.

    A filter only looks for it, and of each ticket that is to be changed it is told whether it is there.
    """
    found = [pointer for pointer, _ in leaves(body) if _schema_at(operation, body, pointer).get("format") == "uuid"]
    return [pointer for pointer in found if not pointer.startswith(("/filter/", "/tickets/"))]


def _schema_at(operation: Operation, body: JSON, pointer: str) -> dict[str, Any]:
    schema, place = operation.body_schema or {}, ""
    for step in pointer.split("/")[1:]:
        place = f"{place}/{step}"
        # A map has no properties: its keys are the client's, and its values refer to nothing.
        inner = schema.get("items", {}) if step.isdigit() else schema.get("properties", {}).get(step, {})
        schema = shape_of(inner, at(body, place))
    return schema
