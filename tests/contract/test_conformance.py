"""What every resource does with one object: create, read, change, remove, record, refuse."""

from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import UniqueConstraint

from tests.conftest import MakeSandbox
from tests.contract.actions import ACTIONS
from tests.contract.cases import CASES, SINGLE_OPERATIONS, Case
from tests.contract.operations import OPERATIONS, Operation, is_nullable, operation_of, resolve
from tests.contract.rows import contents, events, resources, row
from tests.stage import Client, Stage, an_id

RESOURCES = resources()
CREATABLE = [case for case in CASES if operation_of(case, "create")]
UPDATABLE = [case for case in CASES if operation_of(case, "update")]
REMOVABLE = [case for case in CASES if operation_of(case, "delete")]


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Run a test once for each case."""
    return pytest.mark.parametrize("case", list(cases), ids=str)


def update_operation(case: Case) -> Operation:
    found = operation_of(case, "update")
    assert found is not None
    return found


def test_every_resource_has_a_case() -> None:
    # Of the settings there is one: it is neither made nor removed. Summaries are shown with their cards alone.
    assert {case.plural for case in CASES} == RESOURCES.keys() - {
        *("coverage-settings", "retention-settings", "sign-in-settings", "ticket-settings", "ticket-summaries")
    }


def test_every_operation_belongs_to_a_case_or_is_listed() -> None:
    usual = {
        f"{case.plural.replace('-', '_')}_{verb}"
        for case in CASES
        for verb in ("list", "get", "create", "update", "delete")
    }
    listed = usual | SINGLE_OPERATIONS.keys() | ACTIONS.keys()

    assert [operation.id for operation in OPERATIONS if operation.id not in listed] == []


@each(CREATABLE)
def test_what_is_created_can_be_read_and_listed(api: Client, stage: Stage, case: Case) -> None:
    collection = case.collection(api)
    sent = case.new_body(api)

    created = api.post(collection, json=sent)
    location = created.headers["location"]
    read = api.get(location)
    listed = api.get(collection, params={"limit": 200}).json()["data"]

    answer = created.json()
    assert created.status_code == 201
    assert location == f"{collection}/{answer['id']}"
    assert {name: answer[name] for name in sent} == sent | dict(case.masked)
    assert answer["version"] == 1
    assert answer["created_at"] == answer["updated_at"]
    assert created.headers["etag"] == read.headers["etag"] == '"v1"'
    again = read.json()
    shown = {name: value for name, value in answer.items() if name in again or name not in SHOWN_ONCE}
    assert {name: value for name, value in again.items() if name != "included"} == shown
    assert [item for item in listed if item["id"] == answer["id"]] == [shown]


def documented_fields(case: Case) -> set[str]:
    operation = operation_of(case, "get")
    assert operation is not None
    answer = operation.details["responses"]["200"]["content"]["application/json"]["schema"]
    return set(resolve(answer)["properties"])


SHOWN_ONCE = frozenset({"key", "secret", "token"})


@each(CASES)
def test_an_answer_holds_exactly_what_is_documented(api: Client, stage: Stage, case: Case) -> None:
    location, _ = case.create(stage, api)

    read = api.get(location).json()

    assert read.keys() == documented_fields(case)


@each(CASES)
def test_an_id_that_does_not_exist_is_not_found(api: Client, stage: Stage, case: Case) -> None:
    location, _ = case.create(stage, api)
    elsewhere = f"{location.rpartition('/')[0]}/{an_id()}"

    answers = [api.get(elsewhere)]
    if operation_of(case, "update"):
        answers.append(api.patch(elsewhere, json=case.patch))
    if operation_of(case, "delete"):
        answers.append(api.delete(elsewhere))

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * len(answers)


@each(CREATABLE)
def test_a_creation_records_one_event_with_what_it_starts_with(api: Client, stage: Stage, case: Case) -> None:
    collection = case.collection(api)
    body = case.new_body(api)
    before = len(all_events(stage, api))

    created = api.post(collection, json=body).json()

    recorded = all_events(stage, api)[before:]
    (event,) = [each for each in recorded if each["type"] not in case.followed_by]
    assert len(recorded) == 1 + len(case.followed_by)
    assert event["type"] == (case.created_event or f"{RESOURCES[case.plural].name}.created")
    if not case.created_event:
        assert (str(event["object_id"]), event["object_version"]) == (created["id"], 1)


@each(UPDATABLE)
def test_a_change_records_one_event_with_old_and_new_values(api: Client, stage: Stage, case: Case) -> None:
    location, created = case.create(stage, api)

    changed = api.patch(location, json=case.patch)

    answer = changed.json()
    assert changed.status_code == 200, changed.text
    assert {name: answer[name] for name in case.patch} == dict(case.patch)
    assert (answer["version"], changed.headers["etag"]) == (2, '"v2"')
    assert answer["created_at"] == created["created_at"]
    assert answer["updated_at"] > created["updated_at"]
    assert api.get(location).json()["version"] == 2
    _, event = events(stage, api.tenant.id, created["id"])
    assert event["type"] == f"{RESOURCES[case.plural].name}.updated"
    assert event["object_version"] == 2
    assert event["changes"] == {name: [created[name], value] for name, value in case.patch.items()}


@each(UPDATABLE)
def test_a_change_that_changes_nothing_leaves_no_trace(api: Client, stage: Stage, case: Case) -> None:
    location, created = case.create(stage, api)
    before = contents(stage, api.tenant.id)

    answers = [api.patch(location, json=body) for body in ({}, {name: created[name] for name in case.patch})]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["version"] for answer in answers] == [1, 1]
    assert contents(stage, api.tenant.id) == before


@each(case for case in UPDATABLE if case.cleared)
def test_null_in_a_patch_empties_a_field_and_an_absent_field_stays(api: Client, stage: Stage, case: Case) -> None:
    location, created = case.create(stage, api)
    assert case.cleared is not None
    assert created[case.cleared] is not None

    answer = api.patch(location, json={case.cleared: None}).json()

    moving = {case.cleared, "version", "updated_at", *SHOWN_ONCE}
    assert answer[case.cleared] is None
    assert {k: v for k, v in answer.items() if k not in moving} == {k: v for k, v in created.items() if k not in moving}


@each(UPDATABLE)
def test_null_in_a_patch_is_refused_for_what_always_has_a_value(api: Client, stage: Stage, case: Case) -> None:
    location, created = case.create(stage, api)
    before = row(stage, RESOURCES[case.plural], created["id"])
    schema = update_operation(case).body_schema or {}
    fixed = [name for name, part in schema["properties"].items() if not is_nullable(part)]

    answers = {name: api.patch(location, json={name: None}) for name in fixed}

    assert case.never_null in fixed
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(fixed, 422)
    assert [answer.json()["errors"][0]["pointer"] for answer in answers.values()] == [f"#/{name}" for name in fixed]
    assert row(stage, RESOURCES[case.plural], created["id"]) == before


@each(REMOVABLE)
def test_what_is_removed_is_gone_and_recorded_once(api: Client, stage: Stage, case: Case) -> None:
    location, created = case.create(stage, api)

    removed = api.delete(location)
    again = api.delete(location)

    assert (removed.status_code, removed.content) == (204, b"")
    assert (again.status_code, api.get(location).status_code) == (404, 404)
    assert [event["type"].rpartition(".")[2] for event in events(stage, api.tenant.id, created["id"])] == [
        "created",
        "deleted",
    ]


@each(CREATABLE)
def test_a_value_that_is_taken_is_a_conflict(api: Client, stage: Stage, case: Case) -> None:
    unique = unique_fields(case)
    collection = case.collection(api)
    first = case.new_body(api)
    assert api.post(collection, json=first).status_code == 201

    for name in unique:
        second = case.new_body(api) | {name: first[name]}
        before = contents(stage, api.tenant.id)
        refused = api.post(collection, json=second)

        assert refused.status_code == 409
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["code"], refused.json()["errors"][0]["pointer"]) == ("already_exists", f"#/{name}")
        assert contents(stage, api.tenant.id) == before


@each(CREATABLE)
def test_a_value_taken_by_another_tenant_is_free(stage: Stage, sandbox: MakeSandbox, case: Case) -> None:
    ours, theirs = sandbox(), sandbox()
    unique = unique_fields(case)
    first = case.new_body(theirs)
    assert theirs.post(case.collection(theirs), json=first).status_code == 201

    for name in unique:
        answer = ours.post(case.collection(ours), json=case.new_body(ours) | {name: first[name]})

        assert answer.status_code == 201


def unique_fields(case: Case) -> list[str]:
    """Name the fields that a caller sets and that must be unique within the tenant."""
    operation = operation_of(case, "create")
    offered = (operation.body_schema or {})["properties"] if operation else {}
    constraints = (
        [column.name for column in item.columns]
        for item in RESOURCES[case.plural].table.constraints
        if isinstance(item, UniqueConstraint)
    )
    return [columns[1] for columns in constraints if len(columns) == 2 and columns[1] in offered]


def all_events(stage: Stage, api: Client) -> list[Any]:
    return stage.sql("SELECT * FROM events WHERE tenant_id = $1 ORDER BY xid, seq", api.tenant.id)
