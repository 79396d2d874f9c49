"""CRM sources: the other systems that write client cards, and which of the fields each of them owns.

A source goes by the name that its external references have. One that is not declared here may write as well; it owns
nothing, and what it writes stands until somebody writes something else.
"""

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints
from sqlalchemy import bindparam, select

from helpdesk_api.directory.companies import CompanyCreate
from helpdesk_api.directory.contacts import ContactCreate
from helpdesk_api.directory.crm.fields import CARD_COLUMNS, CUSTOM
from helpdesk_api.directory.crm.models import crm_sources
from helpdesk_api.directory.crm.ownership import FieldRule
from helpdesk_api.directory.external_references import Source
from helpdesk_api.directory.locations import LocationCreate
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Flag, Input, patch_model
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.turns import take_turn

MOST_SOURCES: Final = 50
_MOST_RULES: Final = 400
_FIELDS: Final = {
    "companies": frozenset(CompanyCreate.model_fields) - {"custom_fields"},
    "contacts": frozenset(ContactCreate.model_fields) - {"custom_fields"},
    "locations": frozenset(LocationCreate.model_fields) - {"custom_fields"},
}
# Two declarations at once could each make another source the owner of one field.
_OTHERS = Statement(
    select(crm_sources.c.source, *(crm_sources.c[plural] for plural in CARD_COLUMNS)).where(
        crm_sources.c.tenant_id == bindparam("tenant"), crm_sources.c.source != bindparam("source")
    )
)


class UnknownCardFieldError(InvalidError):
    """A rule is for a field that such cards have, or for `custom_fields.<key>`."""

    code = "unknown_card_field"
    title = "Such cards have no such field"


class FieldAlreadyOwnedError(ConflictError):
    """A field of one kind of card belongs to one source at most."""

    code = "field_already_owned"
    title = "Another source owns the field"


class TooManySourcesError(ConflictError):
    """A tenant may declare 50 sources."""

    code = "too_many_sources"
    title = "There may be no more sources"


_Field = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$", max_length=80)]
Rules = Annotated[
    dict[_Field, FieldRule],
    Field(
        max_length=_MOST_RULES,
        description="By field, or `custom_fields.<key>`. `source`: nobody else writes it. `helpdesk`: the source does "
        "not. `latest`: whoever knows the newer state, which also holds for every field without a rule.",
        examples=[{"name": "source", "category": "helpdesk"}],
    ),
]


class CrmSourceRules(Input):
    """What a source owns."""

    companies: Rules = Field(default={})
    contacts: Rules = Field(default={})
    locations: Rules = Field(default={})
    is_strict: Annotated[
        Flag,
        Field(
            description="Refuse a push of the source (409 `field_owned_elsewhere`) that would change what it does not "
            "own, instead of writing the rest and telling so in `warnings`."
        ),
    ] = False


class CrmSourceCreate(CrmSourceRules):
    """A system that writes client cards."""

    source: Source


class CrmSource(Entity):
    """A system that writes client cards, and which fields it owns."""

    source: str
    companies: dict[str, str]
    contacts: dict[str, str]
    locations: dict[str, str]
    is_strict: bool


CRM_SOURCES = Resource(
    name="crm_source",
    plural="crm-sources",
    table=crm_sources,
    read=CrmSource,
    example={
        "source": "crm",
        "companies": {"name": "source", "custom_fields.annual_revenue": "source", "category": "helpdesk"},
        "contacts": {"emails": "latest"},
        "locations": {},
        "is_strict": False,
    },
    filters=(Filter("source", crm_sources.c.source, str),),
    sorts=(Sort("source", crm_sources.c.source, "text"),),
)


async def check_source(ctx: Ctx, given: dict[str, Any], before: CrmSource | None) -> dict[str, Any]:
    """Check that the rules are for fields there are, and that no other source owns them."""
    if not given:
        return given
    await take_turn(ctx, f"crm sources {ctx.tenant_id}")
    own = given["source"] if before is None else before.source
    others = await ctx.tx.rows(_OTHERS, {"tenant": ctx.tenant_id, "source": own})
    if before is None and len(others) >= MOST_SOURCES:
        message = f"A tenant may declare {MOST_SOURCES} sources."
        raise TooManySourcesError(message, params={"most": MOST_SOURCES})
    for plural, fields in _FIELDS.items():
        for name, rule in (given.get(plural) or {}).items():
            pointer = f"/{plural}/{name}"
            if name not in fields and not name.startswith(CUSTOM):
                message = f"{plural} have no field {name}."
                raise UnknownCardFieldError(message, pointer=pointer)
            owner = next((row["source"] for row in others if row[plural].get(name) == "source"), None)
            if rule == "source" and owner is not None:
                message = f"{name} of {plural} belongs to {owner}."
                raise FieldAlreadyOwnedError(message, pointer=pointer, params={"owner": owner})
    return given


router = routes(
    CRM_SOURCES, create=CrmSourceCreate, update=patch_model(CrmSourceRules, of="CrmSource"), check=check_source
)
