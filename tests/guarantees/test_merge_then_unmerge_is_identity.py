"""Whatever was merged into what: undone in reverse it is byte by byte as it was, while others write on the same."""

import random
import threading
from typing import Any

from tests.api.test_merges import merged, stored, undone
from tests.factories import a_company, a_contact, a_ticket, create, patch
from tests.guarantees.report import SCALE, tell
from tests.stage import Client, Stage

Json = dict[str, Any]
MERGES = 3


def a_desk(api: Client, fate: random.Random) -> tuple[dict[str, list[Json]], list[Json]]:
    """Make cards at random that belong together, and tickets of theirs."""
    companies: list[Json] = []
    for number in range(4):
        above = fate.choice([None, *[each["id"] for each in companies]])
        domains = sorted(fate.sample(["a.example", "b.example", "c.example"], fate.randint(0, 2)))
        companies.append(a_company(api, name=f"Company {number}", parent_company_id=above, domains=domains))
    people, tickets = [], []
    for number in range(4):
        company, other = fate.sample(companies, 2)
        roles = [{"company_id": each["id"], "role": fate.choice([None, "Buyer"])} for each in (company, other)]
        person = a_contact(
            api, company_id=company["id"], emails=[f"p{number}@client.example"], phones=["+390669821234"],
            memberships=fate.sample(roles, fate.randint(0, 2)),
        )  # fmt: skip
        place = create(api, "locations", company_id=company["id"], name=f"Dock {number}", contact_ids=[person["id"]])
        create(api, "external-references", source="crm", external_id=place["id"], company_id=company["id"])
        here = {"location_id": place["id"]} if fate.random() < 0.5 else {}
        tickets.append(a_ticket(api, company_id=company["id"], contact_id=person["id"], **here))
        people.append(person)
    return {"company": companies, "contact": people}, tickets


def merge_at_random(api: Client, fate: random.Random, cards: dict[str, list[Json]]) -> list[Json]:
    """Merge cards that are there, also winners of before, until there are few."""
    made = []
    for _ in range(MERGES):
        kind = fate.choice([name for name, left in cards.items() if len(left) > 1])
        winner, *losers = fate.sample(cards[kind], fate.randint(2, min(3, len(cards[kind]))))
        made.append(merged(api, kind, winner, *losers))
        cards[kind] = [each for each in cards[kind] if each not in losers]
    return made


def write(stage: Stage, api: Client, tickets: list[Json], ended: threading.Event) -> int:
    """Change tickets of these cards and change them back."""
    count = 0
    with stage.client(api.tenant, api.key) as writer:
        while not ended.is_set():
            ticket = tickets[count % len(tickets)]
            for priority in ("urgent", "normal"):
                patch(writer, f"tickets/{ticket['id']}", priority=priority)
            count += 1
    return count


def test_merges_undone_in_reverse_leave_everything_as_it_was_while_others_write(stage: Stage, api: Client) -> None:
    merges_made = 0
    for seed in range(SCALE):
        fate = random.Random(seed)
        cards, tickets = a_desk(api, fate)
        before = stored(stage, api)
        ended = threading.Event()
        writer = threading.Thread(target=write, args=(stage, api, tickets, ended))
        writer.start()
        try:
            made = merge_at_random(api, fate, cards)
            for merge in reversed(made):
                undone(api, merge)
        finally:
            ended.set()
            writer.join()

        assert stored(stage, api) == before
        merges_made += len(made)
    tell("merge_then_unmerge_is_identity", n=merges_made, faults=0, lost=0, dup=0)
