"""The index of routes leads where the framework's own walk leads, and to nothing that the walk would not find."""

from starlette.routing import Match
from starlette.types import Scope

from helpdesk_api.kit.route_index import RouteIndex
from helpdesk_api.main import create_app
from tests.contract.operations import OPERATIONS
from tests.stage import Stage


def test_every_operation_is_found_where_the_framework_would_find_it(stage: Stage) -> None:
    app = create_app(stage.settings)
    index, *others = app.router.routes
    assert isinstance(index, RouteIndex)

    for operation in OPERATIONS:
        scope: Scope = {
            "type": "http",
            "method": operation.method,
            "path": operation.template.replace("{", "").replace("}", ""),
            "root_path": "",
            "headers": [],
        }
        walked = next(route for route in others if route.matches(scope)[0] == Match.FULL)
        match, found = index.matches(scope)

        expected = (Match.FULL, walked) if operation.template.startswith("/v1/") else (Match.NONE, None)
        assert (match, found.get("helpdesk.route")) == expected, operation.id


def test_what_no_operation_answers_is_left_to_the_framework(stage: Stage) -> None:
    index, *_ = create_app(stage.settings).router.routes

    for method, path in (("GET", "/v1/nothing"), ("GET", "/v1/"), ("GET", "/v1"), ("PUT", "/v1/tickets"), ("GET", "/")):
        scope: Scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}

        assert index.matches(scope) == (Match.NONE, {}), path
