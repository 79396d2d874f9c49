"""Amending contracts: what is stated for a span of time, checked, stored as versions, and told.

An amendment says how things are in a span, which may lie in the past: then it corrects what was known, and what was
known stays on record. Everything that it names is one of the contract's clients' own, which the database holds to as
well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import bindparam, select

from helpdesk_api.agreements.agreed_hours import check_agreed_hours
from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.agreements.contract_schemas import Contract, ContractVersion
from helpdesk_api.agreements.contract_tables import contract_companies, contract_references
from helpdesk_api.agreements.contract_turns import arrange_turn
from helpdesk_api.agreements.contract_versions import read_terms, replace_versions, spell_of, versions_of
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.entitlement_turns import follow_contract
from helpdesk_api.agreements.price_lists import PRICE_LISTS
from helpdesk_api.agreements.services import SERVICES
from helpdesk_api.agreements.sla_policies import SLA_POLICIES
from helpdesk_api.assets.asset_types import ASSET_TYPES
from helpdesk_api.assets.assets import ASSETS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.domain.contracts import ContractTerms, Renewal, ServiceTerms, Spell, amended, status_at, terms_at
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import check_version
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import record
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.kit.sqlstate import UnknownReferenceError

MOST_VERSIONS: Final = 200
_NAMED: Final = (
    *("company_id", "location_id", "asset_id", "asset_type_id", "service_id"),
    *("sla_policy_id", "calendar_id", "price_list_id"),
)
_REFERENCES = Statement(
    select(*(contract_references.c[name] for name in _NAMED)).where(
        contract_references.c.tenant_id == bindparam("tenant"),
        contract_references.c.contract_id == bindparam("contract"),
    )
)
_NAME_CLIENTS = Statement(insert_many(contract_companies, ["tenant_id", "id", "contract_id", "company_id"]))
_CLIENTS = Statement(
    select(contract_companies.c.company_id).where(
        contract_companies.c.tenant_id == bindparam("tenant"), contract_companies.c.contract_id == bindparam("contract")
    )
)
_NAME = Statement(insert_many(contract_references, ["tenant_id", "id", "contract_id", *_NAMED]))


class NothingHeldError(InvalidError):
    """Terms are stated in part for a time at which none hold."""

    code = "no_terms_to_amend"
    title = "No terms hold there that could be amended"


class InvalidTermsError(InvalidError):
    """The terms contradict each other."""

    code = "invalid_terms"
    title = "The terms contradict each other"


class SubjectOfOthersError(InvalidError):
    """A contract covers places and assets of its own clients."""

    code = "subject_not_of_client"
    title = "What is to be covered belongs to none of the clients"


class TooManyContractVersionsError(ConflictError):
    """A contract says a limited number of things, one after the other."""

    code = "too_many_contract_versions"
    title = "The contract has too many versions"


@dataclass(frozen=True, slots=True)
class Stated:
    """What somebody states for a span; `terms` are those that are given."""

    effective_from: datetime | None
    effective_until: datetime | None
    reason: str | None
    terms: Mapping[str, Any]


async def amend_contract(
    ctx: Ctx, contract_id: UUID, stated: Stated, *, expected: int | None
) -> tuple[Contract, list[ContractVersion]]:
    """State terms for a span; what changes nothing leaves no trace. Gives what is known now.

    Raises NothingHeldError, InvalidTermsError, SubjectOfOthersError, UnknownReferenceError,
    TargetOutOfReachError, TooManyContractVersionsError and StaleVersionError.
    """
    before = await crud.fetch_locked(ctx, CONTRACTS, contract_id)
    check_version(before.version, expected)
    # What is recorded later must not seem to have been known earlier, whatever the clocks of two servers say.
    ctx = ctx if ctx.now >= before.updated_at else replace(ctx, now=before.updated_at)
    await _check_known(ctx, stated.terms)
    known = await versions_of(ctx, contract_id, known_at=ctx.now)
    begins = stated.effective_from or (ctx.now if known else None)
    if begins is not None and stated.effective_until is not None and stated.effective_until <= begins:
        message = "effective_until must be after effective_from."
        raise InvalidTermsError(message, pointer="/effective_until")
    spells = {version.id: spell_of(version) for version in known}
    amendment = amended(
        list(spells.values()),
        begins,
        stated.effective_until,
        lambda held: _merged(held, stated),
        reason=stated.reason,
    )
    if not amendment.added:
        return before, known
    replaced = [version_id for version_id, spell in spells.items() if spell in amendment.replaced]
    after = sorted(
        [*(spell for spell in spells.values() if spell not in amendment.replaced), *amendment.added], key=_begin
    )
    if len(after) > MOST_VERSIONS:
        message = f"The contract would have {len(after)} versions one after the other; {MOST_VERSIONS} is the limit."
        raise TooManyContractVersionsError(message)
    await check_agreed_hours(ctx, [spell.terms for spell in amendment.added])
    await _name(ctx, contract_id, [spell.terms for spell in amendment.added])
    await replace_versions(ctx, contract_id, replaced=replaced, added=amendment.added)
    contract = await _told(ctx, before, after, begins, stated)
    await arrange_turn(ctx, contract_id, after)
    await follow_contract(ctx, contract_id)
    return contract, await versions_of(ctx, contract_id, known_at=ctx.now)


async def _told(ctx: Ctx, before: Contract, spells: list[Spell], begins: datetime | None, stated: Stated) -> Contract:
    status = status_at(terms_at(spells, ctx.now), ctx.now).value
    after = await crud.store_changes(ctx, CONTRACTS, before, {"status": status})
    data = {
        "effective_from": begins,
        "effective_until": stated.effective_until,
        "reason": stated.reason,
        "terms": dict(stated.terms),
    }
    record(ctx, "contract.amended", object_id=after.id, version=after.version, data=to_jsonable_python(data))
    if status != before.status:
        changes: Any = {"status": (before.status, status)}
        record(ctx, "contract.status_changed", object_id=after.id, version=after.version, changes=changes)
    return after


def _merged(held: ContractTerms | None, stated: Stated) -> ContractTerms:
    """Give the terms that hold after an amendment where these held before it."""
    if held is None and "starts_at" not in stated.terms:
        message = "No terms hold in a part of that time; state all of them, with starts_at."
        raise NothingHeldError(message, pointer="/terms/starts_at")
    terms = read_terms(stated.terms, held)
    if terms.ends_at is not None and terms.ends_at <= terms.starts_at:
        message = "ends_at must be after starts_at."
        raise InvalidTermsError(message, pointer="/terms/ends_at")
    if terms.renewal is Renewal.TACIT and (terms.ends_at is None or terms.renewal_months is None):
        message = "A tacit renewal needs ends_at and renewal_months."
        raise InvalidTermsError(message, pointer="/terms/renewal")
    if not terms.covers_everything and not (terms.location_ids or terms.asset_ids or terms.asset_type_ids):
        message = "Terms that do not cover everything name what they cover."
        raise InvalidTermsError(message, pointer="/terms/covers_everything")
    return terms


async def _name(ctx: Ctx, contract_id: UUID, stated: list[ContractTerms]) -> None:
    """Note what terms name, for the database to hold on to it; refuses what is not there or of somebody else."""
    named: set[tuple[UUID | None, ...]] = set()
    clients: set[UUID] = set()
    for terms in stated:
        clients |= terms.company_ids
        named |= await _named(ctx, terms)
    known_clients = {
        row["company_id"] for row in await ctx.tx.rows(_CLIENTS, {"tenant": ctx.tenant_id, "contract": contract_id})
    }
    new_clients = sorted(clients - known_clients)
    owned = {"tenant_id": ctx.tenant_id, "contract_id": contract_id}
    if new_clients:
        size = len(new_clients)
        columns: dict[str, list[Any]] = {name: [value] * size for name, value in owned.items()}
        await ctx.tx.run(_NAME_CLIENTS, columns | {"id": [new_id() for _ in new_clients], "company_id": new_clients})
    rows = await ctx.tx.rows(_REFERENCES, {"tenant": ctx.tenant_id, "contract": contract_id})
    new = list(named - {tuple(row[name] for name in _NAMED) for row in rows})
    if new:
        columns = {name: [value] * len(new) for name, value in owned.items()}
        columns |= {name: [each[place] for each in new] for place, name in enumerate(_NAMED)}
        await ctx.tx.run(_NAME, columns | {"id": [new_id() for _ in new]})


async def _named(ctx: Ctx, terms: ContractTerms) -> set[tuple[UUID | None, ...]]:
    """Give what terms name; raises SubjectOfOthersError. What the caller does not see was named by somebody else."""
    places = await crud.fetch_many(ctx, LOCATIONS, sorted(terms.location_ids))
    assets = await crud.fetch_many(ctx, ASSETS, sorted(terms.asset_ids))
    for field, found in (("location_ids", places), ("asset_ids", assets)):
        for subject in found.values():
            if subject.company_id not in terms.company_ids:
                message = f"{subject.id} does not belong to a client of the contract."
                raise SubjectOfOthersError(message, pointer=f"/terms/{field}")
    promised: list[ContractTerms | ServiceTerms] = [terms, *terms.services]
    return {
        *(_reference(company_id=place.company_id, location_id=place.id) for place in places.values()),
        *(_reference(company_id=asset.company_id, asset_id=asset.id) for asset in assets.values()),
        *(_reference(asset_type_id=type_id) for type_id in terms.asset_type_ids),
        *(_reference(service_id=offer.service_id) for offer in terms.services),
        *(_reference(sla_policy_id=each.sla_policy_id) for each in promised if each.sla_policy_id is not None),
        *(_reference(calendar_id=each.calendar_id) for each in promised if each.calendar_id is not None),
        *(_reference(price_list_id=each.price_list_id) for each in promised if each.price_list_id is not None),
    }


async def _check_known(ctx: Ctx, given: Mapping[str, Any]) -> None:
    """Refuse what is not there, or not to be seen, where it stands; raises UnknownReferenceError."""
    lists: Mapping[str, Resource[Any]] = {
        "company_ids": COMPANIES,
        "location_ids": LOCATIONS,
        "asset_ids": ASSETS,
        "asset_type_ids": ASSET_TYPES,
    }
    for field, resource in lists.items():
        await _check_each(ctx, resource, {f"/terms/{field}/{at}": each for at, each in enumerate(given.get(field, []))})
    parts = {"/terms": given} | {f"/terms/services/{at}": each for at, each in enumerate(given.get("services", []))}
    ids: Mapping[str, Resource[Any]] = {
        "service_id": SERVICES,
        "sla_policy_id": SLA_POLICIES,
        "calendar_id": CALENDARS,
        "price_list_id": PRICE_LISTS,
    }
    for name, resource in ids.items():
        await _check_each(ctx, resource, {f"{place}/{name}": part.get(name) for place, part in parts.items()})


async def _check_each(ctx: Ctx, resource: Resource[Any], named: Mapping[str, UUID | None]) -> None:
    wanted = {pointer: object_id for pointer, object_id in named.items() if object_id is not None}
    found = await crud.fetch_many(ctx, resource, list(wanted.values()))
    for pointer, object_id in wanted.items():
        if object_id not in found:
            message = f"There is no {resource.name.replace('_', ' ')} {object_id}."
            raise UnknownReferenceError(message, pointer=pointer)


def _reference(**named: UUID | None) -> tuple[UUID | None, ...]:
    return tuple(named.get(name) for name in _NAMED)


def _begin(spell: Spell) -> tuple[bool, Any]:
    return spell.effective_from is not None, spell.effective_from
