"""Bodies of what hangs together with tickets."""

from tests.contract.bodies import JSON, create, unique, user
from tests.stage import Client


def ticket_link(api: Client) -> JSON:
    """Give a link between two new tickets."""
    source, target = (create(api, "tickets", subject=unique("Linked"))["id"] for _ in range(2))
    return {"type": "child_of", "source_ticket_id": source, "target_ticket_id": target}


def ticket_watcher(api: Client) -> JSON:
    """Give a new user who watches a new ticket."""
    ticket = create(api, "tickets", subject=unique("Watched"))["id"]
    person = create(api, "users", **user(api))
    return {"ticket_id": ticket, "user_id": person["id"]}


def watching_contact(api: Client) -> JSON:
    """Give a new contact who watches a new ticket."""
    person = create(api, "contacts", name=unique("Contact"))
    return {"ticket_id": create(api, "tickets", subject=unique("Watched"))["id"], "contact_id": person["id"]}
