"""Problem documents: one shape for every refusal, one status for each kind, one entry for each code."""

import json
from datetime import timedelta

import pytest

import helpdesk_api.wiring
from helpdesk_api.domain.errors import REGISTRY, ConflictError, FieldError, InvalidError, Kind, UnauthenticatedError
from helpdesk_api.kit.problems import STATUS, catalogue, render

assert helpdesk_api.wiring.ROUTERS, "importing the wiring defines every refusal"


def test_a_refusal_becomes_a_problem_document() -> None:
    refusal = InvalidError(
        "Two things are wrong.",
        errors=(
            FieldError("/items/0/email", "value_error", "is no address"),
            FieldError("/sort", "unknown_sort", "is no key", "query"),
        ),
        params={"count": 2},
    )

    status, headers, body = render(refusal, request_id="r-1", instance="/v1/things")

    assert (status, headers) == (422, {"content-type": "application/problem+json"})
    assert json.loads(body) == {
        "type": "/problems/validation_failed",
        "title": "The request does not satisfy the schema",
        "status": 422,
        "detail": "Two things are wrong.",
        "instance": "/v1/things",
        "code": "validation_failed",
        "request_id": "r-1",
        "params": {"count": 2},
        "errors": [
            {"pointer": "#/items/0/email", "in": "body", "code": "value_error", "detail": "is no address"},
            {"pointer": "#/sort", "in": "query", "code": "unknown_sort", "detail": "is no key"},
        ],
    }


def test_a_pointer_alone_is_an_error_with_the_code_of_the_refusal() -> None:
    refusal = ConflictError("Taken.", pointer="/name")

    assert refusal.errors == (FieldError("/name", "conflict", "Taken."),)


@pytest.mark.parametrize(("wait", "header"), [(timedelta(milliseconds=20), "1"), (timedelta(seconds=90), "90")])
def test_when_to_come_back_is_told_in_whole_seconds(wait: timedelta, header: str) -> None:
    _, headers, _ = render(ConflictError("Busy.", retry_after=wait), request_id="r-1")

    assert headers["retry-after"] == header


def test_who_is_unknown_is_told_how_to_introduce_themselves() -> None:
    _, headers, _ = render(UnauthenticatedError("Who are you?"), request_id="r-1")

    assert headers["www-authenticate"] == "Bearer"


def test_every_kind_has_a_status_of_its_own() -> None:
    assert set(STATUS) == set(Kind)
    assert len(set(STATUS.values())) == len(Kind)


@pytest.mark.parametrize("code", sorted(REGISTRY))
def test_every_code_is_explained(code: str) -> None:
    explained = catalogue()[code]

    assert code.replace("_", "").isalnum()
    assert code.islower()
    assert explained.code == code
    assert explained.status == STATUS[REGISTRY[code].kind]
    assert explained.title.strip()
    assert explained.description.endswith(".")


def test_two_refusals_cannot_share_a_code() -> None:
    with pytest.raises(TypeError, match="share the code"):
        type("OtherError", (ConflictError,), {"code": "conflict"})
