"""A replay: the sample of a real log through the API, and what the check at the end notices."""

import asyncio
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from helpdesk_api.ops.replay import Options, ReplayError, replay
from helpdesk_api.ops.replay_check import Told, compare, read_back
from helpdesk_api.ops.replay_client import APIError, open_client
from helpdesk_api.ops.replay_log import read_log
from helpdesk_api.ops.replay_plan import plan_case
from helpdesk_api.ops.replay_stage import Target
from helpdesk_api.ops.replay_terms import Terms
from tests.conftest import MakeSandbox
from tests.stage import Client, Stage

SAMPLE = Path(__file__).parents[1] / "data" / "helpdesk_event_log_sample.csv"
BEFORE_THE_LOG = datetime(2010, 1, 1, tzinfo=UTC)
FEW = 8


def target(client: Client) -> Target:
    """Give the tenant of a client as the target of a replay."""
    return Target(str(client.base_url), client.key)


def quiet() -> Console:
    """Give a console that nobody sees."""
    return Console(file=io.StringIO())


def told_by(client: Client, *, last_subject: str) -> Told:
    """Read everything back, as the check does, once the feed has come to the last change.

    Transactions of other tests hold the feed up for as long as they run.
    """

    async def read() -> Told:
        where = target(client)
        async with open_client(where.url, where.key, run="test", concurrency=4) as api:
            events, cursor = await api.events(None, kind="read feed")
            while not any(event["changes"].get("subject", [None])[-1] == last_subject for event in events):
                more, cursor = await api.events(cursor, kind="read feed")
                events += more
            return await read_back(api, events, concurrency=4)

    return asyncio.run(read())


@pytest.mark.timeout(300)
def test_the_sample_replays_without_a_mismatch_or_a_lost_webhook(sandbox: MakeSandbox) -> None:
    client = sandbox(BEFORE_THE_LOG)

    report = replay(Options(path=SAMPLE, target=target(client)), quiet())

    assert report.succeeded, report.deliveries
    assert (report.cases, report.rows, report.tickets) == (60, 329, 60)
    assert report.mismatches == []
    assert report.deliveries.lost == []
    assert report.deliveries.unknown == []
    assert report.deliveries.unverified == 0
    assert report.deliveries.events >= 329
    assert report.event_types["ticket.created"] == 60
    assert report.event_types["ticket.note_added"] + report.event_types["ticket.reply_added"] == 329
    assert {promise.policy for promise in report.promises} >= {"Priority urgent", "Priority high", "Priority normal"}


def test_the_check_notices_whatever_the_api_tells_otherwise(sandbox: MakeSandbox) -> None:
    client = sandbox(BEFORE_THE_LOG)
    terms = Terms.AROUND_THE_CLOCK
    report = replay(Options(path=SAMPLE, target=target(client), limit_cases=FEW, terms=terms), quiet())
    cases = [plan_case(rows) for rows in read_log(SAMPLE).cases[:FEW]]
    tickets: list[dict[str, Any]] = client.get("/v1/tickets", params={"sort": "number"}).json()["data"]
    user = client.get("/v1/users").json()["data"][0]["id"]

    client.patch(f"/v1/tickets/{tickets[0]['id']}", json={"priority": "low"})
    client.post(f"/v1/tickets/{tickets[1]['id']}/comments", json={"kind": "note", "body": "?", "author_user_id": user})
    client.patch(f"/v1/tickets/{tickets[2]['id']}", json={"subject": "Another"})

    told = told_by(client, last_subject="Another")
    noticed = {(found.case, found.what) for found in compare(cases, told, terms)}
    assert report.mismatches == []
    first, second, third = (ticket["subject"].removesuffix(" of the help-desk log") for ticket in tickets[:3])
    assert noticed >= {
        (first, "final priority"),
        (first, "history of priority"),
        (second, "number of comments"),
        (second, "comments"),
        (second, "number of events"),
        (third, "tickets"),
        ("Another", "tickets"),
    }
    assert {case for case, _ in noticed} == {first, second, third, "Another"}
    # Held against what other terms would have come to, no record is right.
    wrong = {found.case for found in compare(cases, told, Terms.DAYS) if found.what == "target_seconds of resolution 1"}
    assert wrong == {steps[0].row.case for steps in cases} - {third}


def test_a_tenant_with_tickets_is_refused(sandbox: MakeSandbox) -> None:
    client = sandbox(BEFORE_THE_LOG)
    client.post("/v1/tickets", json={"subject": "Here before"})

    with pytest.raises(ReplayError, match="has tickets already"):
        replay(Options(path=SAMPLE, target=target(client)), quiet())


def test_a_tenant_whose_clock_is_past_the_first_row_is_refused(sandbox: MakeSandbox) -> None:
    client = sandbox(datetime(2020, 1, 1, tzinfo=UTC))

    with pytest.raises(ReplayError, match="after the first row"):
        replay(Options(path=SAMPLE, target=target(client)), quiet())


def test_a_tenant_in_real_time_is_refused(api: Client) -> None:
    with pytest.raises(APIError, match="no_test_clock"):
        replay(Options(path=SAMPLE, target=target(api)), quiet())


def test_faults_need_a_product_of_its_own(sandbox: MakeSandbox) -> None:
    client = sandbox(BEFORE_THE_LOG)

    with pytest.raises(ReplayError, match="starts by itself"):
        replay(Options(path=SAMPLE, target=target(client), with_faults=True), quiet())


def test_a_file_that_is_no_log_is_refused_in_one_line(tmp_path: Path) -> None:
    argv = (sys.executable, "-m", "helpdesk_api", "replay", str(tmp_path / "none.csv"))

    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be read" in done.stderr


@pytest.mark.timeout(300)
def test_one_command_replays_losing_nothing_while_the_worker_is_killed_and_leaves_nothing(tmp_path: Path) -> None:
    argv = (sys.executable, "-m", "helpdesk_api", "replay", str(SAMPLE), "--limit-cases", "20", "--terms", "days")

    done = subprocess.run((*argv, "--faults", "--json"), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["worker_kills"], told["valkey_flushes"]) == (10, 2)
    assert (told["mismatches"], told["deliveries"]["lost"], told["deliveries"]["unverified"]) == ([], [], 0)
    assert told["deliveries"]["conflicting"] == 0
    assert told["deliveries"]["duplicates"] <= told["deliveries"]["most_duplicates"]
    assert (told["succeeded"], told["cases"]) == (True, 20)
    assert list(tmp_path.iterdir()) == []


def test_what_the_api_refuses_ends_the_replay_with_the_reason(stage: Stage) -> None:
    scopes = ("*:read", "webhook-endpoints:write")

    with (
        stage.tenant(clock_at=BEFORE_THE_LOG, scopes=scopes) as client,
        pytest.raises(APIError, match="POST /v1/calendars was refused with 403"),
    ):
        replay(Options(path=SAMPLE, target=target(client)), quiet())
