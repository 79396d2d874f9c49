"""Bodies of rules, and what is needed to try one."""

from tests.contract.bodies import JSON, calendar, company, create, team, ticket, unique, user
from tests.contract.custom_field_bodies import extended
from tests.stage import Client, Stage


def rule(api: Client) -> JSON:
    """Give a rule that does not fire yet."""
    return {
        "name": unique("Rule"),
        "description": "As agreed.",
        "position": 10,
        "state": "draft",
        "occasions": ["created", "elapsed", "updated"],
        "timer": {
            "since": "status_changed_at",
            "seconds": 14_400,
            "calendar_id": create(api, "calendars", **calendar(api))["id"],
            "is_rearmed": True,
        },
        "condition": {"field": "priority", "op": "gte", "value": "high"},
        "actions": actions(api),
        "stops": True,
    }


def actions(api: Client) -> list[JSON]:
    """Give one action of each kind."""
    values = {
        "subject": "As agreed",
        "status": "open",
        "priority": "urgent",
        "type": "incident",
        "company_id": (client := create(api, "companies", **company(api))["id"]),
        "contact_id": create(api, "contacts", name=unique("Contact"), company_id=client)["id"],
        "location_id": create(api, "locations", name=unique("Location"), company_id=client)["id"],
        "team_id": create(api, "teams", **team(api))["id"],
        "assignee_id": create(api, "users", **user(api))["id"],
    }
    values["custom_fields"] = extended(api, "tickets")
    return [
        {"action": "set", "values": values},
        {"action": "add_tags", "tags": ["night"]},
        {"action": "remove_tags", "tags": ["day"]},
        {"action": "assign_round_robin", "team_id": create(api, "teams", **team(api))["id"]},
        {"action": "assign_least_loaded", "team_id": create(api, "teams", **team(api))["id"]},
        {"action": "assign_default_team"},
        {"action": "assign_responsible_user"},
        {"action": "comment", "kind": "note", "body": "{{subject}} is at {{status}}."},
    ]


def macro(api: Client) -> JSON:
    """Give a macro."""
    return {
        "name": unique("Macro"),
        "description": "As agreed.",
        "position": 10,
        "team_id": create(api, "teams", **team(api))["id"],
        "actions": actions(api),
        "is_active": True,
    }


def a_macro(stage: Stage, api: Client) -> dict[str, str]:
    """Make a macro; gives its id."""
    del stage
    noted = [{"action": "comment", "kind": "note", "body": "Seen."}]
    return {"id": create(api, "macros", **macro(api) | {"actions": noted})["id"]}


def applied(api: Client) -> JSON:
    """Give a ticket to apply actions to, and who writes."""
    return {
        "tickets": [{"ticket_id": create(api, "tickets", **ticket(api))["id"], "version": 1}],
        "author_user_id": create(api, "users", **user(api))["id"],
        "dry_run": False,
    }


def bulk_change(api: Client) -> JSON:
    """Give a ticket and what is done to it."""
    return applied(api) | {"actions": [{"action": "add_tags", "tags": [unique("tag")]}]}


def a_rule(stage: Stage, api: Client) -> dict[str, str]:
    """Make a rule; gives its id."""
    del stage
    return {"id": create(api, "rules", **rule(api))["id"]}


def rule_file(api: Client) -> JSON:
    """Give a file with one rule."""
    filed = {name: value for name, value in rule(api).items() if name != "state"}
    return {"format": "helpdesk-rules-1", "rules": [filed], "dry_run": False}


def a_published_rule(stage: Stage, api: Client) -> dict[str, str]:
    """Make a rule with a version; gives its id."""
    del stage
    never = {"condition": {"field": "number", "op": "lt", "value": 0}, "state": "published"}
    return {"id": create(api, "rules", **rule(api) | never)["id"]}


def trial(api: Client) -> JSON:
    """Give a ticket to try a rule on."""
    return {"ticket_id": create(api, "tickets", **ticket(api))["id"]}
