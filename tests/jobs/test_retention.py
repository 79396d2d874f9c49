"""Retention: what each rule removes and what it leaves, when the worker applies them, and what nobody may do."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from helpdesk_api.kit.retention import Kept
from helpdesk_api.retention.applying import give_turns
from helpdesk_api.retention.rules import CHOSEN, RULES
from tests.conftest import MakeSandbox
from tests.contract.stored_rows import outbound_email, rule_run, session, webhook_delivery
from tests.factories import a_note, a_policy, a_reply, a_ticket, a_user, advance, get, patch
from tests.jobs.webhooks import events, until
from tests.retention import a_failed_job, a_job_cause, advance_to, apply_rules, done, has_been_put_off, long_ago, rest
from tests.stage import Client, Stage

Json = dict[str, Any]


def rows(stage: Stage, api: Client, table: str) -> set[UUID]:
    found = stage.sql(f"SELECT id FROM {table} WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - one of our tables.
    return {row["id"] for row in found}


def no_run(api: Client) -> bool:
    return not get(api, "retention-runs")["data"]


def aged(stage: Stage, table: str, column: str, row_id: UUID, *, days: int) -> UUID:
    """Let something be from so many days ago."""
    stage.sql(f"UPDATE {table} SET {column} = $2 WHERE id = $1", row_id, long_ago(days))  # noqa: S608 - as above.
    return row_id


def a_delivery(stage: Stage, api: Client, *, days: int) -> UUID:
    delivery_id = UUID(webhook_delivery(stage, api).rpartition("/")[2])
    return aged(stage, "webhook_deliveries", "created_at", delivery_id, days=days)


def an_email(stage: Stage, api: Client, *, days: int) -> UUID:
    return aged(stage, "outbound_emails", "created_at", UUID(outbound_email(stage, api).rpartition("/")[2]), days=days)


def a_run(stage: Stage, api: Client, *, days: int) -> UUID:
    return aged(stage, "rule_runs", "created_at", UUID(rule_run(stage, api).rpartition("/")[2]), days=days)


def a_session(stage: Stage, api: Client, *, days: int) -> UUID:
    return aged(stage, "sessions", "expires_at", UUID(session(stage, api).rpartition("/")[2]), days=days)


def a_link(stage: Stage, api: Client, *, days: int) -> UUID:
    (row,) = stage.sql(
        """
        INSERT INTO sign_in_links (tenant_id, id, purpose, user_id, email, secret_hash, expires_at)
        VALUES ($1, gen_random_uuid(), 'invitation', $2, 'ada@service.example', '', now()) RETURNING id
        """,
        api.tenant.id,
        UUID(a_user(api)["id"]),
    )
    return aged(stage, "sign_in_links", "expires_at", row["id"], days=days)


def a_use(stage: Stage, api: Client, *, days: int) -> UUID:
    (row,) = stage.sql(
        """
        INSERT INTO api_key_usage (tenant_id, id, key_id, operation_id, used_on, request_count, refused_count,
            last_used_at)
        SELECT tenant_id, gen_random_uuid(), id, 'teams_list', $2, 1, 0, now() FROM api_keys WHERE tenant_id = $1
        RETURNING id
        """,
        api.tenant.id,
        long_ago(days).date(),
    )
    found: UUID = row["id"]
    return found


# Each rule: its table, how to make a row of an age, and for how many days such rows are kept by default.
BY_AGE = {
    "webhook_deliveries": ("webhook_deliveries", a_delivery, 30),
    "rule_runs": ("rule_runs", a_run, 30),
    "outbound_emails": ("outbound_emails", an_email, 30),
    "api_key_usage": ("api_key_usage", a_use, 400),
    "sessions": ("sessions", a_session, 60),
    "sign_in_links": ("sign_in_links", a_link, 7),
    "failed_jobs": ("jobs", a_failed_job, 90),
    "job_causes": ("job_causes", a_job_cause, 90),
}


@pytest.mark.parametrize("rule", [rule for rule in RULES if isinstance(rule, Kept)], ids=lambda rule: rule.name)
def test_what_is_due_is_found_by_an_index_whatever_else_there_is(rule: Kept) -> None:
    beginnings = {tuple(column.name for column in index.columns)[:2] for index in rule.table.indexes}

    assert ("tenant_id", rule.since.name) in beginnings


@pytest.mark.parametrize("rule", BY_AGE)
def test_what_is_older_than_its_days_goes_and_what_is_younger_stays(stage: Stage, api: Client, rule: str) -> None:
    table, make, days = BY_AGE[rule]
    young, old = make(stage, api, days=days - 1), make(stage, api, days=days + 1)

    run = apply_rules(api)

    left = rows(stage, api, table)
    assert young in left
    assert old not in left
    assert (run["counts"], run["left_out"]) == ({rule: 1}, {})


def test_with_a_delivery_go_its_attempts_and_one_that_still_waits_stays(stage: Stage, api: Client) -> None:
    gone, waiting = a_delivery(stage, api, days=31), a_delivery(stage, api, days=31)
    stage.sql("UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = now() WHERE id = $1", waiting)

    run = apply_rules(api)

    attempts = stage.sql("SELECT delivery_id FROM webhook_attempts WHERE tenant_id = $1", api.tenant.id)
    assert run["counts"] == {"webhook_deliveries": 1}
    assert [row["delivery_id"] for row in attempts] == [waiting]
    assert api.get(f"/v1/webhook-deliveries/{gone}").status_code == 404


def test_a_session_takes_its_tokens_along(stage: Stage, api: Client) -> None:
    a_session(stage, api, days=61)

    apply_rules(api)

    assert rows(stage, api, "session_tokens") == set()


def test_a_message_that_waits_to_be_sent_stays(stage: Stage, api: Client) -> None:
    waiting = an_email(stage, api, days=500)
    stage.sql("UPDATE outbound_emails SET state = 'queued', sent_at = NULL WHERE id = $1", waiting)

    run = apply_rules(api)

    assert (run["counts"], rows(stage, api, "outbound_emails")) == ({}, {waiting})


def test_more_than_a_batch_goes_all_the_same(stage: Stage, api: Client) -> None:
    stage.sql(
        """
        INSERT INTO outbound_emails (tenant_id, id, to_address, subject, state, attempt_count, sent_at, created_at,
            updated_at)
        SELECT $1, gen_random_uuid(), 'ada@service.example', 'Hello', 'sent', 1, now(), $2, now()
        FROM generate_series(1, 1201)
        """,
        api.tenant.id,
        long_ago(40),
    )

    assert apply_rules(api)["counts"] == {"outbound_emails": 1_201}
    assert rows(stage, api, "outbound_emails") == set()


def test_a_closed_ticket_goes_by_the_time_of_its_tenant_with_everything_on_it(
    stage: Stage, sandbox: MakeSandbox
) -> None:
    api = sandbox()
    a_policy(api)
    agent = a_user(api)["id"]
    closed, still_open = a_ticket(api), a_ticket(api)
    for ticket in (closed, still_open):
        a_reply(api, ticket, author_user_id=agent)
        a_note(api, ticket, author_user_id=agent)
    patch(api, f"tickets/{closed['id']}", status="closed")
    has_been_put_off(stage, api, UUID(closed["id"]))
    advance_to(stage, api, "2026-04-01T08:00:00Z")
    patch(api, "retention-settings", closed_tickets_days=30)
    assert apply_rules(api)["counts"] == {}
    assert api.get(f"/v1/tickets/{closed['id']}").status_code == 200

    advance(api, "2026-04-01T08:00:01Z")
    run = apply_rules(api)

    assert run["counts"] == {"closed_tickets": 1}
    assert api.get(f"/v1/tickets/{closed['id']}").status_code == 404
    of_closed = {"comments": "ticket_id", "sla_clocks": "ticket_id", "tickets": "id"}
    for table, column in of_closed.items():
        found = stage.sql(f"SELECT {column} FROM {table} WHERE tenant_id = $1", api.tenant.id)  # noqa: S608 - as above.
        assert {str(row[column]) for row in found} == {still_open["id"]}, table
    loose = "SELECT 1 FROM deadlines WHERE tenant_id = $1 AND object_id NOT IN (SELECT id FROM sla_clocks)"
    assert stage.sql(loose, api.tenant.id) == []
    (deleted,) = events(stage, api, type="ticket.deleted")
    assert deleted["object_id"] == closed["id"]
    assert deleted["data"] == {"number": closed["number"], "retention_run_id": run["id"]}


def test_tickets_are_kept_for_ever_unless_it_is_said_otherwise(stage: Stage, sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_ticket(api)
    patch(api, f"tickets/{ticket['id']}", status="closed")
    patch(api, "retention-settings", events_days=None, security_events_days=None)
    advance_to(stage, api, "2036-03-01T08:00:00Z")

    assert apply_rules(api)["counts"] == {}
    assert api.get(f"/v1/tickets/{ticket['id']}").status_code == 200


def test_a_run_tells_who_asked_for_it_under_which_rules_and_in_the_log(stage: Stage, api: Client) -> None:
    a_link(stage, api, days=8)
    me = get(api, "me")["id"]

    run = apply_rules(api)

    assert (run["requested_by_type"], run["requested_by_id"]) == ("api_key", me)
    assert run["rules"] == {rule.name: rule.days.default for rule in CHOSEN} | {
        "failed_jobs": 90,
        "job_causes": 90,
        "unattached_files": 1,
    }
    told = events(stage, api, object_type="retention_run")
    assert [(event["type"], event["object_id"]) for event in told] == [
        ("retention_run.created", run["id"]),
        ("retention_run.completed", run["id"]),
    ]
    assert told[1]["data"] == {"counts": {"sign_in_links": 1}, "left_out": {}}
    assert get(api, "retention-runs")["data"] == [run]


def test_every_tenant_has_its_turn_once_a_day(stage: Stage, api: Client) -> None:
    a_link(stage, api, days=8)
    stage.sql("UPDATE tenants SET retention_due_at = now() WHERE id = $1", api.tenant.id)

    stage.run(give_turns(stage.runtime))

    run = until(lambda: next(iter(get(api, "retention-runs")["data"]), None))
    assert (run["requested_by_type"], done(api, run["id"])["counts"]) == ("system", {"sign_in_links": 1})
    (row,) = stage.sql("SELECT retention_due_at - now() AS rest FROM tenants WHERE id = $1", api.tenant.id)
    assert timedelta(hours=23) < row["rest"] < timedelta(hours=25)


def turn(stage: Stage, api: Client) -> None:
    """Let a tenant have its turn, and wait until it is over."""
    stage.sql("UPDATE tenants SET retention_due_at = now() WHERE id = $1", api.tenant.id)
    stage.run(give_turns(stage.runtime))
    rest(stage, api)


def test_a_turn_with_nothing_to_remove_leaves_no_trace(stage: Stage, api: Client) -> None:
    a_link(stage, api, days=6)

    turn(stage, api)

    assert no_run(api)
    assert events(stage, api, object_type="retention_run") == []


def test_a_clock_that_passes_midnight_brings_a_sandbox_its_turn(sandbox: MakeSandbox) -> None:
    api = sandbox()
    ticket = a_ticket(api)
    patch(api, f"tickets/{ticket['id']}", status="closed")
    patch(api, "retention-settings", closed_tickets_days=30)

    advance(api, "2026-05-01T08:00:00Z")

    until(lambda: True if api.get(f"/v1/tickets/{ticket['id']}").status_code == 404 else None)


def test_under_a_legal_hold_nothing_goes(stage: Stage, api: Client) -> None:
    kept = a_link(stage, api, days=8)
    patch(api, "retention-settings", legal_hold_reason="Alpine Dairy v. us")

    refused = api.post("/v1/retention-runs")
    turn(stage, api)

    assert (refused.status_code, refused.json()["code"]) == (409, "legal_hold")
    assert no_run(api)
    assert kept in rows(stage, api, "sign_in_links")
    patch(api, "retention-settings", legal_hold_reason=None)
    assert apply_rules(api)["counts"] == {"sign_in_links": 1}


def test_a_run_that_was_cut_off_goes_on(stage: Stage, api: Client) -> None:
    a_link(stage, api, days=8)
    run_id = uuid4()
    stage.sql(
        """
        INSERT INTO retention_runs (tenant_id, id, state, requested_by_type, rules, counts, left_out, created_at,
            updated_at)
        VALUES ($1, $2, 'running', 'system', '{"sign_in_links": 7}', '{"sessions": 3}', '{}', now(), now())
        """,
        api.tenant.id,
        run_id,
    )

    refused = api.post("/v1/retention-runs")
    turn(stage, api)

    assert (refused.status_code, refused.json()["code"]) == (409, "retention_running")
    assert done(api, str(run_id))["counts"] == {"sessions": 3, "sign_in_links": 1}


def test_a_dry_run_tells_what_a_rule_would_remove_and_changes_nothing(stage: Stage, sandbox: MakeSandbox) -> None:
    api = sandbox()
    for day in (3, 5, 9):
        advance(api, f"2026-03-0{day}T09:00:00Z")
        patch(api, f"tickets/{a_ticket(api)['id']}", status="closed")
    advance_to(stage, api, "2026-05-01T09:00:00Z")

    answer = api.get("/v1/retention-preview", params={"closed_tickets_days": 55})

    seen = {item["rule"]: item for item in answer.json()["data"]}
    assert list(seen) == [rule.name for rule in CHOSEN]
    assert seen["closed_tickets"] == {
        "rule": "closed_tickets",
        "days": 55,
        "row_count": 2,
        "is_exact": True,
        "oldest_at": "2026-03-03T09:00:00Z",
        "newest_at": "2026-03-05T09:00:00Z",
    }
    assert get(api, "retention-settings")["closed_tickets_days"] is None
    assert get(api, "tickets")["data"] != []
    assert no_run(api)


@pytest.mark.parametrize("rule", [rule for rule in BY_AGE if rule not in {"failed_jobs", "job_causes"}])
def test_what_a_dry_run_tells_is_what_then_goes(stage: Stage, api: Client, rule: str) -> None:
    _, make, days = BY_AGE[rule]
    for older in (1, 2, 3):
        make(stage, api, days=days + older)
    make(stage, api, days=days - 1)

    seen = {item["rule"]: item for item in get(api, "retention-preview")["data"]}[rule]

    assert (seen["row_count"], seen["is_exact"]) == (3, True)
    assert seen["oldest_at"][:10] == long_ago(days + 3).date().isoformat()
    assert seen["newest_at"][:10] == long_ago(days + 1).date().isoformat()
    assert apply_rules(api)["counts"] == {rule: 3}
