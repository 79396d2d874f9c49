"""The demo tenant is believable, the same on every day, and made once."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from helpdesk_api.agreements.calendars import hours
from helpdesk_api.identity.tenants import find_tenant
from helpdesk_api.ops import demo, demo_data
from helpdesk_api.ops.demo_tickets import STORIES
from tests.ops.commands import environment, helpdesk
from tests.stage import Client, Services, Stage, utc

ROME = ZoneInfo("Europe/Rome")


@pytest.fixture(scope="module")
def tenant(stage: Stage) -> demo.DemoTenant:
    """Make the demo tenant, asked for by two at the same time."""

    async def both() -> tuple[demo.DemoTenant, demo.DemoTenant]:
        return await asyncio.gather(demo.prepare_demo(stage.runtime), demo.prepare_demo(stage.runtime))

    first, second = stage.run(both())
    assert first.tenant_id == second.tenant_id
    return second


@pytest.fixture
def client(stage: Stage, tenant: demo.DemoTenant) -> Iterator[Client]:
    found = stage.run(find_tenant(stage.runtime.db, tenant.tenant))
    with Client(stage.base_url, found, tenant.key) as client:
        yield client


def tickets(client: Client) -> list[dict[str, Any]]:
    answer = client.get("/v1/tickets", params={"limit": 100, "sort": "number"})
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def test_two_who_ask_at_once_get_one_demo(client: Client) -> None:
    listed = tickets(client)

    assert sorted(ticket["subject"] for ticket in listed) == sorted(story.subject for story in STORIES)
    assert [ticket["number"] for ticket in listed] == list(range(1, len(STORIES) + 1))


def test_there_are_tickets_in_every_state_and_of_every_age(client: Client) -> None:
    listed = tickets(client)
    created = [datetime.fromisoformat(ticket["created_at"]) for ticket in listed]

    assert Counter(ticket["status"] for ticket in listed).keys() == {
        "new", "open", "pending", "on_hold", "solved", "closed"
    }  # fmt: skip
    assert created == sorted(created)
    assert created[-1] - created[0] > timedelta(days=10)


def test_clocks_are_computed_some_kept_some_late_some_waiting(client: Client) -> None:
    states = Counter(clock["state"] for ticket in tickets(client) for clock in ticket["clocks"])

    assert states.keys() >= {"running", "paused", "met", "breached"}
    assert all(len(ticket["clocks"]) == 2 for ticket in tickets(client))


def test_a_second_command_leaves_the_demo_as_it_is_and_gives_another_key(
    services: Services, stage: Stage, client: Client, tenant: demo.DemoTenant
) -> None:
    before = tickets(client)

    made = helpdesk("demo", "--json", env=environment(services)).told

    assert made["tenant_id"] == str(tenant.tenant_id)
    assert made["tenant"] == "Demo"
    assert made["key"] != tenant.key
    with Client(stage.base_url, client.tenant, made["key"]) as other:
        assert [ticket["id"] for ticket in tickets(other)] == [ticket["id"] for ticket in before]


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(utc(2026, 11, 22, 1, 45), id="sunday-night"),
        pytest.param(utc(2026, 11, 25, 11, 0), id="wednesday-noon"),
        pytest.param(utc(2027, 1, 1, 0, 0), id="new-year"),
        pytest.param(utc(2026, 3, 29, 1, 30), id="spring-change"),
        pytest.param(utc(2028, 2, 29, 23, 59), id="leap-day"),
    ],
)
def test_nobody_has_worked_outside_hours_whenever_the_demo_is_made(now: datetime) -> None:
    calendar = demo_data.calendar(now.year).model_dump(mode="json")
    office = hours(calendar)

    happened = list(demo._happenings(now, office))

    assert len(happened) == sum(1 + len(story.steps) for story in STORIES)
    assert all(now - timedelta(days=40) < at < now for at, _, _ in happened)
    late = [
        (story.subject, at.astimezone(ROME))
        for at, story, _ in happened
        if not story.around_the_clock and not office.is_open(at - timedelta(seconds=1)) and not office.is_open(at)
    ]
    assert late == []
    for story in STORIES:
        told = [at for at, of, _ in happened if of is story]
        assert told == sorted(told)
