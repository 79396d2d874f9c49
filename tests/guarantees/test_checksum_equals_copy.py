"""A copy that is kept by the feed has the checksum that the server tells, while sixteen others write."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.factories import a_company, a_ticket, create, patch
from tests.guarantees.report import SCALE, tell
from tests.jobs.webhooks import settle
from tests.stage import Client, Stage

WRITERS = 16
ROUNDS = 12 * SCALE


class Copy:
    """What a client knows of one collection: ids and versions, from nothing but events."""

    def __init__(self, api: Client, object_type: str) -> None:
        self._api = api
        self._object_type = object_type
        self._after: str | None = None
        self.versions: dict[str, int] = {}

    def follow_to(self, cursor: str) -> None:
        """Follow the feed up to a cursor: all that is there, without what is told behind the cursor as well."""
        found = self._read(self._after)
        behind = {event["id"] for event in self._read(cursor)}
        for event in found:
            if event["id"] not in behind:
                self._apply(event)
        self._after = cursor

    def _read(self, after: str | None) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        query = {"object_type": self._object_type, "limit": "200"} | ({"after": after} if after else {})
        while True:
            answer = self._api.get("/v1/events", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            events += page["data"]
            if not page["page"]["has_more"]:
                return events
            query["after"] = page["page"]["next_cursor"]

    def _apply(self, event: dict[str, Any]) -> None:
        if event["type"].endswith(".deleted"):
            self.versions.pop(event["object_id"], None)
        else:
            self.versions[event["object_id"]] = event["object_version"]

    @property
    def checksum(self) -> str:
        """Compute it the documented way."""
        total = 0
        for object_id, version in self.versions.items():
            total ^= int.from_bytes(hashlib.sha256(f"{object_id}:{version}".encode()).digest()[:16])
        return f"{total:032x}"


def checksum(api: Client, collection: str) -> dict[str, Any]:
    answer = api.get("/v1/events/checksum", params={"collection": collection})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def write(api: Client, number: int) -> None:
    """Create, change and delete, as writers do."""
    for step in range(ROUNDS):
        company = a_company(api)
        patch(api, f"companies/{company['id']}", name=f"Renamed {number}.{step}")
        if step % 3 == 0:
            assert api.delete(f"/v1/companies/{company['id']}").status_code == 204


def test_the_checksum_of_a_copy_is_that_of_the_server_while_others_write(stage: Stage, api: Client) -> None:
    copy, compared, ended = Copy(api, "company"), 0, threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, api, number) for number in range(WRITERS)]
        while not ended.is_set():
            if all(one.done() for one in writing):
                ended.set()
                settle(stage, api)
            told = checksum(api, "companies")
            copy.follow_to(told["cursor"])
            assert (told["object_count"], told["checksum"]) == (len(copy.versions), copy.checksum)
            compared += 1
        for one in writing:
            one.result()

    (stored,) = stage.sql("SELECT count(*) AS count FROM companies WHERE tenant_id = $1", api.tenant.id)
    tell("checksum_equals_copy", n=compared, faults=WRITERS, lost=stored["count"] - len(copy.versions), dup=0)
    assert compared > 1
    assert len(copy.versions) == stored["count"]


def test_a_collection_without_objects_has_a_checksum_of_zeros(api: Client) -> None:
    told = checksum(api, "tickets")

    assert (told["object_count"], told["checksum"]) == (0, "0" * 32)


@pytest.mark.parametrize("collection", ["tickets", "teams", "users", "companies", "contacts", "roles", "calendars"])
def test_every_collection_can_be_compared_with_its_list(stage: Stage, api: Client, collection: str) -> None:
    a_ticket(api)
    create(api, "teams", name="Dispatch")
    settle(stage, api)

    told = checksum(api, collection)
    listed = api.get(f"/v1/{collection}", params={"limit": 200}).json()["data"]
    copy = Copy(api, "")
    copy.versions = {item["id"]: item["version"] for item in listed}

    assert (told["object_count"], told["checksum"]) == (len(listed), copy.checksum)


def test_a_caller_who_sees_some_rows_is_told_the_checksum_of_those(stage: Stage, api: Client) -> None:
    role = create(api, "roles", name="Technician", permissions=["events:read", "tickets:read"], reach="assigned")
    user = create(api, "users", name="Ada", email="ada@service.example", role_id=role["id"])
    key = create(api, "api-keys", name="Ada", user_id=user["id"])["key"]
    mine, _ = a_ticket(api, assignee_id=user["id"]), a_ticket(api)
    settle(stage, api)

    with stage.client(api.tenant, key) as narrow:
        told = checksum(narrow, "tickets")
        refused = narrow.get("/v1/events/checksum", params={"collection": "companies"})

    copy = Copy(api, "ticket")
    copy.versions = {mine["id"]: 1}
    assert (told["object_count"], told["checksum"]) == (1, copy.checksum)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_permission")


@pytest.mark.parametrize("collection", ["comments", "events", "Tickets", "ticket", "x'; --"])
def test_a_collection_that_the_feed_does_not_tell_of_is_refused(api: Client, collection: str) -> None:
    answer = api.get("/v1/events/checksum", params={"collection": collection})

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_collection")
