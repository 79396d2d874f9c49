"""What the API takes and shows of entitlements, the entries of their ledgers and their balances."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from helpdesk_api.agreements.contract_schemas import Moment
from helpdesk_api.domain.ledger import Account, EntryKind, Rollover
from helpdesk_api.kit.schema import INT4_MAX, Entity, Input, Label, Line, Output, patch_model

EntitlementKind = Literal["hours", "incidents", "visits", "money"]
OverageRule = Literal["refuse", "allow"]
_KIND_TEXT: Final = (
    "What is counted. Amounts are whole numbers of the smallest unit: minutes of `hours`, one of `incidents` and "
    "`visits`, the smallest unit of the currency of `money`, such as cents."
)
Amount = Annotated[int, Field(strict=True, ge=1, le=INT4_MAX)]
_Months = Annotated[int, Field(strict=True, ge=1, le=600)]


class EntitlementCreate(Input):
    """What clients may use under a contract."""

    contract_id: UUID
    name: Line
    kind: Annotated[EntitlementKind, Field(description=_KIND_TEXT)]
    currency: Annotated[
        Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None,
        Field(description="ISO 4217 code, for `money` only."),
    ] = None
    quantity: Annotated[Amount, Field(description="What is granted for each period.")]
    period_months: Annotated[_Months | None, Field(description="Null: one period, as long as the contract lasts.")] = (
        None
    )
    starts_at: Annotated[
        Moment | None, Field(description="What periods are counted from; null: from when the contract starts.")
    ] = None
    rollover: Annotated[
        Rollover,
        Field(description="What is left at the end of a period is over (`none`) or kept, perhaps up to a limit."),
    ] = Rollover.NONE
    rollover_limit: Annotated[Amount | None, Field(description="How much is kept at most, for `limited` only.")] = None
    rollover_periods: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=600)] | None,
        Field(description="For how many periods after its own; null for good."),
    ] = None
    overage: Annotated[OverageRule, Field(description="Whether more may be used than is left, as overage.")] = "refuse"
    rounding_step: Annotated[Amount, Field(description="What is used is rounded up to whole steps.")] = 1
    minimum_charge: Annotated[
        int, Field(strict=True, ge=0, le=INT4_MAX, description="What is used counts as at least so much.")
    ] = 0
    warn_at: Annotated[
        list[Annotated[int, Field(strict=True, ge=1, le=INT4_MAX)]],
        Field(max_length=10, description="`entitlement.threshold_reached` is told when so much or less is left."),
    ] = Field(default=[])


# A type checker does not know the model that is made here, only its base.
EntitlementUpdate: Any = patch_model(
    EntitlementCreate, without=("contract_id", "kind", "currency", "period_months", "starts_at")
)


class Entitlement(Entity):
    """What clients may use under a contract, period by period. How much is left is its balance."""

    contract_id: UUID
    name: str
    kind: Annotated[str, Field(description=_KIND_TEXT, examples=["hours"])]
    currency: str | None
    quantity: int
    period_months: int | None
    starts_at: AwareDatetime
    time_zone: Annotated[str, Field(description="Whose months are counted: that of the contract, when it was made.")]
    rollover: Annotated[str, Field(examples=[rule.value for rule in Rollover])]
    rollover_limit: int | None
    rollover_periods: int | None
    overage: Annotated[str, Field(examples=["refuse", "allow"])]
    rounding_step: int
    minimum_charge: int
    warn_at: list[int]


class EntryCreate(Input):
    """An operation on the ledger."""

    kind: Annotated[
        Literal["grant", "reserve", "post", "reverse"],
        Field(
            description=(
                "`grant` gives by hand, `reserve` sets aside, `post` uses, out of a reservation or not, `reverse` "
                "undoes another operation: it frees what is still reserved, and gives back what was used."
            )
        ),
    ]
    amount: Annotated[
        Amount | None,
        Field(description="How much; null to use all of a reservation, and for `reverse`, which undoes the whole."),
    ] = None
    operation_id: Annotated[
        UUID | None, Field(description="The reservation that is used, or the operation that is undone.")
    ] = None
    source: Annotated[Label, Field(description="Who asks for it, such as the name of a system.")]
    reference: Annotated[
        Line,
        Field(description="What `source` calls it. Said again, it is not entered again: the entries made are shown."),
    ]
    reason: Annotated[Line | None, Field(description="Needed for a `grant`.")] = None
    expires_at: Annotated[Moment | None, Field(description="Until when a `grant` can be used; null for good.")] = None


class Balance(Output):
    """How much is on each account; all that was granted or is overage is on one of the other five."""

    granted: Annotated[int, Field(description="All that was ever granted.")]
    overage: Annotated[int, Field(description="All that was used or reserved beyond it.")]
    available: Annotated[int, Field(description="Left of what is granted for the current period, and by hand.")]
    rolled_over: Annotated[int, Field(description="Left of earlier periods.")]
    reserved: Annotated[int, Field(description="Set aside, and not used yet.")]
    used: int
    expired: Annotated[int, Field(description="Over without having been used.")]


class BalanceAt(Balance):
    """A balance at an instant."""

    at: AwareDatetime
    left: Annotated[int, Field(description="What may still be used: `available` and `rolled_over`.")]


class Entry(Output):
    """A movement between two accounts. It is never changed; a mistake is undone by another one."""

    id: UUID
    number: Annotated[int, Field(description="Counts the entries of the ledger, without gaps.")]
    operation_id: Annotated[UUID, Field(description="The same for all entries of one operation.")]
    kind: Annotated[str, Field(examples=[kind.value for kind in EntryKind])]
    from_account: Annotated[str, Field(examples=[account.value for account in Account])]
    to_account: Annotated[str, Field(examples=[account.value for account in Account])]
    amount: int
    grant_number: Annotated[int | None, Field(description="Which grant it is of; null is overage.")]
    reservation_id: Annotated[UUID | None, Field(description="The reservation that the reserved amount is of.")]
    reverses_id: Annotated[UUID | None, Field(description="The operation that is undone.")]
    ticket_id: Annotated[UUID | None, Field(description="The ticket that it was drawn for.")]
    asked_amount: Annotated[int | None, Field(description="The amount of the operation before rounding.")]
    source: str
    reference: str
    reason: str | None
    occurred_at: AwareDatetime
    balance: Annotated[Balance, Field(description="The accounts after this entry.")]


class Entries(Output):
    """The entries of one operation."""

    data: list[Entry]
