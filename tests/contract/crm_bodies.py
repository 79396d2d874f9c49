"""What other systems own of client cards: a declaration that says everything, and a field that was not taken."""

from uuid import uuid4

from tests.contract.bodies import JSON, create
from tests.stage import Client, Stage


def crm_source(api: Client) -> JSON:
    """Give a source that says everything itself."""
    del api
    return {
        "source": f"crm-{uuid4().hex[:12]}",
        "companies": {"category": "helpdesk", "custom_fields.segment": "latest"},
        "contacts": {"notes": "helpdesk"},
        "locations": {"kind": "latest"},
        "is_strict": True,
    }


def sync_conflict(stage: Stage, api: Client) -> str:
    """Push what belongs to the desk."""
    del stage
    source = create(api, "crm-sources", **crm_source(api) | {"is_strict": False})["source"]
    pushes = [
        api.put(f"/v1/companies/by-ref/{source}/42", json=card)
        for card in ({"name": "Alpine"}, {"category": "Standard"})
    ]
    assert [answer.status_code for answer in pushes] == [201, 200]
    found = api.get("/v1/sync-conflicts", params={"source": source}).json()["data"]
    assert len(found) == 1
    return f"/v1/sync-conflicts/{found[0]['id']}"
