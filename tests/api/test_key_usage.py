"""Usage of API keys over HTTP: counted per operation, also what was refused, and never in the way of a request."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from helpdesk_api.identity.key_usage import store
from helpdesk_api.kit.usage import UsageCounts
from tests.factories import create
from tests.guarantees.plant import until
from tests.stage import Client, Stage, an_id


def used(api: Client, key_id: str, **query: str) -> dict[str, tuple[int, int]]:
    """Give how often each operation was called, and how often in vain."""
    answer = api.get(f"/v1/api-keys/{key_id}/usage", params=query)
    assert answer.status_code == 200, answer.text
    return {item["operation_id"]: (item["request_count"], item["refused_count"]) for item in answer.json()["data"]}


def test_requests_are_counted_per_key_and_operation_with_those_that_were_refused(api: Client, stage: Stage) -> None:
    made, other = (create(api, "api-keys", name=name, scopes=["teams:read"]) for name in ("One", "Other"))
    with stage.client(api.tenant, made["key"]) as client, stage.client(api.tenant, other["key"]) as bystander:
        for _ in range(3):
            client.get("/v1/teams")
        client.get(f"/v1/teams/{an_id()}")
        client.post("/v1/teams", json={"name": "No"})
        bystander.get("/v1/teams")

    expected = {"teams_list": (3, 0), "teams_get": (1, 1), "teams_create": (1, 1)}
    until(lambda: used(api, made["id"]) == expected, f"{expected} is counted", seconds=10)
    until(lambda: used(api, other["id"]) == {"teams_list": (1, 0)}, "the other is counted by itself", seconds=10)


def test_usage_is_summed_up_from_a_day_on(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    for day, number in (("2026-01-01", 5), ("2026-01-02", 7)):
        a_day(stage, api, made["id"], day, number)

    assert used(api, made["id"], since="2026-01-01") == {"teams_list": (12, 1 + 1)}
    assert used(api, made["id"], since="2026-01-02") == {"teams_list": (7, 1)}
    assert used(api, made["id"]) == {}
    answer: dict[str, Any] = api.get(f"/v1/api-keys/{made['id']}/usage?since=2026-01-02").json()
    assert (answer["since"], answer["data"][0]["last_used_at"]) == ("2026-01-02", "2026-01-02T12:00:00Z")


def a_day(stage: Stage, api: Client, key_id: str, day: str, number: int) -> None:
    """Store what a process would have counted on a day."""
    stage.sql(
        """
        INSERT INTO api_key_usage
            (tenant_id, id, key_id, operation_id, used_on, request_count, refused_count, last_used_at)
        VALUES ($1, gen_random_uuid(), $2::text::uuid, 'teams_list', $3::text::date, $4, 1,
            ($3::text || ' 12:00Z')::timestamptz)
        """,
        api.tenant.id,
        key_id,
        day,
        number,
    )


def test_the_usage_of_a_key_that_is_not_there_is_not_found(api: Client) -> None:
    answers = [api.get(f"/v1/api-keys/{an_id()}/usage"), api.get(f"/v1/api-keys/{an_id()}/usage?until=2026-01-01")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "not_found"),
        (422, "validation_failed"),
    ]


def test_what_cannot_be_stored_is_kept_and_what_has_no_key_is_dropped(api: Client, stage: Stage) -> None:
    made = create(api, "api-keys", name="Sync", scopes=["teams:read"])
    counts, day = UsageCounts(), datetime.now(UTC).date().isoformat()

    async def note_and_store() -> None:
        for credential_id in (UUID(made["id"]), an_id()):
            counts.note(api.tenant.id, credential_id, "teams_get", was_refused=True)
        kept = counts.take()
        counts.give_back(kept)
        counts.note(api.tenant.id, UUID(made["id"]), "teams_get", was_refused=False)
        await store(replace(stage.runtime, usage=counts))

    stage.run(note_and_store())

    assert used(api, made["id"], since=day) == {"teams_get": (2, 1)}
    assert counts.take() == {}
