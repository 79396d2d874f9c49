"""Lists and cursors as values: what a list admits, and which cursors lead where."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.kit.cursors import CursorExpiredError, CursorMismatchError, binding_of, read_cursor, write_cursor
from helpdesk_api.kit.listing import Sort, UnknownSortError
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.resources import TICKETS

SIGNER = Signer(b"secret")
NOW = datetime(2026, 3, 2, 9, 0, 0, 123_456, tzinfo=UTC)
ROW: Any = {"id": uuid4(), "created_at": NOW, "name": "Zürich \N{OFFICE BUILDING}"}
LISTING = COMPANIES.listing


def test_a_cursor_tells_the_keys_of_the_row_it_was_made_for() -> None:
    order = LISTING.order("-created_at,name")
    binding = binding_of(LISTING, order, {}, {})

    for back in (False, True):
        start = read_cursor(SIGNER, write_cursor(SIGNER, ROW, binding, order, back=back), binding, order)

        assert start.keys == [NOW, ROW["name"], ROW["id"]]
        assert start.backwards is back


def test_list_sort_filters_and_tenant_belong_to_a_cursor() -> None:
    plain = binding_of(LISTING, LISTING.order("name"), {"name": ["x"]}, {"tenant_id": 1})
    others = {
        binding_of(CONTACTS.listing, LISTING.order("name"), {"name": ["x"]}, {"tenant_id": 1}),
        binding_of(LISTING, LISTING.order("-name"), {"name": ["x"]}, {"tenant_id": 1}),
        binding_of(LISTING, LISTING.order("name,created_at"), {"name": ["x"]}, {"tenant_id": 1}),
        binding_of(LISTING, LISTING.order("name"), {"name": ["y"]}, {"tenant_id": 1}),
        binding_of(LISTING, LISTING.order("name"), {"domain": ["x"]}, {"tenant_id": 1}),
        binding_of(LISTING, LISTING.order("name"), {}, {"tenant_id": 1}),
        binding_of(LISTING, LISTING.order("name"), {"name": ["x"]}, {"tenant_id": 2}),
    }

    assert len(others | {plain}) == 8


def test_a_cursor_lives_for_90_days() -> None:
    order = LISTING.order("created_at")

    def made(age: timedelta) -> str:
        at = int((datetime.now(UTC) - age).timestamp())
        keys = [NOW.isoformat(), str(ROW["id"])]
        return SIGNER.sign("cursor", json.dumps(["here", False, at, keys]).encode())

    assert read_cursor(SIGNER, made(timedelta(days=89, hours=23)), "here", order).keys == [NOW, ROW["id"]]
    with pytest.raises(CursorExpiredError):
        read_cursor(SIGNER, made(timedelta(days=90, hours=1)), "here", order)


def test_a_cursor_signed_by_others_or_for_something_else_is_none() -> None:
    order = LISTING.order("created_at")
    payload = json.dumps(["here", False, int(NOW.timestamp()), [NOW.isoformat(), str(ROW["id"])]]).encode()

    for signed in (Signer(b"another").sign("cursor", payload), SIGNER.sign("feed", payload)):
        with pytest.raises(CursorMismatchError):
            read_cursor(SIGNER, signed, "here", order)


def test_a_sort_names_keys_and_directions() -> None:
    assert [(sort.name, down) for sort, down in LISTING.order("-name, created_at")] == [
        ("name", True),
        ("created_at", False),
    ]
    assert [(sort.name, down) for sort, down in LISTING.order(None)] == [("created_at", True)]


@pytest.mark.parametrize("text", ["surprise", "name,name", "name,-name", ",", "--name", "id", "name;created_at", "-"])
def test_what_is_no_sort_is_refused(text: str) -> None:
    with pytest.raises(UnknownSortError) as refused:
        LISTING.order(text)

    assert [(error.location, error.pointer) for error in refused.value.errors] == [("query", "/sort")]


def test_a_list_cannot_be_sorted_by_what_may_be_null() -> None:
    with pytest.raises(TypeError, match="due_at"):
        Sort("due_at", tickets.c.due_at, "instant")


def test_what_a_list_admits_is_what_is_declared() -> None:
    query = TICKETS.listing.query_model

    assert query.model_validate({"limit": "1000"}).limit == 200
    assert query.model_validate({"created_at[gte]": "2026-03-02T09:00:00Z", "status": ["open", "new"]}).limit == 50
    for wrong in (
        {"surprise": "1"},
        {"limit": "0"},
        {"status": ["lost"]},
        {"created_at[like]": "x"},
        {"tag": ["x"] * 51},
    ):
        with pytest.raises(ValidationError):
            query.model_validate(wrong)
