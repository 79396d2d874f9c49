"""A query parameter that an operation does not know is refused, whatever the operation is, and nothing is done."""

import pytest

from tests.conftest import MakeSandbox
from tests.contract.operations import OPERATIONS, Operation, World
from tests.contract.rows import contents
from tests.stage import Stage


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_an_unknown_query_parameter_is_refused_and_nothing_is_done(
    stage: Stage, sandbox: MakeSandbox, operation: Operation
) -> None:
    api = sandbox()
    path, body = World(stage, api).path(operation), operation.valid_body(api)
    before = contents(stage, api.tenant.id)
    headers = {"content-type": operation.media_type} if body is not None else {}

    answer = api.request(operation.method, path, json=body, headers=headers, params={"surprise": "1", "tenant_id": "x"})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "validation_failed")
    assert sorted((error["pointer"], error["in"], error["code"]) for error in problem["errors"]) == [
        ("#/surprise", "query", "extra_forbidden"),
        ("#/tenant_id", "query", "extra_forbidden"),
    ]
    assert contents(stage, api.tenant.id) == before
