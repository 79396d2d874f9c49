"""API keys as texts, and values that come back signed."""

from uuid import UUID, uuid4

import pytest

from helpdesk_api.kit.tokens import Signer, new_key, read_key


@pytest.mark.parametrize(
    "ids", [(UUID(int=0), UUID(int=0)), (UUID(int=2**128 - 1),) * 2, (uuid4(), uuid4())], ids=["least", "most", "usual"]
)
def test_a_key_tells_its_tenant_and_itself_but_not_its_secret(ids: tuple[UUID, UUID]) -> None:
    text, secret_hash = new_key(*ids, "live")

    token = read_key(text)

    assert token is not None
    assert (token.tenant_id, token.key_id, token.secret_hash) == (*ids, secret_hash)
    assert len(text) == len("hd_live_") + 43 + 1 + 43 + 1 + 6
    assert secret_hash.hex() not in text


def test_the_environment_can_be_seen_in_the_key() -> None:
    assert new_key(uuid4(), uuid4(), "test")[0].startswith("hd_test_")


def test_two_keys_are_never_the_same() -> None:
    assert new_key(UUID(int=1), UUID(int=2), "live")[1] != new_key(UUID(int=1), UUID(int=2), "live")[1]


def test_a_key_with_one_letter_changed_is_no_key() -> None:
    text, _ = new_key(uuid4(), uuid4(), "live")

    for place in range(len("hd_live_"), len(text)):
        other = "a" if text[place] != "a" else "b"

        assert read_key(text[:place] + other + text[place + 1 :]) is None


def test_a_key_in_another_form_is_no_key() -> None:
    text, _ = new_key(uuid4(), uuid4(), "live")

    for other in (text.upper(), text.swapcase(), text[1:], text[:-1], f" {text}", f"{text}\n", f"{text}{text}", ""):
        assert read_key(other) is None


def test_a_number_too_large_for_two_ids_is_no_key() -> None:
    text, _ = new_key(uuid4(), uuid4(), "live")
    too_large = text.replace(text.split("_")[2], "z" * 43)

    assert read_key(too_large) is None


def test_a_signed_value_comes_back() -> None:
    signer = Signer(b"secret")

    for payload in (b"", b"\0", b"abc", bytes(range(256))):
        assert signer.verify("page", signer.sign("page", payload)) == payload


def test_a_value_signed_elsewhere_or_for_something_else_is_void() -> None:
    signed = Signer(b"secret").sign("page", b"payload")

    assert Signer(b"another").verify("page", signed) is None
    assert Signer(b"secret").verify("feed", signed) is None
    assert Signer(b"secret").verify("pag", Signer(b"secret").sign("page", b"e")) is None


def test_a_value_that_was_changed_is_void() -> None:
    signer = Signer(b"secret")
    signed = signer.sign("page", b"payload")

    for place in range(len(signed) - 1):
        other = "A" if signed[place] != "A" else "B"

        assert signer.verify("page", signed[:place] + other + signed[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "A", "====", "é", "a b", "\0", "-", "A" * 10_000], ids=repr)
def test_a_text_that_is_no_signed_value_is_void(text: str) -> None:
    assert Signer(b"secret").verify("page", text) is None
