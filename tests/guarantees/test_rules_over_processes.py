"""A rule that is published at one process is in force at every other with the next change, and so is one that ends."""

from uuid import uuid4

from tests.factories import create, patch
from tests.guarantees.plant import API, Plant
from tests.guarantees.report import SCALE, tell
from tests.stage import Client

ROUNDS = 3 * SCALE


def tags_there(client: Client, other: API) -> list[str]:
    """Create a ticket at the other process; gives what rules have made of its tags."""
    answer = client.post(f"{other.url}/v1/tickets", json={"subject": "Printer"})
    assert answer.status_code == 201, answer.text
    tags: list[str] = answer.json()["tags"]
    return tags


def test_what_is_published_is_in_force_at_every_process_with_the_next_change(plant: Plant) -> None:
    late = 0
    with plant.api() as one, plant.api() as other, plant.client(one) as client:
        assert tags_there(client, other) == []
        actions = [{"action": "add_tags", "tags": ["0"]}]
        named = {"name": f"Rule {uuid4()}", "position": 1, "occasions": ["created"]}
        rule = create(client, "rules", **named, actions=actions, state="published")
        late += tags_there(client, other) != ["0"]
        for turn in range(1, ROUNDS):
            again = [{"action": "add_tags", "tags": [str(turn)]}]
            patch(client, f"rules/{rule['id']}", actions=again, state="published")
            late += tags_there(client, other) != [str(turn)]
        patch(client, f"rules/{rule['id']}", state="disabled")
        late += tags_there(client, other) != []

        tell("rules_over_processes", n=ROUNDS + 1, faults=0, lost=late, dup=0)
        assert late == 0
        assert (one.defects, other.defects) == ([], [])
