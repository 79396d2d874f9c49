"""Every operation is counted by the rate limits: those with a credential for it, the others for the address."""

from uuid import uuid4

import pytest

from tests.contract.test_openapi import OPERATIONS as DESCRIBED
from tests.contract.test_openapi import UNCOUNTED
from tests.stage import Client

OPERATIONS = {
    operation_id: (method.upper(), path, bool(operation["security"]))
    for operation_id, (path, method, operation) in DESCRIBED.items()
}


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_answer_tells_what_it_was_counted_for(api: Client, operation_id: str) -> None:
    method, path, needs_credential = OPERATIONS[operation_id]
    expected = ['"address"'] if operation_id not in UNCOUNTED else []
    if needs_credential:
        expected = ['"credential"', '"tenant"']
    else:
        del api.headers["authorization"]

    answer = api.request(method, path.replace("{id}", str(uuid4())).replace("{comment_id}", str(uuid4())))

    for name in ("ratelimit-policy", "ratelimit"):
        policies = [item.partition(";")[0] for item in answer.headers.get(name, "").split(", ") if item]
        assert policies == expected


@pytest.mark.parametrize(
    "operation_id", [name for name, (_, _, needs_credential) in OPERATIONS.items() if needs_credential]
)
def test_a_wrong_credential_is_counted_for_the_address(api: Client, operation_id: str) -> None:
    method, path, _ = OPERATIONS[operation_id]

    answer = api.request(method, path, headers={"authorization": "Bearer nonsense"})

    assert answer.status_code == 401
    assert answer.headers["ratelimit-policy"] == '"address";q=1000000;w=60'
