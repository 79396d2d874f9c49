"""Bodies of rules, and what is needed to try one."""

from tests.contract.bodies import JSON, create, team, ticket, unique, user
from tests.stage import Client, Stage


def rule(api: Client) -> JSON:
    """Give a rule that does not fire yet."""
    return {
        "name": unique("Rule"),
        "description": "As agreed.",
        "position": 10,
        "state": "draft",
        "occasions": ["created", "updated"],
        "condition": {"field": "priority", "op": "gte", "value": "high"},
        "actions": {
            "set": {
                "status": "open",
                "priority": "urgent",
                "type": "incident",
                "team_id": create(api, "teams", **team(api))["id"],
                "assignee_id": create(api, "users", **user(api))["id"],
            },
            "add_tags": ["night"],
            "remove_tags": ["day"],
        },
        "stops": True,
    }


def a_rule(stage: Stage, api: Client) -> dict[str, str]:
    """Make a rule; gives its id."""
    del stage
    return {"id": create(api, "rules", **rule(api))["id"]}


def a_published_rule(stage: Stage, api: Client) -> dict[str, str]:
    """Make a rule with a version; gives its id."""
    del stage
    never = {"condition": {"any": []}, "state": "published"}
    return {"id": create(api, "rules", **rule(api) | never)["id"]}


def trial(api: Client) -> JSON:
    """Give a ticket to try a rule on."""
    return {"ticket_id": create(api, "tickets", **ticket(api))["id"]}
