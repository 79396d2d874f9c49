"""The audit trail is sealed without a gap although writers go on and the workers that seal are killed."""

import asyncio
import random
import threading

from helpdesk_api.domain.audit_chain import Break
from helpdesk_api.identity.audit_verification import Verification, verify
from helpdesk_api.kit.doorbell import SilentBell
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.opening import open_runtime
from helpdesk_api.settings import load_settings
from tests.guarantees.load import Load
from tests.guarantees.plant import Plant, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

KILLS = 3 * SCALE
MORE = 60
SEED = 20_260_704
SEALED_WITHIN = 60.0

# Sealing waits for the end of its minute, and a job of a worker that died for that of its lease: both are over now.
AT_ONCE = "UPDATE jobs SET run_at = now() WHERE tenant_id = $1 AND (kind = 'audit.seal' OR $2) RETURNING id"
COUNT = "SELECT count(*) AS events FROM events WHERE tenant_id = $1"


class Hurry:
    """Let sealing be due all the time, in a thread of its own."""

    def __init__(self, plant: Plant, client: Client) -> None:
        self._plant = plant
        self._client = client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hurry")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            self._plant.sql(AT_ONCE, self._client.tenant.id, False)  # noqa: FBT003 - a parameter of SQL.


def verified(plant: Plant, client: Client) -> Verification:
    async def work() -> Verification:
        settings = load_settings({"HELPDESK_DATABASE_URL": plant.services.app_url})
        async with open_runtime(settings, SilentBell(), Metrics(), name="verifier") as runtime:
            return await verify(runtime.db, client.tenant.id)

    return asyncio.run(work())


def test_every_event_is_sealed_once_though_workers_are_killed(plant: Plant) -> None:
    chance = random.Random(SEED)
    with plant.api() as api, plant.client(api) as client, plant.worker() as one, plant.worker() as other:
        with Hurry(plant, client), Load(client, clients=4) as load:
            for victim in [chance.choice([one, other]) for _ in range(KILLS)]:
                load.wait_for_more(MORE)
                victim.kill()
                victim.start()
        meanwhile = verified(plant, client)

        def all_sealed() -> bool:
            plant.sql(AT_ONCE, client.tenant.id, True)  # noqa: FBT003 - a parameter of SQL.
            return verified(plant, client).unsealed_count == 0

        took = until(all_sealed, "every event is sealed", seconds=SEALED_WITHIN)
        found = verified(plant, client)
        committed = plant.sql(COUNT, client.tenant.id)[0]["events"]
        tell(
            "audit_chain_gap_free",
            n=committed,
            faults=one.kills + other.kills,
            lost=committed - found.event_count,
            dup=0,
            seals=found.seal_count,
            sealed_while_written=meanwhile.event_count,
            drained=f"{took:.1f}s",
            seed=SEED,
        )
        assert one.kills + other.kills == KILLS
        # Were it sealed only afterwards, writers and killed workers would not have been in its way.
        assert meanwhile.seal_count > KILLS
        assert (meanwhile.broken, found.broken) == (None, None)
        assert found.event_count == committed
        assert one.defects + other.defects == []
        assert_damage_is_seen(plant, client, found)


def assert_damage_is_seen(plant: Plant, client: Client, found: Verification) -> None:
    """Take one event out: a verification that would not miss it shows nothing."""
    assert found.head is not None
    (row,) = plant.sql(
        """
        SELECT id FROM events WHERE tenant_id = $1 AND (xid, seq) = ($2::text::xid8, $3)
        """,
        client.tenant.id,
        str(found.head.last.xid),
        found.head.last.seq,
    )
    plant.sql("UPDATE events SET changes = '{}', data = '{\"a\": 1}' WHERE id = $1", row["id"])

    assert verified(plant, client).broken == Break(found.head.number, "event_changed", row["id"])
