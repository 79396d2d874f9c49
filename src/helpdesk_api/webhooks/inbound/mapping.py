"""What a hook makes of a message: the alerts in it, and of each the words of a ticket; or client cards.

Every field of a mapping is a JMESPath expression over `body`, the whole message, and `item`, one alert of it. What it
finds is made to fit by `webhooks.inbound.fitting`; what is then done about an alert is `webhooks.inbound.handling`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, cast, get_args
from uuid import UUID

from pydantic import Field

from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.kit.expressions import Budget, ExpressionError, evaluate
from helpdesk_api.tickets.schemas import TicketType
from helpdesk_api.webhooks.inbound.card_expressions import (
    CardExpressions,
    Expression,
    PushedCard,
    StoredCardExpressions,
    pushed_card,
)
from helpdesk_api.webhooks.inbound.fitting import (
    LONGEST_KEY,
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    MisfitError,
    as_id,
    as_key,
    as_reference,
    as_tags,
    as_text,
    as_values,
    cut,
    needed,
    one_of,
)

MOST_ITEMS: Final = 100
_PRIORITIES: Final = get_args(Priority)
_TYPES: Final = get_args(TicketType)


class IncompleteMappingError(InvalidError):
    """A mapping has to say at least what a ticket is called and by what an alert is known again."""

    code = "incomplete_mapping"
    title = "The mapping lacks what every alert needs"


class State(StrEnum):
    """What an alert says of its trouble."""

    OPEN = "open"
    UPDATE = "update"
    RECOVER = "recover"


class InboundMapping(CardExpressions):
    """Where in a message to find what makes a ticket: JMESPath expressions over `body` and `item`."""

    items: Annotated[
        Expression | None,
        Field(description=f"The alerts in a message, at most {MOST_ITEMS}; null: the message is one."),
    ] = None
    dedupe_key: Annotated[
        Expression | None, Field(description="By what an alert is known again, up to 1,000 characters; always needed.")
    ] = None
    state: Annotated[
        Expression | None,
        Field(
            description="`open`: opens a ticket, or adds a note to the one that is open. `update`: adds a note to the "
            "one that is open. `recover`: ends it, see `on_recovery`. Null is always `open`."
        ),
    ] = None
    subject: Annotated[Expression | None, Field(description="Always needed; cut after 200 characters.")] = None
    description: Annotated[Expression | None, Field(description="The first words of a new ticket.")] = None
    note: Annotated[
        Expression | None,
        Field(description="The internal note on a ticket that is open; null: subject and description."),
    ] = None
    priority: Annotated[
        Expression | None, Field(description="`low`, `normal`, `high` or `urgent`; nothing is `normal`.")
    ] = None
    type: Annotated[
        Expression | None, Field(description="Of a new ticket, such as `service_request`; nothing is `incident`.")
    ] = None
    team_id: Annotated[Expression | None, Field(description="The team of a new ticket, by its id.")] = None
    team_name: Annotated[
        Expression | None, Field(description="The team of a new ticket, by its name.", examples=["'Network'"])
    ] = None
    company_id: Annotated[Expression | None, Field(description="The client, by its id here.")] = None
    company_domain: Annotated[
        Expression | None, Field(description="The client, by a mail domain that it alone has.")
    ] = None
    company_source: Annotated[
        Expression | None,
        Field(
            description="The system that `company_external_id` is of, such as `'crm'`, in quotes.", examples=["'crm'"]
        ),
    ] = None
    company_external_id: Annotated[
        Expression | None, Field(description="The client, by its id in another system; see `/v1/external-references`.")
    ] = None
    tags: Annotated[Expression | None, Field(description="One text, or a list of them.")] = None
    custom_fields: Annotated[
        Expression | None,
        Field(
            description="Values of custom fields of a new ticket, an object by key.",
            examples=["{rack: item.labels.rack}"],
        ),
    ] = None


class StoredMapping(StoredCardExpressions):
    """Where in a message to find what makes a ticket: JMESPath expressions over `body` and `item`."""

    items: str | None
    dedupe_key: str | None
    state: str | None
    subject: str | None
    description: str | None
    note: str | None
    priority: str | None
    type: str | None
    team_id: str | None
    team_name: str | None
    company_id: str | None
    company_domain: str | None
    company_source: str | None
    company_external_id: str | None
    tags: str | None
    custom_fields: str | None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a message, in our words. What was found of team and client is not looked up yet."""

    index: int
    dedupe_key: str
    state: State
    subject: str
    description: str
    note: str
    priority: str
    type: str
    team_id: UUID | None
    team_name: str
    company_id: UUID | None
    company_domain: str
    company_reference: tuple[str, str] | None
    tags: list[str]
    custom_fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unmapped:
    """One alert that the mapping could not be applied to, and why; `field` is that of the mapping."""

    index: int
    field: str
    detail: str


def completed(base: Mapping[str, Any], given: Mapping[str, Any], *, pointer: str) -> StoredMapping:
    """Give a whole mapping from what there is and what is changed; raises IncompleteMappingError."""
    whole: dict[str, Any] = dict.fromkeys(InboundMapping.model_fields) | dict(base) | dict(given)
    needed = ("dedupe_key", "subject") if whole["card"] is None else ("card_kind", "card_source", "card_external_id")
    for field in needed:
        if whole[field] is None:
            message = f"A mapping needs an expression for {field}."
            raise IncompleteMappingError(message, pointer=f"{pointer}/{field}")
    if (whole["company_source"] is None) is not (whole["company_external_id"] is None):
        message = "company_source and company_external_id are given together."
        raise IncompleteMappingError(message, pointer=f"{pointer}/company_source")
    return cast("StoredMapping", whole)


def found_in(mapping: StoredMapping, body: object) -> list[Alert | PushedCard | Unmapped]:
    """Give the alerts or cards of a message, in order; what cannot be mapped stands in its place with the reason."""
    budget = Budget()
    try:
        items = _items(mapping, body, budget)
    except MisfitError as error:
        return [Unmapped(0, error.field, str(error))]
    read = _alert if mapping.get("card") is None else _card
    return [read(mapping, body, item, index, budget) for index, item in enumerate(items)]


def _card(mapping: StoredMapping, body: object, item: object, index: int, budget: Budget) -> PushedCard | Unmapped:
    scope = {"body": body, "item": item}

    def find(field: str) -> object:
        return _found(mapping, field, scope, budget)

    try:
        return pushed_card(index, find, lambda field: as_text(field, find(field)))
    except MisfitError as error:
        return Unmapped(index, error.field, str(error))


def _items(mapping: StoredMapping, body: object, budget: Budget) -> list[object]:
    if mapping["items"] is None:
        return [body]
    found = _found(mapping, "items", {"body": body, "item": body}, budget)
    if not isinstance(found, list):
        raise MisfitError("items", "must find a list of alerts")
    if len(found) > MOST_ITEMS:
        raise MisfitError("items", f"found {len(found)} alerts; a message may have {MOST_ITEMS}")
    return found


def _alert(mapping: StoredMapping, body: object, item: object, index: int, budget: Budget) -> Alert | Unmapped:
    scope = {"body": body, "item": item}

    def text(field: str) -> str:
        return as_text(field, _found(mapping, field, scope, budget))

    try:
        subject = " ".join(text("subject").split())
        description = text("description")
        return Alert(
            index=index,
            dedupe_key=as_key(text("dedupe_key")),
            state=one_of("state", text("state") or State.OPEN, tuple(State)),
            subject=cut(needed("subject", subject), LONGEST_SUBJECT),
            description=cut(description, LONGEST_TEXT),
            note=cut(text("note") or "\n\n".join(filter(None, (subject, description))), LONGEST_TEXT),
            priority=one_of("priority", text("priority") or "normal", _PRIORITIES),
            type=one_of("type", text("type") or "incident", _TYPES),
            team_id=as_id("team_id", text("team_id")),
            team_name=cut(text("team_name"), LONGEST_KEY),
            company_id=as_id("company_id", text("company_id")),
            company_domain=cut(text("company_domain").lower(), LONGEST_KEY),
            company_reference=as_reference(text("company_source"), text("company_external_id")),
            tags=as_tags(_found(mapping, "tags", scope, budget)),
            custom_fields=as_values(_found(mapping, "custom_fields", scope, budget)),
        )
    except MisfitError as error:
        return Unmapped(index, error.field, str(error))


def _found(mapping: StoredMapping, field: str, scope: dict[str, object], budget: Budget) -> object:
    # One that was stored by an older process lacks what has come since.
    expression: str | None = dict(mapping).get(field)  # type: ignore[assignment]  # every value is one.
    if expression is None:
        return None
    try:
        return evaluate(expression, scope, budget)
    except ExpressionError as error:
        raise MisfitError(field, str(error)) from error
