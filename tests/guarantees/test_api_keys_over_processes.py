"""API keys over several processes: revoked everywhere within seconds, counted also by one that is told to stop."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from tests.factories import create
from tests.guarantees.plant import API, Plant, until
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

KEYS = 5 * SCALE
WITHIN = 5.0
REQUESTS = 50


def test_a_revoked_key_is_dead_on_every_process_within_five_seconds_with_redis_or_without(plant: Plant) -> None:
    with plant.api() as one, plant.api() as other, plant.client(one) as client:
        with_redis = seconds_of_all(client, other)
        plant.kill_valkey()
        try:
            without = seconds_of_all(client, other)
        finally:
            plant.start_valkey()

        slowest = max(*with_redis, *without)
        tell("key_revocation", n=2 * KEYS, faults=1, lost=0, dup=0, slowest=f"{slowest:.1f}s")
        assert slowest < WITHIN
        assert (one.defects, other.defects) == ([], [])


def seconds_of_all(client: Client, other: API) -> list[float]:
    """Revoke keys, all at the same time; gives how long the other process goes on taking each."""
    with ThreadPoolExecutor(KEYS) as threads:
        return list(threads.map(lambda number: seconds_to_die(client, other, f"key {number}"), range(KEYS)))


def seconds_to_die(client: Client, other: API, name: str) -> float:
    """Revoke a key that both processes have seen to be good; gives how long the other one goes on taking it."""
    made = create(client, "api-keys", name=name, scopes=["teams:read"])
    headers = {"authorization": f"Bearer {made['key']}"}

    def taken(url: str) -> bool:
        status = client.get(f"{url}/v1/teams", headers=headers).status_code
        assert status in {200, 401}
        return status == 200

    here = str(client.base_url).rstrip("/")
    assert (taken(here), taken(other.url)) == (True, True)
    revoked_at = monotonic()
    assert client.post(f"/v1/api-keys/{made['id']}/revoke").status_code == 200
    assert not taken(here)
    until(lambda: not taken(other.url), "the other process refuses the key as well", seconds=3 * WITHIN)
    return monotonic() - revoked_at


def test_a_process_that_is_told_to_stop_stores_what_it_has_counted(plant: Plant) -> None:
    counted = """
        SELECT operation_id, request_count FROM api_key_usage WHERE tenant_id = $1 ORDER BY operation_id
    """
    with plant.api(HELPDESK_USAGE_SECONDS="60") as api, plant.client(api) as client:
        for _ in range(REQUESTS):
            assert client.get("/v1/teams").status_code == 200
        create(client, "teams", name="Network")
        before = plant.sql(counted, client.tenant.id)
        api.ask_to_stop()
        exit_code = api.wait()

        after = [tuple(row) for row in plant.sql(counted, client.tenant.id)]
        lost = REQUESTS + 1 - sum(number for _, number in after)
        tell("usage_survives_a_stop", n=REQUESTS + 1, faults=1, lost=lost, dup=0)
        assert (before, exit_code) == ([], 0)
        assert after == [("teams_create", 1), ("teams_list", REQUESTS)]
