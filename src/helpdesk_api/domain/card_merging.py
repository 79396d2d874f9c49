"""What becomes of the fields of two cards that are made one, and how a field is parted again.

The card that stays keeps what it has: empty fields are filled, lists are united, values by key are filled key by key.
Parting takes out again what came with the other card, and leaves alone what was changed since.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

# Lists of objects of which there is one for each value of a member.
_ONE_EACH: Final[Mapping[str, str]] = {"memberships": "company_id", "consents": "purpose"}
_SORTED: Final = frozenset({"domains"})


def united(field: str, ours: Any, theirs: Any) -> Any:  # noqa: ANN401 - the value of any field.
    """Give the value that a field has once two cards are one."""
    match ours, theirs:
        case list(), list():
            member = _ONE_EACH.get(field)
            known = _named(ours, member)
            both = [
                *ours,
                *(each for each, name in zip(theirs, _named(theirs, member), strict=True) if name not in known),
            ]
            return sorted(both) if field in _SORTED else both
        case dict(), dict():
            return _filled(ours, theirs)
        case None, _:
            return theirs
        case _:
            return ours


def parted(now: Any, before: Any, after: Any) -> Any:  # noqa: ANN401 - the value of any field.
    """Give what is left of a field that a merge has changed from `before` to `after`, and that is `now` something."""
    match now, before, after:
        case list(), list(), list():
            return [each for each in now if each in before or each not in after]
        case dict(), dict(), dict():
            left = {key: parted(value, before.get(key), after.get(key)) for key, value in now.items()}
            return {key: value for key, value in left.items() if value not in (None, {}) or key in before}
        case dict(), None, dict():
            return parted(now, {}, after)
        case _:
            return before if now == after else now


def _named(values: Sequence[Any], member: str | None) -> list[Any]:
    return [each[member] for each in values] if member else list(values)


def _filled(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(ours)
    for key, value in theirs.items():
        if isinstance(value, dict) and isinstance(filled.get(key), dict):
            filled[key] = _filled(filled[key], value)
        elif key not in filled:
            filled[key] = value
    return filled
