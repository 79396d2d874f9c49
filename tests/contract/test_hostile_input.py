"""Hostile bodies on every operation: a problem document each time, never a failure of ours, and nothing stored.

What is read alike everywhere is sent to the operations in turns, so that neighbours together are sent everything; with
`GUARANTEE_SCALE` each is.
"""

import json

import pytest

from tests.contract.bodies import JSON, company, create, note
from tests.contract.hostile import (
    BODIES,
    MARK,
    NO_OBJECTS,
    ODD_TEXTS,
    VALUES,
    a_part,
    faults,
    wrong_values_of,
)
from tests.contract.operations import OPERATIONS, WITH_BODY, Operation, World, leaves, with_value
from tests.contract.rows import contents
from tests.stage import Client, Stage

WRITES = [operation for operation in OPERATIONS if operation.method in {"POST", "PUT", "PATCH", "DELETE"}]
WRONG = wrong_values_of(WITH_BODY)
JSON_TYPE = {"content-type": "application/json"}

each_write = pytest.mark.parametrize("operation", WRITES, ids=str)
each_body = pytest.mark.parametrize("operation", WITH_BODY, ids=str)


def test_the_corpus_is_large_enough() -> None:
    assert len(BODIES) + len(VALUES) + len(NO_OBJECTS) >= 60
    assert sum(len(set(wrong)) for wrong in WRONG.values()) > 2_000


@each_write
def test_a_hostile_body_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    path = World(stage, api).path(operation)
    before = contents(stage, api.tenant.id)
    # An operation that takes no body may be sent one that means nothing, and takes effect.
    hostile = BODIES | (NO_OBJECTS if operation in WITH_BODY else {})

    found = [
        fault
        for name, body in a_part(list(hostile.items()), WRITES.index(operation))
        for fault in faults(api.request(operation.method, path, content=body, headers=JSON_TYPE), name)
    ]

    assert found == []
    assert contents(stage, api.tenant.id) == before


@each_body
def test_a_hostile_value_is_refused_in_every_field(api: Client, stage: Stage, operation: Operation) -> None:
    path = World(stage, api).path(operation)
    body = operation.whole_body(api)
    before = contents(stage, api.tenant.id)

    found = []
    for place, value in WRONG[operation.id]:
        answer = api.request(operation.method, path, content=with_text(body, place, value), headers=JSON_TYPE)
        found += faults(answer, f"{place} = {value[:80]}")

    assert found == []
    assert contents(stage, api.tenant.id) == before


@each_body
def test_a_value_that_fits_no_field_is_refused(api: Client, stage: Stage, operation: Operation) -> None:
    path = World(stage, api).path(operation)
    body = operation.whole_body(api)
    before = contents(stage, api.tenant.id)

    found = []
    for place in {next(iter(body)), list(leaves(body))[-1][0].lstrip("/")}:
        for name, value in a_part(list(VALUES.items()), WITH_BODY.index(operation)):
            answer = api.request(operation.method, path, content=with_text(body, f"/{place}", value), headers=JSON_TYPE)
            found += faults(answer, f"{place} = {name}")

    assert found == []
    assert contents(stage, api.tenant.id) == before


def with_text(body: JSON, place: str, value: str) -> str:
    """Write a body with a JSON text, which need not be good JSON, in one place."""
    return json.dumps(with_value(body, place, MARK)).replace(json.dumps(MARK), value, 1)


def test_odd_texts_come_back_as_they_went_in(api: Client) -> None:
    for text in ODD_TEXTS:
        kept = create(api, "companies", **company(api) | {"name": text, "notes": text})
        ticket = create(api, "tickets", subject=text, description=text, tags=[text[:20]])
        comment = create(api, f"tickets/{ticket['id']}/comments", **note(api) | {"body": text})
        changed = api.patch(f"/v1/tickets/{ticket['id']}", json={"description": f"{text}!"}).json()

        assert (kept["name"], kept["notes"]) == (text, text)
        assert (ticket["subject"], ticket["description"], comment["body"]) == (text, text, text)
        assert changed["description"] == f"{text}!"
        found = api.get("/v1/companies", params={"name": text}).json()["data"]
        assert [company["id"] for company in found] == [kept["id"]]


def test_days_at_the_end_of_time_stop_no_clock(api: Client) -> None:
    ends = ["0001-01-01", "0001-01-02", "1899-12-31", "9999-12-30", "9999-12-31"]
    night = [{"start": "22:00", "end": "06:00"}]
    calendar = create(
        api,
        "calendars",
        name="Long",
        time_zone="Pacific/Kiritimati",
        weekly_hours={"monday": night},
        special_hours=[{"on": day, "name": day, "hours": night} for day in ends],
        holidays=[{"on": day, "name": day} for day in ends],
    )
    promise = {"metric": "resolution", "seconds": 360_000, "hours": "business"}
    policy = {"name": "Long", "position": 1, "calendar_id": calendar["id"], "targets": [promise]}
    create(api, "sla-policies", **policy)

    answer = api.post("/v1/tickets", json={"subject": "Late"})

    assert answer.status_code == 201, answer.text
    assert api.get("/v1/tickets").json()["data"][0]["clocks"][0]["state"] == "running"
