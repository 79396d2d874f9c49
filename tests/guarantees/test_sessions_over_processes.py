"""What is taken from somebody who has signed in is gone on every process within seconds, with Redis or without."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from uuid import UUID, uuid4

import httpx2
from argon2 import PasswordHasher

from tests.factories import Json, a_user, create
from tests.guarantees.plant import API, Plant, until
from tests.guarantees.report import tell
from tests.stage import Client

WITHIN = 5.0
PASSWORD = "seven geese over Trieste"


class Visitor:
    """Somebody with a role of their own who has signed in at one process, and is known to the other."""

    def __init__(self, plant: Plant, client: Client, other: API) -> None:
        self._client = client
        self._other = other
        self.role: Json = create(
            client, "roles", name=f"Own {uuid4()}", permissions=["teams:read"], reach="all"
        )  # fmt: skip
        self.user: Json = a_user(client, role_id=self.role["id"])
        plant.sql(
            "INSERT INTO passwords (tenant_id, id, user_id, hash, changed_at) VALUES ($1, $2, $3, $4, now())",
            client.tenant.id,
            uuid4(),
            UUID(self.user["id"]),
            PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD),
        )
        body = {"tenant_id": str(client.tenant.id), "email": self.user["email"], "password": PASSWORD}
        opened = client.post("/v1/sign-in/password", json=body, headers={"authorization": ""})
        assert opened.status_code == 201, opened.text
        self.tokens: Json = opened.json()
        assert self.status_there() == 200

    def post(self, path: str, body: Json | None = None) -> httpx2.Response:
        """Do something at the process where they have signed in."""
        return self._client.post(f"/v1/{path}", json=body, headers=self._headers)

    def status_there(self) -> int:
        """Ask the other process."""
        return self._client.get(f"{self._other.url}/v1/teams", headers=self._headers).status_code

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens['access_token']}"}


def changes(client: Client) -> dict[str, tuple[int, Callable[[Visitor], httpx2.Response]]]:
    """Give what takes something from a visitor, and what the other process then answers."""
    return {
        "signed out": (401, lambda visitor: visitor.post("me/sign-out")),
        "signed out everywhere": (401, lambda visitor: visitor.post("me/sign-out-everywhere")),
        "ended by staff": (401, lambda visitor: client.post(f"/v1/sessions/{visitor.tokens['session_id']}/end")),
        "inactive": (401, lambda visitor: client.patch(f"/v1/users/{visitor.user['id']}", json={"is_active": False})),
        "without a role": (
            401,
            lambda visitor: client.patch(f"/v1/users/{visitor.user['id']}", json={"role_id": None}),
        ),
        "role narrowed": (
            403,
            lambda visitor: client.patch(f"/v1/roles/{visitor.role['id']}", json={"permissions": ["users:read"]}),
        ),
    }


def seconds_to_reach(visitor: Visitor, status: int, change: Callable[[Visitor], httpx2.Response]) -> float:
    """Take something away; gives how long the other process goes on as before."""
    started = monotonic()
    answer = change(visitor)
    assert answer.is_success, answer.text
    until(lambda: visitor.status_there() == status, f"the other process answers {status}", seconds=3 * WITHIN)
    return monotonic() - started


def waits_of_all(plant: Plant, client: Client, other: API) -> dict[str, float]:
    """Take each thing from a visitor of its own, all at the same time; gives how long each is still there."""
    taking = changes(client)
    visitors = [Visitor(plant, client, other) for _ in taking]
    with ThreadPoolExecutor(len(visitors)) as threads:
        waits = threads.map(seconds_to_reach, visitors, *zip(*taking.values(), strict=True))
        return dict(zip(taking, waits, strict=True))


def test_what_is_taken_from_a_session_reaches_every_process_within_five_seconds(plant: Plant) -> None:
    with plant.api() as one, plant.api() as other, plant.client(one) as client:
        waits = waits_of_all(plant, client, other)
        plant.kill_valkey()
        try:
            waits |= {f"{name}, without Redis": wait for name, wait in waits_of_all(plant, client, other).items()}
        finally:
            plant.start_valkey()

        slowest = max(waits, key=lambda name: waits[name])
        tell("session_revocation", n=len(waits), faults=1, lost=0, dup=0, slowest=f"{waits[slowest]:.1f}s", by=slowest)
        assert waits[slowest] < WITHIN
        assert (one.defects, other.defects) == ([], [])
