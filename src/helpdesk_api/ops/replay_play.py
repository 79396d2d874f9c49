"""Playing planned cases against the API: in the order of time, at the log's instants, independent tickets side by side.

The steps of one ticket keep their order. Before the first step of an instant the test clock is moved there, after the
last one of the instant before has been answered.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from helpdesk_api.ops import replay_terms
from helpdesk_api.ops.replay_client import Client
from helpdesk_api.ops.replay_plan import State, Step, created_as, subject
from helpdesk_api.ops.replay_terms import Terms


class Directory:
    """Companies, contacts, teams and users, each created when somebody first needs it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._wanted: dict[str, asyncio.Task[str]] = {}

    async def company(self, name: str) -> str:
        """Give the id of a company."""
        return await self._once(f"company {name}", lambda: self._create("companies", {"name": name}))

    async def contact(self, company: str) -> str:
        """Give the id of the one contact that a company has in the log."""

        async def create() -> str:
            values = {"name": f"Contact of {company}", "company_id": await self.company(company)}
            return await self._create("contacts", values)

        return await self._once(f"contact {company}", create)

    async def team(self, name: str) -> str:
        """Give the id of a team."""
        return await self._once(f"team {name}", lambda: self._create("teams", {"name": name}))

    async def user(self, name: str) -> str:
        """Give the id of a user."""
        email = f"{name.lower().replace(' ', '-')}@helpdesk.example"
        return await self._once(f"user {name}", lambda: self._create("users", {"name": name, "email": email}))

    async def _create(self, plural: str, values: Mapping[str, Any]) -> str:
        key = f"{plural}-{values['name']}".replace(" ", "-")
        created = await self._client.post(f"/v1/{plural}", values, key=key, kind="create directory")
        return str(created["id"])

    async def _once(self, what: str, create: Callable[[], Coroutine[Any, Any, str]]) -> str:
        """Create it, or wait for whoever is creating it already."""
        if what not in self._wanted:
            self._wanted[what] = asyncio.create_task(create())
        return await self._wanted[what]


class Player:
    """Plays steps; what it remembers is only which ticket belongs to which case."""

    def __init__(self, client: Client, *, concurrency: int, on_step: Callable[[], None]) -> None:
        self._client = client
        self._directory = Directory(client)
        self._at_once = asyncio.Semaphore(concurrency)
        self._on_step = on_step
        self._tickets: dict[str, str] = {}

    async def play(self, cases: Sequence[Sequence[Step]]) -> None:
        """Play every step of every case; raises APIError for what the API refuses."""
        for at, steps in _by_instant(cases):
            await self._client.advance(at)
            # Not a task group: whoever starts a replay wants to hear the one reason why it ended.
            await asyncio.gather(*(self._play_chain(chain) for chain in _by_case(steps)))

    async def _play_chain(self, steps: Sequence[Step]) -> None:
        async with self._at_once:
            for step in steps:
                await self._play_step(step)
                self._on_step()

    async def _play_step(self, step: Step) -> None:
        """Create the ticket if this is its first row, leave the row's comment, then change what the row changes.

        The comment comes first: what resolves a ticket is also an answer, and counts as one while the clock still runs.
        """
        key = f"line-{step.row.line}"
        before = step.before
        if before is None:
            before = created_as(step)
            body = await self._ticket(step.row.case, before)
            created = await self._client.post("/v1/tickets", body, key=key, kind="create ticket")
            self._tickets[step.row.case] = str(created["id"])
        path = f"/v1/tickets/{self._tickets[step.row.case]}"
        remark = {
            "kind": step.remark.kind,
            "body": step.remark.body,
            "author_user_id": await self._directory.user(step.remark.author),
        }
        await self._client.post(f"{path}/comments", remark, key=key, kind="add comment")
        changes = await self._changes(before, step.after)
        if changes:
            await self._client.patch(path, changes, key=key, kind="change ticket")

    async def _ticket(self, case: str, state: State) -> dict[str, Any]:
        named = await self._named(state)
        return {"subject": subject(case), "status": state.status, **named}

    async def _named(self, state: State) -> dict[str, Any]:
        return {
            "priority": state.priority,
            "type": state.type,
            "tags": list(state.tags),
            "company_id": await self._directory.company(state.company),
            "contact_id": await self._directory.contact(state.company),
            "team_id": await self._directory.team(state.team),
            "assignee_id": None if state.assignee is None else await self._directory.user(state.assignee),
        }

    async def _changes(self, before: State, after: State) -> dict[str, Any]:
        if before == after:
            return {}
        old, new = await self._named(before), await self._named(after)
        changes = {field: value for field, value in new.items() if old[field] != value}
        return changes if before.status == after.status else {"status": after.status, **changes}


async def prepare(client: Client, terms: Terms) -> None:
    """Create the calendar and the policies, before anything happens, and let nothing be removed while years pass."""
    created = await client.post("/v1/calendars", replay_terms.calendar(), key="calendar", kind="create agreement")
    for policy in replay_terms.policies(str(created["id"]), terms):
        key = f"policy-{policy['position']}"
        await client.post("/v1/sla-policies", policy, key=key, kind="create agreement")
    keep = {"events_days": None, "security_events_days": None}
    await client.patch("/v1/retention-settings", keep, key="keep", kind="create agreement")


def _by_instant(cases: Sequence[Sequence[Step]]) -> Iterable[tuple[datetime, list[Step]]]:
    # Sorting is stable, and the rows of one case never go back in time: their order is kept.
    steps = sorted((step for case in cases for step in case), key=lambda step: step.row.at)
    for at, found in groupby(steps, key=lambda step: step.row.at):
        yield at, list(found)


def _by_case(steps: Sequence[Step]) -> list[list[Step]]:
    chains: dict[str, list[Step]] = {}
    for step in steps:
        chains.setdefault(step.row.case, []).append(step)
    return list(chains.values())
