"""Signatures: checked against published vectors and against the published verifier."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from helpdesk_api.webhooks.signing import SigningKeys, new_secret, sign

VECTORS = json.loads((Path(__file__).parent / "data" / "webhook_signatures.json").read_text(encoding="utf-8"))
BODY = b'{"type":"ticket.created","timestamp":"2026-03-01T12:00:00Z","data":{"subject":"\xc3\xa4 \xe2\x82\xac"}}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# Vectors about the verifier's clock say nothing about signing.
CLOCK_VECTORS = {"verify-12", "verify-13"}


def _named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["id"]) for vector in vectors if vector["id"] not in CLOCK_VECTORS]


def _payload(vector: dict[str, Any]) -> bytes:
    if "payload" in vector:
        return str(vector["payload"]).encode()
    repeat = vector["payload_repeat"]
    return str(repeat["text"] * repeat["times"]).encode()


@pytest.mark.parametrize("vector", _named(VECTORS["sign"]))
def test_a_published_vector_is_signed_as_published(vector: dict[str, Any]) -> None:
    headers = sign([SigningKeys(vector["secret"])], vector["msg_id"], vector["timestamp"], _payload(vector))

    assert headers == {
        "webhook-id": vector["msg_id"],
        "webhook-timestamp": str(vector["timestamp"]),
        "webhook-signature": vector["expected"],
    }


@pytest.mark.parametrize("vector", _named(VECTORS["verify"]))
def test_our_signature_is_among_the_received_ones_exactly_when_the_vector_is_valid(vector: dict[str, Any]) -> None:
    received = {name.replace("svix-", "webhook-"): value for name, value in vector["headers"].items()}
    try:
        ours = sign(
            [SigningKeys(vector["secret"])],
            received["webhook-id"],
            int(received["webhook-timestamp"]),
            _payload(vector),
        )["webhook-signature"]
    except (KeyError, ValueError):
        ours = "none can be made"

    assert (ours in received.get("webhook-signature", "").split(" ")) == (vector["expected"] == "valid")


@pytest.mark.parametrize("vector", _named(VECTORS["refused_secrets"]))
def test_a_secret_without_a_key_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        sign([SigningKeys(vector["secret"])], "msg_1", 1, b"{}")


@pytest.mark.parametrize("secret", ["whsec_!!!!", "whsec_\u00e4", "whsec_A", "whsec_ab cd"])
def test_a_secret_that_is_not_base64_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="base64") as refused:
        sign([SigningKeys(secret)], "msg_1", 1, b"{}")

    assert secret not in str(refused.value)


def test_the_published_library_verifies_our_signature() -> None:
    secret = new_secret()

    headers = sign([SigningKeys(secret)], "msg_019", int(time.time()), BODY)

    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)


def test_while_a_secret_is_replaced_the_receiver_may_verify_with_either() -> None:
    old, new = new_secret(), new_secret()

    headers = sign([SigningKeys(new), SigningKeys(old)], "msg_019", int(time.time()), BODY)

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert Webhook(old).verify(BODY, headers) == json.loads(BODY)
    assert Webhook(new).verify(BODY, headers) == json.loads(BODY)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_the_published_library_refuses_anything_changed_on_the_way(changed: str) -> None:
    secret, now = new_secret(), int(time.time())
    headers = sign([SigningKeys(secret)], "msg_019", now, BODY)
    tampered = headers | {"webhook-id": "msg_018", "webhook-timestamp": str(now - 1)}

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(
            BODY + b" " if changed == "body" else BODY,
            headers if changed == "body" else headers | {changed: tampered[changed]},
        )


def test_the_published_library_refuses_the_secret_of_another() -> None:
    headers = sign([SigningKeys(new_secret())], "msg_019", int(time.time()), BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers)


def test_a_body_that_is_not_text_is_signed_byte_for_byte() -> None:
    assert sign([SigningKeys(SECRET)], "msg_1", 1, b"\xff\x00") != sign([SigningKeys(SECRET)], "msg_1", 1, b"\xff")


def test_a_new_secret_is_32_random_bytes_in_base64_after_its_prefix() -> None:
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    for secret in secrets:
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32


@pytest.mark.parametrize("message_id", ["", "msg.1", "msg\n1", "msg\u00e4"])
def test_a_message_id_that_would_make_signatures_ambiguous_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        sign([SigningKeys(SECRET)], message_id, 1, b"{}")


def test_a_time_before_1970_is_refused() -> None:
    with pytest.raises(ValueError, match="timestamp"):
        sign([SigningKeys(SECRET)], "msg_1", -1, b"{}")


def test_a_message_without_a_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        sign([], "msg_1", 1, b"{}")


def test_the_published_library_verifies_a_message_that_carries_both_kinds_of_signature() -> None:
    keys = SigningKeys.new()

    headers = sign([keys], "msg_019", int(time.time()), BODY)

    assert [part.partition(",")[0] for part in headers["webhook-signature"].split(" ")] == ["v1", "v1a"]
    assert Webhook(keys.secret).verify(BODY, headers) == json.loads(BODY)


def test_the_asymmetric_signature_is_ed25519_under_the_public_key() -> None:
    keys = SigningKeys.new()
    headers = sign([keys], "msg_019", 1_700_000_000, BODY)
    signature = base64.b64decode(headers["webhook-signature"].partition("v1a,")[2])
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys.public_key.removeprefix("whpk_")))

    public.verify(signature, b"msg_019.1700000000." + BODY)

    with pytest.raises(InvalidSignature):
        public.verify(signature, b"msg_019.1700000001." + BODY)


def test_keys_written_down_read_the_same_and_never_show_themselves() -> None:
    keys = SigningKeys.new()

    assert SigningKeys.loads(keys.dumps()) == keys
    assert keys.secret not in repr(keys)
    assert str(keys.private_key) not in repr(keys)
