"""A tenant that its operator suspends is refused on every process within seconds, and loses nothing by it."""

from time import monotonic

from tests.factories import create
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import tell
from tests.receivers import WebhookReceiver
from tests.stage import Client

KEY = "an operator key for tests that opens nothing of worth"
WITHIN = 5.0
TICKETS = 20


def test_a_suspended_tenant_is_refused_everywhere_and_its_webhooks_wait(plant: Plant) -> None:
    settings = {"HELPDESK_OPERATOR_KEY": KEY}
    with (
        WebhookReceiver() as receiver,
        plant.api(**settings) as one,
        plant.api(**settings) as other,
        plant.client(one) as client,
    ):
        create(client, "webhook-endpoints", url=receiver.url, event_types=["ticket.created"])
        waiting = {create(client, "tickets", subject=f"Ticket {number}")["id"] for number in range(TICKETS)}
        assert (served(client, one.url), served(client, other.url)) == (True, True)

        suspended_after = seconds_to_take_effect(client, other.url, "suspend")
        with plant.worker() as worker:
            with plant.client(one) as neighbour:
                create(neighbour, "webhook-endpoints", url=receiver.url, event_types=["ticket.created"])
                told = create(neighbour, "tickets", subject="Not suspended")["id"]
                until(lambda: told in received(receiver), "the neighbour's webhook arrives", seconds=30)
            while_suspended = waiting & received(receiver)
            plant.kill_valkey()
            try:
                resumed_after = seconds_to_take_effect(client, other.url, "resume")
                until(lambda: waiting <= received(receiver), "what waited arrives", seconds=60)
            finally:
                plant.start_valkey()

            lost = len(waiting - received(receiver))
            tell(
                "tenant_suspension",
                n=TICKETS,
                faults=1,
                lost=lost,
                dup=len(receiver.received) - len(received(receiver)),
                suspended_after=f"{suspended_after:.1f}s",
                resumed_after=f"{resumed_after:.1f}s",
            )
            assert while_suspended == set()
            assert max(suspended_after, resumed_after) < WITHIN
            assert (one.defects, other.defects, worker.defects) == ([], [], [])


def served(client: Client, url: str) -> bool:
    """Tell whether a process serves the tenant."""
    answer = client.get(f"{url}/v1/teams")
    assert answer.status_code == 200 or answer.json()["code"] == "tenant_suspended"
    return answer.status_code == 200


def received(receiver: WebhookReceiver) -> set[str]:
    """Give the tickets that messages told of."""
    return {request.message["data"]["object"]["id"] for request in receiver.received}


def seconds_to_take_effect(client: Client, other_url: str, action: str) -> float:
    """Suspend or resume at one process; gives how long the other one went on as before."""
    before = served(client, other_url)
    headers = {"authorization": f"Bearer {KEY}"}
    done = client.post(f"/operator/v1/tenants/{client.tenant.id}/{action}", headers=headers)
    assert done.status_code == 200, done.text
    started = monotonic()
    until(lambda: served(client, other_url) is not before, f"the other process has heard of {action}", seconds=15)
    return monotonic() - started
