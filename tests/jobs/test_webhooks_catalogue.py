"""The catalogue of event types holds what is recorded, and nothing else."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it brings no types.

from helpdesk_api.identity.audit_purges import EVENTS_PURGED
from helpdesk_api.webhooks.event_patterns import PATTERNS, is_wanted
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.messages import WebhookMessage
from tests.stage import Client, Stage

SOURCES = Path(__file__).resolve().parents[2] / "src" / "helpdesk_api"
STORED = (
    *("api_key", "asset", "asset_type", "calendar", "company", "contact", "crm_source"),
    *("custom_field", "identity_provider"),
    *("contract", "entitlement", "location", "price_item", "price_list", "role", "service"),
    *("sla_policy", "team", "inbound_hook", "macro", "rule", "ticket_plan", "user", "webhook_endpoint"),
)
MOVES = (
    *("started", "warning", "breached", "paused", "resumed", "met", "missed", "cancelled", "reopened", "retargeted"),
    *("extended", "deadline_set", "deadline_released", "escalated"),
)
# The names that are made up at run time: each template or constant in a call of record(), with what it can become.
FILLED: Mapping[str, tuple[str, ...]] = {
    "{resource.name}.created": (
        *(f"{name}.created" for name in STORED),
        "act.created",
        "ticket.created",
        "ticket_line.created",
        "erasure.created",
        "export.created",
        "import.created",
        "ticket_summary.created",
        "webhook_replay.created",
        "asset_relation.created",
        "ticket_link.created",
        "ticket_watcher.created",
        "ticket_plan_occurrence.created",
        "external_reference.created",
        "retention_run.created",
        "merge.created",
    ),
    "{resource.name}.updated": (
        *(f"{name}.updated" for name in STORED),
        "external_reference.updated",
        "sign_in_settings.updated",
        "retention_settings.updated",
        "coverage_settings.updated",
        "ticket_settings.updated",
    ),
    "{resource.name}.deleted": (
        *(f"{name}.deleted" for name in STORED if name not in {"api_key", "custom_field"}),
        "asset_relation.deleted",
        "ticket_link.deleted",
        "ticket_watcher.deleted",
        "external_reference.deleted",
    ),
    "{resource.name}.merged": ("company.merged", "contact.merged", "location.merged"),
    "{resource.name}.restored": ("company.restored", "contact.restored", "location.restored"),
    "export.{happened}": ("export.completed", "export.failed"),
    "import.{happened}": ("import.completed", "import.cancelled", "import.failed"),
    "ticket.{name}": ("ticket.updated", "ticket.status_changed", "ticket.assigned", "ticket.woken"),
    "{kind}.viewed_as": tuple(f"{name}.viewed_as" for name in ("contact", "user", "role", "api_key")),
    "tenant.{happened}": tuple(
        f"tenant.{word}" for word in ("updated", "suspended", "resumed", "deletion_scheduled", "deletion_cancelled")
    ),
    "EVENTS_PURGED": (EVENTS_PURGED,),
    "entitlement.{told}": tuple(
        f"entitlement.{told}" for told in ("granted", "reserved", "used", "reversed", "expired", "rolled_over")
    ),
    "ticket.sla_{move}": tuple(f"ticket.sla_{move}" for move in MOVES),
}


def recorded_names() -> Iterator[str]:
    """Yield the second argument of every call of record(): a name, or the template of one."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record":
                yield from literals(node.args[1])


def literals(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.IfExp():
            yield from literals(node.body)
            yield from literals(node.orelse)
        case ast.JoinedStr():
            yield ast.unparse(node)[2:-1]
        case ast.Name():
            yield node.id
        case _:
            yield ast.literal_eval(node)


def test_the_catalogue_holds_exactly_what_the_code_records() -> None:
    names = {name for template in recorded_names() for name in FILLED.get(template, (template,))}

    assert names == set(EVENT_TYPES)


def test_whatever_was_recorded_so_far_is_in_the_catalogue(stage: Stage, api: Client) -> None:
    del api
    recorded = {row["type"] for row in stage.sql("SELECT DISTINCT type FROM events")}

    # A test of retention makes up what a newer version might have recorded.
    assert recorded - EVENT_TYPES.keys() - {"satellite.launched"} == set()


def test_the_api_lists_the_catalogue(api: Client) -> None:
    listed = api.get("/v1/event-types").json()["data"]

    assert {entry["type"]: entry["object_type"] for entry in listed} == {
        name: event_type.object_type for name, event_type in EVENT_TYPES.items()
    }
    assert all(entry["description"].endswith((".", "`.")) for entry in listed)


def test_every_type_has_a_schema_that_its_example_meets_and_no_other_type_does(api: Client) -> None:
    listed = api.get("/v1/event-types").json()["data"]
    schemas = {entry["type"]: Draft202012Validator(entry["data_schema"]) for entry in listed}

    for entry in listed:
        name = entry["type"]
        other = next(other for other in schemas if other != name)
        Draft202012Validator.check_schema(entry["data_schema"])
        assert schemas[name].is_valid(entry["example"]), list(schemas[name].iter_errors(entry["example"]))
        assert not schemas[other].is_valid(entry["example"])
        assert entry["since"] == "0.1.0"


def test_the_document_and_the_catalogue_tell_of_the_same_messages(api: Client) -> None:
    listed = api.get("/v1/event-types").json()["data"]
    described = api.get("/openapi.json").json()["webhooks"]

    assert {entry["type"]: entry["example"] for entry in listed} == {
        name: hook["post"]["requestBody"]["content"]["application/json"]["examples"][name]["value"]
        for name, hook in described.items()
    }


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_example_is_a_message(name: str) -> None:
    example = EVENT_TYPES[name].example

    message = WebhookMessage.model_validate(example)

    assert (message.type, message.data.object.type) == (name, name.partition(".")[0])
    assert message.data.changed_fields == sorted(message.data.changed_fields)


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["*"], True),
        (["ticket.*"], True),
        (["ticket.created"], True),
        (["ticket.updated", "team.*"], False),
        ([], False),
    ],
)
def test_a_pattern_is_a_type_a_family_or_everything(patterns: list[str], *, wanted: bool) -> None:
    assert is_wanted("ticket.created", patterns) is wanted
    assert set(patterns) <= PATTERNS
