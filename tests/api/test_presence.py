"""Who is at a ticket: seen by colleagues while it lasts, by no client, and gone without Valkey."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.factories import a_contact, a_ticket, a_user, create, get
from tests.jobs.webhooks import settle
from tests.stage import Client, Services, Stage
from tests.streams import a_follower, listening

Json = dict[str, Any]


def say(api: Client, ticket: Json, state: str, **who: object) -> httpx2.Response:
    return api.put(f"/v1/tickets/{ticket['id']}/presence", json={"state": state, **who})


def present(api: Client, ticket: Json) -> list[tuple[str, str]]:
    found = get(api, f"tickets/{ticket['id']}/presence")["data"]
    return [(mark["user_id"], mark["state"]) for mark in found]


def test_who_is_at_a_ticket_is_seen_until_they_leave(api: Client) -> None:
    ticket, ada, ben = a_ticket(api), a_user(api), a_user(api)

    viewing = say(api, ticket, "viewing", user_id=ada["id"])
    say(api, ticket, "viewing", user_id=ben["id"])
    say(api, ticket, "typing", user_id=ben["id"])
    both = present(api, ticket)
    left = api.delete(f"/v1/tickets/{ticket['id']}/presence/{ben['id']}")

    lasts = datetime.fromisoformat(viewing.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=20) < lasts <= timedelta(seconds=30)
    assert both == sorted([(ada["id"], "viewing"), (ben["id"], "typing")])
    assert left.status_code == 204
    assert present(api, ticket) == [(ada["id"], "viewing")]
    assert present(api, a_ticket(api)) == []


def test_a_mark_fades_by_itself(api: Client, stage: Stage) -> None:
    ticket, ada = a_ticket(api), a_user(api)
    say(api, ticket, "viewing", user_id=ada["id"])

    async def later() -> int:
        presence, seconds = stage.runtime.presence, timedelta(seconds=31)
        tenant, object_id = api.tenant.id, type(api.tenant.id)(ticket["id"])
        assert len(await presence.of(tenant, object_id, datetime.now(UTC))) == 1
        return len(await presence.of(tenant, object_id, datetime.now(UTC) + seconds))

    assert stage.run(later()) == 0


def test_it_leaves_no_trace_in_ticket_and_feed(api: Client, stage: Stage) -> None:
    ticket, ada = a_ticket(api), a_user(api)
    settle(stage, api)
    before = api.get("/v1/events").json()["data"]

    say(api, ticket, "typing", user_id=ada["id"])

    settle(stage, api)
    assert api.get("/v1/events").json()["data"] == before
    assert get(api, f"tickets/{ticket['id']}")["version"] == 1


def test_a_user_tells_of_themselves_only_and_an_integration_of_somebody_who_exists(api: Client, stage: Stage) -> None:
    ticket, other = a_ticket(api), a_user(api)
    _, user, key = a_follower(api, permissions=["notes:read", "notes:write"])

    with stage.client(api.tenant, key["key"]) as own:
        answers = [
            say(own, ticket, "viewing"),
            say(own, ticket, "viewing", user_id=other["id"]),
            say(api, ticket, "viewing"),
            say(api, ticket, "viewing", user_id=ticket["id"]),
            say(api, ticket, "sleeping", user_id=other["id"]),
        ]

    codes = [answer.json().get("code") for answer in answers]
    expected = [None, "not_own_name", "author_required", "unknown_reference", "validation_failed"]
    assert codes == expected
    assert present(api, ticket) == [(user["id"], "viewing")]


def test_a_ticket_of_another_tenant_has_nobody_to_see(api: Client, stage: Stage) -> None:
    with stage.tenant() as foreign:
        ticket = a_ticket(foreign)
        answers = [
            api.get(f"/v1/tickets/{ticket['id']}/presence"),
            say(api, ticket, "viewing", user_id=a_user(api)["id"]),
            api.delete(f"/v1/tickets/{ticket['id']}/presence/{ticket['id']}"),
        ]

    assert [answer.status_code for answer in answers] == [404] * 3


def test_no_client_sees_who_reads_their_ticket(api: Client, stage: Stage) -> None:
    roles = {role["slug"]: role["id"] for role in get(api, "roles?limit=200")["data"]}
    contact = a_contact(api, portal_role_id=roles["contact_manager"])
    ticket = a_ticket(api, contact_id=contact["id"])
    say(api, ticket, "viewing", user_id=a_user(api)["id"])
    key = create(api, "api-keys", name="Portal", contact_id=contact["id"])["key"]

    with stage.client(api.tenant, key) as portal:
        readable = portal.get(f"/v1/tickets/{ticket['id']}").status_code
        answers = [portal.get(f"/v1/tickets/{ticket['id']}/presence"), say(portal, ticket, "viewing")]

    assert readable == 200
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "missing_permission")] * 2


def test_the_stream_tells_it_to_who_asked_and_may_see_the_ticket(api: Client, stage: Stage) -> None:
    ada = a_user(api)
    _, user, narrow = a_follower(api, permissions=["events:read", "tickets:read", "notes:read"], reach="assigned")
    _, _, blind = a_follower(api, name="Blind", permissions=["events:read", "tickets:read"])
    theirs, others = a_ticket(api, assignee_id=user["id"]), a_ticket(api)
    settle(stage, api)
    with (
        stage.client(api.tenant, narrow["key"]) as narrow_client,
        stage.client(api.tenant, blind["key"]) as blind_client,
        listening(api, presence="true") as whole,
        listening(narrow_client, presence="true") as narrowed,
        listening(blind_client, presence="true") as without_notes,
        listening(api) as without_asking,
    ):
        for ticket in (others, theirs):
            say(api, ticket, "typing", user_id=ada["id"])
        told = [whole.next(), whole.next()]
        told_narrowed = narrowed.next()
        api.delete(f"/v1/tickets/{theirs['id']}/presence/{ada['id']}")
        gone = whole.next()
        a_ticket(api, assignee_id=user["id"])
        following = [stream.next().type for stream in (without_notes, without_asking)]

    assert [(message.name, message.data["ticket_id"]) for message in told] == [
        ("presence", others["id"]),
        ("presence", theirs["id"]),
    ]
    assert {message.id for message in told} == {told[0].id}
    assert told[0].data | {"expires_at": ""} == {
        "ticket_id": others["id"], "user_id": ada["id"], "state": "typing", "expires_at": "",
    }  # fmt: skip
    assert told_narrowed.data["ticket_id"] == theirs["id"]
    assert (gone.data["ticket_id"], gone.data["state"]) == (theirs["id"], "gone")
    assert following == ["ticket.created"] * 2


@pytest.fixture(scope="module")
def without_valkey(services: Services) -> Iterator[Stage]:
    with Stage(services, HELPDESK_REDIS_URL="redis://127.0.0.1:1/0") as running:
        yield running


def test_without_valkey_nobody_is_anywhere_and_nothing_fails(without_valkey: Stage) -> None:
    with without_valkey.tenant() as api:
        ticket, ada = a_ticket(api), a_user(api)

        said = say(api, ticket, "viewing", user_id=ada["id"])

        assert said.status_code == 200
        assert present(api, ticket) == []
