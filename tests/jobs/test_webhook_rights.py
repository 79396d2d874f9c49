"""What an endpoint may be sent is decided when it is sent: what was taken from it since an event does not go out."""

from collections.abc import Iterator

import pytest

from tests.jobs.webhooks import an_endpoint, create, deliveries, in_state, until
from tests.receivers import WebhookReceiver
from tests.stage import Client, Stage

EVERYTHING_TOLD = {"payload": "full", "field_groups": ["*"]}


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def test_an_event_that_the_endpoint_may_not_see_any_more_is_not_sent(api: Client, receiver: WebhookReceiver) -> None:
    path = f"/v1/webhook-endpoints/{an_endpoint(api, receiver, 'ticket.*')['id']}"
    api.post(f"{path}/pause")
    ticket = create(api, "tickets", subject="Late")
    author = create(api, "users", name="Ada", email="ada@service.example")["id"]
    create(api, f"tickets/{ticket['id']}/comments", kind="note", body="Between us.", author_user_id=author)
    until(lambda: len(deliveries(api, state="pending")) >= 2 or None)

    api.patch(path, json={"event_types": ["ticket.created"]})
    api.post(f"{path}/resume")

    until(lambda: None if deliveries(api, state="pending") else True)
    assert {request.message["type"] for request in receiver.received} == {"ticket.created"}
    assert in_state(api, "cancelled", event_type="ticket.note_added")["attempt_count"] == 0


def test_values_that_the_endpoint_is_not_told_any_more_are_not_sent(api: Client, receiver: WebhookReceiver) -> None:
    path = f"/v1/webhook-endpoints/{an_endpoint(api, receiver, payload='full')['id']}"
    api.post(f"{path}/pause")
    create(api, "teams", name="Night shift")
    until(lambda: deliveries(api, state="pending") or None)

    api.patch(path, json={"payload": "thin"})
    api.post(f"{path}/resume")

    (request,) = receiver.wait_for(1)
    assert (request.message["data"]["changes"], request.message["data"]["details"]) == (None, None)
    assert b"Night shift" not in request.body


def test_who_may_not_read_what_an_endpoint_is_sent_cannot_have_it_sent_elsewhere(
    stage: Stage, api: Client, receiver: WebhookReceiver
) -> None:
    thin, full = an_endpoint(api, receiver), an_endpoint(api, receiver, "company.*", **EVERYTHING_TOLD)
    with stage.client(
        api.tenant, stage.key(api.tenant, ("webhook-endpoints:write", "companies:read"), field_groups=())
    ) as narrow:
        refused = [
            narrow.patch(f"/v1/webhook-endpoints/{endpoint['id']}", json={"url": "http://127.0.0.1:9/mine", **more})
            for endpoint, more in ((thin, {}), (full, {}), (thin, {"payload": "thin"}))
        ]
        both = narrow.patch(
            f"/v1/webhook-endpoints/{full['id']}", json={"url": "http://127.0.0.1:9/mine", "payload": "thin"}
        )

    codes = [(answer.status_code, answer.json()["code"]) for answer in refused]
    assert codes == [(403, "missing_permission"), (403, "full_payload_denied"), (403, "missing_permission")]
    assert (both.status_code, both.json()["payload"]) == (200, "thin")
    assert api.get(f"/v1/webhook-endpoints/{thin['id']}").json()["url"] == receiver.url


def test_a_full_message_tells_guarded_fields_of_the_groups_that_its_endpoint_has_when_it_is_sent(
    api: Client, receiver: WebhookReceiver
) -> None:
    endpoint = an_endpoint(api, receiver, "company.updated", payload="full", field_groups=["client.internal"])
    path = f"/v1/webhook-endpoints/{endpoint['id']}"
    company = create(api, "companies", name="Alpine Dairy")

    api.patch(f"/v1/companies/{company['id']}", json={"name": "Dairy", "category": "vip"})
    receiver.wait_for(1)
    api.post(f"{path}/pause")
    api.patch(f"/v1/companies/{company['id']}", json={"name": "Alpine", "category": "gold"})
    until(lambda: deliveries(api, state="pending") or None)
    api.patch(path, json={"field_groups": []})
    api.post(f"{path}/resume")

    told = [request.message["data"] for request in receiver.wait_for(2)]
    assert [each["changes"] for each in told] == [
        {"name": ["Alpine Dairy", "Dairy"], "category": [None, "vip"]},
        {"name": ["Dairy", "Alpine"]},
    ]
    assert {tuple(each["changed_fields"]) for each in told} == {("category", "name")}
