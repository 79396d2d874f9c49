"""However many try a password at once, over however many processes: no more than the limit are ever looked at."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

from argon2 import PasswordHasher

from tests.factories import a_user
from tests.guarantees.plant import API, Plant
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

LIMIT = 10
TRIES = 200 * SCALE
PASSWORD = "seven geese over Trieste"


def test_of_two_hundred_wrong_passwords_over_two_processes_ten_are_looked_at_also_without_redis(plant: Plant) -> None:
    with plant.api() as one, plant.api() as other, plant.client(one) as client:
        with_redis = flood(plant, client, (one, other))
        plant.kill_valkey()
        try:
            without = flood(plant, client, (one, other))
        finally:
            plant.start_valkey()

        looked_at = max(with_redis, without)
        tell("sign_in_attempts", n=2 * TRIES, faults=1, lost=0, dup=0, limit=LIMIT, looked_at=looked_at)
        assert 0 < looked_at <= LIMIT
        assert (one.defects, other.defects) == ([], [])


def flood(plant: Plant, client: Client, apis: tuple[API, API]) -> int:
    """Try wrong passwords of a new user on both processes at once; gives how many were looked at."""
    user = a_user(client)
    plant.sql(
        "INSERT INTO passwords (tenant_id, id, user_id, hash, changed_at) VALUES ($1, $2, $3, $4, now())",
        client.tenant.id,
        uuid4(),
        UUID(user["id"]),
        PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD),
    )

    def attempt(number: int) -> int:
        body = {"tenant_id": str(client.tenant.id), "email": user["email"], "password": f"wrong {number}"}
        url = f"{apis[number % 2].url}/v1/sign-in/password"
        return client.post(url, json=body, headers={"authorization": ""}).status_code

    with ThreadPoolExecutor(40) as pool:
        answers = Counter(pool.map(attempt, range(TRIES)))

    assert set(answers) <= {401, 429, 503}, answers
    # Each look is recorded, so the count does not rest on what was answered.
    (recorded,) = plant.sql(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND type = 'session.failed' AND data ->> 'user_id' = $2",
        client.tenant.id,
        user["id"],
    )
    assert recorded[0] == answers[401]
    return answers[401]
