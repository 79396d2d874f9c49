"""Old events: what goes from the log, what the feed then says, and that the trail still proves the rest."""

from datetime import UTC, datetime
from typing import Any

import pytest

from helpdesk_api.identity.audit_verification import Verification, verify
from helpdesk_api.kit.id_times import first_id
from helpdesk_api.retention.rules import BUSINESS_EVENTS
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from tests.conftest import MakeSandbox
from tests.contract.stored_rows import webhook_delivery
from tests.factories import a_company, create, get, patch
from tests.jobs.webhooks import events, settle
from tests.retention import advance_to, apply_rules, long_ago
from tests.seals import seal_now
from tests.stage import Client, Stage
from tests.streams import streaming

Json = dict[str, Any]

# Reviewed: what is kept as the business of the desk; a type that is not among it is kept as security.
SECURITY_OBJECTS = {
    "act", "api_key", "coverage_settings", "crm_source", "custom_field", "erasure", "export", "file",
    "identity_provider", "import", "inbound_hook", "macro", "person", "price_item", "price_list", "retention_run",
    "retention_settings", "role", "rule", "session", "sign_in_settings", "sync_conflict", "tenant", "ticket_line",
    "ticket_plan", "ticket_plan_occurrence", "ticket_settings", "user",
}  # fmt: skip


def verified(stage: Stage, api: Client) -> Verification:
    return stage.run(verify(stage.runtime.db, api.tenant.id))


def seals(api: Client) -> list[int]:
    return sorted(seal["number"] for seal in get(api, "audit/seals")["data"])


def feed(api: Client, **query: str) -> Any:  # noqa: ANN401 - whatever is answered.
    return api.get("/v1/events", params={"limit": "200", **query})


@pytest.fixture
def desk(stage: Stage, sandbox: MakeSandbox) -> Client:
    """Give a sandbox in which a year has passed since a company was created and changed; all of it is in three seals.

    When a minute of real time ends meanwhile, a worker seals what was recorded in it by itself: then there is another.
    """
    while True:
        api = a_year_later(stage, sandbox())
        if verified(stage, api).seal_count == 3:
            return api


def a_year_later(stage: Stage, api: Client) -> Client:
    company = a_company(api)
    seal_now(stage, api)
    patch(api, f"companies/{company['id']}", notes="Rings twice.")
    seal_now(stage, api)
    advance_to(stage, api, "2027-03-02T08:00:00Z")
    a_company(api, name="Young")
    seal_now(stage, api)
    return api


def test_every_event_is_kept_as_business_or_as_security() -> None:
    security = {event_type.object_type for name, event_type in EVENT_TYPES.items() if name not in BUSINESS_EVENTS}

    assert security - {"contact", "webhook_endpoint"} == SECURITY_OBJECTS


def test_old_events_go_by_the_time_of_the_tenant_and_those_of_security_stay(stage: Stage, desk: Client) -> None:
    patch(desk, "retention-settings", events_days=30)

    run = apply_rules(desk)

    assert run["counts"] == {"events": 2}
    left = [entry["type"] for entry in get(desk, "audit?limit=200")["data"]]
    assert left == [
        "retention_run.completed",
        "retention_run.events_purged",
        "retention_run.created",
        "retention_settings.updated",
        "company.created",
        "test_clock.advanced",
        "api_key.created",
    ]
    found = verified(stage, desk)
    # The four of the run itself may be sealed by now, when a minute has ended.
    assert (found.broken, found.event_count + found.unsealed_count) == (None, 3 + 4)
    assert seals(desk)[:3] == [1, 2, 3]


def test_what_was_removed_is_told_in_the_log_itself(stage: Stage, desk: Client) -> None:
    patch(desk, "retention-settings", events_days=30)

    run = apply_rules(desk)

    (told,) = events(stage, desk, type="retention_run.events_purged", after="oldest")
    assert told["object_id"] == run["id"]
    assert told["data"] == {
        "rule": "events",
        "first_seal": 1,
        "last_seal": 2,
        "event_count": 2,
        # The key that the tenant was given, the first event of all.
        "kept": {"1": [0]},
    }


def test_security_events_go_in_the_end_and_nothing_is_left_but_proof(stage: Stage, desk: Client) -> None:
    advance_to(stage, desk, "2027-03-03T08:00:00Z")
    patch(desk, "retention-settings", events_days=30, security_events_days=365)

    run = apply_rules(desk)

    assert run["counts"] == {"events": 2, "security_events": 1}
    assert "api_key.created" not in [entry["type"] for entry in get(desk, "audit?limit=200")["data"]]
    assert verified(stage, desk).broken is None
    assert seals(desk)[:3] == [1, 2, 3]
    seal_now(stage, desk)
    # Everything that was told of the first removal is removed by the worker itself.
    advance_to(stage, desk, "2029-03-03T08:00:00Z")
    assert "api_key.created" not in [entry["type"] for entry in get(desk, "audit?limit=200")["data"]]
    assert verified(stage, desk).broken is None


def test_a_follower_from_before_is_told_410_and_how_to_begin_anew(stage: Stage, desk: Client) -> None:
    early = feed(desk, limit="1").json()["page"]["next_cursor"]
    late = feed(desk).json()["page"]["next_cursor"]
    patch(desk, "retention-settings", events_days=30)

    apply_rules(desk)

    settle(stage, desk)
    refused = feed(desk, after=early)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (410, "events_purged")
    assert problem["errors"][0]["pointer"] == "#/after"
    assert problem["params"].keys() == {"kept_since", "oldest_cursor", "end_cursor"}
    copied = desk.get("/v1/companies/changes", params={"after": early}).json()
    assert (copied["code"], copied["params"].keys()) == ("events_purged", problem["params"].keys())
    end = feed(desk, after=problem["params"]["end_cursor"]).json()
    oldest = feed(desk, after=problem["params"]["oldest_cursor"]).json()
    following = feed(desk, after=late).json()
    assert end["data"] == []
    assert [event["type"] for event in oldest["data"]][:2] == ["test_clock.advanced", "company.created"]
    assert oldest["data"][2:] == following["data"]
    a_company(desk, name="New")
    settle(stage, desk)
    assert [event["type"] for event in feed(desk, after=end["page"]["next_cursor"]).json()["data"]] == [
        "company.created"
    ]


def test_reading_from_the_first_event_is_refused_once_it_is_gone(stage: Stage, desk: Client) -> None:
    settle(stage, desk)
    whole = feed(desk).json()
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)
    settle(stage, desk)

    refused, oldest = feed(desk), feed(desk, after="oldest").json()

    assert whole["page"]["kept_since"] is None
    assert (refused.status_code, refused.json()["code"]) == (410, "events_purged")
    assert oldest["data"][:2] == whole["data"][3:5]
    assert oldest["page"]["kept_since"] == refused.json()["params"]["kept_since"].replace("+00:00", "Z")


def test_a_stream_that_would_go_on_from_before_is_reset_and_tells_what_comes(stage: Stage, desk: Client) -> None:
    early = feed(desk, limit="1").json()["page"]["next_cursor"]
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)
    settle(stage, desk)

    with streaming(desk, headers={"last-event-id": early}) as stream:
        said = [stream.next(), stream.next()]
        company = a_company(desk)["id"]
        told = stream.next()

    assert [message.name for message in said] == ["ready", "reset"]
    assert said[1].data["code"] == "events_purged"
    assert (told.type, told.data["object_id"]) == ("company.created", company)


def test_a_stream_from_the_oldest_tells_all_that_is_kept_and_then_what_comes(stage: Stage, desk: Client) -> None:
    settle(stage, desk)
    everything = feed(desk, after="oldest").json()["data"]
    whole = streamed_from_the_oldest(desk, len(everything))
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)
    settle(stage, desk)
    kept = feed(desk, after="oldest").json()["data"]

    told = streamed_from_the_oldest(desk, len(kept))

    assert whole == everything
    assert told == kept
    assert kept[0]["id"] != everything[0]["id"]


def streamed_from_the_oldest(api: Client, count: int) -> list[object]:
    with streaming(api, after="oldest") as stream:
        assert stream.next().name == "ready"
        told = [stream.next().data for _ in range(count)]
        company = a_company(api)["id"]
        assert stream.next().data["object_id"] == company
    return told


def test_a_replay_from_before_is_refused(stage: Stage, desk: Client) -> None:
    early = feed(desk, limit="1").json()["page"]["next_cursor"]
    # Nobody listens there, and nothing has to arrive.
    endpoint = create(desk, "webhook-endpoints", url="http://127.0.0.1:9/", event_types=["team.*"])["id"]
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)

    refused = desk.post(f"/v1/webhook-endpoints/{endpoint}/replay", json={"after": early})

    assert (refused.status_code, refused.json()["code"]) == (410, "events_purged")
    assert get(desk, "webhook-replays")["data"] == []


def test_paging_goes_on_from_the_oldest(stage: Stage, desk: Client) -> None:
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)
    settle(stage, desk)
    whole = feed(desk, after="oldest").json()["data"]

    page, read = feed(desk, after="oldest", limit="1").json(), []
    read += page["data"]
    while page["page"]["has_more"]:
        page = feed(desk, after=page["page"]["next_cursor"], limit="1").json()
        read += page["data"]

    assert read == whole


def test_oldest_is_the_first_event_while_everything_is_kept(desk: Client, stage: Stage) -> None:
    settle(stage, desk)

    assert feed(desk, after="oldest").json()["data"] == feed(desk).json()["data"] != []


def test_the_history_of_an_object_tells_what_is_left_of_it(stage: Stage, desk: Client) -> None:
    company = feed(desk, type="company.created").json()["data"][0]["object_id"]
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)
    patch(desk, f"companies/{company}", notes=None)
    settle(stage, desk)

    answer = feed(desk, object_id=company)

    assert [event["type"] for event in answer.json()["data"]] == ["company.updated"]
    assert answer.json()["page"]["kept_since"] is not None


def test_an_event_that_is_gone_is_told_apart_from_one_that_never_was(stage: Stage, desk: Client) -> None:
    settle(stage, desk)
    gone = feed(desk, type="company.created").json()["data"][0]["id"]
    patch(desk, "retention-settings", events_days=30)
    apply_rules(desk)

    never_then, never_now = first_id(long_ago(1)), first_id(datetime.now(UTC))
    answers = [desk.get(f"/v1/events/{event_id}") for event_id in (gone, never_then, never_now)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (410, "events_purged"),
        (410, "events_purged"),
        (404, "not_found"),
    ]


def test_deliveries_go_with_their_events_whatever_became_of_them(stage: Stage, sandbox: MakeSandbox) -> None:
    api = sandbox()
    delivery = webhook_delivery(stage, api)
    seal_now(stage, api)
    waiting = "UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = now() WHERE tenant_id = $1"
    stage.sql(waiting, api.tenant.id)
    advance_to(stage, api, "2026-06-01T08:00:00Z")
    patch(api, "retention-settings", events_days=30)

    apply_rules(api)

    assert api.get(delivery).status_code == 404
    assert api.post(f"{delivery}/redeliver").status_code == 404
    assert stage.sql("SELECT 1 FROM webhook_attempts WHERE tenant_id = $1", api.tenant.id) == []


def test_a_dry_run_counts_what_goes_of_the_log(stage: Stage, desk: Client) -> None:
    seen = {item["rule"]: item for item in get(desk, "retention-preview?events_days=30")["data"]}

    assert seen["events"] == {
        "rule": "events",
        "days": 30,
        "row_count": 2,
        "is_exact": True,
        "oldest_at": "2026-03-02T08:00:00Z",
        "newest_at": "2026-03-02T08:00:00Z",
    }
    assert seen["security_events"]["row_count"] == 0
    patch(desk, "retention-settings", events_days=30)
    assert apply_rules(desk)["counts"] == {"events": 2}
    assert verified(stage, desk).broken is None
