"""Who watches tickets, what that shows them, and what becomes of it when people are merged, erased or exported."""

from typing import Any

from tests.api.test_rules import a_rule
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.jobs.test_erasure import erased
from tests.stage import Client, Stage

JSON = dict[str, Any]


def watch(api: Client, ticket: JSON, **person: str) -> JSON:
    """Let somebody watch a ticket."""
    return create(api, "ticket-watchers", ticket_id=ticket["id"], **person)


def watchers(api: Client, ticket: JSON) -> set[str]:
    """Give who watches a ticket."""
    found = get(api, f"ticket-watchers?ticket_id={ticket['id']}")["data"]
    return {each["user_id"] or each["contact_id"] for each in found}


def refusal(api: Client, ticket: JSON, **person: str) -> tuple[int, str, str]:
    answer = api.post("/v1/ticket-watchers", json={"ticket_id": ticket["id"], **person})
    return answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]


def test_staff_and_contacts_of_the_client_watch_each_once(api: Client) -> None:
    company = a_company(api)["id"]
    ours, theirs = a_contact(api, company_id=company)["id"], a_contact(api, company_id=a_company(api)["id"])["id"]
    user, gone = a_user(api)["id"], a_user(api, is_active=False)["id"]
    ticket = a_ticket(api, company_id=company)
    watch(api, ticket, user_id=user)
    made = watch(api, ticket, contact_id=ours)

    refused = [
        refusal(api, ticket, user_id=user),
        refusal(api, ticket, contact_id=ours),
        refusal(api, ticket, contact_id=theirs),
        refusal(api, ticket, user_id=gone),
        refusal(api, ticket, user_id=ours),
        refusal(api, ticket, user_id=user, contact_id=ours),
    ]

    assert refused[:5] == [
        (409, "already_exists", "#/user_id"),
        (409, "already_exists", "#/contact_id"),
        (422, "contact_not_of_company", "#/contact_id"),
        (422, "inactive_user", "#/user_id"),
        (422, "unknown_reference", "#/user_id"),
    ]
    assert refused[5][:2] == (422, "validation_failed")
    assert watchers(api, ticket) == {user, ours}
    assert get(api, f"tickets/{ticket['id']}")["version"] == 1
    assert api.delete(f"/v1/ticket-watchers/{made['id']}").status_code == 204
    assert watchers(api, ticket) == {user}


def test_a_contact_is_shown_what_it_watches_while_that_is_of_its_client_and_staff_no_more(
    api: Client, stage: Stage
) -> None:
    company, other = a_company(api)["id"], a_company(api)["id"]
    roles = {role["slug"]: role["id"] for role in get(api, "roles?limit=50")["data"]}
    contact, user = a_contact(api, company_id=company, portal_role_id=roles["contact"])["id"], a_user(api)["id"]
    ticket, hidden = a_ticket(api, company_id=company), a_ticket(api, company_id=company)
    create(api, f"tickets/{ticket['id']}/comments", kind="note", body="Between us.", author_user_id=user)
    create(api, f"tickets/{ticket['id']}/comments", kind="reply", body="On it.", author_user_id=user)
    watch(api, ticket, contact_id=contact)
    role = create(
        api, "roles", name="Own team", audience="staff", reach="team", company_ids=[], territories=[],
        permissions=["tickets:read"], field_groups=[],
    )["id"]  # fmt: skip
    member = a_user(api, role_id=role)["id"]
    watch(api, ticket, user_id=member)
    keys = [
        create(api, "api-keys", name=f"Key {index}", **holder)["key"]
        for index, holder in enumerate(({"contact_id": contact}, {"user_id": member}))
    ]

    with stage.client(api.tenant, keys[0]) as portal, stage.client(api.tenant, keys[1]) as staff:
        shown = [each["id"] for each in get(portal, "tickets")["data"]]
        said = [each["body"] for each in get(portal, f"tickets/{ticket['id']}/comments")["data"]]
        statuses = [client.get(f"/v1/tickets/{hidden['id']}").status_code for client in (portal, staff)]
        of_staff = staff.get(f"/v1/tickets/{ticket['id']}").status_code
        patch(api, f"tickets/{ticket['id']}", company_id=other)
        moved = portal.get(f"/v1/tickets/{ticket['id']}").status_code

    assert (shown, said) == ([ticket["id"]], ["On it."])
    assert (statuses, of_staff, moved) == ([404, 404], 404, 404)


def test_actions_change_who_watches_and_conditions_ask(api: Client) -> None:
    company = a_company(api)["id"]
    user, contact = a_user(api)["id"], a_contact(api, company_id=company)["id"]
    a_rule(api, actions=[{"action": "add_watchers", "user_ids": [user, user], "contact_ids": [contact]}])
    a_rule(
        api, position=2, condition={"field": "watcher_ids", "op": "contains", "value": user},
        actions=[{"action": "add_tags", "tags": ["watched"]}],
    )  # fmt: skip
    ticket, foreign = a_ticket(api, company_id=company), a_ticket(api, company_id=a_company(api)["id"])
    remove = {"action": "remove_watchers", "user_ids": [user], "contact_ids": []}
    body = {"tickets": [{"ticket_id": ticket["id"]}], "actions": [remove]}

    before = watchers(api, ticket)
    outcomes = [api.post("/v1/tickets/bulk", json=body).json()["items"][0]["outcome"] for _ in range(2)]
    found = api.post("/v1/tickets/search", json={"condition": {"field": "watcher_ids", "op": "is_empty"}}).json()

    assert (before, ticket["tags"], watchers(api, ticket)) == ({user, contact}, ["watched"], {contact})
    assert outcomes == ["changed", "unchanged"]
    assert [each["id"] for each in found["data"]] == [foreign["id"]]
    # Refused for the contact, the rule has let nobody watch.
    (failed,) = get(api, f"rule-runs?ticket_id={foreign['id']}&outcome=failed")["data"]
    assert failed["reason"] == "contact_not_of_company"
    unknown = {**remove, "contact_ids": [user]}
    answer = api.post("/v1/tickets/bulk", json={**body, "actions": [unknown]}).json()
    assert answer["errors"][0]["pointer"] == "#/actions/0/contact_ids/0"


def test_watching_follows_a_merge_is_exported_and_ends_when_somebody_is_erased(api: Client) -> None:
    company = a_company(api)["id"]
    winner, loser = (a_contact(api, company_id=company)["id"] for _ in range(2))
    one, both = a_ticket(api, company_id=company), a_ticket(api, company_id=company)
    watch(api, one, contact_id=loser)
    for contact in (winner, loser):
        watch(api, both, contact_id=contact)

    create(api, "merges", card_type="contact", winner_id=winner, loser_ids=[loser])

    assert (watchers(api, one), watchers(api, both)) == ({winner}, {winner})
    export = get(api, f"contacts/{winner}/export")
    assert {each["ticket_id"] for each in export["watched"]} == {one["id"], both["id"]}
    erased(api, f"contacts/{winner}", reason="Asked for.")
    assert (watchers(api, one), watchers(api, both)) == (set(), set())
