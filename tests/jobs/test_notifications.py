"""Messages that actions send: who gets one, what it says to whom, and that it is sent once or not at all."""

from collections.abc import Sequence
from typing import Any

from tests.api.test_rules import a_rule
from tests.conftest import MakeSandbox
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get
from tests.jobs.webhooks import until
from tests.stage import Client

JSON = dict[str, Any]


def notifying(*to: str, **more: Any) -> list[JSON]:  # noqa: ANN401 - JSON.
    """Give an action that writes to people."""
    named: JSON = {name: [] for name in ("user_ids", "team_ids", "role_ids", "contact_ids")}
    texts = {"subject": "#{{number}}\u2002{{subject}}", "body": "{{status}}, for {{assignee_id}}."}
    return [{"action": "notify", "to": list(to), **named, **texts, **more}]


def notified(api: Client, ticket: JSON) -> JSON:
    """Wait for the event about the messages, and give what it tells."""
    found: JSON = until(
        lambda: (
            [
                event["data"]
                for event in get(api, f"events?object_id={ticket['id']}&limit=200")["data"]
                if event["type"] == "ticket.notified"
            ]
            or None
        )
    )[0]
    return found


def written(api: Client, told: JSON) -> dict[str, tuple[str, str]]:
    """Give subject and text of messages, by their address."""
    found = [get(api, f"outbound-emails/{each}") for each in told["outbound_email_ids"]]
    assert len({each["to_address"] for each in found}) == len(found)
    return {each["to_address"]: (each["subject"], each["text"]) for each in found}


def a_role(api: Client, reach: str, permissions: Sequence[str], *groups: str) -> str:
    """Make a role for staff."""
    body = {"company_ids": [], "territories": [], "field_groups": groups, "permissions": permissions, "reach": reach}
    role: str = create(api, "roles", name=f"Role {reach}", audience="staff", **body)["id"]
    return role


def test_each_reader_gets_one_message_with_what_that_one_is_shown(sandbox: MakeSandbox) -> None:
    api = sandbox()
    company, team = a_company(api)["id"], create(api, "teams", name="Field")["id"]
    sees, narrow = a_role(api, "all", ["tickets:read"], "ticket.internal"), a_role(api, "assigned", ["tickets:read"])
    emails = [f"{name}@service.example" for name in ("ada", "bea", "narrow", "gone")]
    ada, bea = (a_user(api, email=email, team_id=team, role_id=sees)["id"] for email in emails[:2])
    outside = a_user(api, email=emails[2], role_id=narrow)["id"]
    a_user(api, email=emails[3], team_id=team, role_id=sees, is_active=False)
    own = a_contact(api, company_id=company, emails=["luca@client.example", "second@client.example"])["id"]
    watching, colleague = (
        a_contact(api, company_id=company, emails=[f"{name}@client.example"])["id"] for name in ("wanda", "carl")
    )
    watch = {"action": "add_watchers", "user_ids": [bea, outside], "contact_ids": [watching]}
    to = notifying("assignee", "team", "requester", "watchers", user_ids=[ada], contact_ids=[colleague, own])
    a_rule(api, actions=[watch, *to])

    ticket = a_ticket(
        api, subject="It leaks", company_id=company, contact_id=own, team_id=team, assignee_id=ada, priority="high"
    )
    told = notified(api, ticket)

    subject, to_staff, to_client = f"#{ticket['number']} It leaks", f"new, for {ada}.", "new, for ."
    assert written(api, told) == {
        "ada@service.example": (subject, to_staff),
        "bea@service.example": (subject, to_staff),
        "luca@client.example": (subject, to_client),
        "wanda@client.example": (subject, to_client),
    }
    # Whoever may not see it: the user who is shown assigned tickets only, and the colleague of the one who asks.
    assert told["suppressed_count"] == 2


def test_what_is_taken_back_or_comes_out_blank_sends_nothing_and_the_rest_is_traced(sandbox: MakeSandbox) -> None:
    api = sandbox()
    user = a_user(api, role_id=a_role(api, "all", ["tickets:read"]))["id"]
    dry, ticket, blank = (a_ticket(api) for _ in range(3))
    body = {"tickets": [{"ticket_id": dry["id"]}], "actions": notifying(user_ids=[user]), "dry_run": True}

    api.post("/v1/tickets/bulk", json=body)
    empty = {"tickets": [{"ticket_id": blank["id"]}], "actions": notifying(user_ids=[user], body="{{asset.name}}")}
    api.post("/v1/tickets/bulk", json=empty)
    answer = api.post("/v1/tickets/bulk", json={**body, "tickets": [{"ticket_id": ticket["id"]}], "dry_run": False})
    told = notified(api, ticket)

    assert answer.json()["items"][0]["outcome"] == "changed"
    assert notified(api, blank) == {"outbound_email_ids": [], "suppressed_count": 1}
    assert [each["id"] for each in get(api, "outbound-emails")["data"]] == told["outbound_email_ids"]
    trace = get(api, f"traces/{answer.headers['x-request-id']}")
    assert ("job", ["ticket.notified"]) in [
        (step["type"], [event["type"] for event in step["events"]]) for step in trace["data"]
    ]


def test_a_message_names_who_and_what_is_there(api: Client) -> None:
    ticket = a_ticket(api)
    wrong = [
        notifying(role_ids=[ticket["id"]]),
        notifying(team_ids=[ticket["id"]]),
        notifying(subject="{{comments}}"),
        notifying(body=" "),
    ]

    answers = [
        api.post("/v1/tickets/bulk", json={"tickets": [{"ticket_id": ticket["id"]}], "actions": actions}).json()
        for actions in wrong
    ]

    assert [(answer["code"], answer["errors"][0]["pointer"]) for answer in answers] == [
        ("unknown_reference", "#/actions/0/role_ids/0"),
        ("unknown_reference", "#/actions/0/team_ids/0"),
        ("unknown_template_field", "#/actions/0/subject"),
        ("validation_failed", "#/actions/0/body"),
    ]
