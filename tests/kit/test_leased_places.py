"""Places that processes share: never more than there are, and those of the dead are free again by themselves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from helpdesk_api.kit.leased_places import Bound, LeasedPlaces, NoPlaceLeftError, leased_places
from helpdesk_api.kit.shared_store import SharedStore
from tests.stage import Services

PATIENCE = 20
SHORT = timedelta(milliseconds=300)


def a_store(redis_url: str | None) -> SharedStore:
    """Make a store that a busy machine does not make believe that Valkey is away."""
    return SharedStore(redis_url, patience_seconds=PATIENCE)


@asynccontextmanager
async def processes(count: int, redis_url: str | None) -> AsyncIterator[list[LeasedPlaces]]:
    """Give the places of so many processes, of which none looks after its leases by itself."""
    stores = [a_store(redis_url) for _ in range(count)]
    try:
        yield [LeasedPlaces(store) for store in stores]
    finally:
        for store in stores:
            await store.close()


def bounds(of_caller: int, of_tenant: int) -> list[Bound]:
    tenant = f"{{{uuid4()}}}"
    return [Bound(f"{tenant}:caller", of_caller), Bound(tenant, of_tenant)]


async def is_free(places: LeasedPlaces, wanted: Sequence[Bound]) -> bool:
    """Take a place and leave it again at once, if there is one."""
    try:
        async with places.place(wanted):
            pass
    except NoPlaceLeftError:
        return False
    await places.give_back()
    return True


async def until_free(places: LeasedPlaces, wanted: Sequence[Bound], *, free: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while await is_free(places, wanted) is not free:  # noqa: ASYNC110 - another process, or a task, sees to it.
            await asyncio.sleep(0.01)


async def test_two_processes_have_no_more_places_than_there_are(services: Services) -> None:
    wanted = bounds(of_caller=2, of_tenant=9)
    async with processes(2, services.redis_url) as (one, other), AsyncExitStack() as held:
        leaving = await held.enter_async_context(AsyncExitStack())
        await leaving.enter_async_context(one.place(wanted))
        await held.enter_async_context(other.place(wanted))

        while_taken = [await is_free(places, wanted) for places in (one, other)]
        await leaving.aclose()
        await one.give_back()

        assert while_taken == [False, False]
        assert await is_free(other, wanted)


async def test_of_many_who_come_at_once_as_many_get_a_place_as_there_are(services: Services) -> None:
    wanted = bounds(of_caller=7, of_tenant=5)
    full: list[str] = []
    async with processes(2, services.redis_url) as both, AsyncExitStack() as held:

        async def come(places: LeasedPlaces) -> bool:
            try:
                await held.enter_async_context(places.place(wanted))
            except NoPlaceLeftError as error:
                full.append(error.bound.key)
                return False
            return True

        got = await asyncio.gather(*(come(both[number % 2]) for number in range(20)))

    assert (sum(got), set(full)) == (5, {wanted[1].key})


async def test_what_the_dead_have_held_is_free_when_their_leases_have_run_out(services: Services) -> None:
    wanted = bounds(of_caller=1, of_tenant=1)
    async with processes(2, services.redis_url) as (dead, other), dead.place(wanted):
        before = await is_free(other, wanted)

        async with Redis.from_url(services.redis_url) as redis:
            for key in (f"helpdesk:places:{bound.key}" for bound in wanted):
                (who,) = await redis.zrange(key, 0, -1)
                await redis.zadd(key, {who: 1})

        assert (before, await is_free(other, wanted)) == (False, True)


async def test_what_is_held_is_renewed_and_there_again_after_a_flush(services: Services) -> None:
    wanted = bounds(of_caller=1, of_tenant=1)
    async with processes(1, services.redis_url) as (other,), AsyncExitStack() as running:
        store = a_store(services.redis_url)
        running.push_async_callback(store.close)
        living = await running.enter_async_context(leased_places(store, lease=SHORT))
        async with living.place(wanted):
            async with Redis.from_url(services.redis_url) as redis:
                await redis.delete(*(f"helpdesk:places:{bound.key}" for bound in wanted))

            await until_free(other, wanted, free=False)

        await until_free(other, wanted, free=True)


@pytest.mark.parametrize("redis_url", [None, "redis://127.0.0.1:1/0"], ids=["no Valkey", "Valkey is away"])
async def test_without_valkey_every_process_counts_by_itself(redis_url: str | None) -> None:
    wanted = bounds(of_caller=1, of_tenant=2)
    async with processes(2, redis_url) as (one, other), one.place(wanted):
        assert [await is_free(places, wanted) for places in (one, other)] == [False, True]
