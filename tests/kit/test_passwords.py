"""Passwords: hashed slowly, verified alike for everybody, and refused when they are easy to guess."""

import asyncio
import unicodedata

import pytest

from helpdesk_api.kit.passwords import Passwords, TooBusyToVerifyError, WeakPasswordError

PASSWORD = "seven geese over Trieste"


async def test_a_hash_fits_its_password_only_and_is_never_the_same() -> None:
    async with Passwords() as passwords:
        first, second = await passwords.hashed(PASSWORD), await passwords.hashed(PASSWORD)

        assert first != second
        assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.verify(first, PASSWORD)
        assert not await passwords.verify(first, PASSWORD.lower())
        assert not await passwords.verify("no hash at all", PASSWORD)


async def test_who_has_no_password_has_none_that_fits() -> None:
    async with Passwords() as passwords:
        assert not await passwords.verify(None, "the password of nobody")


async def test_what_keyboards_write_differently_is_one_password() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Größe der Gänse, 7 Stück") for form in ("NFC", "NFD"))

    async with Passwords() as passwords:
        assert composed != decomposed
        assert await passwords.verify(await passwords.hashed(composed), decomposed)


@pytest.mark.parametrize("password", ["letmein123", "P@ssw0rd123", "abcdefghij", "moretti-1987", "aaaaaaaaaaaa"])
async def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    async with Passwords() as passwords:
        with pytest.raises(WeakPasswordError) as refused:
            await passwords.check_strength(password, personal=["Ada", "Moretti"], pointer="/password")

    assert refused.value.params == {"reason": "easy_to_guess"}


async def test_a_flood_of_verifications_is_turned_away_instead_of_queueing() -> None:
    async with Passwords() as passwords:
        stored = await passwords.hashed(PASSWORD)

        outcomes = await asyncio.gather(
            *(passwords.verify(stored, PASSWORD) for _ in range(80)), return_exceptions=True
        )

    assert outcomes.count(True) == 64
    assert sum(isinstance(outcome, TooBusyToVerifyError) for outcome in outcomes) == 16
