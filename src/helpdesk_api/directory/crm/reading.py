"""Reading provenance: of a card, who wrote each field last, and which declared sources have a rule for it."""

from collections.abc import Iterable
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field

from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.crm.fields import CUSTOM, Card
from helpdesk_api.directory.crm.ownership import declared_for
from helpdesk_api.directory.crm.provenance import written_by
from helpdesk_api.directory.custom_fields.definitions import definitions_of, field_group
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import EVERYBODY
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.resource_routes import ResourceRouter, operation
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.unit_of_work import allowed


class FieldProvenance(Output):
    """Where the value of a field comes from."""

    source: Annotated[str | None, Field(description="The source that wrote it last; null: the help desk.")]
    at: Annotated[AwareDatetime | None, Field(description="As of when; null: before this was kept.")]
    version: Annotated[int | None, Field(description="The version of the card that it led to.")]
    rules: Annotated[
        dict[str, str],
        Field(description="Whose it is, by declared source; see crm-sources.", examples=[{"crm": "source"}]),
    ]


class CardProvenance(Output):
    """Where the values of a card come from: the fields that were written since a source that knows it was declared."""

    fields: Annotated[dict[str, FieldProvenance], Field(description="By field, or `custom_fields.<key>`.")]


CRM_EXAMPLES: Final[dict[str, Any]] = {
    "CardProvenance": {
        "fields": {
            "name": {"source": "crm", "at": "2026-11-23T08:59:12Z", "version": 4, "rules": {"crm": "source"}},
            "notes": {"source": None, "at": None, "version": None, "rules": {"crm": "helpdesk"}},
        }
    },
    "ConflictResolution": {"keep": "theirs"},
}


async def shown_fields(ctx: Ctx, resource: Resource[Any], names: Iterable[str]) -> set[str]:
    """Give of some fields of a card those whose values are shown as they are."""
    wanted = set(names)
    groups = {name: group.name for name, group in resource.groups.items()}
    if any(name.startswith(CUSTOM) for name in wanted):
        for key, definition in (await definitions_of(ctx, resource.plural)).items():
            groups[f"{CUSTOM}{key}"] = field_group(definition)
    return {name for name in wanted if groups.get(name, EVERYBODY) == EVERYBODY or ctx.principal.sees(groups[name])}


def provenance_routes(resource: Resource[Any]) -> ResourceRouter:
    """Make the endpoint that tells where the values of one kind of card come from."""
    router = ResourceRouter(resource)
    one = resource.name

    async def get_provenance(id: UUID, ctx: Ctx) -> CardProvenance:
        if ctx.principal.type == "contact":
            # Which systems the company works with is nothing for its clients.
            raise resource.missing(id)
        await crud.fetch(ctx, resource, id)
        written = await written_by(ctx, id)
        declared = await declared_for(ctx, Card(resource.plural, id))
        ruled = {name for each in declared.values() for name in each.rules}
        shown = await shown_fields(ctx, resource, {*written, *ruled})
        told: dict[str, FieldProvenance] = {}
        for name in sorted(shown):
            last = written.get(name)
            told[name] = FieldProvenance(
                source=None if last is None else last.source,
                at=None if last is None else last.at,
                version=None if last is None else last.version,
                rules={each.source: each.rules[name] for each in declared.values() if name in each.rules},
            )
        return CardProvenance(fields=told)

    get_provenance.__annotations__ |= {"ctx": Annotated[Ctx, allowed(f"{resource.plural}:read")]}
    router.add_api_route(
        "/{id}/provenance", get_provenance, methods=["GET"], response_model=CardProvenance,
        operation_id=operation(resource, "get_provenance"), summary=f"Tell where the values of a {one} come from",
        description=f"Tells of the fields of a {one} who wrote them last, and which source has a rule for them. A "
        "field whose value the caller is not shown is left out.",
    )  # fmt: skip
    return router


companies_router, contacts_router, locations_router = (
    provenance_routes(resource) for resource in (COMPANIES, CONTACTS, LOCATIONS)
)
