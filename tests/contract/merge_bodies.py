"""Valid bodies for merges of client cards."""

from tests.contract.bodies import JSON, create, unique
from tests.stage import Client


def merge(api: Client) -> JSON:
    """Give two new companies to make one of."""
    winner, loser = (create(api, "companies", name=unique("Company"))["id"] for _ in range(2))
    return {"card_type": "company", "winner_id": winner, "loser_ids": [loser]}


def merge_of_contacts(api: Client) -> JSON:
    """Give two new contacts to make one of."""
    winner, loser = (create(api, "contacts", name=unique("Contact"))["id"] for _ in range(2))
    return {"card_type": "contact", "winner_id": winner, "loser_ids": [loser]}


def merge_of_locations(api: Client) -> JSON:
    """Give two new locations of one company to make one of."""
    company = create(api, "companies", name=unique("Company"))["id"]
    winner, loser = (create(api, "locations", name=unique("Dock"), company_id=company)["id"] for _ in range(2))
    return {"card_type": "location", "winner_id": winner, "loser_ids": [loser]}
