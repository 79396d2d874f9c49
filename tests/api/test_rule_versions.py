"""Versions of rules: an edit is a draft until it is published, and what was published can be put in force again."""

from typing import Any

from tests.api.test_rules import URGENT, a_rule, setting, tagging, told
from tests.factories import a_ticket, a_user, get, patch
from tests.stage import Client


def publish(api: Client, rule: str, version: int | None = None) -> Any:  # noqa: ANN401 - JSON.
    """Publish a rule, or a version of it."""
    answer = api.post(f"/v1/rules/{rule}/publish", json={"version": version})
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(rule: Any) -> tuple[Any, ...]:  # noqa: ANN401 - JSON.
    """Tell how a rule stands: version, version in force, whether a draft waits, and the tags that are shown."""
    return rule["version"], rule["published_version"], rule["has_draft"], rule["actions"][0]["tags"]


def test_a_published_rule_stays_in_force_while_its_next_version_is_drafted(api: Client) -> None:
    rule = a_rule(api, actions=tagging("first"))
    path = f"rules/{rule['id']}"

    drafted = patch(api, path, actions=tagging("second"), condition=URGENT, position=5)
    meanwhile = a_ticket(api, priority="urgent")
    published = publish(api, rule["id"])
    after = [a_ticket(api, priority=priority)["tags"] for priority in ("urgent", "low")]

    assert [shown(each) for each in (rule, drafted, published)] == [
        (1, 1, False, ["first"]),
        (2, 1, True, ["second"]),
        (3, 3, False, ["second"]),
    ]
    assert (meanwhile["tags"], after) == (["first"], [["second"], []])
    listed = get(api, f"{path}/versions")["data"]
    assert [(each["version"], each["is_in_force"], each["position"], each["condition"]) for each in listed] == [
        (3, True, 5, URGENT),
        (1, False, 1, None),
    ]
    (applied,) = told(api, meanwhile["id"], "ticket.rule_applied")
    assert applied["data"]["rule_version"] == 1


def test_a_draft_that_says_what_is_in_force_is_none(api: Client) -> None:
    rule = a_rule(api, actions=tagging("first"))
    path = f"rules/{rule['id']}"

    changed = patch(api, path, stops=True)
    back = patch(api, path, stops=False)
    published = publish(api, rule["id"])

    assert [shown(each)[:3] for each in (changed, back, published)] == [(2, 1, True), (3, 1, False), (3, 1, False)]
    assert [each["version"] for each in get(api, f"{path}/versions")["data"]] == [1]


def test_publishing_an_older_version_puts_it_in_force_again_and_drops_the_draft(api: Client) -> None:
    rule = a_rule(api, actions=tagging("first"))["id"]
    path = f"rules/{rule}"
    patch(api, path, actions=tagging("second"), state="published")
    patch(api, path, actions=tagging("third"))

    again = publish(api, rule, 1)
    ticket = a_ticket(api)

    assert shown(again) == (4, 1, False, ["first"])
    assert ticket["tags"] == ["first"]
    listed = [(each["version"], each["is_in_force"]) for each in get(api, f"{path}/versions")["data"]]
    assert listed == [(2, False), (1, True)]
    (applied,) = told(api, ticket["id"], "ticket.rule_applied")
    assert applied["data"]["rule_version"] == 1


def test_a_version_that_cannot_be_in_force_any_more_is_refused_and_nothing_changes(api: Client) -> None:
    user = a_user(api)["id"]
    rule = a_rule(api, actions=setting(assignee_id=user))["id"]
    kept = patch(api, f"rules/{rule}", actions=tagging("second"), state="published")
    assert api.delete(f"/v1/users/{user}").status_code == 204

    gone = api.post(f"/v1/rules/{rule}/publish", json={"version": 1}).json()
    unknown = api.post(f"/v1/rules/{rule}/publish", json={"version": 7}).json()

    assert [(each["code"], each["errors"][0]["pointer"]) for each in (gone, unknown)] == [
        ("unknown_reference", "#/actions/0/values/assignee_id"),
        ("unknown_rule_version", "#/version"),
    ]
    assert get(api, f"rules/{rule}") == kept


def test_a_disabled_rule_keeps_its_versions_and_none_of_them_is_in_force(api: Client) -> None:
    rule = a_rule(api)["id"]

    disabled = patch(api, f"rules/{rule}", state="disabled")

    assert (shown(disabled)[:3], a_ticket(api)["tags"]) == ((2, 1, False), [])
    assert [each["is_in_force"] for each in get(api, f"rules/{rule}/versions")["data"]] == [False]
    assert (shown(publish(api, rule))[:3], a_ticket(api)["tags"]) == ((3, 1, False), ["seen"])
