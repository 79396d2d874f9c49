"""However many processes serve somebody, the client cards that they show count together, and are noticed once."""

from contextlib import ExitStack
from uuid import UUID

from tests.factories import a_user, create
from tests.guarantees.plant import Plant
from tests.guarantees.report import tell
from tests.stage import Client

CARDS = 240
USUAL = 200
AT_ONCE = 50


def test_cards_that_two_processes_have_shown_are_noticed_together_once(plant: Plant) -> None:
    with plant.api() as one, plant.api() as other, plant.client(one) as client, ExitStack() as readers:
        plant.sql(
            """
            INSERT INTO companies (tenant_id, id, name, domains, created_at, updated_at)
            SELECT $1, gen_random_uuid(), 'Card ' || n, '{}', now(), now() FROM generate_series(0, $2::int - 1) AS n
            """,
            client.tenant.id,
            CARDS,
        )
        reader_id, reader = a_reader(client, readers)

        # Half of them by each process, and one half by the other as well: no card counts twice.
        read(reader, one.url, range(100))
        read(reader, other.url, range(100, USUAL))
        read(reader, other.url, range(100))
        before = noticed(plant, client, reader_id)
        read(reader, one.url, range(USUAL - 10, USUAL + 10))
        together = noticed(plant, client, reader_id)
        read(reader, other.url, range(USUAL, CARDS))
        after = noticed(plant, client, reader_id)

        plant.kill_valkey()
        try:
            lonely_id, lonely = a_reader(client, readers)
            read(lonely, one.url, range(CARDS))
            alone = noticed(plant, client, lonely_id)
        finally:
            plant.start_valkey()

        tell("unusual_reading", n=2 * CARDS, faults=1, lost=2 - after - alone, dup=0, together=together, alone=alone)
        assert (before, together, after, alone) == (0, 1, 1, 1)
        assert (one.defects, other.defects) == ([], [])


def a_reader(client: Client, readers: ExitStack) -> tuple[UUID, Client]:
    """Make a user who may read companies, and a client of theirs."""
    name = f"Reader {len(client.get('/v1/users').json()['data'])}"
    role = create(client, "roles", name=name, permissions=["companies:read"], reach="all")
    user = a_user(client, name=name, role_id=role["id"])
    key = create(client, "api-keys", name=name, user_id=user["id"])["key"]
    return UUID(user["id"]), readers.enter_context(Client(str(client.base_url), client.tenant, key))


def read(reader: Client, url: str, cards: range) -> None:
    """Look cards up by their names, by one process."""
    for start in range(cards.start, cards.stop, AT_ONCE):
        names = [f"Card {number}" for number in range(start, min(start + AT_ONCE, cards.stop))]
        answer = reader.get(f"{url}/v1/companies", params={"name": names, "limit": AT_ONCE})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["data"]) == len(names)


def noticed(plant: Plant, client: Client, reader_id: UUID) -> int:
    """Count how often the reader was noticed."""
    query = "SELECT count(*) FROM events WHERE tenant_id = $1 AND type = 'user.unusual_reading' AND object_id = $2"
    return int(plant.sql(query, client.tenant.id, reader_id)[0][0])
