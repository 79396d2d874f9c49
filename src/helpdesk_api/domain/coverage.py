"""Whether something is covered, by which contract, and why by none of the others.

A contract that was named decides alone. Of the others those are looked at that are in force, for the client, and offer
the service. What they say of the subject ranks them: one that names the asset, its kind, the place, everything of the
client, everything of everybody. Between equals one that names the service goes before one that offers all; then the one
that began later; then the one whose number comes first. No two of a tenant have one number, so there is one answer.

What is promised follows from it, policy, calendar and price list each by itself: the contract's word on the service
goes before its word on everything, and that before what the service says of itself, also when nothing covers it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from helpdesk_api.domain.contracts import ContractStatus, ContractTerms, ServiceTerms, status_at


class Match(StrEnum):
    """What a contract covers something by."""

    NAMED = "named"
    ASSET = "asset"
    ASSET_TYPE = "asset_type"
    LOCATION = "location"
    COMPANY = "company"
    DEFAULT = "default"


class Rejection(StrEnum):
    """Why a contract is not the one."""

    NO_TERMS = "no_terms"
    NOT_BEGUN = "not_begun"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    NOT_CLIENT = "not_client"
    SERVICE_NOT_OFFERED = "service_not_offered"
    SERVICE_NOT_SAID = "service_not_said"
    SUBJECT_NOT_COVERED = "subject_not_covered"
    ANOTHER_NAMED = "another_named"
    LESS_SPECIFIC = "less_specific"
    SERVICE_NOT_NAMED = "service_not_named"
    BEGAN_EARLIER = "began_earlier"
    NUMBER_COMES_LATER = "number_comes_later"


class Origin(StrEnum):
    """Who promises something: the contract for the service, the contract for everything, or the service by itself."""

    CONTRACT_SERVICE = "contract_service"
    CONTRACT = "contract"
    SERVICE = "service"


# The nearer to the subject, the sooner.
_ORDER: Final = (Match.DEFAULT, Match.COMPANY, Match.LOCATION, Match.ASSET_TYPE, Match.ASSET)
_OUT_OF_FORCE: Final = {
    ContractStatus.DRAFT: Rejection.NO_TERMS,
    ContractStatus.SCHEDULED: Rejection.NOT_BEGUN,
    ContractStatus.EXPIRED: Rejection.EXPIRED,
    ContractStatus.SUSPENDED: Rejection.SUSPENDED,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about: for whom, what, where, and when; `contract_id` if somebody names the contract.

    `service` is what is asked for, with what it promises by itself.
    """

    company_id: UUID
    at: datetime
    location_id: UUID | None = None
    asset_id: UUID | None = None
    asset_type_id: UUID | None = None
    service: ServiceTerms | None = None
    contract_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contract that may cover it, with the terms that hold at the instant, if any do."""

    contract_id: UUID
    number: str
    terms: ContractTerms | None


@dataclass(frozen=True, slots=True)
class Promised:
    """A policy, a calendar or a price list, and who promises it."""

    id: UUID
    origin: Origin


@dataclass(frozen=True, slots=True)
class Coverage:
    """The decision: the contract that covers it and by what, why none of the others does, and what is promised.

    Contracts are in the order of their numbers. Without a policy the tenant's policies decide, without a calendar that
    of the policy, and without a price list those for the client or everybody hold.
    """

    chosen: Candidate | None
    match: Match | None
    rejected: Sequence[tuple[Candidate, Rejection]]
    sla_policy: Promised | None
    calendar: Promised | None
    price_list: Promised | None


@dataclass(frozen=True, slots=True)
class _Fit:
    candidate: Candidate
    terms: ContractTerms
    match: Match
    offer: ServiceTerms | None

    @property
    def nearness(self) -> int:
        return _ORDER.index(self.match)


def decide(asked: Asked, candidates: Sequence[Candidate]) -> Coverage:
    """Choose the contract that covers what is asked about, and say why none of the others."""
    fits: list[_Fit] = []
    rejected: list[tuple[Candidate, Rejection]] = []
    for candidate in sorted(candidates, key=lambda each: each.number):
        found = _judge(asked, candidate)
        if isinstance(found, Rejection):
            rejected.append((candidate, found))
        else:
            fits.append(found)
    if not fits:
        return Coverage(None, None, rejected, *_promised(asked, None))
    # In the order of numbers already, and of equals the first one is taken.
    best = max(fits, key=lambda fit: (fit.nearness, fit.offer is not None, fit.terms.starts_at))
    rejected += [(fit.candidate, _outranked(fit, best)) for fit in fits if fit is not best]
    rejected.sort(key=lambda each: each[0].number)
    match = Match.NAMED if asked.contract_id is not None else best.match
    return Coverage(best.candidate, match, rejected, *_promised(asked, best))


def _promised(asked: Asked, best: _Fit | None) -> tuple[Promised | None, Promised | None, Promised | None]:
    """Give the policy, the calendar and the price list that follow, each from the first who says anything of it."""
    said = {
        Origin.CONTRACT_SERVICE: None if best is None else best.offer,
        Origin.CONTRACT: None if best is None else best.terms,
        Origin.SERVICE: asked.service,
    }
    policies = {origin: each.sla_policy_id for origin, each in said.items() if each is not None}
    calendars = {origin: each.calendar_id for origin, each in said.items() if each is not None}
    lists = {origin: each.price_list_id for origin, each in said.items() if each is not None}
    return _first(policies), _first(calendars), _first(lists)


def _first(said: Mapping[Origin, UUID | None]) -> Promised | None:
    return next((Promised(each, origin) for origin, each in said.items() if each is not None), None)


def _judge(asked: Asked, candidate: Candidate) -> _Fit | Rejection:
    if asked.contract_id not in {None, candidate.contract_id}:
        return Rejection.ANOTHER_NAMED
    terms = candidate.terms
    if terms is None:
        return Rejection.NO_TERMS
    status = status_at(terms, asked.at)
    if status in _OUT_OF_FORCE:
        return _OUT_OF_FORCE[status]
    if terms.company_ids and asked.company_id not in terms.company_ids:
        return Rejection.NOT_CLIENT
    service_id = None if asked.service is None else asked.service.service_id
    offer = next((each for each in terms.services if each.service_id == service_id), None)
    if terms.services and offer is None:
        return Rejection.SERVICE_NOT_SAID if service_id is None else Rejection.SERVICE_NOT_OFFERED
    match = _match(asked, terms)
    return Rejection.SUBJECT_NOT_COVERED if match is None else _Fit(candidate, terms, match, offer)


def _match(asked: Asked, terms: ContractTerms) -> Match | None:
    """Tell what terms cover the subject by: the nearest thing that they name."""
    if asked.asset_id in terms.asset_ids:
        return Match.ASSET
    if asked.asset_type_id in terms.asset_type_ids:
        return Match.ASSET_TYPE
    if asked.location_id in terms.location_ids:
        return Match.LOCATION
    if not terms.covers_everything:
        return None
    return Match.COMPANY if terms.company_ids else Match.DEFAULT


def _outranked(fit: _Fit, best: _Fit) -> Rejection:
    if fit.nearness < best.nearness:
        return Rejection.LESS_SPECIFIC
    if (fit.offer is None) is not (best.offer is None):
        return Rejection.SERVICE_NOT_NAMED
    if fit.terms.starts_at < best.terms.starts_at:
        return Rejection.BEGAN_EARLIER
    return Rejection.NUMBER_COMES_LATER
