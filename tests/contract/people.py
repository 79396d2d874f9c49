"""A tenant with people of every kind, what is theirs, what is hidden from some of them, and a foreign tenant.

Each principal is a client with a key that stands for that person or role. `OWN` objects belong to all of them at once:
the ticket is for the company of both contacts and given to the team of the contractor. `HIDDEN` ones belong to another
client and another team: whoever sees all sees them, the others must not.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tests.contract.bodies import JSON, Value, create, unique
from tests.contract.cases import CASES
from tests.contract.file_bodies import uploaded
from tests.stage import Client, Stage

STAFF = ("admin", "supervisor", "agent", "light_agent", "contractor", "auditor")
CLIENTS = ("contact", "contact_manager")
PRINCIPALS = (*STAFF, "crm_sync", "of_companies", *CLIENTS)
# Those who do not see every row.
NARROWED = ("contractor", "of_companies", *CLIENTS)

# But for what a worker has in hand, and would be locked out of.
FORGET_JOBS = """
DELETE FROM jobs WHERE tenant_id = $1 AND id IN (SELECT id FROM jobs WHERE tenant_id = $1 FOR UPDATE SKIP LOCKED)
"""


@dataclass
class People:
    """The tenant. `own` and `hidden` give the id of one object of a kind, by the name of its resource's path."""

    stage: Stage
    api: Client
    roles: dict[str, str]
    clients: dict[str, Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)

    def client(self, name: str) -> Client:
        """Give the client of a principal."""
        return self.clients[name]

    def settle(self) -> None:
        """Wait until the feed tells everything that has happened: transactions of other tests hold it up."""
        last = create(self.api, "teams", name=unique("Last"))["id"]
        while not self.api.get("/v1/events", params={"object_id": last}).json()["data"]:
            pass

    def enter(self, stack: ExitStack, name: str, **holder: Value) -> None:
        """Make a principal's client."""
        made = create(self.api, "api-keys", name=name, **holder)
        self.clients[name] = stack.enter_context(self.stage.client(self.api.tenant, made["key"]))
        self.ids[name] = made["id"]


@contextmanager
def people(stage: Stage, *, clock_at: datetime | None = None) -> Iterator[People]:
    """Make the tenant and its people."""
    with ExitStack() as stack:
        api = stack.enter_context(stage.tenant(clock_at=clock_at))
        stack.callback(stage.sql, FORGET_JOBS, api.tenant.id)
        found = api.get("/v1/roles", params={"limit": 200}).json()["data"]
        made = People(stage, api, {role["slug"]: role["id"] for role in found})
        _fill(made, stack)
        yield made


def _fill(made: People, stack: ExitStack) -> None:
    api = made.api
    ours = create(api, "companies", name=unique("Ours"), territory="north", notes="noted of ours")
    others = create(api, "companies", name=unique("Others"), territory="south", notes="noted of others")
    team, elsewhere = (create(api, "teams", name=unique("Team"))["id"] for _ in range(2))
    for name in STAFF:
        email = f"{unique(name).replace(' ', '.')}@service.example"
        user = create(api, "users", name=name, email=email, team_id=team, role_id=made.roles[name])
        made.own.setdefault("users", user["id"])
        made.enter(stack, name, user_id=user["id"])
    for name in CLIENTS:
        contact = a_contact(api, name, ours["id"], portal_role_id=made.roles[name])
        made.own.setdefault("contacts", contact["id"])
        made.enter(stack, name, contact_id=contact["id"])
    made.enter(stack, "crm_sync", role_id=made.roles["crm_sync"])
    permissions = ["tickets:read", "tickets:write", "comments:read", "companies:read", "companies:list", "events:read"]
    of_companies = create(
        api,
        "roles",
        name=unique("Of companies"),
        permissions=[*permissions, "contacts:read", "contacts:list"],
        reach="companies",
        company_ids=[ours["id"]],
    )
    made.enter(stack, "of_companies", role_id=of_companies["id"])
    made.own |= {"companies": ours["id"], "teams": team}
    made.hidden |= {"companies": others["id"], "teams": elsewhere}
    made.hidden["contacts"] = a_contact(api, "stranger", others["id"])["id"]
    # Every ticket has a clock.
    target = {"metric": "resolution", "seconds": 3_600, "hours": "calendar"}
    create(made.api, "sla-policies", name=unique("Policy"), position=1, targets=[target])
    for which in (made.own, made.hidden):
        place = create(api, "locations", company_id=which["companies"], name=unique("Place"), notes="noted of it")
        which["locations"] = place["id"]
        asset = create(
            api,
            "assets",
            asset_type_id=create(api, "asset-types", name=unique("Type"))["id"],
            name=unique("Asset"),
            location_id=place["id"],
            notes="noted of it",
        )
        which["assets"] = asset["id"]
    made.own["tickets"] = a_ticket(made, made.own, "own")
    made.hidden["tickets"] = a_ticket(made, made.hidden, "hidden")
    for which in (made.own, made.hidden):
        file_id = uploaded(api)["id"]
        which["files"] = str(file_id)
        which["comments"] = a_comment(made, which["tickets"], "reply", file_ids=[file_id])
        (row,) = made.stage.sql("SELECT id, cause_id FROM events WHERE object_id = $1 LIMIT 1", UUID(which["tickets"]))
        which |= {"events": str(row["id"]), "traces": row["cause_id"]}
    for case in CASES:
        for which in (made.own, made.hidden):
            if case.plural not in which:
                _, shown = case.create(made.stage, api)
                which[case.plural] = str(shown["id"])


def a_contact(api: Client, name: str, company_id: str, **more: Value) -> JSON:
    """Make a contact of a company."""
    email = f"{unique(name).replace(' ', '.')}@client.example"
    return create(
        api, "contacts", name=name, company_id=company_id, emails=[email], phones=["+390669821234"],
        notes="noted of the contact", **more,
    )  # fmt: skip


def a_ticket(made: People, of: dict[str, str], subject: str, **more: Value) -> str:
    """Make a ticket of a contact and its company, for a team."""
    parties = {"company_id": of["companies"], "contact_id": of["contacts"], "team_id": of["teams"]}
    parties |= {"location_id": of["locations"], "asset_id": of["assets"]}
    return str(create(made.api, "tickets", **{"subject": unique(subject), "tags": ["inside"], **parties, **more})["id"])


def a_comment(made: People, ticket_id: str, kind: str, body: str = "Said.", **more: Value) -> str:
    """Make a comment of a user."""
    path = f"tickets/{ticket_id}/comments"
    return str(create(made.api, path, kind=kind, body=body, author_user_id=made.own["users"], **more)["id"])
