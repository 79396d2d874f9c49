"""The endpoints of contracts: the usual ones, amending their terms, and what applied when as known when."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Response

from helpdesk_api.agreements.contract_amending import Stated, amend_contract
from helpdesk_api.agreements.contract_schemas import ContractAmend, ContractCreate, ContractVersions
from helpdesk_api.agreements.contract_versions import versions_of
from helpdesk_api.agreements.contracts import CONTRACTS, begin_as_draft
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_create,
    add_delete,
    add_reading,
    add_update,
    tag_response,
)
from helpdesk_api.kit.schema import Instant, patch_model
from helpdesk_api.kit.unit_of_work import allowed

router = ResourceRouter(CONTRACTS)
add_reading(router, CONTRACTS)
add_create(router, CONTRACTS, ContractCreate, check=begin_as_draft, note="It is a draft until its terms are stated.")
add_update(router, CONTRACTS, patch_model(ContractCreate), note="Its terms are changed by amendments.")
add_delete(router, CONTRACTS)


@router.post(
    "/{id}/amend",
    operation_id="contracts_amend",
    summary="State the terms of a contract",
    description=(
        "States some of the terms for a span of time, which may lie in the past: then it corrects what was known, and "
        "what was known stays on record. The rest stays as it is. Answers with what is known now."
    ),
)
async def amend(
    id: UUID,
    body: ContractAmend,
    response: Response,
    ctx: Annotated[Ctx, allowed("contracts:write")],
    if_match: IfMatch,
) -> ContractVersions:
    """State terms for a span."""
    stated = Stated(body.effective_from, body.effective_until, body.reason, body.terms.given())
    contract, versions = await amend_contract(ctx, id, stated, expected=if_match)
    tag_response(response, contract)
    return ContractVersions.trusted({"data": versions})


@router.get(
    "/{id}/versions",
    operation_id="contracts_list_versions",
    summary="List what a contract says, and when",
    description=(
        "Lists what applies one after the other, as it was known at `known_at`; with `at` only what applies then. So "
        "both can be asked: what applied on that day, and what we thought then that applied."
    ),
)
async def list_versions(
    id: UUID,
    ctx: Annotated[Ctx, allowed("contracts:read")],
    at: Annotated[Instant | None, Query(description="Only what applies at this instant.")] = None,
    known_at: Annotated[Instant | None, Query(description="As it was known at this instant; by default, now.")] = None,
) -> ContractVersions:
    """List versions."""
    contract = await crud.fetch(ctx, CONTRACTS, id)
    # The clock of another server, which wrote last, may be ahead of this one.
    known_at = known_at or max(ctx.now, contract.updated_at)
    return ContractVersions.trusted({"data": await versions_of(ctx, id, known_at=known_at, at=at)})


_TERMS: Final[dict[str, Any]] = {
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2027-01-01T00:00:00Z",
    "time_zone": "Europe/Rome",
    "renewal": "tacit",
    "renewal_months": 12,
    "notice_days": 90,
    "is_suspended": False,
    "company_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10"],
    "covers_everything": False,
    "location_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e12"],
    "asset_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e14"],
    "asset_type_ids": [],
    "services": [
        {
            "service_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e70",
            "sla_policy_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e30",
            "calendar_id": None,
        }
    ],
    "sla_policy_id": None,
    "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20",
    "price_list_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e90",
}
CONTRACT_EXAMPLES: Final[dict[str, Any]] = {
    "ContractAmend": {
        "effective_from": "2026-07-01T00:00:00Z",
        "effective_until": None,
        "reason": "Addendum 2",
        "terms": {"notice_days": 60},
    },
    "ContractVersions": {
        "data": [
            {
                "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e71",
                "effective_from": None,
                "effective_until": None,
                "recorded_at": "2025-12-10T09:30:00Z",
                "superseded_at": None,
                "reason": "As signed",
                **_TERMS,
            }
        ]
    },
}
