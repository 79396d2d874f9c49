"""Comparing what the API now tells with the log, ticket by ticket: histories, comments, times and counts of events.

Everything on one side is read back through the API (tickets, comments, the event feed), nothing is remembered from
playing; the other side follows from the rows alone (`replay_plan`).
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from helpdesk_api.ops.replay_client import Client, instant_text
from helpdesk_api.ops.replay_plan import FINISHED, State, Step, created_as, subject
from helpdesk_api.ops.replay_records import Record, records
from helpdesk_api.ops.replay_terms import Terms

_COMMENT_EVENTS: Final = {"reply": "ticket.reply_added", "note": "ticket.note_added"}
_COUNTED: Final = frozenset({
    "ticket.created", "ticket.updated", "ticket.status_changed", "ticket.assigned", *_COMMENT_EVENTS.values()
})  # fmt: skip
_ASSIGNMENT: Final = ("assignee", "team")
# The fields of a state by the names of the API; ids are read as the names behind them.
_FIELDS: Final[Mapping[str, str]] = {
    "status": "status",
    "priority": "priority",
    "type": "type",
    "company": "company_id",
    "assignee": "assignee_id",
    "team": "team_id",
    "tags": "tags",
}

History = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something about one case that the API tells otherwise than the log."""

    case: str
    what: str
    in_log: str
    in_api: str


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that the API tells about the tickets."""

    tickets: Mapping[str, Mapping[str, Any]]
    events: Mapping[str, Sequence[Mapping[str, Any]]]
    comments: Mapping[str, Sequence[Mapping[str, Any]]]
    clocks: Mapping[str, Sequence[Mapping[str, Any]]]
    names: Mapping[str, str]


async def read_back(client: Client, events: Iterable[Mapping[str, Any]], *, concurrency: int) -> Told:
    """Read every ticket with its comments and the records of its clocks, and every name."""
    names: dict[str, str] = {}
    for plural in ("companies", "teams", "users"):
        async for item in client.every(f"/v1/{plural}", kind="list"):
            names[item["id"]] = item["name"]
    tickets = {ticket["id"]: ticket async for ticket in client.every("/v1/tickets", kind="list", sort="number")}
    by_ticket: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        by_ticket[event["object_id"]].append(event)
    at_once = asyncio.Semaphore(concurrency)

    async def comments_of(ticket_id: str) -> list[dict[str, Any]]:
        async with at_once:
            return [item async for item in client.every(f"/v1/tickets/{ticket_id}/comments", kind="list comments")]

    async def clocks_of(ticket_id: str) -> list[dict[str, Any]]:
        async with at_once:
            found: list[dict[str, Any]] = (await client.get(f"/v1/tickets/{ticket_id}/sla", kind="read clocks"))["data"]
            return found

    comments = await asyncio.gather(*map(comments_of, tickets))
    clocks = await asyncio.gather(*map(clocks_of, tickets))
    return Told(
        tickets, by_ticket, dict(zip(tickets, comments, strict=True)), dict(zip(tickets, clocks, strict=True)), names
    )


def compare(cases: Sequence[Sequence[Step]], told: Told, terms: Terms = Terms.PRIORITIES) -> list[Mismatch]:
    """Compare every case with its ticket, and every ticket with its case."""
    ends_at = max(steps[-1].row.at for steps in cases)
    by_subject: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for ticket in told.tickets.values():
        by_subject[ticket["subject"]].append(ticket)
    found: list[Mismatch] = []
    for steps in cases:
        case = steps[0].row.case
        tickets = by_subject.pop(subject(case), [])
        if len(tickets) != 1:
            found.append(Mismatch(case, "tickets", "1", str(len(tickets))))
            continue
        found += [
            Mismatch(case, what, _text(expected), _text(actual))
            for what, expected, actual in (
                *_comparisons(steps, tickets[0], told),
                *_promises(dict(records(steps, terms, ends_at)), told.clocks[tickets[0]["id"]]),
            )
            if expected != actual
        ]
    found += [Mismatch(name, "tickets", "0", str(len(tickets))) for name, tickets in by_subject.items()]
    return found


def _comparisons(steps: Sequence[Step], ticket: Mapping[str, Any], told: Told) -> Iterator[tuple[str, object, object]]:
    events = told.events.get(ticket["id"], [])
    for field in fields(State):
        history = _history_in_log(steps, field.name)
        yield f"final {field.name}", history[-1][1], _named(field.name, ticket[_FIELDS[field.name]], told.names)
        yield f"history of {field.name}", history, _history_in_api(events, field.name, told.names)
    yield "number of comments", len(steps), len(told.comments[ticket["id"]])
    yield "comments", *_comments(steps, told.comments[ticket["id"]], told.names)
    yield "number of events", _events_in_log(steps), Counter(e["type"] for e in events if e["type"] in _COUNTED)
    yield from ((name, value, ticket[name]) for name, value in _milestones(steps).items())


def _promises(
    expected: Mapping[str, Record], clocks: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, object, object]]:
    """Compare what became of each promise, field by field."""
    actual = {f"{clock['metric']} {clock['instance']}": clock for clock in clocks}
    yield "clocks", sorted(expected), sorted(actual)
    for name, record in expected.items():
        for field, value in record.items():
            yield f"{field} of {name}", value, actual.get(name, {}).get(field)


def _history_in_log(steps: Sequence[Step], field: str) -> History:
    started_at = instant_text(steps[0].row.at)
    history: History = [(started_at, getattr(created_as(steps[0]), field))]
    for step in steps:
        value = getattr(step.after, field)
        if value != history[-1][1]:
            history.append((instant_text(step.row.at), value))
    return history


def _history_in_api(events: Iterable[Mapping[str, Any]], field: str, names: Mapping[str, str]) -> History:
    history: History = []
    for event in events:
        change = event["changes"].get(_FIELDS[field])
        if change is not None and event["object_type"] == "ticket":
            history.append((event["occurred_at"], _named(field, change[1], names)))
        elif event["type"] == "ticket.created":
            history.append((event["occurred_at"], None))
    return history


def _named(field: str, value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever JSON holds.
    if field == "tags":
        return tuple(value)
    return names.get(value, value) if _FIELDS[field].endswith("_id") and value is not None else value


def _comments(
    steps: Sequence[Step], comments: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> tuple[object, object]:
    expected = [(instant_text(s.remark.at), s.remark.kind, s.remark.author, s.remark.body) for s in steps]
    actual = [(c["created_at"], c["kind"], names.get(c["author_user_id"]), c["body"]) for c in comments]
    return expected, actual


def _events_in_log(steps: Sequence[Step]) -> Counter[str]:
    counts: Counter[str] = Counter({"ticket.created": 1})
    for step in steps:
        counts[_COMMENT_EVENTS[step.remark.kind]] += 1
        before = step.before or created_as(step)
        changed = {
            field.name for field in fields(State) if getattr(before, field.name) != getattr(step.after, field.name)
        }
        counts["ticket.status_changed"] += "status" in changed
        counts["ticket.assigned"] += not changed.isdisjoint(_ASSIGNMENT)
        counts["ticket.updated"] += not changed <= {"status", *_ASSIGNMENT}
    return +counts


def _milestones(steps: Sequence[Step]) -> dict[str, object]:
    """Work out the times and counts that follow from the statuses and replies of the rows."""
    solved_at = closed_at = answered_at = None
    reopen_count = 0
    status = "new"
    for step in steps:
        at = instant_text(step.row.at)
        if step.remark.kind == "reply":
            answered_at = answered_at or at
        if step.after.status == status:
            continue
        if step.after.status in FINISHED:
            solved_at = solved_at or at
            closed_at = at if step.after.status == "closed" else None
        elif status in FINISHED:
            solved_at = closed_at = None
            reopen_count += 1
        status = step.after.status
    return {
        "created_at": instant_text(steps[0].row.at),
        "first_responded_at": answered_at,
        "solved_at": solved_at,
        "closed_at": closed_at,
        "reopen_count": reopen_count,
    }


def _text(value: object) -> str:
    return str(dict(sorted(value.items()))) if isinstance(value, Counter) else str(value)
