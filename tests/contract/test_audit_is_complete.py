"""Every operation that changes something writes its audit row in the transaction of the change, and what for free."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Principal
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.conftest import MakeSandbox
from tests.contract.bodies import JSON, a_clock, create
from tests.contract.file_bodies import uploaded
from tests.contract.operations import OPERATIONS, Operation, World
from tests.contract.rows import NOT_COUNTING, TENANT_TABLES
from tests.contract.stored_rows import webhook_delivery
from tests.stage import Client, Stage

# Signing in, and what somebody who has signed in does about it, is followed in tests/api: a key can do none of it.
# They change nothing that lasts: a ticket opens what its caller may open anyway, who is where is not kept, a search, a
# check of coverage and the look-up of a price read, a link opens what its caller may read, a preview does nothing, and
# what a trial does is taken back.
NOT_CHANGING = {
    *("events_create_stream_ticket", "tickets_search", "tickets_set_presence", "tickets_end_presence"),
    *("calendars_plan", "inbound_hooks_preview", "rules_try", "files_create_link", "coverage_check"),
    "ticket_plans_preview",
    "price_items_look_up",
}
CHANGING = [
    operation
    for operation in OPERATIONS
    if operation.method != "GET"
    and not operation.is_public
    and not operation.id.startswith("me_")
    and operation.id not in NOT_CHANGING
]
# Rows that tell nothing about a change: bookkeeping of the credential, of the worker and of the audit trail itself.
BESIDE_A_CHANGE = {"api_key_usage", "api_keys", "audit_seals", "idempotency_keys", "job_causes", "job_lanes", "jobs"}

# What the worker writes while a test looks on.
BY_THE_WORKER = {"outbound_emails", "sign_in_links"}


def switch_on(stage: Stage, api: Client) -> None:
    """Let the endpoint of a delivery take it; nobody listens there."""
    stage.sql(
        """
        UPDATE webhook_endpoints
        SET is_enabled = true, disabled_reason = NULL, disabled_at = NULL, url = 'http://127.0.0.1:9/'
        WHERE tenant_id = $1
        """,
        api.tenant.id,
    )


def pause(stage: Stage, api: Client) -> None:
    """Let there be something to resume."""
    stage.sql("UPDATE webhook_endpoints SET paused_at = now() WHERE tenant_id = $1", api.tenant.id)


def add_second_factor(stage: Stage, api: Client) -> None:
    """Let every user have a second factor."""
    stage.sql(
        """
        INSERT INTO totp_factors (tenant_id, id, user_id, sealed_secret, confirmed_at, last_step)
        SELECT tenant_id, gen_random_uuid(), id, '', now(), 0 FROM users WHERE tenant_id = $1
        """,
        api.tenant.id,
    )


def keep_replaying(stage: Stage, api: Client) -> None:
    """Let there be a replay to cancel."""
    stage.sql("UPDATE webhook_replays SET state = 'running', completed_at = NULL WHERE tenant_id = $1", api.tenant.id)


def keep_importing(stage: Stage, api: Client) -> None:
    """Let there be an import to cancel."""
    stage.sql(
        "UPDATE imports SET state = 'running', completed_at = NULL, caller = '{}' WHERE tenant_id = $1", api.tenant.id
    )


def an_uploaded_file(api: Client, path: str) -> JSON:
    """Upload a file for the import of a path."""
    del path
    return {"file_id": uploaded(api, b"name\n", "cards.csv")["id"], "resource": "companies", "format": "csv"}


def fail_a_delivery(stage: Stage, api: Client) -> None:
    """Let there be a dead letter."""
    webhook_delivery(stage, api)
    stage.sql("UPDATE webhook_deliveries SET state = 'failed' WHERE tenant_id = $1", api.tenant.id)
    switch_on(stage, api)


def take_holidays(stage: Stage, api: Client) -> None:
    """Let every calendar have national holidays of some years."""
    stage.sql(
        """
        UPDATE calendars SET national_holidays = '{"country": "IT", "subdivision": null, "categories": ["public"],
        "first_year": 2026, "last_year": 2026, "language": null}' WHERE tenant_id = $1
        """,
        api.tenant.id,
    )


# What must be so before an operation can succeed.
FIRST: Mapping[str, Callable[[Stage, Client], object]] = {
    "calendars_refresh_holidays": take_holidays,
    "sla_clocks_extend": a_clock,
    "users_reset_second_factor": add_second_factor,
    "imports_cancel": keep_importing,
    "webhook_deliveries_redeliver": switch_on,
    "webhook_deliveries_retry": fail_a_delivery,
    "webhook_endpoints_ping": switch_on,
    "webhook_endpoints_recover": switch_on,
    "webhook_endpoints_replay": switch_on,
    "webhook_endpoints_resume": pause,
    "webhook_endpoints_test": switch_on,
    "webhook_replays_cancel": keep_replaying,
}
# What these ask for a worker does, in transactions of its own.
DONE_LATER = {"contacts_erase", "exports_start", "imports_start", "retention_apply", "users_erase"}
# What these do to one ticket can be taken back alone: rows bear the number of that part of the transaction.
DONE_IN_PARTS = {"macros_apply", "tickets_bulk"}


# What an operation needs beside the ids in its path.
QUERY: Mapping[str, str] = {"files_upload": "?name=printer.log"}


def revealed_for_a_ticket(api: Client, path: str) -> JSON:
    """Ask for the contact of a path because of a ticket of that contact."""
    ticket = create(api, "tickets", subject="Call back", contact_id=path.split("/")[3])
    return {"ticket_id": ticket["id"], "reason": "To call back."}


def a_planned_edit(api: Client, path: str) -> JSON:
    """Plan an edit of the calendar of a path."""
    edit = {"holidays": [{"on": "2026-12-24", "name": "Flood"}], "effective_from": None}
    planned = api.post(path.replace("/apply", "/plan"), json=edit).json()
    return {"edit": edit, "plan": planned["plan"]}


# Bodies that name what belongs to the object in the path.
BODY: Mapping[str, Callable[[Client, str], JSON]] = {
    "calendars_apply": a_planned_edit,
    "contacts_reveal": revealed_for_a_ticket,
    "imports_start": an_uploaded_file,
    "sla_clocks_extend": lambda _, __: {"filter": {}, "seconds": 3600, "reason": "Outage."},
    "webhook_deliveries_retry": lambda _, __: {"filter": {}},
}


@pytest.mark.parametrize("operation", CHANGING, ids=str)
def test_every_change_writes_an_audit_row_in_its_own_transaction(
    stage: Stage, sandbox: MakeSandbox, operation: Operation
) -> None:
    api = sandbox()
    path = World(stage, api).path(operation) + QUERY.get(operation.id, "")
    body = BODY[operation.id](api, path) if operation.id in BODY else operation.valid_body(api)
    if operation.id in FIRST:
        FIRST[operation.id](stage, api)
    # Rows that were there already belong to other transactions.
    (row,) = stage.sql("SELECT pg_current_xact_id()::text AS xid")
    request_id = f"audit-{uuid4()}"
    headers = {"x-request-id": request_id, "user-agent": "an auditor"}
    if body is not None:
        headers["content-type"] = operation.media_type

    answer = api.request(operation.method, path, json=body, headers=headers)

    assert answer.is_success, answer.text
    found = stage.sql("SELECT * FROM events WHERE tenant_id = $1 AND cause_id = $2", api.tenant.id, request_id)
    assert found, "nothing tells of this change"
    for event in found:
        assert (event["actor_type"], event["actor_id"]) == ("api_key", event["credential_id"])
        assert (str(event["ip"]), event["user_agent"]) == ("127.0.0.1", "an auditor")
    xids = {event["xid"] for event in found}
    assert len(xids) == 1
    assert operation.id in DONE_LATER | DONE_IN_PARTS or written_apart(stage, api, int(row["xid"]), xids.pop()) == []


def written_apart(stage: Stage, api: Client, since: int, xid: int) -> list[tuple[str, UUID]]:
    """Find rows that were written since, by requests and yet not by the transaction of the audit row."""
    apart: list[tuple[str, Any]] = []
    for name in set(TENANT_TABLES) - BESIDE_A_CHANGE - BY_THE_WORKER - {"events"}:
        rows = stage.sql(
            f"SELECT id FROM {name} WHERE tenant_id = $1 AND xmin::text::bigint > $2 "  # noqa: S608 - one of our tables.
            f"AND xmin::text::bigint <> $3 AND {NOT_COUNTING.get(name, 'true')}",
            api.tenant.id,
            since % 2**32,
            xid % 2**32,
        )
        apart += [(name, row["id"]) for row in rows if not name.startswith("webhook_")]
    return apart


def test_the_audit_row_costs_a_change_no_round_trip_of_its_own(stage: Stage, api: Client) -> None:
    statements: list[str] = []

    async def change() -> None:
        principal = Principal("api_key", uuid4(), api.tenant.id)
        cause = Cause("request", "counted", user_agent="an auditor")
        async with unit_of_work(stage.runtime, principal, cause=cause, request_id="counted") as ctx:
            # The connection behind what the pool lends: it is listened to until after the commit.
            connection = ctx.tx._connection._con
            connection.add_query_logger(note := lambda query: statements.append(query.query))
            await crud.add(ctx, COMPANIES, {"name": "Counted", "domains": [], "notes": None})
        connection.remove_query_logger(note)

    stage.run(change())

    # One for the change, one for all that is recorded about it together with the job that dispatches it; then COMMIT.
    assert [statement.split()[0] for statement in statements[:2]] == ["INSERT", "WITH"]
    assert statements[2:] in ([], ["COMMIT"])
