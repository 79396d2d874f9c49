"""By which contract a ticket is covered, and what is promised for it thereby: decided, and kept with the ticket.

It is asked for the instant at which the ticket was opened, as known when it is decided: a request that came in while
the contract was in force stays covered after its end. What decides it is `domain.coverage`; as long as a tenant has no
contracts there is nothing to decide. A contract that was named stays, whatever else changes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.coverage import coverage_of, has_contracts, is_for_client
from helpdesk_api.agreements.coverage_settings import uncovered_are_refused
from helpdesk_api.agreements.services import SERVICES, Service, services
from helpdesk_api.assets.assets import assets
from helpdesk_api.domain.contracts import ServiceTerms
from helpdesk_api.domain.coverage import Asked, Match
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.schemas import Ticket

# What a ticket says that decides by which contract it is covered.
SUBJECT: Final = frozenset({"company_id", "location_id", "asset_id", "service_id", "contract_id"})

_OF_ASSET: Final = Statement(
    select(assets.c.asset_type_id).where(assets.c.tenant_id == bindparam("tenant"), assets.c.id == bindparam("asset"))
)
_OF_SERVICE: Final = Statement(
    select(services.c.sla_policy_id, services.c.calendar_id).where(
        services.c.tenant_id == bindparam("tenant"), services.c.id == bindparam("service")
    )
)


class NotCoveredError(ConflictError):
    """No contract covers the ticket, and the tenant takes only tickets that one covers."""

    code = "not_covered"
    title = "No contract covers this"


class ContractNotOfClientError(InvalidError):
    """The contract that is named has never been for the client of the ticket, nor for all."""

    code = "contract_not_of_client"
    title = "The contract is not for this client"


class InactiveServiceError(InvalidError):
    """Services that are not offered any more get no tickets."""

    code = "inactive_service"
    title = "The service is not active"


async def service_for(ctx: Ctx, service_id: UUID | None) -> Service | None:
    """Give the service that is asked for; raises UnknownReferenceError and InactiveServiceError."""
    if service_id is None:
        return None
    service = (await crud.fetch_many(ctx, SERVICES, [service_id])).get(service_id)
    if service is None:
        message = f"There is no service {service_id}."
        raise UnknownReferenceError(message, pointer="/service_id")
    if not service.is_active:
        message = f"The service {service_id} is not active and gets no tickets."
        raise InactiveServiceError(message, pointer="/service_id")
    return service


async def check_contract(ctx: Ctx, contract_id: UUID | None, company_id: UUID | None) -> None:
    """Refuse a contract that is named for a client which it is not for, or that is not there or not to be seen.

    Raises UnknownReferenceError and ContractNotOfClientError.
    """
    if contract_id is not None and contract_id not in await crud.fetch_many(ctx, CONTRACTS, [contract_id]):
        message = f"There is no contract {contract_id}."
        raise UnknownReferenceError(message, pointer="/contract_id")
    await _check_client(ctx, contract_id, company_id)


async def _check_client(ctx: Ctx, contract_id: UUID | None, company_id: UUID | None) -> None:
    if contract_id is None or (company_id is not None and await is_for_client(ctx, contract_id, company_id)):
        return
    message = f"The contract {contract_id} is not for the company {company_id}."
    raise ContractNotOfClientError(message, pointer="/contract_id")


async def covered(ctx: Ctx, ticket: Mapping[str, Any], *, opened_at: datetime, any_contracts: bool) -> dict[str, Any]:
    """Decide what covers a new ticket of these values; gives the values that follow, and raises NotCoveredError."""
    found = await _decided(ctx, ticket, opened_at=opened_at, any_contracts=any_contracts)
    await _check_accepted(ctx, found)
    return found


async def covered_anew(ctx: Ctx, before: Ticket, values: Mapping[str, Any]) -> dict[str, Any]:
    """Decide again what covers a ticket that gets these values; gives the values that follow.

    Raises UnknownReferenceError, InactiveServiceError, ContractNotOfClientError, and NotCoveredError if the ticket was
    not uncovered before.
    """
    if "service_id" in values:
        await service_for(ctx, values["service_id"])
    is_named = before.covered_by in {None, Match.NAMED}
    ticket = vars(before) | {"contract_id": before.contract_id if is_named else None} | dict(values)
    # Who changes something else need not see the contract that somebody named.
    check = check_contract if "contract_id" in values else _check_client
    await check(ctx, ticket["contract_id"], ticket["company_id"])
    found = await _decided(ctx, ticket, opened_at=before.created_at, any_contracts=await has_contracts(ctx))
    if before.coverage != "not_covered":
        await _check_accepted(ctx, found)
    return found


async def _decided(ctx: Ctx, ticket: Mapping[str, Any], *, opened_at: datetime, any_contracts: bool) -> dict[str, Any]:
    """Decide what covers a ticket of these values, in which `contract_id` is one that was named."""
    service = await _terms_of(ctx, ticket["service_id"])
    if ticket["company_id"] is None or not any_contracts:
        promised = {name: getattr(service, name, None) for name in ("sla_policy_id", "calendar_id")}
        return {"contract_id": None, "coverage": None, "covered_by": None, "coverage_decided_at": None} | promised
    found = await coverage_of(
        ctx,
        Asked(
            company_id=ticket["company_id"],
            at=opened_at,
            location_id=ticket["location_id"],
            asset_id=ticket["asset_id"],
            asset_type_id=await _type_of(ctx, ticket["asset_id"]),
            service=service,
            contract_id=ticket["contract_id"],
        ),
    )
    return {
        "contract_id": ticket["contract_id"] if found.chosen is None else found.chosen.contract_id,
        "coverage": "not_covered" if found.chosen is None else "covered",
        "covered_by": None if found.match is None else found.match.value,
        "coverage_decided_at": ctx.now,
        "sla_policy_id": None if found.sla_policy is None else found.sla_policy.id,
        "calendar_id": None if found.calendar is None else found.calendar.id,
    }


async def _check_accepted(ctx: Ctx, values: Mapping[str, Any]) -> None:
    """Refuse what no contract covers, where the tenant has chosen so; raises NotCoveredError."""
    if values["coverage"] == "not_covered" and await uncovered_are_refused(ctx):
        message = "No contract covers this; POST /v1/coverage/check tells why."
        raise NotCoveredError(message)


async def _terms_of(ctx: Ctx, service_id: UUID | None) -> ServiceTerms | None:
    if service_id is None:
        return None
    row = await ctx.tx.row(_OF_SERVICE, {"tenant": ctx.tenant_id, "service": service_id})
    return None if row is None else ServiceTerms(service_id, row["sla_policy_id"], row["calendar_id"])


async def _type_of(ctx: Ctx, asset_id: UUID | None) -> UUID | None:
    if asset_id is None:
        return None
    found: UUID | None = await ctx.tx.value(_OF_ASSET, {"tenant": ctx.tenant_id, "asset": asset_id})
    return found
