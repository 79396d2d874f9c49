"""How a condition looks in a body, going in and coming out: a tree of plain JSON, kept as it was given.

The shape of each part and the names of its members are checked here, what it asks about in `domain.condition_reading`.
"""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, JsonValue, WithJsonSchema, with_config
from typing_extensions import TypedDict

from helpdesk_api.domain.conditions import Operator

_ONE: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "maxLength": 500}, {"type": "number"}]}
_DISTANCE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"seconds_from_now": {"type": "integer"}},
    "required": ["seconds_from_now"],
    "additionalProperties": False,
}
_VALUE: Final[dict[str, Any]] = {
    "anyOf": [*_ONE["anyOf"], {"type": "array", "items": _ONE, "minItems": 1, "maxItems": 200}, _DISTANCE],
    "description": (
        "Of the field's type; a list for `in`, `contains_any` and `contains_all`; left out for `is_empty`. An instant "
        'is RFC 3339 text, or `{"seconds_from_now": -3600}` for an hour ago.'
    ),
}

# One of them is a keyword, so they cannot be the attributes of a class.
ConditionTree = TypedDict(
    "ConditionTree",
    {
        "all": Annotated[list["ConditionTree"], Field(description="Each of these holds; an empty list always does.")],
        "any": Annotated[list["ConditionTree"], Field(description="One of these holds; an empty list never does.")],
        "not": Annotated["ConditionTree", Field(description="This does not hold.")],
        "field": Annotated[str, Field(max_length=100, description="The path of one of `GET /v1/condition-fields`.")],
        "op": Annotated[str, Field(max_length=20, examples=list(Operator))],
        "value": Annotated[JsonValue, WithJsonSchema(_VALUE)],
    },
    total=False,
)
ConditionTree.__doc__ = "One of `all`, `any` and `not`, or a comparison: `field`, `op` and `value`. Eight levels deep."
# Also within an answer, whose fields are always there, these are not.
with_config(ConfigDict(extra="forbid", json_schema_serialization_defaults_required=False))(ConditionTree)
