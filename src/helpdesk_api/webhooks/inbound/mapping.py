"""What a hook makes of a message: the alerts in it, and of each the words of a ticket; or client cards.

Every field of a mapping is a JMESPath expression over `body`, the whole message, and `item`, one alert of it. What an
expression finds is made to fit where it can be (a long subject is cut), and refused where guessing would be worse. What
is then done about an alert is `webhooks.inbound.handling`.
"""

import re
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
    CardError,
    CardExpressions,
    Expression,
    PushedCard,
    StoredCardExpressions,
    pushed_card,
)

MOST_ITEMS: Final = 100
_LONGEST_SUBJECT: Final = 200
_LONGEST_TEXT: Final = 65_536
_LONGEST_KEY: Final = 1_000
_LONGEST_TAG: Final = 60
_MOST_TAGS: Final = 50
_PRIORITIES: Final = get_args(Priority)
_TYPES: Final = get_args(TicketType)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_ENDS: Final = re.compile(r"\r\n?|\u2028|\u2029")


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


class _FieldError(Exception):
    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


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
    except _FieldError as error:
        return [Unmapped(0, error.field, str(error))]
    read = _alert if mapping.get("card") is None else _card
    return [read(mapping, body, item, index, budget) for index, item in enumerate(items)]


def _card(mapping: StoredMapping, body: object, item: object, index: int, budget: Budget) -> PushedCard | Unmapped:
    scope = {"body": body, "item": item}

    def find(field: str) -> object:
        return _found(mapping, field, scope, budget)

    try:
        return pushed_card(index, find, lambda field: _text(field, find(field)))
    except (_FieldError, CardError) as error:
        return Unmapped(index, error.field, str(error))


def _items(mapping: StoredMapping, body: object, budget: Budget) -> list[object]:
    if mapping["items"] is None:
        return [body]
    found = _found(mapping, "items", {"body": body, "item": body}, budget)
    if not isinstance(found, list):
        message = "items must find a list of alerts"
        raise _FieldError("items", message)
    if len(found) > MOST_ITEMS:
        message = f"items found {len(found)} alerts; a message may have {MOST_ITEMS}"
        raise _FieldError("items", message)
    return found


def _alert(mapping: StoredMapping, body: object, item: object, index: int, budget: Budget) -> Alert | Unmapped:
    scope = {"body": body, "item": item}

    def text(field: str) -> str:
        return _text(field, _found(mapping, field, scope, budget))

    try:
        subject = " ".join(text("subject").split())
        description = text("description")
        return Alert(
            index=index,
            dedupe_key=_key(text("dedupe_key")),
            state=_one_of("state", text("state") or State.OPEN, tuple(State)),
            subject=_cut(_needed("subject", subject), _LONGEST_SUBJECT),
            description=_cut(description, _LONGEST_TEXT),
            note=_cut(text("note") or "\n\n".join(filter(None, (subject, description))), _LONGEST_TEXT),
            priority=_one_of("priority", text("priority") or "normal", _PRIORITIES),
            type=_one_of("type", text("type") or "incident", _TYPES),
            team_id=_id("team_id", text("team_id")),
            team_name=_cut(text("team_name"), _LONGEST_KEY),
            company_id=_id("company_id", text("company_id")),
            company_domain=_cut(text("company_domain").lower(), _LONGEST_KEY),
            company_reference=_reference(text("company_source"), text("company_external_id")),
            tags=_tags(_found(mapping, "tags", scope, budget)),
            custom_fields=_values(_found(mapping, "custom_fields", scope, budget)),
        )
    except _FieldError as error:
        return Unmapped(index, error.field, str(error))


def _found(mapping: StoredMapping, field: str, scope: dict[str, object], budget: Budget) -> object:
    # One that was stored by an older process lacks what has come since.
    expression: str | None = dict(mapping).get(field)  # type: ignore[assignment]  # every value is one.
    if expression is None:
        return None
    try:
        return evaluate(expression, scope, budget)
    except ExpressionError as error:
        message = f"{field} {error}"
        raise _FieldError(field, message) from error


def _text(field: str, found: object) -> str:
    match found:
        case None:
            return ""
        case bool():
            return "true" if found else "false"
        case str() | int() | float():
            return _UNPRINTABLE.sub("", _LINE_ENDS.sub("\n", str(found))).strip()
        case _:
            message = f"{field} must find a text, not {'a list' if isinstance(found, list) else 'an object'}"
            raise _FieldError(field, message)


def _values(found: object) -> dict[str, Any]:
    if not isinstance(found, dict | None):
        message = "custom_fields must find an object"
        raise _FieldError("custom_fields", message)
    # What a message does not tell is not set.
    return {key: value for key, value in (found or {}).items() if value is not None}


def _needed(field: str, text: str) -> str:
    if not text:
        message = f"{field} found nothing"
        raise _FieldError(field, message)
    return text


def _key(text: str) -> str:
    if len(_needed("dedupe_key", text)) > _LONGEST_KEY:
        message = f"dedupe_key found more than {_LONGEST_KEY} characters"
        raise _FieldError("dedupe_key", message)
    return text


def _one_of(field: str, text: str, known: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a member of what is known.
    for value in known:
        if value == text:
            return value
    message = f"{field} found {_cut(text, 60)!r}, which is none of {', '.join(known)}"
    raise _FieldError(field, message)


def _id(field: str, text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        message = f"{field} found {_cut(text, 60)!r}, which is no id"
        raise _FieldError(field, message) from None


def _reference(source: str, external_id: str) -> tuple[str, str] | None:
    # Without an id there is no client to look for, whichever system it would be of.
    return (_needed("company_source", source), external_id) if external_id else None


def _tags(found: object) -> list[str]:
    parts = found if isinstance(found, list) else [found]
    words = (" ".join(_text("tags", part).lower().split()) for part in parts)
    return sorted({_cut(word, _LONGEST_TAG) for word in words if word})[:_MOST_TAGS]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
