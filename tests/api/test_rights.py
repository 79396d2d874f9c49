"""What people may do with their rights: give them on, act in their own name, look as others do, be shown an address."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.people import People, a_contact, a_ticket, people
from tests.factories import create, get
from tests.stage import Client, Stage


@pytest.fixture(scope="module")
def made(stage: Stage) -> Iterator[People]:
    """Give a tenant with people of every kind."""
    with people(stage) as found:
        yield found


def refusal(client: Client, method: str, path: str, **sent: object) -> tuple[int, str, str]:
    """Call and give status, code and the pointer of what was refused."""
    answer = client.request(method, f"/v1/{path}", **sent)  # type: ignore[arg-type]  # whatever the test sends.
    problem = answer.json()
    return answer.status_code, problem["code"], problem["errors"][0]["pointer"] if problem["errors"] else ""


def test_whoever_asks_learns_who_it_is_and_what_it_may(made: People) -> None:
    told = get(made.client("contractor"), "me")
    company_id = made.own["companies"]

    assert (told["type"], told["name"], told["tenant"]["id"]) == ("user", "contractor", str(made.api.tenant.id))
    assert [get(made.client(name), "me")["name"] for name in ("contact", "crm_sync")] == ["contact", "crm_sync"]
    assert told["permissions"] == [
        *("comments:read", "comments:write", "custom-fields:read", "files:read", "files:write"),
        *("ticket-links:read", "tickets:create", "tickets:read", "tickets:write"),
    ]  # fmt: skip
    assert told["field_groups"] == ["ticket.internal"]
    assert told["reach"] == {"kind": "team", "team_ids": [made.own["teams"]], "company_ids": [], "territories": []}
    assert get(made.client("contact_manager"), "me")["reach"] == {
        "kind": "company", "team_ids": [], "company_ids": [company_id], "territories": []
    }  # fmt: skip
    assert get(made.client("admin"), "me")["permissions"] == sorted(
        permission["name"] for permission in get(made.api, "permissions")["permissions"]
    )


def test_a_client_opens_tickets_for_itself_and_not_for_strangers(made: People) -> None:
    contact, stranger = made.client("contact"), made.hidden["contacts"]
    me = get(contact, "me")["id"]

    opened = create(contact, "tickets", subject="It is broken")

    assert (opened["contact_id"], opened["company_id"]) == (me, made.own["companies"])
    assert (opened["channel"], opened["tags"], opened["team_id"]) == ("portal", [], None)
    assert refusal(contact, "POST", "tickets", json={"subject": "x", "contact_id": stranger}) == (
        422, "unknown_reference", "#/contact_id"
    )  # fmt: skip
    assert refusal(contact, "POST", "tickets", json={"subject": "x", "company_id": made.hidden["companies"]}) == (
        422, "contact_not_of_company", "#/contact_id"
    )  # fmt: skip
    for field, value in (("status", "closed"), ("channel", "phone"), ("tags", ["vip"]), ("team_id", None)):
        assert refusal(contact, "POST", "tickets", json={"subject": "x", field: value}) == (
            403, "field_not_allowed", f"#/{field}"
        )  # fmt: skip


def test_a_list_cannot_be_narrowed_by_a_field_that_is_not_shown(made: People) -> None:
    contact = made.client("contact")

    assert refusal(contact, "GET", "tickets?tag=inside") == (403, "field_not_allowed", "#/tag")
    assert refusal(contact, "GET", f"tickets?team_id={made.own['teams']}") == (403, "field_not_allowed", "#/team_id")
    assert contact.get("/v1/tickets", params={"status": "new"}).status_code == 200


def test_people_write_under_their_own_name(made: People) -> None:
    ticket = f"tickets/{made.own['tickets']}/comments"
    agent, contact = made.client("agent"), made.client("contact")
    agent_id, contact_id = get(agent, "me")["id"], get(contact, "me")["id"]

    written = [create(client, ticket, kind="reply", body="Hm.") for client in (agent, contact)]

    assert [comment["author_user_id"] for comment in written] == [agent_id, None]
    assert [comment["author_contact_id"] for comment in written] == [None, contact_id]
    assert refusal(agent, "POST", ticket, json={"kind": "reply", "body": "x", "author_contact_id": contact_id}) == (
        403, "not_own_name", "#/author_contact_id"
    )  # fmt: skip
    assert refusal(contact, "POST", ticket, json={"kind": "reply", "body": "x", "author_user_id": agent_id}) == (
        403, "not_own_name", "#/author_user_id"
    )  # fmt: skip
    assert refusal(contact, "POST", ticket, json={"kind": "note", "body": "x"})[:2] == (403, "missing_permission")
    assert refusal(made.client("light_agent"), "POST", ticket, json={"kind": "reply", "body": "x"})[:2] == (
        403, "missing_permission"
    )  # fmt: skip
    assert refusal(made.api, "POST", ticket, json={"kind": "reply", "body": "x"}) == (
        422, "author_required", "#/author_user_id"
    )  # fmt: skip


def test_a_client_manager_invites_colleagues_and_nobody_else(made: People) -> None:
    manager = made.client("contact_manager")

    invited = create(manager, "contacts", name="New colleague", portal_role_id=made.roles["contact"])

    assert invited["company_id"] == made.own["companies"]
    assert refusal(
        manager, "POST", "contacts", json={"name": "x", "company_id": made.hidden["companies"]}
    ) == (422, "unknown_reference", "#/company_id")  # fmt: skip
    assert refusal(manager, "POST", "contacts", json={"name": "x", "notes": "y"}) == (
        403, "field_not_allowed", "#/notes"
    )  # fmt: skip
    assert refusal(manager, "POST", "contacts", json={"name": "x", "portal_role_id": made.roles["agent"]})[:2] == (
        422, "unknown_reference"
    )  # fmt: skip


def test_nobody_gives_more_than_he_has(made: People) -> None:
    api = made.api
    hr = create(
        api,
        "roles",
        name="HR",
        permissions=["users:read", "users:write", "roles:write", "roles:read"],
        reach="all",
        field_groups=["staff.contact_details"],
    )
    user = create(api, "users", name="HR", email="hr@service.example", role_id=hr["id"])
    key = create(api, "api-keys", name="HR", user_id=user["id"])["key"]
    admin_id = get(made.client("admin"), "me")["id"]

    with made.stage.client(api.tenant, key) as client:
        new = {"name": "x", "email": "x@service.example"}
        assert refusal(client, "POST", "users", json=new | {"role_id": made.roles["admin"]}) == (
            403, "role_exceeds_own", "#/role_id"
        )  # fmt: skip
        assert refusal(client, "PATCH", f"users/{user['id']}", json={"role_id": made.roles["admin"]}) == (
            403, "role_exceeds_own", "#/role_id"
        )  # fmt: skip
        # Whoever had the administrator's address could have the administrator's password set anew.
        assert refusal(client, "PATCH", f"users/{admin_id}", json={"email": "mine@service.example"}) == (
            403, "role_exceeds_own", "#/role_id"
        )  # fmt: skip
        wider = {"name": "Wider", "permissions": ["tickets:read"], "reach": "all"}
        assert refusal(client, "POST", "roles", json=wider)[:2] == (403, "role_exceeds_own")
        assert refusal(client, "PATCH", f"roles/{hr['id']}", json={"field_groups": ["*"]})[:2] == (
            403, "role_exceeds_own"
        )  # fmt: skip
        assert client.post("/v1/users", json=new).status_code == 201


def test_a_role_is_what_its_audience_and_reach_allow(made: People) -> None:
    api = made.api
    role = {"name": "Odd", "permissions": ["tickets:read"], "reach": "all"}

    for wrong, expected in (
        ({"reach": "own"}, (422, "reach_mismatch", "#/reach")),
        ({"reach": "companies"}, (422, "reach_mismatch", "#/company_ids")),
        ({"territories": ["north"]}, (422, "reach_mismatch", "#/territories")),
        ({"permissions": ["tickets:fly"]}, (422, "unknown_permission", "#/permissions/0")),
        ({"field_groups": ["tea"]}, (422, "unknown_field_group", "#/field_groups/0")),
        (
            {"audience": "contact", "reach": "own", "permissions": ["users:read"]},
            (422, "not_for_contacts", "#/permissions/0"),
        ),
    ):
        assert refusal(api, "POST", "roles", json=role | wrong) == expected
    built_in = f"roles/{made.roles['agent']}"
    assert refusal(api, "PATCH", built_in, json={"name": "x"})[:2] == (409, "built_in_role")
    assert refusal(api, "DELETE", built_in)[:2] == (409, "built_in_role")


def test_a_changed_role_holds_at_once_for_who_is_looked_up_again(made: People) -> None:
    api = made.api
    role = create(api, "roles", name="Shrinking", permissions=["tickets:read", "teams:read"], reach="all")
    user = create(api, "users", name="x", email="shrinking@service.example", role_id=role["id"])
    keys = [create(api, "api-keys", name="x", user_id=user["id"])["key"] for _ in range(3)]

    def status(key: str) -> int:
        with made.stage.client(api.tenant, key) as client:
            return client.get("/v1/teams").status_code

    assert status(keys[0]) == 200
    api.patch(f"/v1/roles/{role['id']}", json={"permissions": ["tickets:read"]})
    assert status(keys[1]) == 403
    api.patch(f"/v1/users/{user['id']}", json={"is_active": False})
    assert status(keys[2]) == 401


def test_a_key_that_stands_for_somebody_may_be_narrowed_but_not_widened(made: People) -> None:
    api = made.api
    user = create(
        api, "users", name="x", email="narrowed@service.example", role_id=made.roles["agent"]
    )  # fmt: skip
    key = create(
        api, "api-keys", name="x", user_id=user["id"], scopes=["tickets:read", "api-keys:write"],
        field_groups=["ticket.internal", "client.contact_details"],
    )["key"]  # fmt: skip

    with made.stage.client(api.tenant, key) as client:
        told = get(client, "me")

    assert (told["type"], told["id"]) == ("user", user["id"])
    assert (told["permissions"], told["field_groups"]) == (["tickets:read"], ["ticket.internal"])
    twice = {"name": "x", "user_id": user["id"], "role_id": made.roles["agent"]}
    assert refusal(api, "POST", "api-keys", json=twice) == (422, "several_holders", "#/role_id")
    assert refusal(api, "POST", "api-keys", json={"name": "x"}) == (422, "nothing_granted", "#/scopes")
    assert refusal(api, "POST", "api-keys", json={"name": "x", "role_id": made.roles["contact"]}) == (
        422, "reach_mismatch", "#/role_id"
    )  # fmt: skip


def test_cards_are_looked_up_by_what_one_knows_and_not_listed(made: People) -> None:
    agent = made.client("agent")
    known = get(made.api, f"contacts/{made.own['contacts']}")

    found = agent.get("/v1/contacts", params={"email": known["emails"][0]}).json()["data"]

    assert [contact["id"] for contact in found] == [known["id"]]
    first, domain = known["emails"][0][0], known["emails"][0].partition("@")[2]
    assert (found[0]["emails"], found[0]["phones"]) == ([f"{first}•••@{domain}"], ["+39•••34"])
    for path in ("contacts", "companies", "contacts?sort=name", "companies?include_total=true&name=x"):
        assert refusal(agent, "GET", path)[:2] == (403, "missing_permission")


def test_an_address_is_shown_for_a_ticket_of_ones_own_with_a_reason(made: People) -> None:
    agent, contact_id = made.client("agent"), made.own["contacts"]
    known = get(made.api, f"contacts/{contact_id}")
    asked = {"ticket_id": made.own["tickets"], "reason": "To call back."}

    shown = agent.post(f"/v1/contacts/{contact_id}/reveal", json=asked)

    assert shown.status_code == 200, shown.text
    assert (shown.json()["emails"], shown.json()["phones"]) == (known["emails"], known["phones"])
    made.settle()
    (event,) = made.api.get("/v1/events", params={"type": "contact.revealed", "object_id": contact_id}).json()["data"]
    assert (event["actor"], event["data"]) == ({"type": "user", "id": get(agent, "me")["id"]}, asked)
    strange = {"ticket_id": made.hidden["tickets"], "reason": "Curious."}
    assert refusal(agent, "POST", f"contacts/{contact_id}/reveal", json=strange)[:2] == (403, "not_own_ticket")
    assert refusal(agent, "POST", f"contacts/{made.hidden['contacts']}/reveal", json=strange)[:2] == (
        403, "not_own_ticket"
    )  # fmt: skip


def test_addresses_are_shown_thirty_times_an_hour(made: People) -> None:
    user = create(
        made.api, "users", name="Busy", email="busy@service.example", role_id=made.roles["agent"],
        team_id=made.own["teams"],
    )  # fmt: skip
    key = create(made.api, "api-keys", name="x", user_id=user["id"])["key"]
    asked = {"ticket_id": made.own["tickets"], "reason": "To call back."}

    with made.stage.client(made.api.tenant, key) as client:
        answers = [client.post(f"/v1/contacts/{made.own['contacts']}/reveal", json=asked) for _ in range(31)]

    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert answers[-1].json()["code"] == "too_many_reveals"
    assert 3500 < int(answers[-1].headers["retry-after"]) <= 3600


def at_any_second(answer: httpx2.Response) -> str:
    """Give an answer without what grows smaller while it is read."""
    return re.sub(r'"remaining_seconds":-?\d+', "", answer.text)


def test_a_read_can_be_looked_at_as_somebody_else(made: People) -> None:
    admin, contact = made.client("admin"), made.client("contact")
    me = get(contact, "me")["id"]
    paths = ("/v1/me", "/v1/tickets", f"/v1/tickets/{made.hidden['tickets']}", "/v1/contacts", "/v1/users")

    for path in paths:
        own = contact.get(path)
        viewed = admin.get(path, headers={"x-view-as": f"contact:{me}"})

        assert viewed.status_code == own.status_code, path
        if own.status_code == 200:
            assert at_any_second(viewed) == at_any_second(own), path
    made.settle()
    events = made.api.get("/v1/events", params={"type": "contact.viewed_as"}).json()["data"]
    assert [event["data"] for event in events if event["object_id"] == me] == [{"route": path} for path in paths]


def test_viewing_as_another_needs_a_right_is_for_reading_and_shows_no_more(made: People) -> None:
    admin, agent = made.client("admin"), made.client("agent")
    as_contact = {"x-view-as": f"contact:{made.own['contacts']}"}

    assert refusal(agent, "GET", "me", headers=as_contact)[:2] == (403, "missing_permission")
    assert refusal(admin, "POST", "teams", json={"name": "x"}, headers=as_contact) == (
        403, "view_as_read_only", "#/X-View-As"
    )  # fmt: skip
    assert refusal(admin, "GET", "me", headers={"x-view-as": "contact:me"}) == (
        422, "invalid_view_as", "#/X-View-As"
    )  # fmt: skip
    assert refusal(admin, "GET", "me", headers={"x-view-as": f"contact:{made.own['tickets']}"})[0] == 404
    assert refusal(admin, "GET", "me", headers={"x-view-as": f"contact:{made.hidden['contacts']}"})[0] == 404
    viewer = create(made.api, "roles", name="Viewer", permissions=["view-as:use", "tickets:read"], reach="all")
    with made.stage.client(made.api.tenant, create(made.api, "api-keys", name="x", role_id=viewer["id"])["key"]) as few:
        assert refusal(few, "GET", "me", headers={"x-view-as": f"role:{made.roles['admin']}"}) == (
            403, "view_as_exceeds_own", "#/X-View-As"
        )  # fmt: skip
    for whom in (f"role:{made.roles['agent']}", f"api_key:{made.ids['crm_sync']}", f"user:{made.own['users']}"):
        assert admin.get("/v1/me", headers={"x-view-as": whom}).status_code == 200


def test_the_feed_tells_what_may_be_read_with_the_fields_that_are_shown(made: People) -> None:
    ticket = a_ticket(made, made.own, "told")
    contact = a_contact(made.api, "told", made.own["companies"])
    narrowed, sync = made.client("of_companies"), made.client("crm_sync")
    made.settle()

    def told(client: Client, object_id: str) -> list[dict[str, object]]:
        events = client.get("/v1/events", params={"object_id": object_id}).json()["data"]
        return [event["changes"] for event in events]

    assert told(sync, ticket) == []
    assert told(narrowed, made.hidden["tickets"]) == []
    changes, *_ = told(narrowed, ticket)
    assert {"subject", "company_id"} <= changes.keys()
    assert changes.keys().isdisjoint({"tags", "team_id", "assignee_id"})
    assert "emails" in told(sync, contact["id"])[0]
    assert "emails" not in told(narrowed, contact["id"])[0]


def test_an_endpoint_is_subscribed_only_to_what_its_maker_may_read(made: People) -> None:
    permissions = ["webhook-endpoints:write", "tickets:read", "companies:read"]
    limited = create(made.api, "api-keys", name="x", scopes=permissions)["key"]
    endpoint = {"url": "https://hooks.client.example/x", "is_enabled": False}
    role = {"name": "Of ours", "permissions": permissions, "reach": "companies", "company_ids": [made.own["companies"]]}
    narrowed = create(made.api, "api-keys", name="x", role_id=create(made.api, "roles", **role)["id"])["key"]

    with made.stage.client(made.api.tenant, limited) as client:
        created = create(client, "webhook-endpoints", **endpoint, event_types=["company.*", "ticket.status_changed"])
        for types in (["*"], ["contact.created"], ["ticket.note_added"], ["ticket.*"]):
            for method, path in (("POST", "webhook-endpoints"), ("PATCH", f"webhook-endpoints/{created['id']}")):
                body = (endpoint if method == "POST" else {}) | {"event_types": types}
                assert refusal(client, method, path, json=body)[:2] == (403, "missing_permission")
    with made.stage.client(made.api.tenant, narrowed) as client:
        assert refusal(client, "POST", "webhook-endpoints", json=endpoint | {"event_types": ["company.*"]}) == (
            403, "reach_too_narrow", "#/event_types"
        )  # fmt: skip
