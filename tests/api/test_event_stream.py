"""The live stream: what is told, that nothing is left out over any number of connections, and when it ends."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.factories import a_company, a_note, a_reply, a_ticket, a_user, create, patch
from tests.jobs.webhooks import settle, until
from tests.stage import Client, Services, Stage
from tests.streams import PATH, a_follower, listeners, listening, streaming

Json = dict[str, Any]


@pytest.fixture
def api(stage: Stage, api: Client) -> Client:
    """Give the client of a tenant whose own beginnings have been told."""
    settle(stage, api)
    return api


@pytest.fixture(scope="module")
def quick(services: Services) -> Iterator[Stage]:
    """Make a stage whose quiet streams give a sign of life, and look at their caller, all the time."""
    with Stage(services, HELPDESK_STREAM_HEARTBEAT_SECONDS="0.1", HELPDESK_STREAMS_OF_CALLER="3") as running:
        yield running


def test_an_event_is_told_as_the_feed_tells_it(stage: Stage, api: Client) -> None:
    with listening(api) as stream:
        create(api, "teams", name="Dispatch")
        told = stream.next()

    settle(stage, api)
    (of_feed,) = api.get("/v1/events", params={"type": "team.created"}).json()["data"]
    assert stream.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.answer.headers["cache-control"] == "no-store"
    assert stream.answer.headers["x-accel-buffering"] == "no"
    assert (told.name, told.data) == ("", of_feed)
    assert 2_000 <= stream.retry < 4_000


def test_the_id_of_an_event_is_the_cursor_behind_it(stage: Stage, api: Client) -> None:
    with listening(api) as stream:
        create(api, "teams", name="First")
        first = stream.next()
        create(api, "teams", name="Second")
        second = stream.next()

    settle(stage, api)
    rest = api.get("/v1/events", params={"after": first.id}).json()["data"]
    assert rest == [second.data]


def test_a_stream_goes_on_from_a_cursor_of_the_feed(stage: Stage, api: Client) -> None:
    cursor = api.get("/v1/events", params={"after": "end"}).json()["page"]["next_cursor"]
    names = [create(api, "teams", name=f"Team {number}")["name"] for number in range(250)]
    settle(stage, api)

    with listening(api, after=cursor) as stream:
        told = [stream.next().data["changes"]["name"][1] for _ in names]
        create(api, "teams", name="Live")
        live = stream.next().data["changes"]["name"][1]

    assert (told, live) == (names, "Live")


def test_the_last_event_id_goes_before_after(api: Client) -> None:
    with listening(api) as stream:
        create(api, "teams", name="First")
        first = stream.next()

    create(api, "teams", name="Second")
    with listening(api, headers={"last-event-id": first.id}, after="end") as stream:
        assert stream.next().data["changes"]["name"] == [None, "Second"]


def test_a_client_that_is_cut_off_again_and_again_misses_nothing_and_hears_nothing_twice(api: Client) -> None:
    count, last_id = 120, ""
    seen: list[str] = []

    def write(number: int) -> None:
        create(api, "teams", name=f"Team {number}")

    with ThreadPoolExecutor(4) as writers:
        with listening(api) as stream:
            last_id = stream.last_id
            writing = [writers.submit(write, number) for number in range(count)]
        # It is cut off after one event, after two, and so on, and once before it has read any.
        for length in range(count):
            if len(seen) == count:
                break
            with listening(api, headers={"last-event-id": last_id}) as stream:
                for _ in range(min(length, count - len(seen))):
                    message = stream.next()
                    seen.append(message.data["changes"]["name"][1])
                    last_id = message.id
        for written in writing:
            written.result()

    assert sorted(seen) == sorted(f"Team {number}" for number in range(count))


def test_a_client_that_is_cut_off_before_the_first_event_goes_on_from_where_it_began(api: Client) -> None:
    with listening(api) as stream:
        start = stream.last_id
    create(api, "teams", name="Meanwhile")

    with listening(api, headers={"last-event-id": start}) as stream:
        assert stream.next().data["changes"]["name"] == [None, "Meanwhile"]


def test_a_quiet_stream_gives_signs_of_life_whose_id_moves_on(quick: Stage) -> None:
    with quick.tenant() as api, listening(api, type="team.*") as stream:
        a_company(api)
        settle(quick, api)
        signs = [stream.read()]
        while types_after(quick, api, stream.last_id):
            signs.append(stream.read())

        assert {sign and (sign.name, sign.data) for sign in signs} == {("", None)}


def types_after(stage: Stage, api: Client, after: str) -> list[str]:
    with stage.client(api.tenant, api.key) as again:
        answer = again.get("/v1/events", params={"after": after})
    return [event["type"] for event in answer.json()["data"]]


def test_only_what_was_asked_for_is_told(api: Client, stage: Stage) -> None:
    team = create(api, "teams", name="Dispatch")
    settle(stage, api)
    with listening(api, type=["team.*", "company.updated"]) as of_types, listening(api, object_id=team["id"]) as of_one:
        company = a_company(api)
        a_ticket(api)
        patch(api, f"companies/{company['id']}", name="Renamed")
        create(api, "teams", name="Other")
        patch(api, f"teams/{team['id']}", name="Renamed")

        assert of_types.until("team.updated") == ["company.updated", "team.created", "team.updated"]
        assert of_one.next().data["object_id"] == team["id"]


@pytest.mark.parametrize("query", [{"type": "team.exploded"}, {"object_type": "teapot"}])
def test_a_type_that_does_not_exist_is_refused(api: Client, query: dict[str, str]) -> None:
    answer = api.get(PATH, params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_event_type")


def test_a_place_that_cannot_be_found_is_told_by_reset_and_the_stream_goes_on_from_now(
    api: Client, stage: Stage
) -> None:
    with stage.tenant() as foreign:
        foreign_cursor = foreign.get("/v1/events").json()["page"]["next_cursor"]
    create(api, "teams", name="Before")
    settle(stage, api)

    for lost in ("nonsense", foreign_cursor, api.get("/v1/events").json()["page"]["next_cursor"][:-2]):
        with streaming(api, after=lost) as stream:
            reset = stream.next()
            create(api, "teams", name=f"After {lost[:20]}")
            told = stream.next()

        assert (reset.name, reset.data["code"]) == ("reset", "cursor_mismatch")
        assert reset.data["cursor"] == reset.id
        assert told.data["changes"]["name"] == [None, f"After {lost[:20]}"]


def test_notes_are_told_only_to_who_may_read_notes(api: Client, stage: Stage) -> None:
    ticket, user = a_ticket(api), a_user(api)
    settle(stage, api)
    scopes = ("events:read", "tickets:read", "comments:read")
    with (
        stage.client(api.tenant, stage.key(api.tenant, scopes)) as without,
        stage.client(api.tenant, stage.key(api.tenant, (*scopes, "notes:read"))) as with_notes,
        listening(without) as blind,
        listening(with_notes) as seeing,
    ):
        a_note(api, ticket, author_user_id=user["id"])
        a_reply(api, ticket, author_user_id=user["id"])

        assert blind.next().type == "ticket.reply_added"
        assert seeing.until("ticket.reply_added")[0] == "ticket.note_added"


def test_contacts_have_no_stream(api: Client, stage: Stage) -> None:
    contact = create(api, "contacts", name="Luca Ferri", portal_role_id=role_of(api, "contact_manager"))
    key = create(api, "api-keys", name="Portal", contact_id=contact["id"])["key"]
    with stage.client(api.tenant, key) as portal:
        answers = [portal.get(PATH), portal.post("/v1/events/stream-tickets")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "missing_permission")] * 2


def role_of(api: Client, slug: str) -> str:
    (found,) = [
        role["id"] for role in api.get("/v1/roles", params={"limit": 200}).json()["data"] if role["slug"] == slug
    ]
    return str(found)


def test_who_sees_some_rows_is_told_of_those_only_as_they_are_now(api: Client, stage: Stage) -> None:
    _, user, key = a_follower(api, reach="assigned")
    other = a_user(api)
    with stage.client(api.tenant, key["key"]) as client, listening(client) as stream:
        hidden = a_ticket(api, assignee_id=other["id"])
        seen = a_ticket(api, assignee_id=user["id"])
        first = stream.next()
        patch(api, f"tickets/{seen['id']}", assignee_id=other["id"])
        patch(api, f"tickets/{seen['id']}", priority="urgent")
        patch(api, f"tickets/{hidden['id']}", assignee_id=user["id"])
        second = stream.next()

    assert (first.type, first.data["object_id"]) == ("ticket.created", seen["id"])
    assert (second.type, second.data["object_id"]) == ("ticket.assigned", hidden["id"])


def test_fields_that_are_hidden_from_the_caller_are_not_told(api: Client, stage: Stage) -> None:
    _, _, key = a_follower(api, field_groups=[])
    team = create(api, "teams", name="Dispatch")
    with stage.client(api.tenant, key["key"]) as client, listening(client, type="ticket.*") as stream:
        a_ticket(api, team_id=team["id"], tags=["secret-tag"])
        told = stream.next()

    assert told.type == "ticket.created"
    assert "team_id" not in told.data["changes"]
    assert "secret-tag" not in json.dumps(told.data)


def test_a_key_that_is_revoked_ends_its_stream_and_nothing_more_is_told(api: Client, stage: Stage) -> None:
    _, _, key = a_follower(api)
    with stage.client(api.tenant, key["key"]) as client, listening(client) as stream:
        create(api, "teams", name="Before")
        told = stream.next()
        api.post(f"/v1/api-keys/{key['id']}/revoke")
        create(api, "teams", name="After")
        last = stream.next()

        assert told.data["changes"]["name"] == [None, "Before"]
        assert (last.name, last.data["code"]) == ("end", "unauthenticated")
        assert stream.read() is None


def test_rights_that_are_taken_away_in_the_middle_hold_for_what_happens_next(api: Client, stage: Stage) -> None:
    role, _, key = a_follower(api)
    with stage.client(api.tenant, key["key"]) as client, listening(client) as stream:
        patch(api, f"roles/{role['id']}", permissions=["events:read", "tickets:read"])
        create(api, "teams", name="After")
        a_ticket(api)
        told = stream.next()
        patch(api, f"roles/{role['id']}", permissions=["tickets:read"])
        a_ticket(api)
        last = stream.next()

    assert told.type == "ticket.created"
    assert (last.name, last.data["code"]) == ("end", "missing_permission")


def test_a_user_who_is_deactivated_hears_nothing_more(api: Client, stage: Stage) -> None:
    _, user, key = a_follower(api)
    with stage.client(api.tenant, key["key"]) as client, listening(client) as stream:
        patch(api, f"users/{user['id']}", is_active=False)
        create(api, "teams", name="After")
        last = stream.next()

    assert (last.name, last.data["code"]) == ("end", "unauthenticated")


def test_a_key_that_expires_ends_its_quiet_stream(quick: Stage) -> None:
    with quick.tenant() as api:
        key = quick.key(api.tenant, ("events:read",), expires_at=datetime.now(UTC) + timedelta(days=1))
        with quick.client(api.tenant, key) as client, listening(client) as stream:
            quick.sql("UPDATE api_keys SET expires_at = now() WHERE tenant_id = $1", api.tenant.id)
            last = stream.next()

    assert (last.name, last.data["code"]) == ("end", "unauthenticated")


def test_only_so_many_streams_are_open_at_once_and_one_that_leaves_makes_room(quick: Stage) -> None:
    with quick.tenant() as api, quick.client(api.tenant, api.key) as other:
        with listening(api), listening(api), listening(api):
            refused = other.get(PATH)
        until(lambda: True if listeners(other) == 0 else None)
        with listening(other) as stream:
            assert stream.last_id

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
    assert refused.headers["retry-after"] == "5"


def test_a_stream_is_counted_while_it_is_open(quick: Stage) -> None:
    with quick.tenant() as api, quick.client(api.tenant, api.key) as other:
        before = listeners(other)
        with listening(api):
            during = listeners(other)
        until(lambda: True if listeners(other) == before else None)

    assert during == before + 1


def test_a_stream_cannot_be_viewed_as_somebody_else(api: Client) -> None:
    answer = api.get(PATH, headers={"x-view-as": "contact:0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"})

    assert (answer.status_code, answer.json()["code"]) == (403, "view_as_read_only")
