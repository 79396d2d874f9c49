"""No answer that shows a secret is stored in plain text: every response model that shows one says so."""

import re
from collections.abc import Iterator

from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute
from tests.contract.test_openapi import APP

NAME_OF_A_SECRET = re.compile(r"(^|_)(keys?|secrets?|tokens?|passwords?|(recovery_)?codes?)$")

# What receivers verify with is there for everybody, the key of a custom field is its name in values, and the code of a
# price or of a problem is a word.
NO_SECRETS = {"public_key", "problem_code"}
NO_KEYS_OF_DOORS = {
    *("custom_fields_create", "custom_fields_update", "price_items_create", "price_items_update"),
    *("ticket_lines_create", "ticket_lines_reverse"),
}


def models() -> Iterator[tuple[str, type[BaseModel]]]:
    for context in iter_route_contexts(APP.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and isinstance(route, UnitOfWorkRoute) and "GET" not in (context.methods or ()):
            model = route.response_model
            if isinstance(model, type) and issubclass(model, BaseModel):
                yield route.operation_id or route.name, model


def test_an_answer_to_a_write_that_has_a_field_for_a_secret_is_sealed() -> None:
    showing = {
        name: getattr(model, "shows_secret", False)
        for name, model in models()
        if any(NAME_OF_A_SECRET.search(field) for field in model.model_fields.keys() - NO_SECRETS)
    }

    assert {"api_keys_create", "webhook_endpoints_create", "webhook_endpoints_rotate_secret"} <= showing.keys()
    assert {name for name, is_sealed in showing.items() if not is_sealed} == NO_KEYS_OF_DOORS
