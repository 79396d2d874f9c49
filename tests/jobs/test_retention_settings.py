"""For how long things are kept is chosen within bounds, told, and by those who may."""

from collections.abc import Callable
from typing import Any

import pytest

from helpdesk_api.retention.rules import CHOSEN
from tests.factories import get, patch
from tests.jobs.webhooks import events
from tests.stage import Client, Stage


def test_settings_start_with_the_defaults_and_a_change_is_an_event(stage: Stage, api: Client) -> None:
    untouched = get(api, "retention-settings")

    changed = patch(api, "retention-settings", events_days=400, webhook_deliveries_days=None)

    defaults = {f"{rule.name}_days": rule.days.default for rule in CHOSEN} | {"legal_hold_reason": None}
    assert {name: untouched[name] for name in defaults} == defaults
    assert {name: changed[name] for name in defaults} == defaults | {
        "events_days": 400,
        "webhook_deliveries_days": None,
    }
    (event,) = events(stage, api, type="retention_settings.updated")
    assert event["changes"] == {"events_days": [1_095, 400], "webhook_deliveries_days": [30, None]}


@pytest.mark.parametrize("rule", CHOSEN, ids=lambda rule: rule.name)
def test_days_are_within_the_bounds_of_their_rule(api: Client, rule: Any) -> None:  # noqa: ANN401 - a rule.
    name = f"{rule.name}_days"
    beyond = [rule.days.least - 1, rule.days.most + 1, "30", 30.5, True] + ([] if rule.days.may_be_endless else [None])

    refused = [api.patch("/v1/retention-settings", json={name: value}) for value in beyond]
    previewed = [api.get("/v1/retention-preview", params={name: rule.days.least - 1})]

    assert {answer.status_code for answer in refused + previewed} == {422}
    assert {answer.json()["errors"][0]["pointer"] for answer in refused + previewed} == {f"#/{name}"}
    assert get(api, "retention-settings")["version"] == 1


def test_security_events_are_kept_at_least_as_long_as_the_others(api: Client) -> None:
    shorter = api.patch("/v1/retention-settings", json={"security_events_days": 365})
    endless = api.patch("/v1/retention-settings", json={"events_days": None})
    tried = api.get("/v1/retention-preview", params={"security_events_days": 400})

    assert [answer.json()["code"] for answer in (shorter, endless, tried)] == ["security_events_kept_shorter"] * 3
    patch(api, "retention-settings", events_days=365, security_events_days=365)


def test_rules_and_runs_need_permissions_of_their_own(stage: Stage, api: Client) -> None:
    calls: tuple[Callable[[Client], Any], ...] = (
        lambda client: client.get("/v1/retention-settings"),
        lambda client: client.get("/v1/retention-preview"),
        lambda client: client.get("/v1/retention-runs"),
        lambda client: client.patch("/v1/retention-settings", json={"events_days": 30}),
        lambda client: client.post("/v1/retention-runs"),
    )
    reading = stage.key(api.tenant, ("retention-settings:read", "retention-runs:read"))
    other = stage.key(api.tenant, ("tickets:write", "events:read"))

    with stage.client(api.tenant, reading) as reader, stage.client(api.tenant, other) as stranger:
        assert [call(reader).status_code for call in calls] == [200, 200, 200, 403, 403]
        assert [call(stranger).status_code for call in calls] == [403] * 5
    assert get(api, "retention-runs")["data"] == []
