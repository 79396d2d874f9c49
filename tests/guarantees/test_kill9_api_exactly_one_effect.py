"""A write that is repeated with its key until answered has exactly one effect, however often the API is killed."""

import random
import time

from tests.guarantees.load import Load
from tests.guarantees.plant import Plant
from tests.guarantees.report import SCALE, tell

KILLS = 4 * SCALE
CLIENTS = 8
SEED = 20_260_701

EFFECTS = """
SELECT subject, count(DISTINCT tickets.id) AS tickets, count(events.id) AS events
FROM tickets
LEFT JOIN events ON (events.tenant_id, events.object_id) = (tickets.tenant_id, tickets.id)
  AND events.type = 'ticket.created'
WHERE tickets.tenant_id = $1
GROUP BY subject
"""


def test_each_key_has_one_ticket_and_one_event_though_the_api_is_killed(plant: Plant) -> None:
    chance = random.Random(SEED)
    with plant.api() as api, plant.client(api) as client:
        with Load(client, clients=CLIENTS) as load:
            for _ in range(KILLS):
                load.wait_for_more(CLIENTS)
                time.sleep(chance.uniform(0, 0.2))
                api.kill()
                api.start()
        effects = {row["subject"]: (row["tickets"], row["events"]) for row in plant.sql(EFFECTS, client.tenant.id)}

        account = load.account
        lost = sum(key not in effects for key in account.acknowledged)
        doubled = sum(counts != (1, 1) for counts in effects.values())
        tell(
            "kill9_api_exactly_one_effect",
            n=load.count,
            faults=api.kills,
            lost=lost,
            dup=doubled,
            cut=account.cut,
            replayed=account.replayed,
            slowest=f"{account.slowest:.1f}s",
            seed=SEED,
        )
        assert api.kills == KILLS
        assert account.cut > 0
        assert (lost, doubled) == (0, 0)
        assert effects.keys() == account.acknowledged.keys()
        assert account.disorderly == []
        assert api.defects == []
