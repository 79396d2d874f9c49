"""A client of the live stream, as a browser is one: it reads messages and remembers the last id."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.factories import Json, a_user, create
from tests.stage import Client

PATH = "/v1/events/stream"


@dataclass(frozen=True)
class Message:
    """One message: without a name it is an event of the feed; with neither name nor data only a sign of life."""

    name: str = ""
    id: str = ""
    data: Any = None

    @property
    def type(self) -> str:
        """Give the type of the event."""
        assert self.name == "", self
        found: str = self.data["type"]
        return found


class Stream:
    """An open stream."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()
        self.last_id = ""
        self.retry = 0

    def read(self) -> Message | None:
        """Read the next message of any kind; None when the server has ended the stream."""
        name, data = "", None
        for line in self._lines:
            field, _, value = line.partition(": ")
            match field:
                case "event":
                    name = value
                case "id":
                    self.last_id = value
                case "data":
                    data = json.loads(value)
                case "retry":
                    self.retry = int(value)
                case "":
                    return Message(name, self.last_id, data)
                case _:
                    assert value == "", line
        return None

    def next(self) -> Message:
        """Read the next message that tells something."""
        while (message := self.read()) is not None:
            if message.data is not None:
                return message
        raise AssertionError("the stream has ended")

    def until(self, wanted: str) -> list[str]:
        """Read events up to the first of a type; gives all their types."""
        types = [self.next().type]
        while types[-1] != wanted:
            types.append(self.next().type)
        return types


@contextmanager
def streaming(api: Client, *, headers: Mapping[str, str] | None = None, **query: str | list[str]) -> Iterator[Stream]:
    """Open a stream that must be answered."""
    with api.stream("GET", PATH, params=query, headers=dict(headers or {})) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise AssertionError(answer.read().decode())
        yield Stream(answer)


@contextmanager
def listening(api: Client, *, headers: Mapping[str, str] | None = None, **query: str | list[str]) -> Iterator[Stream]:
    """Open a stream, and go on when it tells what happens from now on."""
    with streaming(api, headers=headers, **query) as stream:
        assert stream.next().name == "ready"
        yield stream


def listeners(api: Client) -> int:
    """Tell how many streams and waiting requests the process of a client has open."""
    (found,) = re.findall(r"^live_listeners ([0-9.]+)$", api.get("/metrics").text, re.MULTILINE)
    return int(float(found))


def a_follower(api: Client, **role: object) -> tuple[Json, Json, Json]:
    """Make a key of a user with a role, who follows events."""
    permissions = ["events:read", "teams:read", "tickets:read"]
    made = create(api, "roles", **{"name": "Follower", "permissions": permissions, "reach": "all"} | role)
    user = a_user(api, role_id=made["id"])
    return made, user, create(api, "api-keys", name="Follower", user_id=user["id"])
