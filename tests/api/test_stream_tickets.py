"""Tickets for the live stream: one use, half a minute, and nothing that a log could give away."""

import io
import re
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta

from helpdesk_api.kit import logs
from tests.factories import a_company, create
from tests.jobs.webhooks import settle, until
from tests.stage import Client, Stage
from tests.streams import PATH, a_follower, listening


def a_ticket_for_a_stream(api: Client) -> str:
    made = api.post("/v1/events/stream-tickets")
    assert made.status_code == 201, made.text
    ticket: str = made.json()["ticket"]
    return ticket


def without_key(stage: Stage, api: Client) -> Client:
    client = stage.client(api.tenant, api.key)
    del client.headers["authorization"]
    return client


def test_a_ticket_opens_one_stream_without_a_header(api: Client, stage: Stage) -> None:
    settle(stage, api)
    ticket = a_ticket_for_a_stream(api)
    with without_key(stage, api) as browser:
        with listening(browser, ticket=ticket) as stream:
            create(api, "teams", name="Dispatch")
            told = stream.next().type
        again = browser.get(PATH, params={"ticket": ticket})

    assert told == "team.created"
    assert (again.status_code, again.json()["code"]) == (401, "unauthenticated")
    assert stage.sql("SELECT 1 FROM stream_tickets WHERE tenant_id = $1", api.tenant.id) == []


def test_a_ticket_lives_for_half_a_minute(api: Client, stage: Stage) -> None:
    made = api.post("/v1/events/stream-tickets").json()
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    stage.sql("UPDATE stream_tickets SET expires_at = now() WHERE tenant_id = $1", api.tenant.id)

    with without_key(stage, api) as browser:
        answer = browser.get(PATH, params={"ticket": made["ticket"]})

    assert timedelta(seconds=20) < left <= timedelta(seconds=30)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_a_ticket_shows_what_its_caller_may_see_and_ends_with_the_credential(api: Client, stage: Stage) -> None:
    _, _, key = a_follower(api, permissions=["events:read", "teams:read"])
    with stage.client(api.tenant, key["key"]) as client:
        ticket = a_ticket_for_a_stream(client)
    with without_key(stage, api) as browser, listening(browser, ticket=ticket) as stream:
        a_company(api)
        create(api, "teams", name="Dispatch")
        told = stream.next().type
        api.post(f"/v1/api-keys/{key['id']}/revoke")
        last = stream.next()

    assert told == "team.created"
    assert (last.name, last.data["code"]) == ("end", "unauthenticated")


def test_a_ticket_that_was_tampered_with_or_is_no_ticket_opens_nothing(api: Client, stage: Stage) -> None:
    ticket = a_ticket_for_a_stream(api)
    wrong = [ticket[:-1], ticket.replace("hd_ticket", "hd_live"), "", "x", api.key, ticket[:-8] + "0" * 8]
    with without_key(stage, api) as browser:
        answers = [browser.get(PATH, params={"ticket": text}) for text in wrong]
        as_key = browser.get("/v1/events", headers={"authorization": f"Bearer {ticket}"})

    assert [(answer.status_code, answer.json()["code"]) for answer in [*answers, as_key]] == [
        (401, "unauthenticated")
    ] * 7


def test_neither_ticket_nor_key_is_ever_logged(api: Client, stage: Stage) -> None:
    # Others in this process may have asked for lines for people.
    logs.configure("info", json=True)
    with redirect_stderr(io.StringIO()) as logged, without_key(stage, api) as browser:
        ticket = a_ticket_for_a_stream(api)
        with listening(browser, ticket=ticket):
            pass
        # The line about a stream is written when it has ended.
        until(lambda: True if '"/v1/events/stream","status":200' in logged.getvalue() else None)
        refused = browser.get(PATH, params={"ticket": ticket})

    assert ticket not in refused.text
    assert '"/v1/events/stream-tickets","status":201' in logged.getvalue()
    assert re.search(r"hd_(ticket|live)_\w{20}", logged.getvalue()) is None
