"""Who may call what on whose objects: every operation, every kind of principal, compared with the reviewed file.

A cell is the status for an object of one's own, one that is hidden from the narrowed, and one of a foreign tenant; or
one status for an operation that names no object. Writes are sent with a stale version or an empty body, so that they
are refused after it was decided whether the caller may try: 412 and 422 mean yes. Only comments are really written.
"""

from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.contract.operations import OPERATIONS, Operation
from tests.contract.people import PRINCIPALS, People, people
from tests.stage import Client, Stage

REVIEWED = Path(__file__).with_name("access_matrix.txt")
# They take effect with an empty body and whatever version.
_BODIES = {"comments_create": {"kind": "reply", "body": "Hm."}}
_WITHOUT_GUARD = frozenset(
    {
        "webhook_endpoints_pause",
        "webhook_endpoints_ping",
        "webhook_endpoints_resume",
        "webhook_endpoints_rotate_secret",
        "webhook_endpoints_test",
        "webhook_deliveries_redeliver",
        "webhook_replays_cancel",
        "imports_cancel",
    }
)


def attempt(client: Client, operation: Operation, ids: dict[str, str]) -> int:
    """Call an operation on one of these objects, without an effect."""
    plural = operation.template.split("/")[2]
    path = operation.template.format(
        id=ids.get(plural, str(uuid4())),
        comment_id=ids.get("comments", ""),
        clock="resolution",
        key="x",
        delivery_id=uuid4(),
        user_id=uuid4(),
        version_id=uuid4(),
        source="crm",
        external_id="x",
        cause=ids.get("traces", str(uuid4())),
    )
    body = None
    if operation.method in {"POST", "PUT", "PATCH"} and operation.body_schema is not None:
        body = _BODIES.get(operation.id, {})
    answer: httpx2.Response = client.request(operation.method, path, json=body, headers={"if-match": '"v999"'})
    return answer.status_code


def cell(operation: Operation, client: Client, worlds: list[dict[str, str]]) -> str:
    """Tell what becomes of an operation for a principal."""
    if not operation.path_parameters:
        return str(attempt(client, operation, {}))
    return "/".join(str(attempt(client, operation, ids)) for ids in worlds)


@pytest.mark.timeout(240)
def test_everybody_may_do_what_was_reviewed_and_nothing_else(stage: Stage) -> None:
    with people(stage) as ours, people(stage) as foreign:
        lines = list(matrix(ours, foreign))

    actual = "\n".join(lines) + "\n"
    if not REVIEWED.exists():
        REVIEWED.write_text(actual, encoding="utf-8")
        pytest.fail(f"{REVIEWED.name} was missing and has been written: review it")
    assert actual == REVIEWED.read_text(encoding="utf-8"), f"remove {REVIEWED.name}, run this again, review the change"


def matrix(ours: People, foreign: People) -> list[str]:
    """Tell the whole matrix, a line for each operation."""
    worlds = [ours.own, ours.hidden, foreign.own]
    width = max(len(operation.id) for operation in OPERATIONS)
    lines = [" ".join([" " * width, *(f"{name:<16}" for name in PRINCIPALS)]).rstrip()]
    for operation in sorted(OPERATIONS, key=lambda each: each.id):
        if operation.id in _WITHOUT_GUARD or operation.is_public:
            continue
        cells = (f"{cell(operation, ours.client(name), worlds):<16}" for name in PRINCIPALS)
        lines.append(" ".join([f"{operation.id:<{width}}", *cells]).rstrip())
    return lines
