"""Alerts that come in: one ticket for each trouble, however often and in whatever company its alerts arrive."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from tests.conftest import MakeSandbox
from tests.factories import Json, a_company, advance, create, get, patch
from tests.inbound import a_hook, notes, outcomes, post, sample, send
from tests.stage import Client, Stage

DISK: Json = {"id": "disk-7", "text": "The disk is full", "state": "open"}


def tickets(api: Client) -> list[Json]:
    found: list[Json] = get(api, "tickets?sort=number")["data"]
    return found


def stored(stage: Stage, api: Client) -> list[int]:
    """Count what inbound messages leave behind."""
    return [
        stage.sql(f"SELECT count(*) AS rows FROM {table} WHERE tenant_id = $1", api.tenant.id)[0]["rows"]  # noqa: S608 - our tables.
        for table in ("events", "tickets", "comments", "inbound_messages", "inbound_alerts")
    ]


def test_alertmanager_opens_a_ticket_for_each_alert_that_fires_and_solves_it_when_it_is_over(api: Client) -> None:
    company = a_company(api)
    create(api, "external-references", source="crm", external_id="AD-1", company_id=company["id"])
    client = {"company_source": "'crm'", "company_external_id": "item.labels.client"}
    hook = a_hook(api, preset="alertmanager", mapping=client)
    fired = send(api, hook, sample("alertmanager"))
    (opened,) = tickets(api)

    over = send(api, hook, sample("alertmanager").replace(b'"status": "firing"', b'"status": "resolved"'))

    assert outcomes(fired) == ["opened", "ignored"]
    assert {name: opened[name] for name in ("subject", "priority", "company_id", "channel", "status", "tags")} == {
        "subject": "Probe failure: https://erp.alpine-dairy.example",
        "priority": "urgent",
        "company_id": company["id"],
        "channel": "monitoring",
        "status": "new",
        "tags": ["http_checks", "probefailure"],
    }
    assert opened["description"] == (
        "https://erp.alpine-dairy.example has been down for over 5m.\n\n"
        "http://prometheus.service.example:9090/graph?g0.expr=probe_success+%3D%3D+0&g0.tab=1"
    )
    assert outcomes(over) == ["recovered", "ignored"]
    assert [ticket["status"] for ticket in tickets(api)] == ["solved"]


def test_zabbix_opens_updates_and_solves_by_the_id_of_the_problem(api: Client) -> None:
    hook = a_hook(api, preset="zabbix")

    steps = [outcomes(send(api, hook, sample(f"zabbix_{name}"))) for name in ("problem", "update", "recovery")]

    assert steps == [["opened"], ["updated"], ["recovered"]]
    (ticket,) = tickets(api)
    shown = {name: ticket[name] for name in ("subject", "priority", "status", "tags")}
    assert shown == {
        "subject": "Problem: Disk space is critically low",
        "priority": "high",
        "status": "solved",
        "tags": ["plc-7"],
    }
    assert [note.partition("\n")[0] for note in notes(api, ticket["id"])] == [
        "Updated: Updated problem in 8m 8s: Disk space is critically low",
        "Recovered: Resolved in 13h 28m 6s: Disk space is critically low",
    ]


def test_an_alert_that_comes_again_adds_a_note_while_its_ticket_is_open_and_opens_another_afterwards(
    api: Client,
) -> None:
    hook = a_hook(api)
    first = send(api, hook, DISK)["results"][0]["ticket_id"]

    again = send(api, hook, DISK | {"text": "The disk is very full"})
    patch(api, f"tickets/{first}", status="solved")
    later = send(api, hook, DISK | {"text": "The disk is full again"})

    assert (outcomes(again), again["results"][0]["ticket_id"]) == (["updated"], first)
    assert notes(api, first) == ["Still open: The disk is very full"]
    assert outcomes(later) == ["opened"]
    assert [ticket["subject"] for ticket in tickets(api)] == ["The disk is full", "The disk is full again"]


def test_a_recovery_may_leave_the_ticket_to_people(api: Client) -> None:
    hook = a_hook(api, on_recovery="note")
    send(api, hook, DISK)

    over = send(api, hook, DISK | {"state": "recover"})

    assert outcomes(over) == ["recovered"]
    (ticket,) = tickets(api)
    assert (ticket["status"], notes(api, ticket["id"])) == ("new", ["Recovered: The disk is full"])


def test_an_update_or_recovery_of_what_was_never_open_is_ignored(api: Client) -> None:
    hook = a_hook(api)

    ignored = [send(api, hook, DISK | {"state": state}) for state in ("update", "recover")]

    assert [outcomes(receipt) for receipt in ignored] == [["ignored"], ["ignored"]]
    assert tickets(api) == []


def test_what_happens_is_told_in_the_name_of_the_hook_and_no_person_has_written_its_notes(
    stage: Stage, api: Client
) -> None:
    hook = a_hook(api)
    ticket_id = send(api, hook, DISK)["results"][0]["ticket_id"]
    send(api, hook, DISK | {"state": "recover"})

    (note,) = get(api, f"tickets/{ticket_id}/comments")["data"]
    told = stage.sql(
        "SELECT type, actor_type, actor_id FROM events WHERE object_id = $1 ORDER BY xid, seq", UUID(ticket_id)
    )

    assert (note["kind"], note["author_user_id"], note["author_contact_id"]) == ("note", None, None)
    assert [event["type"] for event in told] == ["ticket.created", "ticket.note_added", "ticket.status_changed"]
    assert {(event["actor_type"], event["actor_id"]) for event in told} == {("inbound_hook", UUID(hook["id"]))}


def test_an_alert_that_cannot_be_mapped_takes_nothing_from_the_others_and_is_retried_alone(api: Client) -> None:
    every = {"items": "body.alerts", "dedupe_key": "item.id", "subject": "item.text"}
    hook = a_hook(api, mapping=every)
    body = {"alerts": [{"id": "a", "text": "One"}, {"id": "b", "title": "Two"}, {"id": "c", "text": "Three"}]}
    receipt = send(api, hook, body)
    kept = get(api, f"inbound-messages/{receipt['message_id']}")

    too_early = api.post(f"/v1/inbound-messages/{kept['id']}/retry").json()
    patch(api, f"inbound-hooks/{hook['id']}", mapping={"subject": "not_null(item.text, item.title)"})
    retried = api.post(f"/v1/inbound-messages/{kept['id']}/retry").json()
    refused = api.post(f"/v1/inbound-messages/{kept['id']}/retry")

    assert (receipt["state"], outcomes(receipt)) == ("failed", ["opened", "failed", "opened"])
    assert (receipt["results"][1]["code"], receipt["results"][1]["detail"]) == ("unmapped", "subject found nothing")
    assert json.loads(kept["body"]) == body
    assert [each["id"] for each in get(api, "inbound-messages?state=failed")["data"]] == []
    assert (too_early["state"], outcomes(too_early)) == ("failed", ["opened", "failed", "opened"])
    assert (retried["state"], outcomes(retried)) == ("done", ["opened", "opened", "opened"])
    assert sorted(ticket["subject"] for ticket in tickets(api)) == ["One", "Three", "Two"]
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_retry")


def test_a_message_about_an_unknown_client_fails_and_is_done_when_it_comes_again_after_the_client_is_there(
    api: Client,
) -> None:
    hook = a_hook(api, mapping={"dedupe_key": "body.id", "subject": "body.text", "company_id": "body.company"})
    company = a_company(api)
    body = DISK | {"company": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10"}
    failed = send(api, hook, body, webhook_id="m1")

    patch(api, f"inbound-hooks/{hook['id']}", mapping={"company_id": f"'{company['id']}'"})
    again = send(api, hook, body, webhook_id="m1")

    assert [(each["outcome"], each["code"]) for each in failed["results"]] == [("failed", "unknown_reference")]
    assert (again["is_repetition"], outcomes(again)) == (True, ["opened"])
    assert again["message_id"] == failed["message_id"]
    assert [ticket["company_id"] for ticket in tickets(api)] == [company["id"]]


def test_two_copies_of_a_message_at_once_open_one_ticket(api: Client) -> None:
    hook = a_hook(api)

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda _: send(api, hook, DISK), range(4)))

    assert sorted(receipt["is_repetition"] for receipt in receipts) == [False, True, True, True]
    assert len({receipt["message_id"] for receipt in receipts}) == 1
    assert len(tickets(api)) == 1


def test_different_messages_about_one_alert_at_once_open_one_ticket(api: Client) -> None:
    hook = a_hook(api)

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda number: send(api, hook, DISK | {"value": number}), range(4)))

    assert sorted(outcome for receipt in receipts for outcome in outcomes(receipt)) == [
        *("opened", "updated", "updated", "updated")
    ]
    assert len(tickets(api)) == 1


def test_the_same_unsigned_bytes_are_a_repetition_for_ten_minutes_and_news_afterwards(
    stage: Stage, api: Client
) -> None:
    hook = a_hook(api)
    first = send(api, hook, DISK)
    stage.sql(
        "UPDATE inbound_messages SET created_at = created_at - interval '11 minutes' WHERE id = $1",
        UUID(first["message_id"]),
    )

    later = send(api, hook, DISK)
    soon = send(api, hook, DISK)

    assert (later["is_repetition"], outcomes(later)) == (False, ["updated"])
    assert (soon["is_repetition"], soon["message_id"]) == (True, later["message_id"])


def test_an_alert_names_type_team_and_client_of_its_ticket_in_any_of_their_ways(api: Client) -> None:
    team, other = (create(api, "teams", name=name)["id"] for name in ("Network", "Power"))
    company = a_company(api, domains=["alpine-dairy.example"])["id"]
    for name in ("North", "South"):
        a_company(api, name=name, domains=["twins.example"])
    named = {"type": "body.type", "team_name": "body.team", "team_id": "body.team_id", "company_domain": "body.domain"}
    hook = a_hook(api, mapping={"dedupe_key": "body.id", "subject": "body.text"} | named)

    by_name = DISK | {"id": "1", "type": "task", "team": "Network", "domain": "Alpine-Dairy.example"}
    by_id = DISK | {"id": "2", "team": "Network", "team_id": other}
    wrong = [
        DISK | {"id": "3", "team": "Nobody"},
        DISK | {"id": "4", "team_id": company},
        DISK | {"id": "5", "domain": "nowhere.example"},
        DISK | {"id": "6", "domain": "twins.example"},
        DISK | {"id": "7", "type": "trouble"},
    ]
    previewed = api.post(f"/v1/inbound-hooks/{hook['id']}/preview", json={"body": by_name}).json()["data"][0]["ticket"]

    assert [outcomes(send(api, hook, body)) for body in (by_name, by_id)] == [["opened"], ["opened"]]
    assert [send(api, hook, body)["results"][0]["code"] for body in wrong] == [
        *("unknown_reference", "unknown_reference", "unknown_reference", "ambiguous_company", "unmapped"),
    ]
    shown = [(ticket["type"], ticket["team_id"], ticket["company_id"]) for ticket in tickets(api)]
    assert shown == [("task", team, company), ("incident", other, None)]
    assert (previewed["type"], previewed["team_id"], previewed["company_id"]) == shown[0]


def test_a_preview_tells_what_would_be_done_and_does_nothing(stage: Stage, api: Client) -> None:
    hook = a_hook(api)
    ticket_id = send(api, hook, DISK)["results"][0]["ticket_id"]
    before = stored(stage, api)

    news, known, broken = (
        api.post(f"/v1/inbound-hooks/{hook['id']}/preview", json={"body": body, "mapping": mapping}).json()["data"][0]
        for body, mapping in (
            (DISK | {"id": "disk-8"}, {"priority": "'high'", "tags": "['Disk', 'disk']"}),
            (DISK | {"state": "recover"}, None),
            (DISK, {"subject": "body.nothing"}),
        )
    )

    assert news["ticket"] == {
        "subject": "The disk is full",
        "description": "",
        "priority": "high",
        "type": "incident",
        "team_id": None,
        "company_id": None,
        "tags": ["disk"],
        "custom_fields": {},
    }
    assert (news["result"]["outcome"], news["note"]) == ("opened", None)
    assert (known["result"]["outcome"], known["result"]["ticket_id"]) == ("recovered", ticket_id)
    assert known["note"] == "Recovered: The disk is full"
    assert (broken["result"]["outcome"], broken["result"]["detail"]) == ("failed", "subject found nothing")
    assert stored(stage, api) == before


def test_in_a_sandbox_tickets_have_the_time_of_its_clock(sandbox: MakeSandbox) -> None:
    api = sandbox()
    hook = a_hook(api)
    advance(api, "2026-03-05T09:00:00Z")

    send(api, hook, DISK)

    assert [ticket["created_at"] for ticket in tickets(api)] == ["2026-03-05T09:00:00Z"]


def test_hostile_messages_are_answered_with_problems_or_kept_as_failed(api: Client) -> None:
    hook = a_hook(api, mapping={"items": "body.alerts", "dedupe_key": "item.id", "subject": "item.text"})

    bodies: tuple[bytes, ...] = (b"", b"{", b'"text"', b"\xff", b'{"a": 1e999}', b"[" * 40, b'{"a": "\\u0000"}')
    answers = [post(api, hook, body) for body in bodies]
    unmappable: tuple[Json, ...] = (
        {"alerts": "none"},
        {"alerts": [{}] * 101},
        {"alerts": [{"id": {"a": 1}, "text": "x"}]},
        {"alerts": [{"id": "x" * 1_001, "text": "x"}]},
        {"alerts": [[[]]]},
    )
    failed = [send(api, hook, message)["results"][0]["detail"] for message in unmappable]
    long = send(api, hook, {"alerts": [{"id": "a", "text": "x\u0007 \u2028" + "y" * 900}]})

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (422, "validation_failed"),
        (400, "invalid_json"),
        (422, "validation_failed"),
        (400, "invalid_encoding"),
        (400, "number_out_of_range"),
        (400, "nested_too_deep"),
        (400, "unstorable_character"),
    ]
    assert failed == [
        "items must find a list of alerts",
        "items found 101 alerts; a message may have 100",
        "dedupe_key must find a text, not an object",
        "dedupe_key found more than 1000 characters",
        "dedupe_key found nothing",
    ]
    assert outcomes(long) == ["opened"]
    assert [ticket["subject"] for ticket in tickets(api)] == ["x " + "y" * 197 + "…"]


def test_the_body_of_a_message_is_shown_to_who_is_shown_contact_details(stage: Stage, api: Client) -> None:
    message_id = send(api, a_hook(api), DISK | {"caller": "luca@client.example"})["message_id"]
    key = create(api, "api-keys", name="Reader", scopes=["inbound-messages:read"])["key"]

    with Client(stage.base_url, api.tenant, key) as reader:
        shown = get(reader, f"inbound-messages/{message_id}")

    assert (shown["body"], shown["state"]) == (None, "done")


def test_what_an_expression_may_cost_is_bounded(api: Client) -> None:
    costly = "|".join(["[@,@][]"] * 20)
    hook = a_hook(api, mapping={"dedupe_key": "body.id", "subject": costly})

    receipt = send(api, hook, DISK)

    assert receipt["results"][0]["detail"] == "subject takes too long for a message of this size"
