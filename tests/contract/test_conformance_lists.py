"""What every list does: pages without overlap in every order, filters that are declared, cursors that stay at home."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from tests.conftest import MakeSandbox
from tests.contract.cases import CASES, Case
from tests.contract.operations import OPERATIONS, Operation, operation_of
from tests.contract.rows import resources
from tests.stage import Client, Stage

RESOURCES = resources()
SIZE = 5
LISTS = [operation for case in CASES if (operation := operation_of(case, "list"))]

# Files are found through what they hang on.
each_case = pytest.mark.parametrize("case", [case for case in CASES if operation_of(case, "list")], ids=str)
each_list = pytest.mark.parametrize("operation", LISTS, ids=str)


List = tuple[Client, str]
Filled = Callable[[Case], List]


@pytest.fixture(scope="module")
def filled(stage: Stage) -> Iterator[Filled]:
    """Give a client and the path of a list of some objects, made once for all tests that only read it."""
    with ExitStack() as clients:
        yield cache(lambda case: fill(stage, clients.enter_context(stage.tenant()), case))


def fill(stage: Stage, api: Client, case: Case) -> List:
    collection = case.collection(api)
    for _ in range(SIZE):
        case.create(stage, api, collection)
    return api, collection


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["data"]]


def names(case: Case) -> list[str]:
    return [sort.name for sort in RESOURCES[case.plural].listing.sorts]


@each_case
def test_pages_join_without_overlap_or_gap_in_every_order_and_both_ways(filled: Filled, case: Case) -> None:
    api, collection = filled(case)

    for sort in (f"{sign}{name}" for name in names(case) for sign in ("", "-")):
        assert_pages_join(api, collection, sort)


@each_case
def test_pages_join_where_keys_are_equal_and_run_in_opposite_directions(
    sandbox: MakeSandbox, stage: Stage, case: Case
) -> None:
    # Under a clock that stands every object has the same times, so that the next key, or only the id, decides.
    api, collection = fill(stage, sandbox(), case)

    # Each key is once the first and once the second.
    for one, other in zip(names(case), [*names(case)[1:], names(case)[0]], strict=True):
        if one != other:
            assert_pages_join(api, collection, f"-{one},{other}")


def assert_pages_join(api: Client, collection: str, sort: str) -> None:
    whole = ids(api.get(collection, params={"sort": sort, "limit": 200}).json())
    forwards, last = walk(api, collection, sort, "next_cursor")
    backwards, first = walk(api, collection, sort, "prev_cursor", last)

    assert len(set(whole)) == len(whole) >= SIZE
    assert [item for page in forwards for item in page] == whole, sort
    assert [item for page in backwards for item in page] == whole[: -len(forwards[-1])], sort
    assert (last["next_cursor"], first["prev_cursor"]) == (None, None)


def walk(
    api: Client, collection: str, sort: str, way: str, start: dict[str, str] | None = None
) -> tuple[list[list[str]], dict[str, Any]]:
    """Follow cursors of one kind to the end; gives the pages in the list's order, and the cursors of the last."""
    pages: list[list[str]] = []
    place = start
    while place is None or place[way]:
        params = {"sort": sort, "limit": "2"} | ({"cursor": place[way]} if place else {})
        answer = api.get(collection, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["data"], "a page that a cursor leads to holds something"
        pages.insert(0 if way == "prev_cursor" else len(pages), ids(page))
        place = page["page"]
    return pages, place


@each_case
def test_the_order_is_that_of_the_key(filled: Filled, case: Case) -> None:
    api, collection = filled(case)

    for sort in RESOURCES[case.plural].listing.sorts:
        if sort.type == "text":
            continue  # Texts are ordered as the database orders them.
        up = [item[sort.name] for item in api.get(collection, params={"sort": sort.name}).json()["data"]]
        down = [item[sort.name] for item in api.get(collection, params={"sort": f"-{sort.name}"}).json()["data"]]

        assert up == sorted(up)
        assert down == sorted(up, reverse=True)


@each_case
def test_a_limit_above_the_most_means_the_most_and_a_total_is_told_on_request(filled: Filled, case: Case) -> None:
    api, collection = filled(case)

    answer = api.get(collection, params={"limit": "99999999999999999999", "include_total": "true"}).json()
    plain = api.get(collection, params={"limit": "1"}).json()

    assert answer["total"] == {"count": len(answer["data"]), "relation": "eq"}
    assert len(answer["data"]) >= SIZE
    assert (len(plain["data"]), plain["total"]) == (1, None)


@each_case
def test_a_declared_filter_narrows_the_list(filled: Filled, case: Case) -> None:
    api, collection = filled(case)
    rows = api.get(collection, params={"limit": "200"}).json()["data"]
    chosen = rows[1]

    for item in RESOURCES[case.plural].listing.filters:
        column = item.column.name
        if chosen[column] in (None, []):
            continue
        if item.match == "range":
            expected = [row["id"] for row in rows if row[column] >= chosen[column]]
            params = {f"{item.name}[gte]": chosen[column]}
        elif item.match == "contains":
            expected = [row["id"] for row in rows if chosen[column][0] in row[column]]
            params = {item.name: chosen[column][0][item.member] if item.member else chosen[column][0]}
        else:
            expected = [row["id"] for row in rows if row[column] == chosen[column]]
            params = {item.name: str(chosen[column]).lower() if chosen[column] in (True, False) else chosen[column]}

        answer = api.get(collection, params={**params, "limit": "200"})

        assert answer.status_code == 200, answer.text
        assert ids(answer.json()) == expected, item.name


@each_list
def test_an_unknown_filter_is_refused(api: Client, operation: Operation) -> None:
    path = list_path(api, operation)

    for name in ("surprise", "tenant_id", "id[gte]", "created_at[like]", "created_at", "page", "limit[gte]", "sort[]"):
        answer = api.get(path, params={name: "2"})

        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert [(error["in"], error["pointer"]) for error in answer.json()["errors"]] == [("query", f"#/{name}")]


@each_list
def test_an_unknown_sort_is_refused(api: Client, operation: Operation) -> None:
    path = list_path(api, operation)

    for sort in ("surprise", "tenant_id", "created_at,created_at", "-created_at,created_at", "--created_at", ","):
        answer = api.get(path, params={"sort": sort})

        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sort")


@each_list
def test_a_cursor_that_is_none_of_ours_is_refused(api: Client, operation: Operation) -> None:
    path = list_path(api, operation)

    for cursor in ("x", "é", "AAAA", "=", "a" * 1_999, "..", "%00", "null"):
        answer = api.get(path, params={"cursor": cursor})

        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_mismatch")


@each_case
def test_a_cursor_only_fits_the_list_sort_filter_and_tenant_it_was_made_for(
    filled: Filled, sandbox: MakeSandbox, case: Case
) -> None:
    api, collection = filled(case)
    default = RESOURCES[case.plural].default_sort
    other_sort = "updated_at" if default != "updated_at" else "created_at"
    cursor = api.get(collection, params={"limit": "2"}).json()["page"]["next_cursor"]
    stranger = sandbox()
    strange_list = case.collection(stranger)
    elsewhere = [list_path(api, other) for other in LISTS if other is not operation_of(case, "list")]

    refused = [
        api.get(collection, params={"cursor": cursor, "sort": other_sort}),
        api.get(collection, params={"cursor": cursor, "created_at[gte]": "2020-01-01T00:00:00Z"}),
        api.get(collection, params={"cursor": cursor[:-1] + ("A" if cursor[-1] != "A" else "B")}),
        stranger.get(strange_list, params={"cursor": cursor}),
        *(api.get(path, params={"cursor": cursor, "sort": default}) for path in elsewhere),
    ]

    accepted = [str(answer.url) for answer in refused if answer.is_success]
    assert accepted == []
    assert {answer.json()["code"] for answer in refused} <= {"cursor_mismatch", "unknown_sort"}
    assert api.get(collection, params={"cursor": cursor, "limit": "2"}).status_code == 200


def list_path(api: Client, operation: Operation) -> str:
    assert operation.case is not None
    return operation.case.collection(api)


def test_every_list_pages_the_same_way() -> None:
    paged = {operation.id for operation in OPERATIONS if "cursor" in operation.query_parameters()}

    # The audit trail, its seals and what is due next belong to no resource, and a search is a list with a body: their
    # pages are followed in tests/api: test_audit.py, test_due_clocks.py and test_ticket_search.py. So are those of what
    # an asset has been through, in test_assets.py, of cards that may be the same, in test_duplicates.py, of the rows
    # of an import, in test_imports.py, and of the entries of a ledger, in test_entitlements.py.
    others = {"audit_list", "audit_seals_list", "sla_clocks_list_due", "tickets_search"}
    others |= {"assets_list_placements", "assets_list_timeline", "entitlements_list_entries"}
    others |= {"imports_list_rows"}
    others |= {"companies_list_duplicates", "contacts_list_duplicates", "locations_list_duplicates"}
    assert paged == {operation.id for operation in LISTS} | others
