"""Which price holds: of those that several lists say for the same thing on the same day, the nearest one.

What a contract names was agreed for exactly this work, so it goes first; then what is for the one client, for clients
of its category, what the service names, and last what is for everybody. Of rates for labour that are as near the one
that is said for the role goes first, then the one for the time of day. Between two as near the one that holds since
later decides, then the one whose list comes first by its name, then the first by its code. No two lists of a tenant
have one name, and a list says one price of a thing for a day, so there is one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID


class Audience(StrEnum):
    """Whom the prices of a list are for; those of `contracts` hold only where a contract or service names the list."""

    EVERYBODY = "everybody"
    CATEGORIES = "categories"
    COMPANY = "company"
    CONTRACTS = "contracts"


class Ground(StrEnum):
    """Why a list is looked at, the nearest first."""

    CONTRACT = "contract"
    COMPANY = "company"
    CATEGORY = "category"
    SERVICE = "service"
    EVERYBODY = "everybody"


class Outranked(StrEnum):
    """Why a price is not the one."""

    LESS_SPECIFIC = "less_specific"
    LESS_EXACT = "less_exact"
    HELD_EARLIER = "held_earlier"
    NAME_COMES_LATER = "name_comes_later"


_ORDER: Final = tuple(Ground)


@dataclass(frozen=True, slots=True)
class Offer:
    """A price that may hold: of which list, why that is looked at, and since when both say so; null is from always."""

    item_id: UUID
    list_name: str
    ground: Ground
    holds_since: date | None
    code: str = ""
    is_of_role: bool = False
    is_of_time: bool = False


def chosen(offers: Sequence[Offer]) -> tuple[Offer | None, Sequence[tuple[Offer, Outranked]]]:
    """Choose the price that holds, and say why none of the others, the nearest of them first."""
    ranked = sorted(offers, key=_rank)
    if not ranked:
        return None, []
    best, *others = ranked
    return best, [(each, _outranked(each, best)) for each in others]


def _rank(offer: Offer) -> tuple[int, bool, bool, int, str, str]:
    exact = not offer.is_of_role, not offer.is_of_time
    return _ORDER.index(offer.ground), *exact, -_since(offer), offer.list_name, offer.code


def _since(offer: Offer) -> int:
    return 0 if offer.holds_since is None else offer.holds_since.toordinal()


def _outranked(offer: Offer, best: Offer) -> Outranked:
    if offer.ground is not best.ground:
        return Outranked.LESS_SPECIFIC
    if (offer.is_of_role, offer.is_of_time) != (best.is_of_role, best.is_of_time):
        return Outranked.LESS_EXACT
    if _since(offer) < _since(best):
        return Outranked.HELD_EARLIER
    return Outranked.NAME_COMES_LATER
