"""What a hook makes of a message of a CRM: the client cards in it, as the fields of a push.

A mapping that says `card` finds cards instead of alerts. What an expression finds is made to fit where it can be (an
empty text tells nothing, seconds and milliseconds are instants); what the card itself refuses is said by whoever writes
it, `webhooks.inbound.card_handling`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints
from typing_extensions import TypedDict

from helpdesk_api.kit.expressions import LONGEST, check_expression
from helpdesk_api.kit.schema import Input
from helpdesk_api.webhooks.inbound.fitting import MisfitError

KINDS: Final = ("companies", "contacts", "locations")
ACTIONS: Final = ("upsert", "delete", "ignore")
_MILLISECONDS_SINCE: Final = 100_000_000_000

Expression = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    AfterValidator(check_expression),
    Field(description="JMESPath over `body`, the whole message, and `item`, the alert.", examples=["item.labels.job"]),
]


class CardExpressions(Input):
    """Where in a message of a CRM to find client cards."""

    card: Annotated[
        Expression | None,
        Field(
            description="The fields of a client card, an object as `PUT …/by-ref` takes it; null and empty texts tell "
            "nothing. With it the items are cards, written as that operation does, and nothing else of the mapping is "
            "asked for.",
            examples=["{name: item.title, phones: item.phones}"],
        ),
    ] = None
    card_kind: Annotated[
        Expression | None, Field(description="`companies`, `contacts` or `locations`; any other item is ignored.")
    ] = None
    card_source: Annotated[
        Expression | None, Field(description="The source the id is of, such as `'crm'`, in quotes.", examples=["'crm'"])
    ] = None
    card_external_id: Annotated[Expression | None, Field(description="The id of the card there.")] = None
    card_action: Annotated[
        Expression | None,
        Field(
            description="`upsert`; `delete` archives a company or location, and leaves contacts; `ignore`. Nothing is "
            "`upsert`."
        ),
    ] = None
    card_updated_at: Annotated[
        Expression | None,
        Field(description="As of when it is so: RFC 3339, or seconds or milliseconds since 1970."),
    ] = None


class StoredCardExpressions(TypedDict):
    """Where in a message of a CRM to find client cards."""

    card: str | None
    card_kind: str | None
    card_source: str | None
    card_external_id: str | None
    card_action: str | None
    card_updated_at: str | None


@dataclass(frozen=True, slots=True)
class PushedCard:
    """One card of a message. Without fields it only names the card: whoever sent it keeps the rest to itself."""

    index: int
    kind: str
    source: str
    external_id: str
    action: str
    updated_at: datetime | None
    card: dict[str, Any]


def pushed_card(index: int, find: Callable[[str], object], text: Callable[[str], str]) -> PushedCard:
    """Read one card; `find` gives what the expression of a field finds, `text` that as a text. Raises MisfitError."""
    kind, action = text("card_kind"), text("card_action") or "upsert"
    if kind not in KINDS:
        return PushedCard(index, "", "", "", "ignore", None, {})
    if action not in ACTIONS:
        raise MisfitError("card_action", f"found {action[:60]!r}, which is none of {', '.join(ACTIONS)}")
    source, external_id = text("card_source"), text("card_external_id")
    for field, found in (("card_source", source), ("card_external_id", external_id)):
        if not found:
            raise MisfitError(field, "found nothing")
    return PushedCard(index, kind, source, external_id, action, _instant(text("card_updated_at")), _told(find("card")))


def _told(found: object) -> dict[str, Any]:
    if not isinstance(found, dict | None):
        raise MisfitError("card", "must find an object")
    # What a message does not tell stays: a CRM that knows no value writes an empty text.
    cleaned = {name: _cleaned(value) for name, value in (found or {}).items()}
    return {name: value for name, value in cleaned.items() if value not in (None, "")}


def _cleaned(value: Any) -> Any:  # noqa: ANN401 - JSON.
    match value:
        case str():
            return value.strip()
        case list():
            return [each for part in value if (each := _cleaned(part)) not in (None, "")]
        case Mapping():
            return {name: _cleaned(part) for name, part in value.items()}
        case _:
            return value


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        if text.isdecimal():
            number = int(text)
            return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_SINCE else number, UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise MisfitError("card_updated_at", f"found {text[:60]!r}, which is no instant") from None
    if found.tzinfo is None:
        raise MisfitError("card_updated_at", f"found {text[:60]!r}, which tells no zone")
    return found
