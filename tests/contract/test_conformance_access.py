"""Who may call what, and what every write does about versions and repeated keys."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from helpdesk_api.identity.permissions import PERMISSIONS
from tests.contract.cases import CASES, Case
from tests.contract.operations import OPERATIONS, Operation, World, operation_of
from tests.contract.rows import at_rest, contents, resources, row
from tests.stage import Client, Stage

RESOURCES = resources()
CREATABLE = [case for case in CASES if operation_of(case, "create")]
CHANGEABLE = [(case, verb) for case in CASES for verb in ("update", "delete") if operation_of(case, verb)]
# Operations whose permission is not that of writing or reading their resource.
OTHER_PERMISSIONS = {
    "tickets_create": ["tickets:create"],
    "contacts_create": ["contacts:create"],
    "contacts_reveal": ["contacts:reveal"],
    "comments_create": ["comments:write", "notes:write"],
    "events_get": ["events:read"],
    "files_create_link": ["files:read"],
    "events_create_stream_ticket": ["events:read"],
    "events_checksum": ["events:read"],
    "traces_get": ["events:read"],
    "tickets_get_presence": ["notes:read"],
    "tickets_set_presence": ["notes:write"],
    "tickets_end_presence": ["notes:write"],
    "event_types_list": ["events:read"],
    "condition_fields_list": [],
    "tickets_search": ["tickets:read"],
    "coverage_check": ["contracts:read"],
    "ticket_plans_preview": ["ticket-plans:read"],
    "ticket_settings_get": ["ticket-settings:read"],
    "ticket_settings_update": ["ticket-settings:write"],
    "price_items_look_up": ["price-items:read"],
    "coverage_settings_get": ["contracts:read"],
    "coverage_settings_update": ["contracts:write"],
    "macros_apply": ["macros:read"],
    "webhook_egress_get": ["webhook-endpoints:read"],
    "permissions_list": [],
    "sla_clocks_list_due": ["tickets:read"],
    "sla_clocks_count_due": ["tickets:read"],
    "sla_clocks_list": ["tickets:read"],
    "sla_clocks_get": ["tickets:read"],
    "tickets_get_times": ["tickets:read"],
    "sla_clocks_explain": ["tickets:read"],
    "sla_clocks_set_deadline": ["tickets:write"],
    "sla_clocks_release_deadline": ["tickets:write"],
    "sla_clocks_extend": ["tickets:write"],
    **{operation.id: [] for operation in OPERATIONS if operation.is_public or operation.id.startswith("me_")},
}
# What is asked for by what a request holds, not by the operation: its reach, a header, the kind of a comment.
ASKED_FOR_INSIDE = {
    *("assets:list", "companies:list", "contacts:list", "locations:list", "ticket-summaries:read", "view-as:use"),
}
EVERY_SCOPE = sorted({scope for operation in OPERATIONS for scope in operation.scopes})

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_creatable = pytest.mark.parametrize("case", CREATABLE, ids=str)
each_change = pytest.mark.parametrize(("case", "verb"), CHANGEABLE, ids=str)
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


@each_operation
def test_every_operation_declares_the_permission_of_its_resource(operation: Operation) -> None:
    verb = "read" if operation.method == "GET" else "write"
    tags = operation.details["tags"]

    assert operation.scopes == OTHER_PERMISSIONS.get(operation.id, [f"{tags[-1]}:{verb}"])


def test_the_catalogue_holds_every_permission_and_no_other() -> None:
    assert set(EVERY_SCOPE) | ASKED_FOR_INSIDE == set(PERMISSIONS)


def call(api: Client, operation: Operation) -> httpx2.Response:
    """Call an operation with ids that nothing has, and with no body."""
    nothing = {name: str(uuid4()) for name in operation.path_parameters}
    return api.request(operation.method, operation.template.format(**nothing))


def test_without_credentials_nothing_is_served(stage: Stage, api: Client) -> None:
    tenant = api.tenant
    strangers = [
        *("", "Bearer", "Basic dXNlcjpwYXNz", f"Token {api.key}", "Bearer hd_live_x", f"Bearer {api.key}x"),
        f"Bearer {api.key[:-1]}{'a' if api.key[-1] != 'a' else 'b'}",
        f"Bearer {api.key} {api.key}",
    ]

    for operation in OPERATIONS:
        if operation.is_public:
            continue
        with stage.client(tenant, api.key) as client:
            del client.headers["authorization"]
            answers = [call(client, operation)]
            for header in strangers:
                client.headers["authorization"] = header
                answers.append(call(client, operation))

        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), operation.id
            assert answer.headers["www-authenticate"] == "Bearer"


def test_every_permission_but_the_right_one_is_not_enough(stage: Stage, api: Client) -> None:
    for scopes in {tuple(operation.scopes) for operation in OPERATIONS if operation.scopes}:
        wider = {scope.replace(":create", ":write") for scope in scopes}
        others = tuple(other for other in PERMISSIONS if other not in {*scopes, *wider})
        with stage.client(api.tenant, stage.key(api.tenant, others)) as client:
            for operation in OPERATIONS:
                if tuple(operation.scopes) != scopes:
                    continue
                answer = call(client, operation)

                assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission"), operation.id
                assert answer.json()["params"] == {"permission": " or ".join(scopes)}


def test_the_right_permission_alone_is_enough(stage: Stage, api: Client) -> None:
    for scope in EVERY_SCOPE:
        in_bulk = scope.replace(":read", ":list")
        with stage.client(
            api.tenant, stage.key(api.tenant, (scope, in_bulk) if in_bulk in PERMISSIONS else (scope,))
        ) as client:
            for operation in OPERATIONS:
                if scope in operation.scopes:
                    assert call(client, operation).status_code not in {401, 403}, operation.id


@each_change
def test_a_stale_version_is_refused_and_nothing_changes(api: Client, stage: Stage, case: Case, verb: str) -> None:
    location, created = case.create(stage, api)
    stored = row(stage, RESOURCES[case.plural], created["id"])
    before = at_rest(stage, api.tenant.id)

    for tag in ('"v2"', '"v99"', 'W/"v7"'):
        answer = write(api, case, verb, location, {"if-match": tag})

        assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")
        assert answer.json()["params"]["current_version"] == 1
    assert row(stage, RESOURCES[case.plural], created["id"]) == stored
    assert contents(stage, api.tenant.id) == before


@each_change
@pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"', "*"])
def test_the_version_that_was_read_is_accepted(api: Client, stage: Stage, case: Case, verb: str, tag: str) -> None:
    location, _ = case.create(stage, api)

    answer = write(api, case, verb, location, {"if-match": tag})

    assert answer.is_success, answer.text


def write(api: Client, case: Case, verb: str, location: str, headers: dict[str, str]) -> httpx2.Response:
    if verb == "delete":
        return api.delete(location, headers=headers)
    return api.patch(location, json=dict(case.patch), headers=headers)


@each_case
def test_what_is_known_already_is_not_sent_again(api: Client, stage: Stage, case: Case) -> None:
    location, _ = case.create(stage, api)
    tag = api.get(location).headers["etag"]

    for known in (tag, f"W/{tag}", f'"v7", {tag}', "*"):
        answer = api.get(location, headers={"if-none-match": known})

        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert api.get(location, headers={"if-none-match": '"v99"'}).status_code == 200


@each_creatable
def test_a_creation_repeated_with_its_key_has_one_effect_and_the_same_answer(
    api: Client, stage: Stage, case: Case
) -> None:
    collection, body = case.collection(api), case.new_body(api)
    key = {"idempotency-key": str(uuid4())}
    first = api.post(collection, json=body, headers=key)
    before = at_rest(stage, api.tenant.id)

    again = [api.post(collection, json=body, headers=key) for _ in range(2)]
    quoted = api.post(collection, json=body, headers={"idempotency-key": f'"{key["idempotency-key"]}"'})

    assert first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    for answer in (*again, quoted):
        assert (answer.status_code, answer.content) == (201, first.content)
        assert (answer.headers["location"], answer.headers["etag"]) == (first.headers["location"], '"v1"')
        assert answer.headers["idempotency-replayed"] == "true"
    assert contents(stage, api.tenant.id) == before


@each_creatable
def test_a_key_used_for_another_body_is_refused(api: Client, stage: Stage, case: Case) -> None:
    collection = case.collection(api)
    key = {"idempotency-key": str(uuid4())}
    first, second = case.new_body(api), case.new_body(api)
    assert api.post(collection, json=first, headers=key).status_code == 201
    before = at_rest(stage, api.tenant.id)

    answer = api.post(collection, json=second, headers=key)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert contents(stage, api.tenant.id) == before


@each_creatable
def test_fifty_calls_at_once_with_one_key_have_one_effect(api: Client, stage: Stage, case: Case) -> None:
    collection, body = case.collection(api), case.new_body(api)
    key = {"idempotency-key": str(uuid4())}
    counted = "SELECT count(*) FROM events WHERE tenant_id = $1"
    (before,) = stage.sql(counted, api.tenant.id)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: api.post(collection, json=body, headers=key), range(50)))

    (after,) = stage.sql(counted, api.tenant.id)
    made = [answer for answer in answers if answer.status_code == 201]
    refused = {(answer.status_code, answer.json()["code"]) for answer in answers if answer not in made}
    assert len({answer.content for answer in made}) == 1
    assert len([answer for answer in made if "idempotency-replayed" not in answer.headers]) == 1
    assert refused <= {(409, "request_in_progress")}
    assert after[0] == before[0] + 1 + len(case.followed_by)


@each_change
def test_a_change_repeated_with_its_key_has_one_effect(api: Client, stage: Stage, case: Case, verb: str) -> None:
    location, _ = case.create(stage, api)
    key = {"idempotency-key": str(uuid4())}
    first = write(api, case, verb, location, key)
    before = at_rest(stage, api.tenant.id)

    again = write(api, case, verb, location, key)

    assert first.is_success, first.text
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert contents(stage, api.tenant.id) == before


def test_a_world_holds_one_object_of_every_path(api: Client, stage: Stage) -> None:
    world = World(stage, api)

    answers = {op.id: api.get(world.path(op)).status_code for op in OPERATIONS if op.method == "GET"}

    # A tenant in real time has no test clock to read.
    assert answers.pop("test_clock_get") == 409
    # A checksum is that of a collection, which has to be named.
    assert answers.pop("events_checksum") == 422
    assert set(answers.values()) == {200}
