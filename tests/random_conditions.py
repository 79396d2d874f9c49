"""Random conditions over the fields of tickets, from a seed; their values are often such as the tickets have."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from helpdesk_api.domain.conditions import LISTING, Field, FieldType, Operator

JSON = dict[str, Any]

_ZONES = (UTC, *(datetime.fromisoformat(f"2026-01-01T00:00{offset}").tzinfo for offset in ("+05:45", "-09:30")))


class RandomConditions:
    """Makes up conditions. `values` are what the fields of some tickets hold, by path."""

    def __init__(self, chance: random.Random, fields: Sequence[Field], values: Mapping[str, Sequence[Any]]) -> None:
        self._chance = chance
        self._fields = fields
        self._values = values

    def condition(self, levels: int = 4) -> JSON:
        """Make a condition of at most so many levels."""
        kind = self._chance.choice(("all", "any", "not", "field", "field", "field")) if levels > 1 else "field"
        match kind:
            case "not":
                return {"not": self.condition(levels - 1)}
            case "all" | "any":
                return {kind: [self.condition(levels - 1) for _ in range(self._chance.randrange(4))]}
            case _:
                return self._comparison()

    def _comparison(self) -> JSON:
        field = self._chance.choice(self._fields)
        operator = self._chance.choice(field.operators)
        said: JSON = {"field": field.path, "op": operator.value}
        if operator is Operator.IS_EMPTY:
            return said
        several = range(self._chance.randrange(1, 4))
        return said | {"value": [self._value(field) for _ in several] if operator in LISTING else self._value(field)}

    def _value(self, field: Field) -> Any:  # noqa: ANN401 - of whatever type the field is.
        chance = self._chance
        known = [value for value in self._values[field.path] if value not in (None, "", [])]
        found = chance.choice(known) if known and chance.random() < 0.8 else None
        match field.type:
            case FieldType.TEXT:
                return self._text(found or chance.choice(("Éclair", "ß", "100%", "_", "\N{OFFICE BUILDING}")))
            case FieldType.SET:
                return chance.choice(found) if found else chance.choice(("printer", "%", "ÉCLAIR"))
            case FieldType.INTEGER:
                return (found or 0) + chance.randrange(-1, 2)
            case FieldType.NUMBER:
                return float(found or 0) + chance.randrange(-1, 2) / 2
            case FieldType.DATE:
                return str(found or "2026-03-02")
            case FieldType.CHOICE | FieldType.LEVEL:
                return chance.choice(field.choices)
            case FieldType.REFERENCE:
                return str(found or UUID(int=chance.getrandbits(128)))
            case FieldType.INSTANT:
                return self._instant(found)

    def _text(self, text: str) -> str:
        start = self._chance.randrange(len(text))
        part = text[start : start + self._chance.randrange(1, 12)] if self._chance.random() < 0.6 else text
        return self._chance.choice((part, part.upper(), part.lower()))[:500]

    def _instant(self, found: datetime | None) -> Any:  # noqa: ANN401 - text, or a distance from now.
        if self._chance.random() < 0.3:
            return {"seconds_from_now": self._chance.choice((-86_400, -1, 0, 1, 3_600, 86_400 * 30))}
        about = (found or datetime(2026, 3, 2, tzinfo=UTC)) + timedelta(microseconds=self._chance.randrange(-1, 2))
        return about.astimezone(self._chance.choice(_ZONES)).isoformat()
