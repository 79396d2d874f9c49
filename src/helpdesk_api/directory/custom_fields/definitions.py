"""The definitions of custom fields: what a tenant adds to companies, contacts, locations and tickets, as forms need it.

A definition is never deleted, nor is a choice: retired, it takes no new value, and what is stored stays readable. Key,
type and group stay what they are, because values are stored by them; everything that people read can be reworded.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, StringConstraints
from sqlalchemy import bindparam, select
from typing_extensions import TypedDict

from helpdesk_api.directory.custom_fields.models import custom_fields
from helpdesk_api.identity.permissions import CLIENT_COMMERCIAL, CLIENT_INTERNAL, TICKET_INTERNAL
from helpdesk_api.identity.visibility import CONTACT_REACHES, SHARED
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import EVERYBODY, GroupedValues
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Count, Entity, Flag, Input, Line, Prose
from helpdesk_api.kit.sql import Statement

MOST_CHOICES: Final = 500

Extended = Literal["companies", "contacts", "locations", "tickets"]
Group = Literal["everybody", "internal", "commercial"]
Key = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$"),
    Field(description="How values are called in `custom_fields`.", examples=["service_tier"]),
]
ChoiceId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$"),
    Field(description="What is stored; it stays when the label changes.", examples=["gold"]),
]


CustomFieldsInput = Annotated[
    dict[Key, JsonValue],
    Field(
        max_length=100,
        description="Values of custom fields by key, as `GET /v1/custom-fields` describes them; merged key by key, "
        "null empties.",
    ),
]
CustomFieldsShown = Annotated[
    dict[str, JsonValue],
    GroupedValues(),
    Field(description="Values of custom fields by key, of those that the reader is shown."),
]


class FieldKind(StrEnum):
    """What the values of a field are."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    CHECKBOX = "checkbox"
    SELECT = "select"
    MULTISELECT = "multiselect"
    USER = "user"
    COMPANY = "company"
    LOCATION = "location"


CHOOSING: Final = frozenset({FieldKind.SELECT, FieldKind.MULTISELECT})


class ChoiceInput(Input):
    """A value that can be chosen."""

    id: ChoiceId
    label: Line
    is_retired: Annotated[Flag, Field(description="Not chosen any more; stays where it is.")] = False
    only_for: Annotated[
        list[ChoiceId],
        Field(max_length=MOST_CHOICES, description="Choices of `depends_on` it goes with; empty: with any."),
    ] = Field(default=[])


class Choice(TypedDict):
    """A value that can be chosen."""

    id: str
    label: str
    is_retired: bool
    only_for: list[str]


class CustomFieldWording(Input):
    """What can be changed of a field."""

    label: Line
    description: Annotated[Prose | None, Field(description="For people who fill it in.")] = None
    position: Annotated[Count, Field(description="Where it stands in a form, lowest first.")] = 0
    required_when: Annotated[
        ConditionTree | None,
        Field(
            description='When it must have a value, of the object as it will be: null for never, `{"all": []}` for '
            'always, `{"field": "status", "op": "in", "value": ["solved"]}` for a solved ticket.'
        ),
    ] = None
    choices: Annotated[
        list[ChoiceInput],
        Field(max_length=MOST_CHOICES, description="Of a `select` or `multiselect`, in order; retired, not removed."),
    ] = Field(default=[])
    depends_on: Annotated[Key | None, Field(description="A `select` of the same objects that decides what goes.")] = (
        None
    )
    is_retired: Annotated[Flag, Field(description="Takes no new values and is not required; stays readable.")] = False


class CustomFieldCreate(CustomFieldWording):
    """A new field."""

    resource: Annotated[Extended, Field(description="The objects that have it.")]
    key: Key
    type: FieldKind
    group: Annotated[
        Group,
        Field(
            description="Who is shown it: `everybody` who reads the object, clients too; `internal`: staff with the "
            "group `client.internal`, of tickets `ticket.internal`; `commercial`: who has `client.commercial`."
        ),
    ] = "internal"


class CustomField(Entity):
    """A field that a tenant has added to its objects."""

    resource: Annotated[str, Field(examples=["companies", "tickets"])]
    key: str
    type: Annotated[str, Field(examples=list(FieldKind))]
    label: str
    description: str | None
    group: Annotated[str, Field(examples=["everybody", "internal", "commercial"])]
    position: int
    required_when: ConditionTree | None
    choices: list[Choice]
    depends_on: str | None
    is_retired: bool


CUSTOM_FIELDS = Resource(
    name="custom_field",
    plural="custom-fields",
    table=custom_fields,
    read=CustomField,
    example={
        "resource": "companies",
        "key": "service_tier",
        "type": "select",
        "label": "Service tier",
        "description": "What the contract says.",
        "group": "commercial",
        "position": 10,
        "required_when": {"field": "category", "op": "eq", "value": "VIP"},
        "choices": [
            {"id": "gold", "label": "Gold", "is_retired": False, "only_for": []},
            {"id": "silver", "label": "Silver", "is_retired": True, "only_for": []},
        ],
        "depends_on": None,
        "is_retired": False,
    },
    filters=(
        Filter("resource", custom_fields.c.resource, Extended),
        Filter("key", custom_fields.c.key, str),
        Filter("is_retired", custom_fields.c.is_retired, bool),
    ),
    sorts=(Sort("position", custom_fields.c.position, "integer"),),
    default_sort="position",
    # Clients draw forms of what they are shown.
    rows={**SHARED, **dict.fromkeys(CONTACT_REACHES, custom_fields.c.group == EVERYBODY)},
)

_OF_RESOURCE = Statement(
    select(*CUSTOM_FIELDS.columns)
    .where(custom_fields.c.tenant_id == bindparam("tenant"), custom_fields.c.resource == bindparam("of"))
    .order_by(custom_fields.c.position, custom_fields.c.id)
)


_read_already: ContextVar[Mapping[str, dict[str, CustomField]]] = ContextVar(
    "read_already", default=MappingProxyType({})
)


async def definitions_of(ctx: Ctx, plural: str) -> dict[str, CustomField]:
    """Give every field of a kind of object by its key, whoever asks: what is shown of values is decided by group."""
    if plural in (known := _read_already.get()):
        return known[plural]
    found = await ctx.tx.all(CustomField, _OF_RESOURCE, {"tenant": ctx.tenant_id, "of": plural})
    return {definition.key: definition for definition in found}


@asynccontextmanager
async def definitions_read_once(ctx: Ctx, plural: str) -> AsyncIterator[None]:
    """Read the fields of a kind of object now and not again, while many such objects are written together."""
    token = _read_already.set({plural: await definitions_of(ctx, plural)})
    try:
        yield
    finally:
        _read_already.reset(token)


def field_group(definition: CustomField) -> str:
    """Name the field group whose holders are shown the values; `EVERYBODY` stands for no group."""
    match definition.group:
        case "internal":
            return TICKET_INTERNAL if definition.resource == "tickets" else CLIENT_INTERNAL
        case "commercial":
            return CLIENT_COMMERCIAL
        case _:
            return EVERYBODY
