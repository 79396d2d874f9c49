"""Sealed values: they open under the same key for what they belong to, and for nothing else."""

from uuid import uuid4

import pytest

from helpdesk_api.kit.sealing import SealBrokenError, Sealer

SEALER = Sealer(b"a secret")
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


@pytest.mark.parametrize("broken", [b"", b"short", b"x" * 64])
def test_what_was_never_sealed_does_not_open(broken: bytes) -> None:
    with pytest.raises(SealBrokenError):
        SEALER.open(broken, tenant_id=TENANT, purpose="test", object_id=OBJECT)


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(SealBrokenError):
        Sealer(b"another secret").open(sealed(), tenant_id=TENANT, purpose="test", object_id=OBJECT)
