"""The event feed over HTTP: in order, to the end and on from there, by type and by object."""

from typing import Any, Protocol

import pytest

from tests.conftest import MakeSandbox
from tests.jobs.webhooks import create, settle
from tests.stage import Client, Stage, an_id


class Feed(Protocol):
    """Reads the feed after all that was written is settled."""

    def __call__(self, api: Client, **query: str | int | list[str]) -> dict[str, Any]:
        """Read one page."""


@pytest.fixture
def feed(stage: Stage) -> Feed:
    def read(api: Client, **query: str | int | list[str]) -> dict[str, Any]:
        settle(stage, api)
        answer = api.get("/v1/events", params=query)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    return read


def types(answer: dict[str, Any]) -> list[str]:
    return [event["type"] for event in answer["data"]]


def of_resources(answer: dict[str, Any]) -> list[str]:
    """Leave out the key that the stage issued to the tenant."""
    return [name for name in types(answer) if name != "api_key.created"]


def test_an_event_tells_what_changed_from_what_to_what_and_who_did_it(sandbox: MakeSandbox, feed: Feed) -> None:
    api = sandbox()
    company = create(api, "companies", name="Alpine Dairy")
    key = api.get("/v1/api-keys").json()["data"][0]

    patched = api.patch(f"/v1/companies/{company['id']}", json={"name": "Alpine Dairies"})

    (event,) = feed(api, type="company.updated")["data"]
    assert event | {"id": None} == {
        "id": None,
        "type": "company.updated",
        "object_type": "company",
        "object_id": company["id"],
        "object_version": 2,
        "changes": {"name": ["Alpine Dairy", "Alpine Dairies"]},
        "data": {},
        "actor": {"type": "api_key", "id": key["id"]},
        "cause": {"type": "request", "id": patched.headers["x-request-id"]},
        "occurred_at": "2026-03-02T08:00:00Z",
    }
    assert api.get(f"/v1/events/{event['id']}").json() == event


def test_a_follower_reads_page_by_page_and_then_waits_at_the_end(api: Client, feed: Feed) -> None:
    for name in ("one", "two", "three"):
        create(api, "teams", name=name)

    first = feed(api, limit=2, type="team.*")
    rest = feed(api, limit=2, type="team.*", after=first["page"]["next_cursor"])
    nothing = feed(api, type="team.*", after=rest["page"]["next_cursor"])
    create(api, "teams", name="four")
    new = feed(api, type="team.*", after=nothing["page"]["next_cursor"])

    names = [[event["changes"]["name"][1] for event in page["data"]] for page in (first, rest, nothing, new)]
    assert names == [["one", "two"], ["three"], [], ["four"]]
    assert [page["page"]["has_more"] for page in (first, rest, nothing, new)] == [True, False, False, False]


def test_one_may_start_at_the_end(api: Client, feed: Feed) -> None:
    create(api, "teams", name="one")
    start = feed(api, after="end")
    create(api, "teams", name="two")

    assert (start["data"], start["page"]["has_more"]) == ([], False)
    assert types(feed(api, after=start["page"]["next_cursor"])) == ["team.created"]


def test_a_cursor_holds_for_every_filter(api: Client, feed: Feed) -> None:
    create(api, "teams", name="one")
    position = feed(api, type="company.*")["page"]["next_cursor"]
    create(api, "companies", name="Alpine Dairy")

    assert types(feed(api, after=position)) == ["company.created"]


def test_the_history_of_an_object_is_the_feed_narrowed_to_it(api: Client, feed: Feed) -> None:
    team = create(api, "teams", name="one")
    create(api, "teams", name="two")
    api.patch(f"/v1/teams/{team['id']}", json={"name": "uno"})
    api.delete(f"/v1/teams/{team['id']}")

    history = feed(api, object_id=team["id"])

    assert types(history) == ["team.created", "team.updated", "team.deleted"]
    assert history["data"][2]["changes"] == {"name": ["uno", None]}


def test_filters_take_any_of_several_and_narrow_each_other(api: Client, feed: Feed) -> None:
    create(api, "teams", name="one")
    create(api, "companies", name="Alpine Dairy")

    assert of_resources(feed(api, type=["team.created", "company.*"])) == ["team.created", "company.created"]
    assert of_resources(feed(api, type=["*"], object_type="company")) == ["company.created"]
    assert feed(api, type="team.*", object_type="company")["data"] == []


def test_a_change_without_effect_and_a_refused_one_leave_no_event(api: Client, feed: Feed) -> None:
    team = create(api, "teams", name="one")
    api.patch(f"/v1/teams/{team['id']}", json={"name": "one"})
    api.post("/v1/teams", json={"name": "one"})

    assert types(feed(api, type="team.*")) == ["team.created"]


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ({"after": "nonsense"}, "cursor_mismatch", "#/after"),
        ({"after": ""}, "cursor_mismatch", "#/after"),
        ({"type": "ticket"}, "unknown_event_type", "#/type"),
        ({"type": "ticket.exploded"}, "unknown_event_type", "#/type"),
        ({"object_type": "tickets"}, "unknown_event_type", "#/object_type"),
        ({"cursor": "x"}, "validation_failed", "#/cursor"),
        ({"limit": "0"}, "validation_failed", "#/limit"),
        ({"object_id": "1"}, "validation_failed", "#/object_id/0"),
    ],
)
def test_what_the_feed_does_not_know_is_refused(api: Client, query: dict[str, str], code: str, pointer: str) -> None:
    answer = api.get("/v1/events", params=query)

    assert answer.status_code == (400 if code == "cursor_mismatch" else 422)
    assert (answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (code, pointer)


def test_a_cursor_of_another_tenant_or_list_is_refused(stage: Stage, api: Client, feed: Feed) -> None:
    create(api, "teams", name="one")
    create(api, "teams", name="two")
    with stage.tenant() as other:
        foreign = feed(other)["page"]["next_cursor"]
    listed = api.get("/v1/teams", params={"limit": 1}).json()["page"]["next_cursor"]

    for cursor in (foreign, listed):
        answer = api.get("/v1/events", params={"after": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_mismatch")


def test_events_of_another_tenant_are_not_there(stage: Stage, api: Client, feed: Feed) -> None:
    create(api, "teams", name="one")
    event = feed(api, type="team.created")["data"][0]

    with stage.tenant() as other:
        foreign = other.get(f"/v1/events/{event['id']}")
        missing = other.get(f"/v1/events/{an_id()}")
        assert "team.created" not in types(feed(other))
        assert feed(other, object_id=event["object_id"])["data"] == []

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["code"] == missing.json()["code"] == "not_found"


def test_the_feed_needs_a_permission_of_its_own(stage: Stage, api: Client) -> None:
    key = stage.key(api.tenant, ("tickets:read",))

    with stage.client(api.tenant, key) as limited:
        for path in ("/v1/events", f"/v1/events/{an_id()}", "/v1/event-types"):
            answer = limited.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")
