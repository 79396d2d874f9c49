"""Two tenants, and everything that one of them could try with the ids of the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.contract.actions import ACTIONS
from tests.contract.bodies import JSON, Value
from tests.contract.operations import OPERATIONS, Operation, World, at, leaves, resolve, with_value
from tests.contract.rows import TENANT_TABLES
from tests.stage import Client, Stage

_MOST_REPEATED = 10

# Names that both tenants use, each of something of its own, and the token that is a credential by itself.
_SAID_BY_EVERYBODY = frozenset({"clock", "source", "token"})


@dataclass(frozen=True)
class Try:
    """One place of one operation that takes an id: how to call it with any id, and an id of theirs to call it with."""

    operation: Operation
    place: str
    their_id: str
    call: Callable[[str], httpx2.Response]

    def __str__(self) -> str:
        """Name it in the report."""
        return f"{self.operation.id} {self.place}"


class TwoTenants:
    """Each with one object of every resource."""

    def __init__(self, stage: Stage, ours: Client, theirs: Client) -> None:
        self._stage = stage
        self.ours = ours
        self.theirs = theirs
        self._our_world = World(stage, ours)
        self._their_world = World(stage, theirs)
        for operation in OPERATIONS:
            self._our_world.parameters(operation)
            self._their_world.parameters(operation)

    def their_ids(self) -> list[str]:
        """Give the id of every row that the other tenant has."""
        rows = " UNION ALL ".join(f"SELECT id FROM {name} WHERE tenant_id = $1" for name in TENANT_TABLES)  # noqa: S608 - names of our tables.
        return [str(row["id"]) for row in self._stage.sql(rows, self.theirs.tenant.id)]

    def tries(self) -> Iterator[Try]:
        """Give every place of every operation that takes an id, with an id of theirs that belongs there."""
        theirs_of_all = self.their_ids()
        some = theirs_of_all[:: max(1, len(theirs_of_all) // _MOST_REPEATED)]
        for operation in OPERATIONS:
            parameters = self._their_world.parameters(operation)
            body = operation.valid_body(self.ours) if parameters else None
            for name, theirs in parameters.items():
                # What a PUT takes for an id is an id from then on.
                if name in _SAID_BY_EVERYBODY or (operation.method == "PUT" and operation.accepts(name, theirs)):
                    continue
                yield Try(operation, name, theirs, partial(self._with_path_id, operation, body, name))
            for name, schema in operation.query_parameters().items():
                if resolve(resolve(schema).get("items", {})).get("format") == "uuid":
                    for theirs in some:
                        yield Try(operation, name, theirs, partial(self._with_query_id, operation, name))
            for mine, other in zip(
                self._bodies(operation, self.ours), self._bodies(operation, self.theirs), strict=True
            ):
                for pointer, value in leaves(mine):
                    if is_id(value):
                        call = partial(self._with_body_id, operation, mine, pointer)
                        yield Try(operation, pointer, str(at(other, pointer)), call)

    def own_reads(self) -> Iterator[httpx2.Response]:
        """Read everything of ours that can be read."""
        for operation in OPERATIONS:
            if operation.method == "GET":
                yield self.ours.get(self._our_world.path(operation))

    def _with_path_id(self, operation: Operation, body: JSON | None, name: str, value: str) -> httpx2.Response:
        return self.ours.request(operation.method, self._our_world.path(operation, **{name: value}), json=body)

    def _with_query_id(self, operation: Operation, name: str, value: str) -> httpx2.Response:
        body, path = operation.valid_body(self.ours), self._our_world.path(operation)
        return self.ours.request(operation.method, path, params={name: value}, json=body)

    def _with_body_id(self, operation: Operation, body: JSON, pointer: str, value: str) -> httpx2.Response:
        path = self._our_world.path(operation)
        return self.ours.request(operation.method, path, json=with_value(body, pointer, value))

    def _bodies(self, operation: Operation, api: Client) -> list[JSON]:
        if operation.body_schema is None or operation.case is None or operation.id in ACTIONS:
            return []
        return [operation.whole_body(api), *operation.other_bodies(api)]


def is_id(value: Value) -> bool:
    """Tell whether a value of a body is the id of something."""
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def outcome(attempt: Try, value: str) -> tuple[int, list[tuple[str, str]], Any]:
    """Call with an id; gives all that the caller learns, with the id itself and what differs every time taken out."""
    answer = attempt.call(value)
    headers = sorted(
        (name, text) for name, text in answer.headers.items() if name not in {"x-request-id", "date", "ratelimit"}
    )
    if attempt.operation.id == "events_stream":
        # Its first message tells, signed, how far all transactions of the database have come; events would follow.
        return answer.status_code, headers, {"data": answer.text.split("data: ")[2:]}
    shown = answer.json()
    if attempt.operation.id == "events_list":
        # It tells how far all transactions of the database have come.
        shown["page"].pop("next_cursor")
        headers = [(name, text) for name, text in headers if name != "content-length"]
    return answer.status_code, headers, _without(shown, value)


def nobodys() -> str:
    """Give an id that nothing has."""
    return str(uuid4())


def _without(value: Any, taken_out: str) -> Any:  # noqa: ANN401 - any JSON.
    if isinstance(value, dict):
        # Problems of single items of a batch name the request too.
        return {key: _without(item, taken_out) for key, item in value.items() if key != "request_id"}
    if isinstance(value, list):
        return [_without(item, taken_out) for item in value]
    return value.replace(taken_out, "ID") if isinstance(value, str) else value
