"""What client cards tell of their tickets in numbers; the test clock stands at Monday 2026-03-02 08:00 UTC."""

import json
from typing import Any

from tests.conftest import MakeSandbox
from tests.factories import a_company, a_contact, a_policy, a_ticket, advance, create, get, patch
from tests.jobs.webhooks import until
from tests.stage import Client, Stage

Json = dict[str, Any]
_NUMBERS = ("open_count", "overdue_count", "breached_count", "quarter_began_on", "last_contact_at")


def noticed(stage: Stage, api: Client, *cards: Json) -> None:
    """Wait until it is known that the tickets of cards have changed since they were counted."""
    ids = {card["id"] for card in cards}

    def known() -> bool:
        rows = stage.sql(
            "SELECT object_id FROM deadlines WHERE tenant_id = $1 AND fired_at IS NULL AND kind LIKE '%_summary'",
            api.tenant.id,
        )
        return ids <= {str(row["object_id"]) for row in rows}

    until(known)


def numbers(api: Client, plural: str, card: Json) -> tuple[Any, ...] | None:
    """Read a card with its tickets in numbers."""
    found = get(api, f"{plural}/{card['id']}?include=ticket_summary")["included"]["ticket_summaries"]
    return tuple(found[card["id"]][name] for name in _NUMBERS) if card["id"] in found else None


def told(stage: Stage, api: Client, card: Json) -> list[tuple[str, int, Json]]:
    """Give what was told of the numbers of a card."""
    rows = stage.sql(
        "SELECT type, object_version, changes FROM events WHERE tenant_id = $1 AND object_id::text = $2"
        " AND object_type = 'ticket_summary' ORDER BY xid, seq",
        *(api.tenant.id, card["id"]),
    )
    return [(row["type"], row["object_version"], json.loads(row["changes"])) for row in rows]


def test_cards_tell_their_tickets_in_numbers_and_each_change_of_them_once(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    a_policy(api, targets=[{"metric": "resolution", "seconds": 3_600, "warning_percent": None}])
    company = a_company(api)
    person = a_contact(api, company_id=company["id"])
    place = create(api, "locations", company_id=company["id"], name="Dock 3")
    late, other, solved = (a_ticket(api, company_id=company["id"]) for _ in range(3))
    patch(api, f"tickets/{late['id']}", contact_id=person["id"], location_id=place["id"])
    patch(api, f"tickets/{solved['id']}", status="solved")
    assert numbers(api, "companies", company) is None
    noticed(stage, api, company, person, place)

    advance(api, "2026-03-02T08:01:00Z")

    now = (0, 0, "2026-01-01", "2026-03-02T08:00:00Z")
    assert numbers(api, "companies", company) == (2, *now)
    assert numbers(api, "contacts", person) == numbers(api, "locations", place) == (1, *now)
    ((kind, version, first),) = told(stage, api, company)
    assert (kind, version, first["company_id"]) == ("ticket_summary.created", 1, [None, company["id"]])

    # What changes no number is no news.
    patch(api, f"tickets/{other['id']}", priority="high")
    noticed(stage, api, company)
    advance(api, "2026-03-02T08:05:00Z")
    assert len(told(stage, api, company)) == 1

    # An hour of the working day that begins at nine.
    patch(api, f"tickets/{other['id']}", status="solved")
    advance(api, "2026-03-02T10:00:00Z")
    noticed(stage, api, company, person)
    create(api, f"tickets/{late['id']}/comments", kind="reply", body="On our way.", author_contact_id=person["id"])
    advance(api, "2026-03-02T10:01:00Z")

    late_since_ten = (1, 1, 1, "2026-01-01", "2026-03-02T10:00:00Z")
    assert numbers(api, "companies", company) == numbers(api, "contacts", person) == late_since_ten
    listed = get(api, "companies?include=ticket_summary")["included"]["ticket_summaries"]
    assert listed[company["id"]]["overdue_count"] == 1

    patch(api, f"tickets/{late['id']}", status="solved")
    noticed(stage, api, company)
    advance(api, "2026-03-02T10:05:00Z")
    assert numbers(api, "companies", company) == (0, 0, 1, "2026-01-01", "2026-03-02T10:00:00Z")

    # A quarter begins, though nothing happens.
    advance(api, "2026-04-01T00:01:00Z")
    assert numbers(api, "companies", company) == (0, 0, 0, "2026-04-01", "2026-03-02T10:00:00Z")
    *_, (kind, _, last) = told(stage, api, company)
    assert (kind, last) == (
        "ticket_summary.updated", {"breached_count": [1, 0], "quarter_began_on": ["2026-01-01", "2026-04-01"]},
    )  # fmt: skip


def test_a_sync_key_is_told_the_numbers_and_nothing_of_the_tickets(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    company = a_company(api)
    a_ticket(api, company_id=company["id"])
    noticed(stage, api, company)
    advance(api, "2026-03-02T08:01:00Z")
    roles = {role["slug"]: role["id"] for role in get(api, "roles?limit=100")["data"]}

    def key_of(slug: str) -> str:
        key: str = create(api, "api-keys", name=slug, role_id=roles[slug])["key"]
        return key

    with stage.client(api.tenant, key_of("crm_sync")) as crm, stage.client(api.tenant, key_of("light_agent")) as other:
        seen = numbers(crm, "companies", company)
        tickets = crm.get("/v1/tickets")
        refused = other.get(f"/v1/companies/{company['id']}?include=ticket_summary")

    assert seen == (1, 0, 0, "2026-01-01", "2026-03-02T08:00:00Z")
    assert (tickets.status_code, refused.status_code) == (403, 403)
    assert refused.json()["params"] == {"permission": "ticket-summaries:read"}


def test_tickets_that_go_to_another_client_are_counted_there(sandbox: MakeSandbox, stage: Stage) -> None:
    api = sandbox()
    first, second = a_company(api), a_company(api)
    a_ticket(api, company_id=first["id"])
    noticed(stage, api, first)
    advance(api, "2026-03-02T08:01:00Z")

    merge = create(api, "merges", card_type="company", winner_id=second["id"], loser_ids=[first["id"]])
    noticed(stage, api, second)
    advance(api, "2026-03-02T08:02:00Z")
    assert numbers(api, "companies", second) == (1, 0, 0, "2026-01-01", "2026-03-02T08:00:00Z")

    assert api.post(f"/v1/merges/{merge['id']}/undo").status_code == 200
    noticed(stage, api, first, second)
    advance(api, "2026-03-02T08:03:00Z")
    counts = [numbers(api, "companies", card) for card in (first, second)]
    assert [each[0] for each in counts if each is not None] == [1, 0]
