"""A success is answered only after the database has confirmed the COMMIT, wherever the connection to it breaks."""

import random
from urllib.parse import urlsplit

from tests.faults.tcp_proxy import Fault, TCPProxy
from tests.guarantees.load import Load
from tests.guarantees.plant import Plant
from tests.guarantees.report import SCALE, tell

WRITES = 200 * SCALE
CLIENTS = 8
SEED = 20_260_704
COMMIT = b"COMMIT\x00"
WEIGHTS = {Fault.PASS: 6, Fault.DELAY: 2, Fault.RESET: 1, Fault.CUT: 1}

SUBJECTS = "SELECT subject, count(*) AS copies FROM tickets WHERE tenant_id = $1 GROUP BY subject"


def test_what_was_acknowledged_is_stored_though_connections_break_at_commit(plant: Plant) -> None:
    chance = random.Random(SEED)

    def decide(chunk: bytes) -> Fault:
        if COMMIT not in chunk:
            return Fault.PASS
        return chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]

    address = urlsplit(plant.services.app_url)
    with TCPProxy(plant.postgres.engine.port, decide=decide, delay_seconds=0.05) as proxy:
        through_proxy = plant.services.app_url.replace(f":{address.port}/", f":{proxy.port}/")
        with plant.api(HELPDESK_DATABASE_URL=through_proxy) as api, plant.client(api) as client:
            with Load(client, clients=CLIENTS) as load:
                load.wait_for_more(WRITES)
            stored = {row["subject"]: row["copies"] for row in plant.sql(SUBJECTS, client.tenant.id)}

    account = load.account
    lost = len(account.acknowledged.keys() - stored.keys())
    doubled = sum(copies > 1 for copies in stored.values())
    broken = proxy.faults[Fault.RESET] + proxy.faults[Fault.CUT]
    tell(
        "ack_implies_commit",
        n=load.count,
        faults=broken,
        lost=lost,
        dup=doubled,
        reset=proxy.faults[Fault.RESET],
        cut=proxy.faults[Fault.CUT],
        delayed=proxy.faults[Fault.DELAY],
        replayed=account.replayed,
        refused=dict(account.codes),
        seed=SEED,
    )
    assert proxy.faults[Fault.RESET] > 0
    assert proxy.faults[Fault.CUT] > 0
    assert (lost, doubled) == (0, 0)
    # Every break was told to a client as one, and those whose write had arrived got its answer by asking again.
    assert account.codes["503 database_unavailable"] > 0
    assert account.replayed > 0
    assert account.disorderly == []
    assert (account.cut, account.unconnected) == (0, 0)
    assert api.defects == []
