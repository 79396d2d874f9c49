"""Inbound hooks: who may make one, how it is changed, and who is let in at its address."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook

from helpdesk_api.kit.sealing import Sealer, SealingKey
from helpdesk_api.kit.tokens import new_key
from helpdesk_api.ops.key_rotation import Rotated, rotate_tenant
from helpdesk_api.webhooks.inbound.models import SEALED_PREVIOUS_SECRET, SEALED_SECRET
from helpdesk_api.webhooks.inbound.presets import PRESETS
from tests.conftest import MakeSandbox
from tests.factories import Json, get, patch
from tests.inbound import MAPPING, a_hook, outcomes, post, sample, send
from tests.stage import Client, Stage

DISK = json.dumps({"id": "disk-7", "text": "The disk is full", "state": "open"}).encode()
SECRET = "nine geese under Grado"


def hook_signed(api: Client, **signature: object) -> Json:
    return a_hook(api, signature={"secret": SECRET} | signature)


def hexed(signed: bytes) -> str:
    return hmac.digest(SECRET.encode(), signed, "sha256").hex()


def refusal(api: Client, hook: Json, body: bytes, **headers: str) -> tuple[int, str]:
    answer = post(api, hook, body, **headers)
    return answer.status_code, answer.json().get("code", "")


def test_the_token_and_a_made_secret_are_shown_once_and_stored_hashed_and_sealed(stage: Stage, api: Client) -> None:
    made = a_hook(api, preset="grafana")

    read = get(api, f"inbound-hooks/{made['id']}")
    (row,) = stage.sql("SELECT * FROM inbound_hooks WHERE id = $1", UUID(made["id"]))

    assert made["token"].startswith("hd_hook_")
    assert "token" not in read
    assert read["signature"]["secret"] is None
    assert row["token_hash"] == hashlib.sha256(made["token"].split("_")[3].encode()).digest()
    assert made["secret"].encode() not in row["sealed_secret"]
    opened = stage.runtime.sealer.open(
        row["sealed_secret"], tenant_id=api.tenant.id, purpose=SEALED_SECRET.purpose, object_id=UUID(made["id"])
    )
    assert opened.decode() == made["secret"]


def test_a_preset_fills_what_is_not_said_and_presets_can_be_read(api: Client) -> None:
    listed = {preset["name"]: preset for preset in get(api, "inbound-presets")["data"]}

    made = a_hook(api, preset="alertmanager", mapping={"priority": "'high'"})

    assert set(listed) == {str(name) for name in PRESETS}
    assert made["mapping"] == listed["alertmanager"]["mapping"] | {"priority": "'high'"}
    assert made["signature"] == listed["alertmanager"]["signature"]
    assert made["secret"] is None


def test_grafana_opens_a_ticket_for_each_alert_signed_together_with_the_time(api: Client) -> None:
    hook = a_hook(api, preset="grafana")
    body, now = sample("grafana"), str(int(time.time()))
    signature = hmac.digest(hook["secret"].encode(), f"{now}:".encode() + body, "sha256").hex()
    signed = {"x_grafana_alerting_signature": signature, "x_grafana_alerting_timestamp": now}

    receipt = send(api, hook, body, **signed)

    assert outcomes(receipt) == ["opened", "opened"]
    first, second = get(api, "tickets?sort=number")["data"]
    assert (first["subject"], first["priority"]) == ("This alert was triggered for zone turin", "normal")
    assert second["priority"] == "low"
    assert second["description"] == (
        "The system has high CPU usage\n\nhttps://grafana.service.example/d/abc\n\n"
        "https://grafana.service.example/alerting/d1rdpdv7k/edit"
    )
    assert refusal(api, hook, body.replace(b"udine", b"urine"), **signed) == (401, "invalid_signature")


def test_standard_webhooks_lets_in_what_its_library_signs_once_and_nothing_else(api: Client) -> None:
    hook = a_hook(api, signature={"scheme": "standard_webhooks"})
    library, now = Webhook(hook["secret"]), datetime.now(UTC)

    def signed(message_id: str, at: datetime, body: bytes = DISK) -> dict[str, str]:
        signature = library.sign(message_id, at, body.decode())
        at_seconds = str(int(at.timestamp()))
        return {"webhook_id": message_id, "webhook_timestamp": at_seconds, "webhook_signature": f"v1,AAAA {signature}"}

    first = send(api, hook, DISK, **signed("m1", now))
    replayed = send(api, hook, DISK, **signed("m1", now))

    assert (outcomes(first), first["is_repetition"], replayed["is_repetition"]) == (["opened"], False, True)
    assert replayed["message_id"] == first["message_id"]
    assert refusal(api, hook, DISK) == (401, "invalid_signature")
    assert refusal(api, hook, DISK + b" ", **signed("m2", now)) == (401, "invalid_signature")
    assert refusal(api, hook, DISK, **signed("m2", now) | {"webhook_id": "m3"}) == (401, "invalid_signature")
    for off in (timedelta(seconds=-301), timedelta(seconds=310)):
        assert refusal(api, hook, DISK, **signed("m2", now + off)) == (401, "timestamp_out_of_tolerance")
    assert len(get(api, "tickets")["data"]) == 1


def test_githubs_header_is_checked_and_a_recorded_message_is_never_news_whatever_its_id(api: Client) -> None:
    hook = hook_signed(api, scheme="github")
    signature = f"sha256={hexed(DISK)}"

    first = send(api, hook, DISK, x_hub_signature_256=signature, x_github_delivery="one")
    replayed = send(api, hook, DISK, x_hub_signature_256=signature, x_github_delivery="two")

    assert (outcomes(first), replayed["is_repetition"]) == (["opened"], True)
    assert refusal(api, hook, DISK, x_hub_signature_256=hexed(DISK)) == (401, "invalid_signature")
    assert refusal(api, hook, DISK + b"\n", x_hub_signature_256=signature) == (401, "invalid_signature")


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ({"encoding": "hex"}, lambda digest: digest.hex()),
        ({"encoding": "base64", "prefix": "v1="}, lambda digest: "v1=" + base64.b64encode(digest).decode()),
    ],
)
def test_any_hmac_header_can_be_agreed_on(api: Client, form: Json, written: object) -> None:
    hook = hook_signed(
        api, scheme="hmac", header="X-Signature", timestamp_header="X-At", timestamp_separator=".", **form
    )
    now, old = int(time.time()), int(time.time()) - 301
    assert callable(written)

    def signed(at: int) -> dict[str, str]:
        digest = hmac.digest(SECRET.encode(), f"{at}.".encode() + DISK, "sha256")
        return {"x_signature": written(digest), "x_at": str(at)}

    assert outcomes(send(api, hook, DISK, **signed(now))) == ["opened"]
    assert refusal(api, hook, DISK, **signed(old)) == (401, "timestamp_out_of_tolerance")
    assert refusal(api, hook, DISK, **signed(now) | {"x_at": str(now + 1)}) == (401, "invalid_signature")
    assert refusal(api, hook, DISK, **signed(now) | {"x_at": "-1"}) == (401, "invalid_signature")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_hubspot_signs_the_address_that_it_calls_whatever_proxies_make_of_it(api: Client, scheme: str) -> None:
    hook = hook_signed(api, scheme="hubspot")
    now, outside = time.time_ns() // 1_000_000, f"{scheme}://desk.example.com/v1/inbound/{hook['token']}"

    def signed(at: int, address: str = outside, *, method: str = "POST", body: bytes = DISK) -> dict[str, str]:
        text = method.encode() + address.encode() + body + str(at).encode()
        digest = base64.b64encode(hmac.digest(SECRET.encode(), text, "sha256")).decode()
        return {
            "x_hubspot_signature_v3": digest,
            "x_hubspot_request_timestamp": str(at),
            "x_forwarded_host": "desk.example.com",
        }

    first, again = (send(api, hook, DISK, **signed(now)) for _ in range(2))
    direct = send(api, hook, DISK, **signed(now + 1, f"{api.base_url}".rstrip("/") + f"/v1/inbound/{hook['token']}"))

    assert (outcomes(first), first["is_repetition"], again["is_repetition"]) == (["opened"], False, True)
    assert (outcomes(direct), direct["is_repetition"]) == (["updated"], False)
    for wrong in (
        signed(now, outside + "?x=1"),
        signed(now, "https://elsewhere.example.com/v1/inbound/" + hook["token"]),
        signed(now, method="PUT"),
        signed(now, body=DISK + b" "),
        signed(now) | {"x_hubspot_request_timestamp": str(now + 1)},
        signed(now) | {"x_hubspot_request_timestamp": ""},
    ):
        assert refusal(api, hook, DISK, **wrong) == (401, "invalid_signature")
    assert refusal(api, hook, DISK, **signed(now - 301_000)) == (401, "timestamp_out_of_tolerance")


def test_the_secret_of_hubspot_is_told_there_and_not_made_here(api: Client) -> None:
    unsecret = api.post(
        "/v1/inbound-hooks", json={"name": "H", "preset": "hubspot", "signature": {"scheme": "hubspot"}}
    )
    rotated = api.post(f"/v1/inbound-hooks/{hook_signed(api, scheme='hubspot')['id']}/rotate-secret")

    assert [(answer.status_code, answer.json()["code"]) for answer in (unsecret, rotated)] == [
        (422, "secret_missing")
    ] * 2
    assert unsecret.json()["errors"][0]["pointer"] == "#/signature/secret"


def test_a_new_token_takes_the_place_of_the_former_after_an_overlap(api: Client) -> None:
    hook = a_hook(api)
    path = f"/v1/inbound-hooks/{hook['id']}/rotate-token"

    second = api.post(path).json()
    again = api.post(path)
    both = [refusal(api, each, DISK)[0] for each in (hook, second)]
    third = api.post(path, json={"overlap_seconds": 0, "force": True}).json()

    assert both == [202, 202]
    assert (again.status_code, again.json()["code"]) == (409, "token_rotating")
    assert [refusal(api, each, DISK)[0] for each in (hook, second, third)] == [404, 404, 202]


@pytest.mark.parametrize("scheme", ["github", "standard_webhooks"])
def test_a_new_secret_takes_the_place_of_the_former_after_an_overlap(api: Client, scheme: str) -> None:
    hook = a_hook(api, signature={"scheme": scheme})
    path = f"/v1/inbound-hooks/{hook['id']}/rotate-secret"
    numbers = count()

    def taken(secret: str) -> int:
        body = json.dumps({"id": "disk-7", "text": str(next(numbers))}).encode()
        if scheme == "github":
            digest = hmac.digest(secret.encode(), body, "sha256").hex()
            return refusal(api, hook, body, x_hub_signature_256=f"sha256={digest}")[0]
        now = datetime.now(UTC)
        signature = Webhook(secret).sign("m1", now, body.decode())
        headers = {"webhook_timestamp": str(int(now.timestamp())), "webhook_signature": signature}
        return refusal(api, hook, body, webhook_id="m1", **headers)[0]

    first, second = hook["secret"], api.post(path).json()["secret"]
    again = api.post(path)
    both = [taken(secret) for secret in (first, second)]
    third = api.post(path, json={"overlap_seconds": 0, "force": True}).json()
    after = [taken(secret) for secret in (first, second, third["secret"])]
    given = f"whsec_{base64.b64encode(b'x' * 32).decode()}"
    fourth = api.post(path, json={"secret": given, "force": True}).json()
    both_again = [taken(secret) for secret in (third["secret"], given)]
    patched = patch(api, f"inbound-hooks/{hook['id']}", signature={"scheme": scheme, "secret": first})

    assert both == [202, 202]
    assert (again.status_code, again.json()["code"]) == (409, "secret_rotating")
    assert again.json()["params"].keys() == {"previous_secret_expires_at"}
    assert after == [401, 401, 202]
    assert (fourth["secret"], fourth["previous_secret_expires_at"] is None) == (None, False)
    assert both_again == [202, 202]
    # What is changed by hand holds at once, and alone.
    assert patched["previous_secret_expires_at"] is None
    assert [taken(secret) for secret in (third["secret"], given, first)] == [401, 401, 202]


def test_a_secret_is_replaced_only_where_there_is_one_and_by_one_of_the_scheme(api: Client) -> None:
    unsigned, standard = a_hook(api), a_hook(api, signature={"scheme": "standard_webhooks"})

    answers = [
        api.post(f"/v1/inbound-hooks/{hook['id']}/rotate-secret", json={"secret": "no base64 at all"})
        for hook in (unsigned, standard)
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (409, "nothing_signed"),
        (422, "invalid_secret"),
    ]
    assert [get(api, f"inbound-hooks/{hook['id']}")["version"] for hook in (unsigned, standard)] == [1, 1]


def test_who_has_no_token_of_a_hook_learns_nothing(api: Client, sandbox: MakeSandbox) -> None:
    other = sandbox()
    hook = a_hook(api)
    made_up, _ = new_key(api.tenant.id, UUID(hook["id"]), "hook")

    answers = [
        post(api, {"token": token}, DISK).json()
        for token in (made_up, api.key, hook["token"][:-1], "x", new_key(other.tenant.id, UUID(hook["id"]), "hook")[0])
    ]

    assert {(answer["code"], answer["detail"]) for answer in answers} == {
        ("not_found", "There is no inbound hook with this token.")
    }
    assert all(made_up not in json.dumps(answer) for answer in answers)


def test_a_hook_that_is_switched_off_or_deleted_takes_nothing(api: Client) -> None:
    hook = a_hook(api)
    failed = send(api, hook, {"id": "a"})

    patch(api, f"inbound-hooks/{hook['id']}", is_enabled=False)
    off = refusal(api, hook, DISK)
    assert api.delete(f"/v1/inbound-hooks/{hook['id']}").status_code == 204

    assert (off, refusal(api, hook, DISK)) == ((409, "inbound_hook_disabled"), (404, "not_found"))
    retried = api.post(f"/v1/inbound-messages/{failed['message_id']}/retry")
    assert (retried.status_code, retried.json()["code"]) == (409, "inbound_hook_deleted")


def test_nobody_makes_a_hook_that_does_what_they_may_not_do(stage: Stage) -> None:
    with stage.tenant(scopes=("inbound-hooks:write", "tickets:write", "companies:read")) as narrow:
        refused = narrow.post("/v1/inbound-hooks", json={"name": "Watcher", "mapping": MAPPING})

    assert (refused.status_code, refused.json()["code"]) == (403, "hook_exceeds_own")
    assert refused.json()["params"] == {"permission": "notes:write"}


def test_a_mapping_and_a_signature_that_cannot_work_are_refused_where_they_stand(api: Client) -> None:
    hook = a_hook(api)
    path = f"/v1/inbound-hooks/{hook['id']}"

    def told(answer: object) -> tuple[int, str, str]:
        problem = answer.json()  # type: ignore[attr-defined]  # an answer.
        return answer.status_code, problem["code"], problem["errors"][0]["pointer"]  # type: ignore[attr-defined]  # an answer.

    assert told(api.patch(path, json={"mapping": {"subject": "body["}})) == (
        *(422, "validation_failed", "#/mapping/subject"),
    )
    assert told(api.patch(path, json={"mapping": {"subject": None}})) == (
        *(422, "incomplete_mapping", "#/mapping/subject"),
    )
    assert told(api.patch(path, json={"mapping": {"company_external_id": "body.x"}})) == (
        *(422, "incomplete_mapping", "#/mapping/company_source"),
    )
    assert told(api.patch(path, json={"signature": {"scheme": "github"}})) == (
        *(422, "secret_missing", "#/signature/secret"),
    )
    assert told(api.patch(path, json={"signature": {"scheme": "hmac"}})) == (422, "validation_failed", "#/signature")
    assert get(api, f"inbound-hooks/{hook['id']}")["version"] == 1


def test_a_change_of_the_signature_keeps_its_secret_and_one_of_the_preset_fills_anew(api: Client) -> None:
    hook = hook_signed(api, scheme="hmac", header="X-Signature")
    changed = patch(api, f"inbound-hooks/{hook['id']}", signature={"scheme": "hmac", "header": "X-Other"})

    kept = send(api, hook, DISK, x_other=hexed(DISK))
    refilled = patch(api, f"inbound-hooks/{hook['id']}", preset="zabbix", mapping={"priority": "'urgent'"})

    assert changed["version"] == 2
    assert outcomes(kept) == ["opened"]
    assert refilled["mapping"] == dict(PRESETS["zabbix"].mapping) | {"priority": "'urgent'"}  # type: ignore[index]  # its value.
    assert refilled["signature"]["scheme"] == "none"


def test_a_new_sealing_key_takes_over_the_secrets_of_hooks(stage: Stage, api: Client) -> None:
    hook = hook_signed(api, scheme="github")
    api.post(f"/v1/inbound-hooks/{hook['id']}/rotate-secret", json={"secret": "ten geese under Grado"})
    key = SealingKey("2026", b"n" * 32)
    of_test = b"a secret for tests that signs nothing of worth"
    rotating = replace(stage.runtime, sealer=Sealer([key, SealingKey.derived(of_test)]))

    rotated = stage.run(rotate_tenant(rotating, api.tenant.id, [SEALED_SECRET, SEALED_PREVIOUS_SECRET]))

    (row,) = stage.sql(
        "SELECT sealed_secret, sealed_previous_secret FROM inbound_hooks WHERE id = $1", UUID(hook["id"])
    )
    opened = [
        Sealer([key]).open(each, tenant_id=api.tenant.id, purpose=SEALED_SECRET.purpose, object_id=UUID(hook["id"]))
        for each in row
    ]
    assert (rotated, opened) == (Rotated(rewrapped_count=2), [b"ten geese under Grado", SECRET.encode()])
