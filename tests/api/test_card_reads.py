"""Reading unusually many client cards is noticed, whichever way they are read."""

from collections.abc import Iterator

import pytest

from tests.contract.bodies import unique
from tests.contract.people import People, people
from tests.factories import Json, create
from tests.stage import Client, Stage


@pytest.fixture(scope="module")
def made(stage: Stage) -> Iterator[People]:
    """Give a tenant with people of every kind."""
    with people(stage) as found:
        yield found


@pytest.fixture
def reader(made: People) -> Iterator[Client]:
    """Give somebody who reads cards one by one and with tickets, but may not list them."""
    with a_reader(made, "tickets:read", "contacts:read", "companies:read") as client:
        yield client


def a_reader(made: People, *permissions: str) -> Client:
    """Make a user with these permissions and give a client of theirs."""
    role = create(made.api, "roles", name=unique("Reader"), permissions=list(permissions), reach="all")
    email = f"{unique('reader').replace(' ', '.')}@service.example"
    user = create(made.api, "users", name="Reader", email=email, role_id=role["id"])
    return made.stage.client(made.api.tenant, create(made.api, "api-keys", name="x", user_id=user["id"])["key"])


def noticed(made: People, client: Client) -> list[dict[str, object]]:
    """Give what was noticed of a reader."""
    made.settle()
    own_id = client.get("/v1/me").json()["id"]
    events = made.api.get("/v1/events", params={"type": "user.unusual_reading"}).json()["data"]
    return [event["data"] for event in events if event["object_id"] == own_id]


NOTICED = [{"card_count": 201, "within_seconds": 3600}]


def test_reading_unusually_many_cards_is_noticed_once(made: People) -> None:
    cards_with_tickets(made, "companies", 210)
    with a_reader(made, "companies:read", "companies:list") as client:
        for _ in range(3):
            client.get("/v1/companies", params={"limit": 150, "sort": "name"})
        before = noticed(made, client)
        for _ in range(2):
            client.get("/v1/companies", params={"limit": 150, "sort": "-name"})

        assert before == []
        assert noticed(made, client) == NOTICED


@pytest.mark.parametrize(("along_with", "plural"), [("contact", "contacts"), ("company", "companies")])
def test_cards_that_come_along_with_tickets_count_just_the_same(
    made: People, reader: Client, along_with: str, plural: str
) -> None:
    cards_with_tickets(made, plural, 210)

    def walk(**more: str) -> tuple[Json, str]:
        told = reader.get("/v1/tickets", params={"limit": 150, "sort": "-number", "include": along_with, **more}).json()
        return told["included"][plural], told["page"]["next_cursor"]

    in_bulk = reader.get(f"/v1/{plural}")
    walk()
    walk()
    shown, onwards = walk()
    before = noticed(made, reader)
    walk(cursor=onwards)
    shown |= walk(cursor=onwards)[0]

    assert (in_bulk.status_code, in_bulk.json()["code"]) == (403, "missing_permission")
    assert before == []
    assert noticed(made, reader) == NOTICED
    emails = [email for card in shown.values() for email in card.get("emails", [])]
    assert len(emails) == (len(shown) if plural == "contacts" else 0)
    assert all("•••@" in email for email in emails)


def test_cards_read_one_by_one_with_their_company_count(made: People, reader: Client) -> None:
    cards_with_tickets(made, "contacts", 210)
    tickets = made.api.get("/v1/tickets", params={"limit": 200, "sort": "-number"}).json()["data"]

    for ticket in tickets:
        reader.get(f"/v1/tickets/{ticket['id']}", params={"include": "contact"})
    before = noticed(made, reader)
    companies = {ticket["company_id"] for ticket in tickets} - {None}
    cards_with_tickets(made, "companies", 10)
    reader.get("/v1/tickets", params={"limit": 10, "sort": "-number", "include": "company"})

    assert (before, companies) == ([], set())
    assert noticed(made, reader) == NOTICED


def test_cards_that_somebody_reads_in_anothers_place_are_the_viewers(made: People) -> None:
    cards_with_tickets(made, "companies", 210)
    with a_reader(made, "*:read", "view-as:use") as viewer, a_reader(made, "companies:read", "*:read") as viewed:
        whom = {"x-view-as": f"user:{viewed.get('/v1/me').json()['id']}"}
        statuses = {
            viewer.get("/v1/companies", params={"limit": 150, "sort": sort}, headers=whom).status_code
            for sort in ("name", "-name")
        }

        assert statuses == {200}
        assert noticed(made, viewer) == NOTICED
        assert noticed(made, viewed) == []


def cards_with_tickets(made: People, plural: str, number: int) -> None:
    """Make client cards, each with a ticket."""
    columns, values = {
        "contacts": ("name, emails, phones", "'Person ' || n, ARRAY['person' || n || '@client.example'], '{}'"),
        "companies": ("name, domains", "'Walked ' || n, '{}'"),
    }[plural]
    made.stage.sql(
        f"""
        WITH cards AS (
            INSERT INTO {plural} (tenant_id, id, {columns}, created_at, updated_at)
            SELECT $1, gen_random_uuid(), {values}, now(), now() FROM generate_series(1, $2::int) AS n RETURNING id
        )
        INSERT INTO tickets (
            tenant_id, id, number, subject, description, type, priority, status, tags, channel, reopen_count,
            {plural.replace("companies", "company").removesuffix("s")}_id, created_at, updated_at
        )
        SELECT $1, gen_random_uuid(), 100000 + (SELECT max(number) FROM tickets WHERE tenant_id = $1)
            + row_number() OVER (), 'x', '', 'incident', 'normal', 'new', '{{}}', 'api', 0, id, now(), now() FROM cards
        """,  # noqa: S608 - names of our tables.
        made.api.tenant.id,
        number,
    )
