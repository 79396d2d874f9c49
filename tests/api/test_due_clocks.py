"""What is overdue and due soon; the test clock stands at Monday 2026-03-02 08:00 UTC."""

from datetime import timedelta
from typing import Any

from helpdesk_api.domain.sla import Metric
from helpdesk_api.kit.sql import Statement, compiled
from helpdesk_api.kit.visibility import UNLIMITED
from helpdesk_api.tickets.due_clocks import DUE_CLOCKS, counts_seen_by
from tests.conftest import MakeSandbox
from tests.factories import Json, a_contact, a_policy, a_ticket, advance, create, get, patch
from tests.guarantees.crowd import copy_ticket
from tests.stage import Client, Stage, utc

HOUR = 3_600
CROWD = 5_000
NOON = utc(2026, 3, 3, 12)

_SPREAD = """
UPDATE sla_clocks SET metric = ($2::text[])[1 + abs(hashtext(id::text)) % 7] WHERE tenant_id = $1
"""


def promised(api: Client, **hours: float) -> None:
    """Promise some metrics, each within its hours, around the clock."""
    targets = [{"metric": metric, "seconds": int(most * HOUR), "hours": "calendar"} for metric, most in hours.items()]
    a_policy(api, calendar_id=None, targets=targets)


def due(api: Client, **query: str) -> list[Json]:
    answer = api.get("/v1/sla-clocks", params=query)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


def told(clocks: list[Json]) -> list[tuple[str, str, int]]:
    return [(item["metric"], item["due_at"], item["remaining_seconds"] // HOUR) for item in clocks]


def test_clocks_are_listed_in_the_order_of_their_deadlines(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, first_response=2, resolution=5)
    first = a_ticket(api)
    advance(api, "2026-03-02T11:00:00Z")
    second = a_ticket(api)

    found = due(api)

    assert told(found) == [
        ("first_response", "2026-03-02T10:00:00Z", -1),
        ("resolution", "2026-03-02T13:00:00Z", 2),
        ("first_response", "2026-03-02T13:00:00Z", 2),
        ("resolution", "2026-03-02T16:00:00Z", 5),
    ]
    assert [item["ticket_id"] for item in found] == [first["id"], first["id"], second["id"], second["id"]]
    overdue = due(api, **{"due_at[lte]": "2026-03-02T11:00:00Z"})
    assert [item["id"] for item in overdue] == [found[0]["id"]]
    assert told(due(api, metric="resolution", sort="-due_at")) == [
        ("resolution", "2026-03-02T16:00:00Z", 5),
        ("resolution", "2026-03-02T13:00:00Z", 2),
    ]


def test_pages_of_deadlines_join(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, resolution=5)
    tickets = {a_ticket(api)["id"] for _ in range(5)}

    seen: list[Json] = []
    page: dict[str, Any] = {"next_cursor": None}
    while not seen or page["next_cursor"]:
        query = {"limit": "2", "metric": "resolution"} | ({"cursor": page["next_cursor"]} if seen else {})
        answer = api.get("/v1/sla-clocks", params=query).json()
        seen, page = seen + answer["data"], answer["page"]

    assert [item["ticket_id"] for item in seen] == sorted(tickets)


def test_what_waits_or_is_done_is_not_due_but_a_deadline_by_hand_is(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, resolution=5)
    waiting, by_hand, solved = (a_ticket(api) for _ in range(3))
    body = {"due_at": "2026-03-03T12:00:00Z", "reason": "Agreed."}
    api.post(f"/v1/tickets/{by_hand['id']}/sla/resolution/manual-deadline", json=body)
    for ticket, status in ((waiting, "pending"), (by_hand, "pending"), (solved, "solved")):
        patch(api, f"tickets/{ticket['id']}", status=status)

    found = due(api)

    assert [(item["ticket_id"], item["due_at"]) for item in found] == [(by_hand["id"], "2026-03-03T12:00:00Z")]


def test_counts_tell_what_is_overdue_and_due_soon_by_metric(sandbox: MakeSandbox) -> None:
    api = sandbox()
    promised(api, first_response=1, resolution=5)
    a_ticket(api)
    advance(api, "2026-03-02T09:00:00Z")
    a_ticket(api)
    advance(api, "2026-03-02T12:00:00Z")

    counts = get(api, "sla-clocks/counts?within_seconds=3600")

    assert (counts["as_of"], counts["until"]) == ("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z")
    some = {item["metric"]: (item["overdue"]["count"], item["due_soon"]["count"]) for item in counts["data"]}
    assert some == {
        "first_response": (2, 0),
        "next_response": (0, 0),
        "periodic_update": (0, 0),
        "time_to_assign": (0, 0),
        "resolution": (0, 1),
        "requester_wait": (0, 0),
        "agent_work": (0, 0),
    }


def test_a_client_finds_and_counts_the_clocks_of_its_own_tickets_only(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    promised(api, resolution=1)
    (role,) = [one for one in get(api, "roles?limit=200")["data"] if one["slug"] == "contact"]
    contact = a_contact(api, portal_role_id=role["id"])
    own, _ = a_ticket(api, contact_id=contact["id"]), a_ticket(api)
    key = create(api, "api-keys", name="portal", contact_id=contact["id"])["key"]

    with stage.client(api.tenant, key) as client:
        found = due(client)
        counts = get(client, "sla-clocks/counts")["data"]

    assert [item["ticket_id"] for item in found] == [own["id"]]
    assert [item["due_soon"]["count"] for item in counts if item["metric"] == "resolution"] == [1]


def test_lists_and_counts_read_the_indexes_of_what_is_due(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    promised(api, resolution=5)
    copy_ticket(stage.sql, a_ticket(api), CROWD, first_due_at=utc(2026, 3, 3), apart=timedelta(minutes=1))
    stage.sql(_SPREAD, api.tenant.id, list(Metric))
    stage.sql("ANALYZE sla_clocks")
    DUE_CLOCKS.statements.clear()
    until = "2026-03-03T12:00:00Z"
    params = {"in_tenant_id": api.tenant.id, "in_metric": "resolution", "by_due_at__lte": NOON, "page_limit": 51}

    due(api)
    due(api, metric="resolution", **{"due_at[lte]": until})

    whole, of_metric = (plan(stage, statement, params) for statement in DUE_CLOCKS.statements.values())
    assert "Index Scan using ix_sla_clocks_due on sla_clocks" in whole
    assert "Index Scan using ix_sla_clocks_due_by_metric on sla_clocks" in of_metric
    assert "Sort" not in whole + of_metric
    counted = plan(
        stage, counts_seen_by(UNLIMITED), {"tenant": api.tenant.id, "now": NOON, "until": NOON, "most": 10_001}
    )
    assert counted.count("ix_sla_clocks_due_by_metric") == 2
    assert "Seq Scan" not in counted


def plan(stage: Stage, statement: Statement, params: dict[str, Any]) -> str:
    """Tell how the database would run a statement of the product."""
    text, arguments = compiled(statement, params)
    return "\n".join(row[0] for row in stage.sql(f"EXPLAIN {text}", *arguments))
