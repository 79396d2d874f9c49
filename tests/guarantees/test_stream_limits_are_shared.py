"""A caller has so many streams over all processes; what a killed one held is free when its leases have run out."""

from contextlib import ExitStack

import redis

from tests.guarantees.plant import Plant, until
from tests.guarantees.report import tell
from tests.stage import Client
from tests.streams import PATH, listening

MOST = 2
TOO_MANY = 429
# Less than a lease lasts: what is refused after a while is not free by itself.
PATIENCE = 15
LIMIT = {"HELPDESK_STREAMS_OF_CALLER": str(MOST)}


def test_two_processes_share_the_streams_of_a_caller_and_each_counts_alone_without_valkey(plant: Plant) -> None:
    with plant.api(**LIMIT) as one, plant.api(**LIMIT) as other, ExitStack() as open_streams:
        on_one = open_streams.enter_context(plant.client(one))
        on_other = open_streams.enter_context(Client(other.url, on_one.tenant, on_one.key))
        open_streams.enter_context(listening(on_other))
        with listening(on_one):
            until(lambda: is_refused(on_one) and is_refused(on_other), "both refuse a third stream", seconds=PATIENCE)
            one.kill()
        until(lambda: is_refused(on_other), "what the dead process held is not free yet", seconds=PATIENCE)
        let_leases_run_out(plant)
        until(lambda: not is_refused(on_other), "what the dead process held is free", seconds=PATIENCE)
        one.start()
        plant.kill_valkey()
        try:
            with listening(on_one), listening(on_one):
                is_refused_alone = is_refused(on_one)
        finally:
            plant.start_valkey()

        tell("stream_limits_are_shared", n=MOST, faults=2, lost=0, dup=0)
        assert is_refused_alone
        assert (one.defects, other.defects) == ([], [])


def is_refused(client: Client) -> bool:
    return client.get(PATH).status_code == TOO_MANY


def let_leases_run_out(plant: Plant) -> None:
    """Let the time of all leases be over; the living renew theirs."""
    with redis.Redis.from_url(plant.valkey.url) as connection:
        for key in connection.scan_iter("helpdesk:places:*"):
            for who in connection.zrange(key, 0, -1):
                connection.zadd(key, {who: 1})
