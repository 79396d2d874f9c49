"""A copy of client cards that is kept by the delta feed equals the source, whoever writes and whenever it is killed."""

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.factories import a_company, create, get, patch
from tests.guarantees.report import SCALE, tell
from tests.jobs.webhooks import settle
from tests.stage import Client, Stage

WRITERS = 4 if SCALE == 1 else 16
ROUNDS = 4 * SCALE


class KilledError(Exception):
    """The consumer was killed: what it has not saved is lost."""


@dataclass
class Copy:
    """What a consumer has saved, in one stroke: the cards, and the cursor to go on from."""

    cursor: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


class Consumer:
    """Follows the companies of a tenant, and saves what it has learnt after every answer, unless it is killed."""

    def __init__(self, api: Client) -> None:
        self._api = api
        self._fate = random.Random(4)
        self.saved = Copy()
        self.kills = 0

    def follow(self, until: str) -> None:
        """Go on to a place of the feed, killed and resumed on the way."""
        while True:
            try:
                if self._step(until):
                    return
            except KilledError:
                self.kills += 1

    def _step(self, until: str) -> bool:
        query = {"include_own": "true", "until": until, "limit": "7"}
        query |= {"after": self.saved.cursor} if self.saved.cursor else {}
        answer = self._api.get("/v1/companies/changes", params=query)
        assert answer.status_code == 200, answer.text
        told, copy = answer.json(), Copy(names=dict(self.saved.names), versions=dict(self.saved.versions))
        for change in told["data"]:
            if self._fate.random() < 0.05:
                raise KilledError
            if change["type"] in {"upserted", "restored"}:
                copy.versions[change["id"]] = change["version"]
                copy.names[change["id"]] = change["card"]["name"] if change["card"] else ""
            else:
                assert (change["type"] == "merged") == (change["merged_into"] is not None)
                copy.versions.pop(change["id"], None)
                copy.names.pop(change["id"], None)
        copy.cursor = told["page"]["next_cursor"]
        self.saved = copy
        return not told["page"]["has_more"]


def checksum(versions: dict[str, int]) -> str:
    """Compute a checksum the documented way."""
    total = 0
    for object_id, version in versions.items():
        total ^= int.from_bytes(hashlib.sha256(f"{object_id}:{version}".encode()).digest()[:16])
    return f"{total:032x}"


def write(stage: Stage, api: Client, number: int) -> None:
    """Create, change, delete, merge and part again, as writers do."""
    with stage.client(api.tenant, api.key) as writer:
        for step in range(ROUNDS):
            company = a_company(writer)
            patch(writer, f"companies/{company['id']}", name=f"Renamed {number}.{step}")
            if step % 3 == 0:
                assert writer.delete(f"/v1/companies/{company['id']}").status_code == 204
                continue
            loser = a_company(writer)
            a_company(writer, parent_company_id=loser["id"])
            merge = create(writer, "merges", card_type="company", winner_id=company["id"], loser_ids=[loser["id"]])
            if step % 3 == 1:
                assert writer.post(f"/v1/merges/{merge['id']}/undo").status_code == 200


def test_a_copy_from_the_delta_feed_equals_the_source_while_others_write_and_the_consumer_is_killed(
    stage: Stage, api: Client
) -> None:
    consumer, compared, ended = Consumer(api), 0, threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, stage, api, number) for number in range(WRITERS)]
        while not ended.is_set():
            if all(one.done() for one in writing):
                ended.set()
                settle(stage, api)
            told = get(api, "events/checksum?collection=companies")
            consumer.follow(told["cursor"])
            versions = consumer.saved.versions
            assert (told["object_count"], told["checksum"]) == (len(versions), checksum(versions))
            compared += 1
        for one in writing:
            one.result()

    stored = stage.sql("SELECT id, name FROM companies WHERE tenant_id = $1", api.tenant.id)
    names = {str(row["id"]): row["name"] for row in stored}
    lost = len(names) - len(consumer.saved.names)
    tell("copy_from_delta_feed", n=compared, faults=consumer.kills, lost=lost, dup=0)
    assert consumer.saved.names == names
    assert compared > 1
