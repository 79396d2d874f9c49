"""What an operator does to a tenant by command, and how it is told."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.ops.commands import Outcome, environment, helpdesk
from tests.stage import Services, Stage


@pytest.fixture
def env(services: Services) -> dict[str, str]:
    return environment(services)


@pytest.fixture
def name(env: dict[str, str]) -> str:
    """Make a tenant and give its name."""
    name = f"Operated {uuid4()}"
    helpdesk("tenants", "create", "--name", name, env=env)
    return name


def test_a_tenant_is_suspended_and_resumed(env: dict[str, str], name: str) -> None:
    suspended = helpdesk("tenants", "suspend", name, "--json", env=env).told
    said = helpdesk("tenants", "suspend", suspended["id"], env=env)
    listed = helpdesk("tenants", "list", env=env)
    resumed = helpdesk("tenants", "resume", name, "--json", env=env).told

    assert (suspended["state"], resumed["state"], resumed["suspended_at"]) == ("suspended", "active", None)
    assert said == Outcome(0, f"The tenant {name!r} is suspended; quotas: none.\n", "")
    assert [line for line in listed.out.splitlines() if name in line and "suspended" in line]


def test_quotas_that_are_not_named_stay(env: dict[str, str], name: str) -> None:
    first = helpdesk("tenants", "set-quotas", name, "--users", "5", "--requests-per-minute", "60", "--json", env=env)
    second = helpdesk("tenants", "set-quotas", name, "--users", "none", "--api-keys", "2", "--json", env=env)
    told = helpdesk("tenants", "set-quotas", name, env=env)

    assert first.told["quotas"] == {
        "requests_per_minute": 60, "users": 5, "api_keys": None, "webhook_endpoints": None
    }  # fmt: skip
    assert second.told["quotas"] == {
        "requests_per_minute": 60, "users": None, "api_keys": 2, "webhook_endpoints": None
    }  # fmt: skip
    assert told.out == f"The tenant {name!r} is active; quotas: requests_per_minute 60, api_keys 2.\n"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--users", "many", "'many' is neither a number nor none"),
        ("--users", "-1", "'-1' is neither a number nor none"),
        ("--requests-per-minute", "0", "requests_per_minute: Input should be greater than or equal to 1"),
    ],
)
def test_what_is_no_quota_is_refused(env: dict[str, str], name: str, option: str, value: str, said: str) -> None:
    outcome = helpdesk("tenants", "set-quotas", name, f"{option}={value}", env=env)

    assert (outcome.code != 0, outcome.out) == (True, "")
    assert said in " ".join(outcome.said.replace("│", " ").split())


def test_a_tenant_is_deleted_with_days_of_grace_and_restored(env: dict[str, str], name: str) -> None:
    deleted = helpdesk("tenants", "delete", name, "--grace-days", "3", "--json", env=env).told
    twice = helpdesk("tenants", "delete", name, env=env)
    restored = helpdesk("tenants", "restore", name, "--json", env=env).told

    left = datetime.fromisoformat(deleted["purge_at"]) - datetime.now(UTC)
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3)
    assert (deleted["state"], restored["state"]) == ("deletion_scheduled", "active")
    assert (twice.code, twice.out) == (1, "")
    assert "restore it first" in twice.said


def test_a_tenant_that_is_not_there_is_refused(env: dict[str, str]) -> None:
    for words in (("suspend",), ("resume",), ("set-quotas", "--users=1"), ("delete",), ("restore",)):
        outcome = helpdesk("tenants", words[0], "nobody", *words[1:], env=env)

        assert outcome == Outcome(1, "", "helpdesk: There is no tenant 'nobody'.\n")


def test_what_is_done_by_command_is_recorded_and_holds(env: dict[str, str], stage: Stage) -> None:
    with stage.tenant() as client:
        helpdesk("tenants", "suspend", str(client.tenant.id), env=env)
        refused = client.get("/v1/teams")
        (event,) = stage.sql(
            "SELECT type, actor_type, cause_type FROM events WHERE tenant_id = $1 AND type LIKE 'tenant.%'",
            client.tenant.id,
        )

    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert tuple(event) == ("tenant.suspended", "system", "command")
