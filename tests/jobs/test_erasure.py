"""Erasing a person: nothing that names them is left anywhere, and everybody else is as they were."""

import asyncio
import base64
import json
import threading
from typing import Any
from uuid import UUID, uuid4

import redis
from sqlalchemy import select

from helpdesk_api.identity.audit_verification import Verification, verify
from helpdesk_api.kit.signatures import is_signed
from helpdesk_api.tickets.models import tickets
from tests.contract.rows import TENANT_TABLES
from tests.factories import a_company, a_contact, a_ticket, a_user, create, get, patch
from tests.jobs.webhooks import an_endpoint, until
from tests.receivers import Answer, WebhookReceiver
from tests.seals import seal_now
from tests.stage import Client, Stage

# Of the canary person, each to be found nowhere afterwards; the last ones only in what the person wrote.
CANARIES = (
    "Quirina Zabellini", "quirina.zabellini@canary.example", "zabellini.private@canary.example", "+390699887766",
    "@zabellini_private",
    "Quirina Bortolotti", "allergic to canaries", "my cage is broken", "sing at night",
)  # fmt: skip
ACTED = "SELECT actor_id FROM events WHERE tenant_id = $1 AND actor_type = 'user'"


def erased(api: Client, path: str, **body: object) -> dict[str, Any]:
    """Have a person erased and wait until it is done."""
    answer = api.post(f"/v1/{path}/erase", json={"reason": "Asked for by letter."} | body)
    assert answer.status_code == 202, answer.text

    def done() -> dict[str, Any] | None:
        found = get(api, answer.headers["location"].removeprefix("/v1/"))
        return found if found["state"] == "done" else None

    return until(done)


def everywhere(stage: Stage, api: Client, text: str) -> list[tuple[str, str]]:
    """Search every row of every table as text, as a dump would hold it; bytes as what they spell."""
    found = []
    for name in TENANT_TABLES:
        rows = stage.sql(
            f"SELECT to_jsonb(t)::text AS row FROM {name} AS t "  # noqa: S608 - one of our tables.
            "WHERE tenant_id = $1 AND to_jsonb(t)::text ILIKE $2",
            api.tenant.id,
            f"%{text}%",
        )
        found += [(name, row["row"]) for row in rows]
    spelt = stage.sql("SELECT encode(body, 'escape') AS body FROM idempotency_keys WHERE tenant_id = $1", api.tenant.id)
    return found + [("idempotency_keys.body", row["body"]) for row in spelt if text in row["body"]]


def said(api: Client, ticket: dict[str, Any], kind: str, **values: object) -> dict[str, Any]:
    """Write something on a ticket."""
    return create(api, f"tickets/{ticket['id']}/comments", **{"kind": kind} | values)


def verified(stage: Stage, api: Client) -> Verification:
    return stage.run(verify(stage.runtime.db, api.tenant.id))


def a_canary(api: Client) -> dict[str, Any]:
    """Make the canary person, whom everything names."""
    company = a_company(api, notes="Ask for Quirina  Zabellini (+390699887766, @zabellini_private).")
    person = a_contact(
        api,
        name="Quirina Bortolotti",
        company_id=company["id"],
        emails=["zabellini.private@canary.example"],
        phones=["+390699887766"],
        messengers=[{"service": "telegram", "address": "@zabellini_private"}],
        notes="allergic to canaries",
    )
    patch(api, f"contacts/{person['id']}", name="Quirina Zabellini", emails=["quirina.zabellini@canary.example"])
    return person


def test_nothing_that_names_the_person_is_left_in_any_table_or_in_valkey(
    stage: Stage, api: Client
) -> None:  # fmt: skip
    person = a_canary(api)
    user = a_user(api)
    with WebhookReceiver() as receiver:
        receiver.answer_next(*[Answer(500, body=b"no mailbox quirina.zabellini@canary.example")] * 3)
        an_endpoint(api, receiver, "ticket.*")
        ticket = api.post(
            "/v1/tickets",
            json={"subject": "my cage is broken", "description": "sing at night", "contact_id": person["id"]},
            headers={"idempotency-key": str(uuid4())},
        ).json()
        patch(api, f"tickets/{ticket['id']}", tags=["quirina zabellini"])
        said(api, ticket, "reply", author_contact_id=person["id"], body="my cage is broken, says Quirina")
        said(
            api, ticket, "note", author_user_id=user["id"], body="QUIRINA ZABELLINI <quirina.zabellini@canary.example>"
        )
        other = a_ticket(api, subject="Is Quirina Zabellini in?", description='{"to": "+390699887766"}')
        until(lambda: stage.sql("SELECT 1 FROM webhook_attempts WHERE response_excerpt LIKE '%canary%'") or None)
        stage.sql("DELETE FROM jobs WHERE kind = 'webhooks.deliver' AND tenant_id = $1", api.tenant.id)
    before = {canary: everywhere(stage, api, canary) for canary in CANARIES}
    assert all(before.values())

    done = erased(api, f"contacts/{person['id']}", reason="Asked for by Quirina Zabellini")

    assert {canary: found for canary in CANARIES if (found := everywhere(stage, api, canary))} == {}
    with redis.Redis.from_url(stage.services.redis_url) as valkey:
        kept = b" ".join(repr(valkey.dump(key)).encode() + key for key in valkey.scan_iter())
    assert [canary for canary in CANARIES if canary.encode() in kept] == []
    assert done["reason"] == "Asked for by [erased]"
    assert get(api, f"tickets/{other['id']}")["subject"] == "Is [erased] in?"
    assert get(api, f"tickets/{ticket['id']}")["contact_id"] == person["id"]
    assert get(api, f"contacts/{person['id']}")["name"] == "[erased]"
    assert done["counts"]["contacts"] == 1
    assert done["counts"]["events"] >= 4


def test_a_user_is_erased_with_where_they_came_from_and_can_no_longer_be_assigned(stage: Stage, api: Client) -> None:
    user = a_user(api, name="Quirina Zabellini", email="quirina.zabellini@canary.example")
    ticket = a_ticket(api, assignee_id=user["id"])
    said(api, ticket, "reply", author_user_id=user["id"], body="my cage is broken")
    stage.sql(
        "UPDATE events SET actor_type = 'user', actor_id = $2, ip = '203.0.113.77', user_agent = 'canary/1.0' "
        "WHERE object_id = $1",
        UUID(ticket["id"]),
        UUID(user["id"]),
    )
    seal_now(stage, api)

    erased(api, f"users/{user['id']}")

    names = ("Quirina Zabellini", "quirina.zabellini@canary.example", "my cage is broken", "203.0.113.77", "canary/1.0")
    assert [name for name in names if everywhere(stage, api, name)] == []
    shown = get(api, f"users/{user['id']}")
    assert (shown["name"], shown["email"]) == ("[erased]", f"{user['id']}@erased.invalid")
    assert shown["is_active"] is False
    assert {row["actor_id"] for row in stage.sql(ACTED, api.tenant.id)} == {UUID(user["id"])}
    assert verified(stage, api).broken is None


def test_messages_are_kept_without_the_names_if_that_is_asked_for(api: Client) -> None:
    person = a_canary(api)
    ticket = a_ticket(api, contact_id=person["id"], subject="Quirina Zabellini's cage", description="It squeaks.")
    reply = said(api, ticket, "reply", author_contact_id=person["id"], body="Ring +390699887766, or Quirina Zabellini.")

    erased(api, f"contacts/{person['id']}", messages="redact")

    assert get(api, f"tickets/{ticket['id']}/comments/{reply['id']}")["body"] == "Ring [erased], or [erased]."
    kept = get(api, f"tickets/{ticket['id']}")
    assert (kept["subject"], kept["description"]) == ("[erased]'s cage", "It squeaks.")


def test_other_people_stay_as_they_are_even_where_they_share_a_name_or_a_telephone(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    namesake = a_contact(api, name="Quirina Zabellini", phones=["+390699887766"], notes="Quirina Zabellini herself")
    longer = a_contact(api, name="Quirina Zabellinides", emails=["x.quirina.zabellini@canary.example"])
    theirs = a_ticket(
        api,
        contact_id=namesake["id"],
        subject="Quirina Zabellini asks",
        description="x.quirina.zabellini@canary.example",
    )
    with stage.tenant() as elsewhere:
        foreign = a_ticket(elsewhere, subject="quirina.zabellini@canary.example")
        namesake, longer = get(api, f"contacts/{namesake['id']}"), get(api, f"contacts/{longer['id']}")
        theirs, foreign = get(api, f"tickets/{theirs['id']}"), get(elsewhere, f"tickets/{foreign['id']}")
        seal_now(stage, api)

        erased(api, f"contacts/{person['id']}")

        assert get(elsewhere, f"tickets/{foreign['id']}") == foreign
    assert get(api, f"contacts/{namesake['id']}") == namesake
    assert get(api, f"contacts/{longer['id']}") == longer
    assert get(api, f"tickets/{theirs['id']}") == theirs
    history = get(api, f"audit?object_id={namesake['id']}")["data"]
    assert history[0]["changes"]["phones"] == [None, ["+390699887766"]]


def test_the_chain_of_seals_verifies_before_while_and_after(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    a_ticket(api, contact_id=person["id"], subject="my cage is broken")
    seal_now(stage, api)
    newest = get(api, "audit/seals")["data"][0]

    erased(api, f"contacts/{person['id']}")

    found = verified(stage, api)
    assert found.broken is None
    assert newest in get(api, "audit/seals")["data"]
    seal_now(stage, api)
    assert verified(stage, api).broken is None


def test_what_was_redacted_before_it_was_sealed_is_sealed_as_it_was_recorded(stage: Stage, api: Client) -> None:
    person = a_canary(api)

    erased(api, f"contacts/{person['id']}")
    seal_now(stage, api)

    found = verified(stage, api)
    assert (found.broken, found.unsealed_count) == (None, 0)


def test_a_second_erasure_of_the_same_events_leaves_the_chain_whole(stage: Stage, api: Client) -> None:
    person, other = a_canary(api), a_contact(api, name="Beniamino Orsolini")
    a_ticket(api, contact_id=person["id"], subject="Quirina Zabellini and Beniamino Orsolini")
    seal_now(stage, api)

    erased(api, f"contacts/{other['id']}")
    erased(api, f"contacts/{person['id']}", messages="redact")
    seal_now(stage, api)

    assert everywhere(stage, api, "Beniamino") == []
    assert verified(stage, api).broken is None


def test_what_is_put_into_a_redacted_event_afterwards_is_found(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    seal_now(stage, api)
    erased(api, f"contacts/{person['id']}")
    (row,) = stage.sql(
        "SELECT id FROM events WHERE object_id = $1 AND type = 'contact.created'", UUID(person["id"])
    )  # fmt: skip

    stage.sql("""UPDATE events SET changes = '{"name": [null, "Somebody Else"]}' WHERE id = $1""", row["id"])

    broken = verified(stage, api).broken
    assert broken is not None
    assert (broken.flaw, broken.event_id) == ("event_changed", row["id"])


def test_a_redaction_that_no_erasure_vouches_for_is_found(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    seal_now(stage, api)
    erased(api, f"contacts/{person['id']}")
    (row,) = stage.sql(
        "SELECT id FROM events WHERE object_id = $1 AND type = 'contact.created'", UUID(person["id"])
    )  # fmt: skip
    stage.sql("UPDATE event_redactions SET hash_after = sha256('x') WHERE event_id = $1", row["id"])

    broken = verified(stage, api).broken

    assert broken is not None
    assert broken.event_id is not None


def test_whoever_holds_copies_is_told(stage: Stage, api: Client) -> None:
    person = a_canary(api)

    done = erased(api, f"contacts/{person['id']}")

    (event,) = get(api, "audit?type=person.erased")["data"]
    assert event["object_id"] == person["id"]
    assert event["data"]["erasure_id"] == done["id"]
    assert event["data"]["redactions_sha256"] == done["record"]["document"]["redactions_sha256"]


def test_the_record_says_who_what_when_why_and_how_much_and_is_signed(stage: Stage, api: Client) -> None:
    person = a_canary(api)

    done = erased(api, f"contacts/{person['id']}", reason="Letter of 3 March")

    record = done["record"]
    document = record["document"]
    assert document["person_id"] == person["id"]
    assert document["tenant_id"] == str(api.tenant.id)
    assert document["reason"] == "Letter of 3 March"
    assert document["requested_by"]["type"] == "api_key"
    assert document["counts"] == done["counts"]
    signature, key = base64.b64decode(record["signature"]), base64.b64decode(record["public_key"])
    assert is_signed(document, signature, key)
    assert not is_signed(document | {"reason": "Another"}, signature, key)
    assert "Zabellini" not in json.dumps(record)


def test_a_person_who_is_being_erased_cannot_be_erased_again_at_the_same_time(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    stage.sql(
        """
        INSERT INTO erasures (tenant_id, id, person_type, person_id, reason, messages, state, requested_by_type, counts,
            wanted, created_at, updated_at)
        VALUES ($1, gen_random_uuid(), 'contact', $2, 'x', 'erase', 'pending', 'system', '{}', '{}', now(), now())
        """,
        api.tenant.id,
        UUID(person["id"]),
    )

    answer = api.post(f"/v1/contacts/{person['id']}/erase", json={"reason": "Again."})

    assert (answer.status_code, answer.json()["code"]) == (409, "erasure_pending")


def test_erasing_needs_a_reason_a_permission_of_its_own_and_a_person(stage: Stage, api: Client) -> None:
    person = a_contact(api)
    path = f"/v1/contacts/{person['id']}/erase"

    with stage.client(api.tenant, stage.key(api.tenant, ("contacts:write", "users:write"))) as limited:
        assert limited.post(path, json={"reason": "x"}).status_code == 403
    assert api.post(path, json={}).status_code == 422
    assert api.post(path, json={"reason": " "}).status_code == 422
    assert api.post(f"/v1/users/{person['id']}/erase", json={"reason": "x"}).status_code == 404
    assert get(api, "erasures")["data"] == []


def test_the_application_can_redact_an_event_only_for_an_erasure_and_only_its_texts(stage: Stage, api: Client) -> None:
    import asyncpg  # noqa: PLC0415 - as the application's role, past the product.

    person = a_contact(api)
    (event,) = stage.sql("SELECT id FROM events WHERE object_id = $1", UUID(person["id"]))
    call = "SELECT redact_event($1, $2, $3, $4::jsonb, '{}'::jsonb, false, $1, '\\x00', '\\x00')"

    async def tried(erasure: UUID, changes: str) -> str:
        connection = await asyncpg.connect(stage.services.app_url)
        try:
            await connection.execute(f"BEGIN; SET LOCAL app.tenant_id = '{api.tenant.id}'")
            await connection.fetch(call, uuid4(), erasure, event["id"], changes)
        except asyncpg.InsufficientPrivilegeError as error:
            return str(error)
        finally:
            await connection.close()
        return "done"

    (pending,) = stage.sql(
        """
        INSERT INTO erasures (tenant_id, id, person_type, person_id, reason, messages, state, requested_by_type, counts,
            wanted, created_at, updated_at)
        VALUES ($1, gen_random_uuid(), 'contact', $2, 'x', 'erase', 'pending', 'system', '{}', '{}', now(), now())
        RETURNING id
        """,
        api.tenant.id,
        UUID(person["id"]),
    )

    assert stage.run(tried(uuid4(), '{"name": [null, "x"]}')) == "events are only redacted by an erasure under way"
    assert stage.run(tried(pending["id"], '{"name": ["x", null]}')) == "only texts may be taken out of an event"
    assert stage.run(tried(pending["id"], '{"name": [null, "x"]}')) == "done"


def test_an_erasure_that_broke_half_way_is_finished_by_the_next_attempt(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    ticket = a_ticket(api, contact_id=person["id"], subject="my cage is broken")
    other = a_ticket(api, subject="Is Quirina Zabellini in?")
    held, let_go = threading.Event(), threading.Event()

    async def hold() -> None:
        async with stage.runtime.db.transaction(api.tenant.id) as transaction:
            key = (tickets.c.tenant_id == api.tenant.id) & (tickets.c.id == UUID(other["id"]))
            await transaction.row(select(tickets.c.id).where(key).with_for_update())
            held.set()
            await asyncio.to_thread(let_go.wait, 30)

    holding = threading.Thread(target=stage.run, args=(hold(),))
    holding.start()
    held.wait(30)
    location = api.post(f"/v1/contacts/{person['id']}/erase", json={"reason": "Letter."}).headers["location"]
    broken = "SELECT 1 FROM jobs WHERE tenant_id = $1 AND kind = 'privacy.erase' AND failure_count > 0"
    until(lambda: stage.sql(broken, api.tenant.id) or None)
    half_way = api.get(location).json()
    assert (half_way["state"], half_way["record"]) == ("pending", None)
    assert get(api, f"contacts/{person['id']}")["name"] == "[erased]"
    assert get(api, f"tickets/{other['id']}")["subject"] == "Is Quirina Zabellini in?"

    let_go.set()
    holding.join()
    stage.sql("UPDATE jobs SET run_at = now() WHERE tenant_id = $1 AND kind = 'privacy.erase'", api.tenant.id)
    until(lambda: api.get(location).json()["state"] == "done" or None)

    assert {canary: found for canary in CANARIES if (found := everywhere(stage, api, canary))} == {}
    counts = api.get(location).json()["counts"]
    assert (counts["contacts"], counts["tickets"]) == (1, 2)
    assert get(api, f"tickets/{ticket['id']}")["subject"] == "[erased]"
    seal_now(stage, api)
    assert verified(stage, api).broken is None


def test_a_table_of_many_pages_is_searched_to_its_end(stage: Stage, api: Client) -> None:
    person = a_canary(api)
    many = """
        INSERT INTO tickets (tenant_id, id, number, subject, description, type, priority, status, tags, channel,
            reopen_count, created_at, updated_at)
        SELECT $1, gen_random_uuid(), 1000000 + n, 'Quirina Zabellini ' || n, '', 'task', 'low', 'new', '{}', 'api', 0,
            now(), now()
        FROM generate_series(1, 600) AS n
    """
    stage.sql(many, api.tenant.id)

    done = erased(api, f"contacts/{person['id']}")

    assert done["counts"]["tickets"] == 600
    assert everywhere(stage, api, "Zabellini") == []
