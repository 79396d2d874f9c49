"""Asking what covers something: what may be asked, what is answered, and in which words."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, Field

from helpdesk_api.agreements.contract_schemas import Moment
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.coverage import coverage_of
from helpdesk_api.agreements.entitlement_balances import LeftOfEntitlement, left_under
from helpdesk_api.agreements.services import SERVICES, Service
from helpdesk_api.assets.assets import ASSETS
from helpdesk_api.assets.placements import AssetNotOfCompanyError, Whereabouts, whereabouts
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.locations import location_of
from helpdesk_api.domain.contracts import ServiceTerms
from helpdesk_api.domain.coverage import Asked, Candidate, Coverage, Match, Origin, Promised, Rejection
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.schema import Input, Output
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed

router = APIRouter(prefix="/v1/coverage", tags=["contracts"], route_class=UnitOfWorkRoute)

_MATCHES: Final[Mapping[Match, str]] = {
    Match.NAMED: "It was named.",
    Match.ASSET: "It names the asset.",
    Match.ASSET_TYPE: "It names the type of the asset.",
    Match.LOCATION: "It names the location.",
    Match.COMPANY: "It covers everything of the client.",
    Match.DEFAULT: "It covers everything of all clients.",
}
_REJECTIONS: Final[Mapping[Rejection, str]] = {
    Rejection.NO_TERMS: "Nothing is agreed in it for that instant.",
    Rejection.NOT_BEGUN: "It had not begun.",
    Rejection.EXPIRED: "It was over.",
    Rejection.SUSPENDED: "It was suspended.",
    Rejection.NOT_CLIENT: "It was not for this client.",
    Rejection.SERVICE_NOT_OFFERED: "The service is not offered under it.",
    Rejection.SERVICE_NOT_SAID: "It covers certain services only, and none was said.",
    Rejection.SUBJECT_NOT_COVERED: "It covers neither the asset, nor its type, nor the location.",
    Rejection.ANOTHER_NAMED: "Another contract was named.",
    Rejection.LESS_SPECIFIC: "The chosen one is about something nearer.",
    Rejection.SERVICE_NOT_NAMED: "The chosen one names the service; this one offers all of them.",
    Rejection.BEGAN_EARLIER: "The chosen one, equal otherwise, began later.",
    Rejection.NUMBER_COMES_LATER: "The chosen one, equal otherwise, comes first by its number.",
}


class CoverageCheck(Input):
    """What is asked about."""

    company_id: Annotated[UUID, Field(description="The client.")]
    location_id: Annotated[
        UUID | None, Field(description="One of the client's; without it, where the asset was then.")
    ] = None
    asset_id: Annotated[UUID | None, Field(description="One that the client had then.")] = None
    service_id: UUID | None = None
    contract_id: Annotated[UUID | None, Field(description="The contract that is to cover it, and no other one.")] = None
    at: Annotated[Moment | None, Field(description="The instant; null for now.")] = None


class RejectedContract(Output):
    """A contract that is not the one, and why."""

    contract_id: UUID
    number: str
    reason: Annotated[str, Field(examples=[reason.value for reason in Rejection])]
    text: str


class ChosenContract(Output):
    """The contract that covers it, and by what."""

    contract_id: UUID
    number: str
    matched_by: Annotated[str, Field(examples=[match.value for match in Match])]
    text: str


class PromisedBy(Output):
    """What is promised, and by whom."""

    id: UUID
    origin: Annotated[
        str,
        Field(
            description="The terms of the contract for the service, those for everything, or the service by itself.",
            examples=[origin.value for origin in Origin],
        ),
    ]


class CoverageDecision(Output):
    """Whether it is covered, by which contract, why by none of the others, and what is promised."""

    is_covered: bool
    at: AwareDatetime
    contract: ChosenContract | None
    rejected: Annotated[
        list[RejectedContract],
        Field(description="The others that are or were for this client, and those for all, by their numbers."),
    ]
    sla_policy: Annotated[
        PromisedBy | None, Field(description="Null: the first policy of the tenant that fits, as without contracts.")
    ]
    calendar: Annotated[PromisedBy | None, Field(description="Null: that of the policy.")]
    price_list: Annotated[
        PromisedBy | None,
        Field(description="Null: those for the client, its category or everybody; `POST /v1/price-items/lookup`."),
    ]
    entitlements: Annotated[
        list[LeftOfEntitlement] | None,
        Field(description="What was left under the contract; null for those who may not read entitlements."),
    ]


@router.post(
    "/check",
    operation_id="coverage_check",
    summary="Check what is covered",
    description=(
        "Decides whether something is covered at an instant, by which contract, and why by none of the others, by what "
        "is known now. A contract that is named decides alone; else the nearest to the subject: one that names the "
        "asset, its type, the location, one for the client, one for all. Changes nothing."
    ),
)
async def check_coverage(body: CoverageCheck, ctx: Annotated[Ctx, allowed("contracts:read")]) -> CoverageDecision:
    """Check coverage."""
    asked = await _asked(ctx, body)
    found = await coverage_of(ctx, asked)
    return _shown(asked, found, await _left(ctx, asked, found))


async def _asked(ctx: Ctx, body: CoverageCheck) -> Asked:
    """Look at what is named; raises UnknownReferenceError, LocationNotOfCompanyError and AssetNotOfCompanyError."""
    at = body.at or ctx.now
    await _known(ctx, COMPANIES, body.company_id, "company_id")
    await _known(ctx, CONTRACTS, body.contract_id, "contract_id")
    if body.location_id is not None:
        await location_of(ctx, body.location_id, body.company_id)
    asset = await _known(ctx, ASSETS, body.asset_id, "asset_id")
    location_id = body.location_id
    if asset is not None:
        present = Whereabouts(asset.company_id, asset.location_id)
        where = await whereabouts(ctx, asset.id, at) or present
        if where.company_id != body.company_id:
            message = f"The asset {asset.id} was not one of the company {body.company_id}."
            raise AssetNotOfCompanyError(message, pointer="/asset_id")
        location_id = location_id or where.location_id
    service = await _known(ctx, SERVICES, body.service_id, "service_id")
    return Asked(
        company_id=body.company_id,
        at=at,
        location_id=location_id,
        asset_id=body.asset_id,
        asset_type_id=None if asset is None else asset.asset_type_id,
        service=None if service is None else _terms_of(service),
        contract_id=body.contract_id,
    )


async def _known(ctx: Ctx, resource: Resource[R], object_id: UUID | None, field: str) -> R | None:
    if object_id is None:
        return None
    found = (await crud.fetch_many(ctx, resource, [object_id])).get(object_id)
    if found is None:
        message = f"There is no {resource.name} {object_id}."
        raise UnknownReferenceError(message, pointer=f"/{field}")
    return found


def _terms_of(service: Service) -> ServiceTerms:
    return ServiceTerms(service.id, service.sla_policy_id, service.calendar_id, service.price_list_id)


async def _left(ctx: Ctx, asked: Asked, found: Coverage) -> list[LeftOfEntitlement] | None:
    if not ctx.principal.may("entitlements:read"):
        return None
    return [] if found.chosen is None else await left_under(ctx, found.chosen.contract_id, asked.at)


def _shown(asked: Asked, found: Coverage, left: list[LeftOfEntitlement] | None) -> CoverageDecision:
    return CoverageDecision(
        is_covered=found.chosen is not None,
        at=asked.at,
        contract=_chosen(found.chosen, found.match),
        rejected=[
            RejectedContract(
                contract_id=each.contract_id, number=each.number, reason=reason.value, text=_REJECTIONS[reason]
            )
            for each, reason in found.rejected
        ],
        sla_policy=_promised(found.sla_policy),
        calendar=_promised(found.calendar),
        price_list=_promised(found.price_list),
        entitlements=left,
    )


def _chosen(chosen: Candidate | None, match: Match | None) -> ChosenContract | None:
    if chosen is None or match is None:
        return None
    return ChosenContract(
        contract_id=chosen.contract_id, number=chosen.number, matched_by=match.value, text=_MATCHES[match]
    )


def _promised(promised: Promised | None) -> PromisedBy | None:
    return None if promised is None else PromisedBy(id=promised.id, origin=promised.origin.value)


COVERAGE_EXAMPLES: Final[dict[str, Any]] = {
    "CoverageCheck": {
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "location_id": None,
        "asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e14",
        "service_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e70",
        "contract_id": None,
        "at": "2026-11-23T09:00:00Z",
    },
    "CoverageSettingsUpdate": {"uncovered_tickets": "refuse"},
    "CoverageDecision": {
        "is_covered": True,
        "at": "2026-11-23T09:00:00Z",
        "contract": {
            "contract_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e72",
            "number": "SC-2026-041",
            "matched_by": Match.ASSET.value,
            "text": _MATCHES[Match.ASSET],
        },
        "rejected": [
            {
                "contract_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e73",
                "number": "SC-2025-007",
                "reason": Rejection.EXPIRED.value,
                "text": _REJECTIONS[Rejection.EXPIRED],
            }
        ],
        "sla_policy": {"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e30", "origin": Origin.CONTRACT_SERVICE.value},
        "calendar": {"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e20", "origin": Origin.CONTRACT.value},
        "price_list": {"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e90", "origin": Origin.CONTRACT.value},
        "entitlements": [
            {
                "entitlement_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e80",
                "name": "Ten hours a month",
                "kind": "hours",
                "currency": None,
                "left": 555,
                "allows_overage": False,
            }
        ],
    },
}
