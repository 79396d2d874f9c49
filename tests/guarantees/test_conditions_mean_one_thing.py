"""What a condition means to the database is what it means in memory: random conditions over random tickets."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, true

from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import Condition, predicate_of
from helpdesk_api.kit.condition_sql import sql_condition
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets.condition_facts import facts_of, facts_of_values
from helpdesk_api.tickets.condition_fields import Use, columns_for, fields_for
from helpdesk_api.tickets.models import tickets
from tests.factories import a_company, a_contact, a_policy, a_reply, a_ticket, a_user, create
from tests.guarantees.report import SCALE
from tests.random_conditions import RandomConditions
from tests.stage import Client, Stage

CONDITIONS = 500 * SCALE
TICKETS = 24
TOGETHER = 50
FIELDS = fields_for(Use.SEARCH)
SUBJECTS = (
    "Drucker für ÄÖÜ",
    "Принтер ПЕЧАТАЕТ",
    "ΟΔΥΣΣΕΥΣ 100%_x",
    "straße",
    "İstanbul \N{LATIN SMALL LETTER DOTLESS I}I",
    "\N{OFFICE BUILDING}",
    "a b",
)


def random_tickets(api: Client, chance: random.Random) -> None:
    """Make tickets that have, and lack, everything that can be asked about."""
    policy: dict[str, Any] = {"targets": [{"metric": "resolution", "seconds": 60, "hours": "calendar"}]}
    a_policy(api, calendar_id=None, condition={"field": "priority", "op": "gte", "value": "high"}, **policy)
    companies = [
        None,
        a_company(api, name="Été SA", territory="North", domains=["ete.example"])["id"],
        a_company(api)["id"],
    ]
    contacts = {company: a_contact(api, company_id=company, emails=["a@b.example"])["id"] for company in companies}
    user, team = a_user(api)["id"], create(api, "teams", name="Night shift")["id"]
    for _ in range(TICKETS):
        company = chance.choice(companies)
        made = a_ticket(
            api,
            subject=chance.choice(SUBJECTS),
            description=chance.choice(("", "x" * 30, *SUBJECTS)),
            type=chance.choice(("incident", "question")),
            priority=chance.choice(("low", "normal", "high", "urgent")),
            status=chance.choice(("new", "open", "pending", "solved", "closed")),
            company_id=company,
            contact_id=chance.choice((None, contacts[company])),
            team_id=chance.choice((None, team)),
            assignee_id=chance.choice((None, user)),
            tags=chance.sample(["printer", "éclair", "a%", "b"], chance.randrange(4)),
        )
        if chance.random() < 0.3:
            a_reply(api, made, author_user_id=user)


def asking(conditions: list[Condition], now: datetime) -> Select[Any]:
    """Give a statement that asks several conditions of every ticket at once."""
    columns = columns_for("all")
    answers = [
        sql_condition(condition, columns, now=now).is_(true()).label(f"answer_{number}")
        for number, condition in enumerate(conditions)
    ]
    return select(tickets.c.id, *answers)


def test_a_condition_means_the_same_to_the_database_and_in_memory(stage: Stage, api: Client) -> None:
    chance = random.Random(20_261_122)
    random_tickets(api, chance)
    now = datetime.now(UTC) + timedelta(seconds=90)

    async def compare() -> tuple[int, list[Any]]:
        fitting, differing = 0, []
        async with unit_of_work(
            stage.runtime, system(api.tenant.id), cause=Cause("command", "test"), request_id="test", read_only=True
        ) as ctx:
            ids = [
                row["id"] for row in await ctx.tx.rows(select(tickets.c.id).where(tickets.c.tenant_id == ctx.tenant_id))
            ]
            facts = await facts_of(ctx, ids, FIELDS)
            values = {path: [known[path] for known in facts.values()] for path in FIELDS}
            made_up = RandomConditions(chance, list(FIELDS.values()), values)
            for _ in range(CONDITIONS // TOGETHER):
                given = [made_up.condition() for _ in range(TOGETHER)]
                conditions = [read_condition(each, FIELDS, pointer="/condition") for each in given]
                predicates = [predicate_of(condition) for condition in conditions]
                for row in await ctx.tx.rows(asking(conditions, now)):
                    for number, holds in enumerate(predicates):
                        in_memory, in_sql = holds(facts[row["id"]], now), row[f"answer_{number}"]
                        fitting += in_memory
                        if in_memory is not in_sql:
                            differing.append((given[number], facts[row["id"]], in_memory))
        return fitting, differing

    fitting, differing = stage.run(compare())

    assert differing == []
    # As many fit as do not, more or less: neither answer is given by default.
    assert 0.2 < fitting / (CONDITIONS * TICKETS) < 0.8


def test_a_ticket_that_is_not_stored_yet_has_the_values_of_one_that_is(stage: Stage, api: Client) -> None:
    random_tickets(api, random.Random(7))
    promised = fields_for(Use.SLA_POLICY)

    async def compare() -> tuple[dict[UUID, Any], dict[UUID, Any]]:
        async with unit_of_work(
            stage.runtime, system(api.tenant.id), cause=Cause("command", "test"), request_id="test", read_only=True
        ) as ctx:
            rows = await ctx.tx.rows(select(tickets).where(tickets.c.tenant_id == ctx.tenant_id))
            given = {row["id"]: await facts_of_values(ctx, dict(row.items()), promised) for row in rows}
            return await facts_of(ctx, given, promised), given

    stored, given = stage.run(compare())

    assert len(stored) == TICKETS
    assert {path for facts in stored.values() for path, value in facts.items() if value} >= {
        *("company.territory", "company.domains", "contact.name", "contact.emails", "subject", "tags", "team_id"),
    }
    assert {each: {path: facts[path] for path in promised} for each, facts in given.items()} == stored
