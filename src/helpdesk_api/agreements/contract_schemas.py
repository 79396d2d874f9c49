"""What the API takes and shows of contracts, their terms and the versions of these."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field
from typing_extensions import TypedDict

from helpdesk_api.domain.contracts import Renewal
from helpdesk_api.domain.timeline import FIRST_YEAR, LAST_YEAR
from helpdesk_api.kit.schema import Entity, Flag, Input, Instant, Line, Output, Prose, TimeZone, patch_model

ContractStatusName = Literal["draft", "scheduled", "active", "suspended", "expired"]
_STATUS_TEXT = (
    "`draft`: no terms hold. `scheduled`: not begun. Then `active`, or `suspended` for the time being. `expired`: over."
)


def _in_our_time(value: datetime) -> datetime:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        message = f"must be in one of the years {FIRST_YEAR} to {LAST_YEAR}"
        raise ValueError(message)
    return value


Moment = Annotated[Instant, AfterValidator(_in_our_time)]

# Stored in JSON, where an id is text.
ShownId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Ids = list[UUID]


class ContractCreate(Input):
    """A new contract. It is a draft until its terms are stated."""

    number: Annotated[Line, Field(description="What people call it; unique within the tenant.")]
    name: Line
    responsible_user_id: Annotated[UUID | None, Field(description="Who looks after it.")] = None
    responsible_team_id: UUID | None = None
    notes: Prose | None = None


class Contract(Entity):
    """An agreement with clients. What has been agreed is in its versions."""

    number: str
    name: str
    status: Annotated[str, Field(description=_STATUS_TEXT, examples=["draft", "active"])]
    responsible_user_id: UUID | None
    responsible_team_id: UUID | None
    notes: str | None


class OfferedServiceInput(Input):
    """A service that is offered under a contract, with what is promised for it there."""

    service_id: UUID
    sla_policy_id: Annotated[UUID | None, Field(description="In place of that of the contract.")] = None
    calendar_id: Annotated[UUID | None, Field(description="In place of that of the contract.")] = None


class OfferedService(TypedDict):
    """A service that is offered under a contract, with what is promised for it there."""

    service_id: ShownId
    sla_policy_id: ShownId | None
    calendar_id: ShownId | None


def _one_each(services: list[OfferedServiceInput]) -> list[OfferedServiceInput]:
    if len({service.service_id for service in services}) != len(services):
        message = "a service may be named once"
        raise ValueError(message)
    return services


class ContractTermsCreate(Input):
    """What is agreed."""

    starts_at: Annotated[Moment, Field(description="When the contract begins.")]
    ends_at: Annotated[Moment | None, Field(description="When its first term is over; null for open-ended.")] = None
    time_zone: Annotated[TimeZone, Field(description="Whose months and days terms and notice are counted in.")] = "UTC"
    renewal: Annotated[
        Renewal,
        Field(
            description=(
                "`tacit`: at the end of a term another one of `renewal_months` begins by itself. `express`: only an "
                "amendment makes it go on. `fixed`: it is meant to end."
            )
        ),
    ] = Renewal.FIXED
    renewal_months: Annotated[int | None, Field(strict=True, ge=1, le=600)] = None
    notice_days: Annotated[
        int,
        Field(
            strict=True, ge=0, le=1_000, description="`contract.notice_due` is told so many days before a term ends."
        ),
    ] = 0
    is_suspended: Annotated[Flag, Field(description="Covers nothing while this holds.")] = False
    company_ids: Annotated[Ids, Field(max_length=200, description="The clients; empty for all, as the default.")] = (
        Field(default=[])
    )
    covers_everything: Annotated[
        Flag, Field(description="Everything of the clients is covered, and not only what is named.")
    ] = True
    location_ids: Annotated[Ids, Field(max_length=500, description="Places of these clients.")] = Field(default=[])
    asset_ids: Annotated[Ids, Field(max_length=500, description="Assets of these clients.")] = Field(default=[])
    asset_type_ids: Annotated[Ids, Field(max_length=100, description="All assets of these kinds.")] = Field(default=[])
    services: Annotated[
        list[OfferedServiceInput],
        Field(max_length=200, description="What may be asked for under it; empty for every service."),
        AfterValidator(_one_each),
    ] = Field(default=[])
    sla_policy_id: Annotated[UUID | None, Field(description="What is promised for tickets under it.")] = None
    calendar_id: Annotated[UUID | None, Field(description="The hours in which they are worked on.")] = None
    price_list_id: Annotated[UUID | None, Field(description="What is billed of them costs what this says.")] = None


# A type checker does not know the model that is made here, only its base.
ContractTermsUpdate: Any = patch_model(ContractTermsCreate)


class ContractAmend(Input):
    """What is agreed otherwise, and for when."""

    effective_from: Annotated[
        Moment | None,
        Field(description="From when on it holds; null for now, and for the first terms of a contract, from always."),
    ] = None
    effective_until: Annotated[Moment | None, Field(description="Until when; null for good.")] = None
    reason: Annotated[Line | None, Field(description="Kept with the versions that this makes.")] = None
    terms: Annotated[
        ContractTermsUpdate,
        Field(description="What is stated; the rest stays as it is. Where nothing held yet, `starts_at` is needed."),
    ]


class ContractVersion(Output):
    """What applied from an instant until another, as it was known from an instant until another."""

    id: UUID
    effective_from: Annotated[AwareDatetime | None, Field(description="Null: from always.")]
    effective_until: Annotated[AwareDatetime | None, Field(description="Null: for good.")]
    recorded_at: Annotated[AwareDatetime, Field(description="Since when this is known.")]
    superseded_at: Annotated[AwareDatetime | None, Field(description="Until when it was; null: it still is.")]
    reason: str | None
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None
    time_zone: str
    renewal: Annotated[str, Field(examples=[renewal.value for renewal in Renewal])]
    renewal_months: int | None
    notice_days: int
    is_suspended: bool
    company_ids: list[UUID]
    covers_everything: bool
    location_ids: list[UUID]
    asset_ids: list[UUID]
    asset_type_ids: list[UUID]
    services: list[OfferedService]
    sla_policy_id: UUID | None
    calendar_id: UUID | None
    price_list_id: UUID | None


class ContractVersions(Output):
    """Versions of a contract, in the order in which they take effect."""

    data: list[ContractVersion]
