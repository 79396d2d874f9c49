"""Which event types somebody wants: a type by its name, a family such as `ticket.*`, or every one."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from helpdesk_api.webhooks.event_types import EVENT_TYPES

EVERY_TYPE: Final = "*"
PATTERNS: Final = frozenset(
    {EVERY_TYPE, *EVENT_TYPES, *(f"{event_type.object_type}.*" for event_type in EVENT_TYPES.values())}
)


def _known(pattern: str) -> str:
    if pattern not in PATTERNS:
        message = "must be `*`, a type of event or a family of types such as `ticket.*`; see /v1/event-types"
        raise ValueError(message)
    return pattern


EventPattern = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(PATTERNS)})]


def is_wanted(event_type: str, patterns: Iterable[str]) -> bool:
    """Tell whether a type is among the patterns: `*`, `ticket.*` or the type itself."""
    return not {EVERY_TYPE, f"{event_type.partition('.')[0]}.*", event_type}.isdisjoint(patterns)
