"""A caller has so many streams over all processes; what a killed one held is free when its leases have run out."""

from contextlib import ExitStack

import redis

from tests.guarantees.plant import Plant
from tests.guarantees.report import tell
from tests.stage import Client
from tests.streams import PATH, listening

MOST = 2
LIMIT = {"HELPDESK_STREAMS_OF_CALLER": str(MOST)}


def test_two_processes_share_the_streams_of_a_caller_and_each_counts_alone_without_valkey(plant: Plant) -> None:
    with plant.api(**LIMIT) as one, plant.api(**LIMIT) as other, ExitStack() as open_streams:
        on_one = open_streams.enter_context(plant.client(one))
        on_other = open_streams.enter_context(Client(other.url, on_one.tenant, on_one.key))
        open_streams.enter_context(listening(on_other))
        with listening(on_one):
            while_both = [client.get(PATH).status_code for client in (on_one, on_other)]
            one.kill()
        left_behind = on_other.get(PATH).status_code
        let_leases_run_out(plant)
        with listening(on_other):
            after = on_other.get(PATH).status_code
        one.start()
        plant.kill_valkey()
        try:
            with listening(on_one), listening(on_one):
                alone = on_one.get(PATH).status_code
        finally:
            plant.start_valkey()

        tell(
            "stream_limits_are_shared",
            n=MOST,
            faults=2,
            lost=0,
            dup=0,
            refused=[*while_both, left_behind, after, alone],
        )
        assert (while_both, left_behind, after, alone) == ([429, 429], 429, 429, 429)
        assert (one.defects, other.defects) == ([], [])


def let_leases_run_out(plant: Plant) -> None:
    """Let the time of all leases be over; the living renew theirs."""
    with redis.Redis.from_url(plant.valkey.url) as connection:
        for key in connection.scan_iter("helpdesk:places:*"):
            for who in connection.zrange(key, 0, -1):
                connection.zadd(key, {who: 1})
