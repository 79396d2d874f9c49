"""Entitlements: how much of what clients may use under a contract, in which periods, by which rules.

What became of it is a ledger, `agreements.entitlement_books`. An entitlement is seen by those who see its contract.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from helpdesk_api.agreements.contract_tables import contracts
from helpdesk_api.agreements.contract_versions import spells_of_many
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.entitlement_schemas import Entitlement, EntitlementKind
from helpdesk_api.agreements.entitlement_tables import entitlements
from helpdesk_api.domain.contracts import terms_at
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.domain.ledger import Rollover
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import RowRules

_TOGETHER: Final = ("rollover", "rollover_limit", "rollover_periods")


class InvalidEntitlementError(InvalidError):
    """The rules of an entitlement contradict each other."""

    code = "invalid_entitlement"
    title = "The rules of the entitlement contradict each other"


class ContractWithoutTermsError(InvalidError):
    """A contract entitles to nothing before its terms are stated."""

    code = "contract_without_terms"
    title = "The contract has no terms yet"


def _rows() -> RowRules:
    of_contracts = select(contracts.c.id).where(contracts.c.tenant_id == entitlements.c.tenant_id)
    narrow = {kind: seen for kind, seen in CONTRACTS.rows.items() if seen is not SHARED[kind]}
    return dict(SHARED) | {
        kind: entitlements.c.contract_id.in_(of_contracts.where(seen)) for kind, seen in narrow.items()
    }


ENTITLEMENTS = Resource(
    name="entitlement",
    plural="entitlements",
    table=entitlements,
    read=Entitlement,
    example={
        "contract_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e72",
        "name": "Ten hours a month",
        "kind": "hours",
        "currency": None,
        "quantity": 600,
        "period_months": 1,
        "starts_at": "2025-12-31T23:00:00Z",
        "time_zone": "Europe/Rome",
        "rollover": "limited",
        "rollover_limit": 300,
        "rollover_periods": 3,
        "overage": "refuse",
        "rounding_step": 15,
        "minimum_charge": 30,
        "warn_at": [120, 30],
    },
    filters=(
        Filter("contract_id", entitlements.c.contract_id, UUID),
        Filter("name", entitlements.c.name, str),
        Filter("kind", entitlements.c.kind, EntitlementKind),
    ),
    sorts=(Sort("name", entitlements.c.name, "text"),),
    includes=(Include("contract", "contract_id", CONTRACTS),),
    rows=_rows(),
)


async def check_entitlement(ctx: Ctx, given: dict[str, Any], before: Entitlement | None) -> dict[str, Any]:
    """Refuse rules that contradict each other, and give a new entitlement what its contract says.

    Raises InvalidEntitlementError, ContractWithoutTermsError and UnknownReferenceError.
    """
    stated = {name: given.get(name, getattr(before, name, None)) for name in _TOGETHER}
    _check_rollover(stated)
    if before is None:
        _check_kind(given)
        given = given | await _of_contract(ctx, given)
    if "warn_at" in given:
        given = given | {"warn_at": sorted(set(given["warn_at"] or ()), reverse=True)}
    return given


def _check_kind(given: Mapping[str, Any]) -> None:
    if (given["kind"] == "money") != (given["currency"] is not None):
        message = "An entitlement to money has a currency, and no other has one."
        raise InvalidEntitlementError(message, pointer="/currency")


def _check_rollover(stated: Mapping[str, Any]) -> None:
    if (stated["rollover"] == Rollover.LIMITED) != (stated["rollover_limit"] is not None):
        message = "A rollover that is limited has a limit, and no other has one."
        raise InvalidEntitlementError(message, pointer="/rollover_limit")
    if stated["rollover"] == Rollover.NONE and stated["rollover_periods"] is not None:
        message = "What is not rolled over is kept for no further periods."
        raise InvalidEntitlementError(message, pointer="/rollover_periods")


async def _of_contract(ctx: Ctx, given: Mapping[str, Any]) -> dict[str, Any]:
    contract_id: UUID = given["contract_id"]
    if contract_id not in await crud.fetch_many(ctx, CONTRACTS, [contract_id]):
        message = f"There is no contract {contract_id}."
        raise UnknownReferenceError(message, pointer="/contract_id")
    # Whoever amends it meanwhile lets the entitlements follow that are there.
    await crud.fetch_locked(ctx, CONTRACTS, contract_id)
    known = (await spells_of_many(ctx, [contract_id]))[contract_id]
    terms = terms_at(known, ctx.now) or next((spell.terms for spell in known), None)
    if terms is None:
        message = "State the terms of the contract first; its zone is what periods are counted in."
        raise ContractWithoutTermsError(message, pointer="/contract_id")
    return {"time_zone": terms.time_zone, "starts_at": given["starts_at"] or terms.starts_at}
