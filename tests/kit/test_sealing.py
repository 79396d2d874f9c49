"""Sealed values: they open under the same key for what they belong to, and for nothing else."""

from typing import Any
from uuid import uuid4

import pytest

from helpdesk_api.kit.sealing import SealBrokenError, Sealer, SealingKey

OLD, NEW = SealingKey("2025", b"o" * 32), SealingKey("2026", b"n" * 32)
SEALER = Sealer([OLD])
TENANT, OBJECT = uuid4(), uuid4()


def sealed() -> bytes:
    return SEALER.seal(b"open sesame", tenant_id=TENANT, purpose="test", object_id=OBJECT)


def test_a_sealed_value_opens_for_what_it_belongs_to() -> None:
    value = sealed()

    assert b"sesame" not in value
    assert SEALER.open(value, tenant_id=TENANT, purpose="test", object_id=OBJECT) == b"open sesame"


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert sealed() != sealed()


def test_a_sealed_value_cannot_be_moved_to_another_tenant_row_or_purpose() -> None:
    value = sealed()

    for tenant_id, purpose, object_id in (
        (uuid4(), "test", OBJECT),
        (TENANT, "other", OBJECT),
        (TENANT, "test", uuid4()),
    ):
        with pytest.raises(SealBrokenError):
            SEALER.open(value, tenant_id=tenant_id, purpose=purpose, object_id=object_id)


@pytest.mark.parametrize("broken", [b"", b"short", b"x" * 64, b"\x01\x04" + b"x" * 200, b"\x01\xff" + b"x" * 100])
def test_what_was_never_sealed_does_not_open(broken: bytes) -> None:
    with pytest.raises(SealBrokenError):
        SEALER.open(broken, tenant_id=TENANT, purpose="test", object_id=OBJECT)


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(SealBrokenError):
        Sealer([SealingKey("2025", b"x" * 32)]).open(sealed(), tenant_id=TENANT, purpose="test", object_id=OBJECT)


def test_a_value_under_a_former_key_opens_and_is_rewrapped_under_the_current_one() -> None:
    both = Sealer([NEW, OLD])
    belonging: Any = {"tenant_id": TENANT, "purpose": "test", "object_id": OBJECT}
    value = sealed()

    rewrapped = both.rewrap(value, **belonging)

    assert rewrapped is not None
    assert both.open(value, **belonging) == Sealer([NEW]).open(rewrapped, **belonging) == b"open sesame"
    assert both.rewrap(rewrapped, **belonging) is None
    with pytest.raises(SealBrokenError, match="HELPDESK_SEALING_KEYS"):
        SEALER.open(rewrapped, **belonging)


def test_a_value_that_claims_another_key_does_not_open() -> None:
    value = sealed().replace(b"2025", b"2026", 1)

    with pytest.raises(SealBrokenError):
        Sealer([OLD, SealingKey("2026", OLD.key)]).open(value, tenant_id=TENANT, purpose="test", object_id=OBJECT)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026:", ":" + "A" * 44, "2026:c2hvcnQ=", "derived:" + "A" * 43 + "=", "a b:" + "A" * 43 + "="]
)
def test_a_key_that_is_not_an_id_and_32_bytes_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refusal:
        SealingKey.read(text)

    assert "AAAA" not in str(refusal.value)
    assert "c2hv" not in str(refusal.value)
