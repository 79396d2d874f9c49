"""What somebody may not see leaves no trace in anything that one can observe: no row, no field, no count, no order."""

import json
import random
import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.contract.bodies import create, unique
from tests.contract.file_bodies import uploaded
from tests.contract.operations import OPERATIONS, resolve
from tests.contract.people import CLIENTS, NARROWED, PRINCIPALS, People, a_comment, a_contact, a_ticket, people
from tests.stage import Client, Stage, utc
from tests.streams import listening

MONDAY = utc(2026, 3, 2, 9)
ROUNDS = 50
ORDERS = {
    "tickets": ("number", "-created_at", "updated_at"),
    "companies": ("name", "-name"),
    "contacts": ("name", "-updated_at"),
    "locations": ("name",),
    "assets": ("name",),
}
# A hidden ticket is where it is because somebody put it there; whatever happens to it must not be noticed either.
CANARIES = {
    "notes:read": "canary-of-a-note",
    "client.internal": "canary-of-the-card",
    "client.contact_details": "canary.address@client.example",
    "staff.contact_details": "canary.colleague@service.example",
    "ticket.internal": "canary-tag",
    "hidden": "canary-of-others",
    "foreign": "canary-of-foreigners",
}


@pytest.fixture(scope="module")
def sandbox_people(stage: Stage) -> Iterator[People]:
    """Give people in a tenant whose time stands still, so that answers differ by what is stored only."""
    with people(stage, clock_at=MONDAY) as made:
        yield made


def everything_observable(made: People, name: str) -> list[tuple[str, int, bytes]]:
    """Read all that a principal can: every list in several orders with its total, searches, the feed, and misses."""
    made.settle()
    client = made.client(name)
    told: list[tuple[str, int, bytes]] = []

    def look(path: str, **params: str | int) -> None:
        answer = client.get(path, params=params)
        # Where the feed will go on is a position among everybody's changes, sealed against reading.
        body = re.sub(rb'"(next_cursor|request_id)":"[^"]*"', b'"sealed":""', answer.content)
        told.append((f"{path} {params}", answer.status_code, body))

    for plural, orders in ORDERS.items():
        for order in orders:
            look(f"/v1/{plural}", sort=order, include_total=True)
        look(f"/v1/{plural}", limit=1)
    look("/v1/tickets", company_id=made.hidden["companies"], include_total=True)
    look("/v1/contacts", email="nobody@client.example")
    look(f"/v1/tickets/{made.own['tickets']}/comments", include_total=True)
    look("/v1/events", limit=200)
    look(f"/v1/traces/{made.own['traces']}")
    look(f"/v1/traces/{made.hidden['traces']}")
    for plural in ("tickets", "contacts", "companies", "locations", "assets"):
        look(f"/v1/{plural}/{made.hidden[plural]}")
    return told


def hidden_changes(made: People) -> list[Callable[[], object]]:
    """Give things that happen where the narrowed do not look."""
    api, others = made.api, made.hidden
    return [
        lambda: a_ticket(made, others, "hidden"),
        lambda: a_comment(made, others["tickets"], random.choice(["reply", "note"])),
        lambda: a_contact(api, unique("stranger"), others["companies"]),
        lambda: create(api, "companies", name=unique("Others"), territory="south"),
        lambda: api.patch(f"/v1/tickets/{others['tickets']}", json={"priority": random.choice(["low", "high"])}),
        lambda: api.patch(
            f"/v1/contacts/{others['contacts']}", json={"phones": [f"+3906698{uuid4().int % 90000 + 10000}"]}
        ),
        lambda: api.patch(f"/v1/companies/{others['companies']}", json={"name": unique("Others")}),
        lambda: api.patch(f"/v1/locations/{others['locations']}", json={"name": unique("Others")}),
        lambda: api.patch(f"/v1/assets/{others['assets']}", json={"name": unique("Others")}),
    ]


@pytest.mark.timeout(300)
def test_hidden_changes_are_unobservable(sandbox_people: People) -> None:
    made = sandbox_people
    changes = hidden_changes(made)
    before = {name: everything_observable(made, name) for name in NARROWED}

    for turn in range(ROUNDS):
        changes[turn % len(changes)]()
        name = NARROWED[turn % len(NARROWED)]
        assert everything_observable(made, name) == before[name], f"{name} noticed change {turn}"

    # All of them at the end once more: what one change hides, another could show.
    assert {name: everything_observable(made, name) for name in NARROWED} == before
    shown = {name: sum(status == 200 for _, status, _ in told) for name, told in before.items()}
    assert shown == {"contractor": 6, "of_companies": 15, "contact": 17, "contact_manager": 17}


def test_a_note_is_unobservable_to_those_who_read_replies_only(sandbox_people: People) -> None:
    made = sandbox_people
    before = {name: everything_observable(made, name) for name in CLIENTS}
    ticket = made.api.get(f"/v1/tickets/{made.own['tickets']}").json()

    a_comment(made, made.own["tickets"], "note", CANARIES["notes:read"])

    assert {name: everything_observable(made, name) for name in CLIENTS} == before
    assert made.api.get(f"/v1/tickets/{made.own['tickets']}").json() == ticket


def test_a_file_is_seen_exactly_where_what_it_hangs_on_is_seen(sandbox_people: People) -> None:
    made = sandbox_people
    of_note, of_ticket, of_nothing = (uploaded(made.api)["id"] for _ in range(3))
    a_comment(made, made.own["tickets"], "note", file_ids=[of_note])
    a_ticket(made, made.own, "own", file_ids=[of_ticket])
    places = (made.own["files"], of_note, of_ticket, made.hidden["files"], of_nothing)

    seen = {
        name: [
            {made.client(name).get(f"/v1/files/{file_id}{part}").status_code for part in ("", "/content")}
            for file_id in places
        ]
        for name in PRINCIPALS
    }

    yes, no, never = {200}, {404}, {403}
    assert seen == {
        **{name: [yes, yes, yes, yes, no] for name in ("admin", "supervisor", "agent", "light_agent", "auditor")},
        "contractor": [yes, no, yes, no, no],
        "contact": [yes, no, yes, no, no],
        "contact_manager": [yes, no, yes, no, no],
        # Their roles say nothing of files.
        "crm_sync": [never] * 5,
        "of_companies": [never] * 5,
    }
    assert made.api.get(f"/v1/files/{of_nothing}").status_code == 200


def plant_canaries(made: People, foreign: People) -> None:
    """Write a recognisable text into everything that somebody may not see."""
    api = made.api
    for which in (made.own, made.hidden):
        cards = {"company": "companies", "contact": "contacts", "location": "locations", "asset": "assets"}
        for card, plural in cards.items():
            card_id = which[plural]
            create(api, "external-references", source="canary", external_id=card_id, **{f"{card}_id": card_id})
    a_comment(made, made.own["tickets"], "note", CANARIES["notes:read"])
    api.patch(f"/v1/companies/{made.own['companies']}", json={"category": CANARIES["client.internal"]})
    api.patch(
        f"/v1/contacts/{made.own['contacts']}",
        json={
            "notes": CANARIES["client.internal"],
            "memberships": [{"company_id": made.own["companies"], "role": CANARIES["client.internal"]}],
            "emails": [CANARIES["client.contact_details"]],
            "messengers": [{"service": "matrix", "address": CANARIES["client.contact_details"]}],
        },
    )
    api.patch(f"/v1/locations/{made.own['locations']}", json={"notes": CANARIES["client.internal"]})
    api.patch(f"/v1/assets/{made.own['assets']}", json={"notes": CANARIES["client.internal"]})
    api.patch(f"/v1/users/{made.own['users']}", json={"email": CANARIES["staff.contact_details"]})
    api.patch(f"/v1/tickets/{made.own['tickets']}", json={"tags": [CANARIES["ticket.internal"]]})
    for where, canary in ((made, "hidden"), (foreign, "foreign")):
        a_ticket(where, where.hidden, CANARIES[canary], tags=[CANARIES[canary]])
        a_comment(where, where.hidden["tickets"], "reply", CANARIES[canary])
        where.api.patch(f"/v1/companies/{where.hidden['companies']}", json={"name": CANARIES[canary]})
        where.api.patch(f"/v1/locations/{where.hidden['locations']}", json={"name": CANARIES[canary]})
        where.api.patch(f"/v1/assets/{where.hidden['assets']}", json={"name": CANARIES[canary]})
        where.api.patch(f"/v1/contacts/{where.hidden['contacts']}", json={"name": CANARIES[canary]})


def everything_told(made: People, client: Client) -> str:
    """Call every reading operation, with every relation that can be included, and give all that was answered."""
    texts: list[str] = []
    for operation in OPERATIONS:
        if operation.method != "GET" or not operation.details["security"]:
            continue
        plural = operation.template.split("/")[2]
        for which in (made.own, made.hidden):
            path = operation.template.format_map({
                **dict.fromkeys(re.findall(r"{(\w+)}", operation.template), str(uuid4())),
                "id": which.get(plural, ""),
                "cause": which["traces"],
                "comment_id": which["comments"],
                "source": "canary",
                "external_id": which[plural] if "{source}" in operation.template else "",
                "clock": "first_response",
            })  # fmt: skip
            texts.append(client.get(path).text)
            if "include" in operation.query_parameters():
                pattern = resolve(operation.query_parameters()["include"])["pattern"]
                texts += [client.get(path, params={"include": name}).text for name in set(re.findall(r"\w+", pattern))]
    return "\n".join(texts)


def told_live(made: People, client: Client, after: str) -> str:
    """Give all that the live stream tells from a cursor on, to who may follow events."""
    if client.get("/v1/events").status_code == 403:
        return ""
    texts: list[str] = []
    with listening(client, after=after) as stream:
        last = unique("The last thing to happen")
        made.api.patch(f"/v1/companies/{made.own['companies']}", json={"name": last})
        while not texts or last not in texts[-1]:
            texts.append(json.dumps(stream.next().data))
    return "\n".join(texts)


@pytest.mark.timeout(240)
def test_canaries_reach_only_those_who_may_see_them(stage: Stage) -> None:
    seen_by: dict[str, list[str]] = {name: [] for name in CANARIES}
    with people(stage) as made, people(stage) as foreign:
        beginning = made.api.get("/v1/events", params={"after": "end"}).json()["page"]["next_cursor"]
        plant_canaries(made, foreign)
        for name in PRINCIPALS:
            client = made.client(name)
            told = everything_told(made, client) + told_live(made, client, beginning)
            for what, canary in CANARIES.items():
                if canary in told:
                    seen_by[what].append(name)

    everywhere = ["admin", "supervisor", "agent", "light_agent", "auditor"]
    assert seen_by == {
        "notes:read": everywhere,
        "client.internal": [*everywhere, "crm_sync"],
        "client.contact_details": ["admin", "supervisor", "crm_sync", *CLIENTS],
        "staff.contact_details": everywhere,
        "ticket.internal": ["admin", "supervisor", "agent", "light_agent", "contractor", "auditor"],
        "hidden": [*everywhere, "crm_sync"],
        "foreign": [],
    }
