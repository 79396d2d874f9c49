"""What was answered with 201 survives the death of PostgreSQL, and the API finds back by itself."""

import random
import time

import httpx2

from tests.guarantees.load import Load
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell

KILLS = 2 * SCALE
CLIENTS = 8
SEED = 20_260_702
# A connection that was lost is noticed at once; the pool gives a new one two seconds.
BACK_WITHIN = 15.0

SUBJECTS = "SELECT subject, count(*) AS copies FROM tickets WHERE tenant_id = $1 GROUP BY subject"


def test_every_acknowledged_ticket_is_there_after_postgres_was_killed(plant: Plant) -> None:
    chance = random.Random(SEED)
    outages: list[float] = []
    refused: list[httpx2.Response] = []
    with plant.api() as api, plant.client(api) as client:
        with Load(client, clients=CLIENTS) as load:
            pid = api.pid
            for _ in range(KILLS):
                load.wait_for_more(5 * CLIENTS)
                time.sleep(chance.uniform(0, 0.2))
                plant.kill_postgres()
                refused.append(client.get("/v1/tickets"))
                plant.start_postgres()
                outages.append(until(api.is_ready, "the API is ready again", seconds=BACK_WITHIN))
                load.wait_for_more(CLIENTS)
        stored = {row["subject"]: row["copies"] for row in plant.sql(SUBJECTS, client.tenant.id)}

        account = load.account
        lost = len(account.acknowledged.keys() - stored.keys())
        doubled = sum(copies > 1 for copies in stored.values())
        tell(
            "kill9_postgres_no_lost_ack",
            n=load.count,
            faults=KILLS,
            lost=lost,
            dup=doubled,
            refused=dict(account.codes),
            back=f"{max(outages):.2f}s",
            seed=SEED,
        )
        assert account.codes["503 database_unavailable"] > 0
        assert (lost, doubled) == (0, 0)
        assert account.disorderly == []
        assert (account.cut, account.unconnected) == (0, 0)
        for answer in refused:
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert int(answer.headers["retry-after"]) >= 1
        assert (api.pid, api.is_running) == (pid, True)
        assert api.defects == []
