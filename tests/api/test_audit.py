"""The audit trail over the API: who did what, from where, with which credential, through which request."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.factories import a_company, a_contact, a_ticket, advance, create, get, patch
from tests.seals import seal_now
from tests.stage import Client, Stage


def audit(api: Client, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any query.
    answer = api.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def credential_of(stage: Stage, api: Client) -> str:
    (row,) = stage.sql("SELECT id FROM api_keys WHERE tenant_id = $1", api.tenant.id)
    return str(row["id"])


def test_a_change_tells_who_made_it_from_where_and_by_which_request(stage: Stage, api: Client) -> None:
    key_id = credential_of(stage, api)
    answer = api.post(
        "/v1/companies", json={"name": "Alpine Dairy"}, headers={"user-agent": "crm-sync/2.1", "x-request-id": "sync-7"}
    )

    (entry,) = audit(api, object_id=answer.json()["id"])

    assert entry["type"] == "company.created"
    assert entry["changes"]["name"] == [None, "Alpine Dairy"]
    assert entry["actor"] == {"type": "api_key", "id": key_id}
    assert entry["origin"] == {"credential_id": key_id, "ip": "127.0.0.1", "user_agent": "crm-sync/2.1"}
    assert entry["cause"] == {"type": "request", "id": "sync-7"}
    recorded_at = datetime.fromisoformat(entry["recorded_at"])
    assert abs(datetime.now(UTC) - recorded_at) < timedelta(minutes=1)


def test_what_a_program_calls_itself_is_cut_to_size_and_holds_nothing_unprintable(api: Client) -> None:
    answer = api.post("/v1/companies", json={"name": "A"}, headers={b"user-agent": b"a\x9fb\tc" + b"d" * 400})

    (entry,) = audit(api, object_id=answer.json()["id"])

    assert entry["origin"]["user_agent"] == "abc" + "d" * 297


def test_what_the_system_does_by_itself_comes_from_nowhere(stage: Stage, api: Client) -> None:
    entry = audit(api, type="api_key.created")[0]

    assert entry["actor"] == {"type": "system", "id": None}
    assert entry["origin"] == {"credential_id": None, "ip": None, "user_agent": None}
    assert entry["cause"] == {"type": "command", "id": "test"}


def test_the_newest_comes_first_and_pages_neither_overlap_nor_leave_out(api: Client) -> None:
    made = [a_company(api)["id"] for _ in range(5)]

    first = api.get("/v1/audit", params={"type": "company.*", "limit": 2}).json()
    second = api.get(
        "/v1/audit", params={"type": "company.*", "limit": 2, "cursor": first["page"]["next_cursor"]}
    ).json()  # fmt: skip
    third = api.get(
        "/v1/audit", params={"type": "company.*", "limit": 2, "cursor": second["page"]["next_cursor"]}
    ).json()  # fmt: skip

    told = [entry["object_id"] for page in (first, second, third) for entry in page["data"]]
    assert told == list(reversed(made))
    assert third["page"]["next_cursor"] is None


def test_each_filter_narrows_and_repeating_one_means_any_of(stage: Stage, api: Client) -> None:
    company, contact = a_company(api), a_contact(api)
    ticket = a_ticket(api, company_id=company["id"])
    patch(api, f"tickets/{ticket['id']}", priority="urgent")
    key_id = credential_of(stage, api)

    def types(**query: Any) -> list[str]:  # noqa: ANN401 - any query.
        return sorted(entry["type"] for entry in audit(api, **query))

    assert types(type="contact.created") == ["contact.created"]
    assert types(type=["contact.*", "company.created"]) == ["company.created", "contact.created"]
    assert types(object_type="ticket") == ["ticket.created", "ticket.updated"]
    assert types(object_id=[company["id"], contact["id"]]) == ["company.created", "contact.created"]
    assert types(actor_id=key_id, type="company.*") == ["company.created"]
    assert types(actor_type="system") == ["api_key.created"]
    assert types(credential_id=key_id, type="contact.*") == ["contact.created"]
    assert types(ip="127.0.0.1", object_type="company") == ["company.created"]
    assert types(ip="127.0.0.0/8", object_type="company") == ["company.created"]
    assert types(ip="10.0.0.0/8") == []
    assert types(ip="::1") == []


def test_entries_are_found_by_the_time_at_which_they_were_recorded(api: Client) -> None:
    company = a_company(api)
    (entry,) = audit(api, object_id=company["id"])
    at = entry["recorded_at"]
    just_before = (datetime.fromisoformat(at) - timedelta(microseconds=1)).isoformat()
    just_after = (datetime.fromisoformat(at) + timedelta(microseconds=1)).isoformat()
    found = {"object_id": company["id"]}

    assert len(audit(api, **found | {"recorded_at[gte]": at, "recorded_at[lte]": at})) == 1
    assert audit(api, **found | {"recorded_at[gt]": at}) == []
    assert audit(api, **found | {"recorded_at[lt]": at}) == []
    assert audit(api, **found | {"recorded_at[gte]": just_after}) == []
    assert len(audit(api, **found | {"recorded_at[lt]": just_after})) == 1
    assert len(audit(api, **found | {"recorded_at[gt]": just_before})) == 1
    assert audit(api, **found | {"recorded_at[lte]": just_before}) == []


def test_a_request_is_found_by_its_id(api: Client) -> None:
    answer = api.post("/v1/companies", json={"name": "A"})

    (entry,) = audit(api, request_id=answer.headers["x-request-id"])

    assert entry["object_id"] == answer.json()["id"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", "red"),
        ("actor_id", "nobody"),
        ("type", "everything"),
        ("ip", "300.1.1.1"),
        ("ip", "10.0.0.1/8"),
        ("recorded_at[gte]", "yesterday"),
        ("limit", "0"),
        ("request_id", "a b"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_parameter(api: Client, name: str, value: str) -> None:
    answer = api.get("/v1/audit", params={name: value})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert {error["pointer"].split("/")[1] for error in answer.json()["errors"]} == {name}


def test_a_cursor_of_other_filters_or_of_another_tenant_is_refused(stage: Stage, api: Client) -> None:
    for _ in range(2):
        a_company(api)
    cursor = api.get("/v1/audit", params={"limit": 1}).json()["page"]["next_cursor"]

    with stage.tenant() as other:
        for client, query in ((api, {"type": "ticket.*"}), (other, {}), (api, {"ip": "127.0.0.1"})):
            answer = client.get("/v1/audit", params={"cursor": cursor, **query})

            assert (answer.status_code, answer.json()["code"]) == (400, "cursor_mismatch")


def test_the_audit_trail_needs_a_permission_of_its_own(stage: Stage, api: Client) -> None:
    key = stage.key(api.tenant, ("events:read", "tickets:read", "*:write"))

    with stage.client(api.tenant, key) as limited:
        assert limited.get("/v1/audit").status_code == 403
        assert limited.get("/v1/audit/seals").status_code == 403


def test_the_audit_trail_tells_real_time_of_a_sandbox_too(stage: Stage) -> None:
    with stage.tenant(clock_at=datetime(2020, 1, 6, 9, tzinfo=UTC)) as sandbox:
        company = a_company(sandbox)
        advance(sandbox, "2020-02-01T00:00:00Z")

        (made,) = audit(sandbox, object_id=company["id"])
        (moved,) = audit(sandbox, type="test_clock.advanced")

    assert made["occurred_at"] == "2020-01-06T09:00:00Z"
    assert datetime.fromisoformat(made["recorded_at"]).year > 2020
    assert moved["object_id"] == str(sandbox.tenant.id)
    assert moved["changes"] == {"now": ["2020-01-06T09:00:00Z", "2020-02-01T00:00:00Z"]}


def test_the_seals_are_a_chain_that_covers_what_was_recorded(stage: Stage, api: Client) -> None:
    first = seal_now(stage, api)
    a_company(api)
    second = seal_now(stage, api)

    newest, oldest = get(api, "audit/seals")["data"]

    assert (oldest["number"], oldest["event_count"], oldest["previous_hash"]) == (1, first, "0" * 64)
    assert (newest["number"], newest["event_count"], newest["previous_hash"]) == (2, second, oldest["hash"])
    assert second == 1
    assert seal_now(stage, api) == 0
    assert len(get(api, "audit/seals")["data"]) == 2


def test_a_seal_shows_nothing_but_what_a_customer_keeps(stage: Stage, api: Client) -> None:
    seal_now(stage, api)

    (seal,) = get(api, "audit/seals")["data"]

    assert seal.keys() == {"number", "event_count", "previous_hash", "hash", "sealed_at"}
    assert len(bytes.fromhex(seal["hash"])) == 32


def test_one_tenant_neither_sees_nor_seals_what_another_did(stage: Stage, api: Client) -> None:
    with stage.tenant() as other:
        theirs = create(other, "companies", name="Theirs")
        seal_now(stage, api)

        assert audit(api, object_id=theirs["id"]) == []
        assert get(other, "audit/seals")["data"] == []
        covered = stage.sql("SELECT sum(event_count) AS n FROM audit_seals WHERE tenant_id = $1", api.tenant.id)
        own = stage.sql("SELECT count(*) AS n FROM events WHERE tenant_id = $1", api.tenant.id)
        assert covered[0]["n"] == own[0]["n"]


def test_an_event_gets_a_salt_that_the_audit_trail_does_not_tell(stage: Stage, api: Client) -> None:
    company = a_company(api)
    (row,) = stage.sql("SELECT salt FROM events WHERE object_id = $1", UUID(company["id"]))

    told = api.get("/v1/audit").text + api.get("/v1/events").text

    assert row["salt"] is not None
    assert str(row["salt"]) not in told
