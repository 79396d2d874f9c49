"""Passwords: hashing and verifying in threads of their own, and telling weak ones.

Argon2id with the parameters that OWASP names for interactive sign-in. Each verification takes tens of milliseconds and
megabytes on purpose, so only a few run at once and only so many may wait: a flood of attempts is turned away instead of
starving every other request. Whether somebody may try at all is counted by the caller.
"""

import asyncio
import unicodedata
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from zxcvbn import zxcvbn

from helpdesk_api.domain.errors import InvalidError, UnavailableError

T = TypeVar("T")

SHORTEST: Final = 10
LONGEST: Final = 128
# Of 0 to 4: 3 is "safely unguessable" from a stolen hash for who does not know the person.
_STRONG_ENOUGH: Final = 3
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64
# How much of a password is judged; guessing only gets harder with more, and judging slower.
_JUDGED: Final = 64


class WeakPasswordError(InvalidError):
    """The password is short, known from breaches, or easy to guess for who knows the person."""

    code = "weak_password"
    title = "The password is too easy to guess"


class TooBusyToVerifyError(UnavailableError):
    """More passwords wait to be verified than will be soon."""

    code = "sign_in_busy"
    title = "Too many sign-ins at once"


class Passwords:
    """Hash, verify and judge passwords; one per process, whose threads end with it."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        # Verified in place of a hash that does not exist, so that an unknown person takes as long as a wrong password.
        self._nobodys = self._hasher.hash("the password of nobody")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def hashed(self, password: str) -> str:
        """Give the hash of a new password, in the PHC format."""
        return await self._in_thread(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password fits; None stands for a person who has none, and takes as long."""
        return await self._in_thread(lambda: self._fits(stored or self._nobodys, password)) and stored is not None

    async def check_strength(self, password: str, *, personal: Collection[str], pointer: str) -> None:
        """Refuse a password that is easy to guess; `personal` are words that belong to the person."""
        normal = _normal(password)
        if len(normal) < SHORTEST:
            message = f"The password has {len(normal)} characters; at least {SHORTEST} are needed."
            raise WeakPasswordError(message, pointer=pointer, params={"reason": "too_short"})
        score = await self._in_thread(lambda: _score(normal, personal))
        if score < _STRONG_ENOUGH:
            message = "The password is easy to guess: several words that do not belong together are better."
            raise WeakPasswordError(message, pointer=pointer, params={"reason": "easy_to_guess"})

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _normal(password))
        except (VerifyMismatchError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            message = "Too many people sign in at this moment; try again in a second."
            raise TooBusyToVerifyError(message, retry_after=timedelta(seconds=1))
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """Give one form to what keyboards write differently (NIST SP 800-63B section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _score(password: str, personal: Collection[str]) -> int:
    score: int = zxcvbn(password[:_JUDGED], user_inputs=list(personal))["score"]
    return score
