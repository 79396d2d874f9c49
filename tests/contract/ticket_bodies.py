"""Bodies of what hangs together with tickets."""

from tests.contract.bodies import JSON, create, unique
from tests.stage import Client


def ticket_link(api: Client) -> JSON:
    """Give a link between two new tickets."""
    source, target = (create(api, "tickets", subject=unique("Linked"))["id"] for _ in range(2))
    return {"type": "child_of", "source_ticket_id": source, "target_ticket_id": target}
