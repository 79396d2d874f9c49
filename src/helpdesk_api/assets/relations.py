"""Relations between assets of one client: what depends on, runs on, is part of, stands in for or is connected to what.

The database holds both ends to one company. What follows when something fails is `assets.impact`.
"""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Text, UniqueConstraint, Uuid

from helpdesk_api.assets.assets import ASSETS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.domain.errors import InvalidError
from helpdesk_api.identity.visibility import rows_of
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.kit.sqlstate import UnknownReferenceError

RelationType = Literal["part_of", "depends_on", "runs_on", "backs_up", "connected_to"]
# Checked at the end of a move rather than amid it: both ends may be moving.
ENDS_OF_COMPANY: Final = ("fk_asset_relations_source_of_company", "fk_asset_relations_target_of_company")

asset_relations = tenant_table(
    "asset_relations",
    Column("type", Text, nullable=False),
    Column("company_id", Uuid, nullable=False),
    Column("source_asset_id", Uuid, nullable=False),
    Column("target_asset_id", Uuid, nullable=False),
    CheckConstraint("type IN ('part_of', 'depends_on', 'runs_on', 'backs_up', 'connected_to')", name="type"),
    CheckConstraint("source_asset_id <> target_asset_id", name="of_two"),
    UniqueConstraint(
        "tenant_id", "source_asset_id", "target_asset_id", "type", name="uq_asset_relations_ends_and_type"
    ),
    reference("company_id", "companies"),
    *(
        ForeignKeyConstraint(
            ["tenant_id", "company_id", f"{end}_asset_id"],
            ["assets.tenant_id", "assets.company_id", "assets.id"],
            name=name,
            ondelete="CASCADE",
            deferrable=True,
            initially="IMMEDIATE",
        )
        for end, name in zip(("source", "target"), ENDS_OF_COMPANY, strict=True)
    ),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "company_id", "source_asset_id"),
    Index(None, "tenant_id", "company_id", "target_asset_id"),
    Index(None, "tenant_id", "target_asset_id", "type"),
)


class AssetRelationCreate(Input):
    """A new relation between two assets of one client."""

    type: Annotated[
        RelationType,
        Field(description="What the source is to the target: it is `part_of` it, `depends_on` it, and so on."),
    ]
    source_asset_id: UUID
    target_asset_id: Annotated[UUID, Field(description="Another asset of the same company.")]


class AssetRelation(Entity):
    """A relation between two assets of one client."""

    type: Annotated[str, Field(examples=["part_of", "depends_on", "runs_on", "backs_up", "connected_to"])]
    company_id: UUID
    source_asset_id: UUID
    target_asset_id: UUID


ASSET_RELATIONS = Resource(
    name="asset_relation",
    plural="asset-relations",
    table=asset_relations,
    read=AssetRelation,
    example={
        "type": "depends_on",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "source_asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e14",
        "target_asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e15",
    },
    filters=(
        Filter("type", asset_relations.c.type, RelationType),
        Filter("company_id", asset_relations.c.company_id, UUID),
        Filter("source_asset_id", asset_relations.c.source_asset_id, UUID),
        Filter("target_asset_id", asset_relations.c.target_asset_id, UUID),
    ),
    includes=(
        Include("company", "company_id", COMPANIES),
        Include("source_asset", "source_asset_id", ASSETS),
        Include("target_asset", "target_asset_id", ASSETS),
    ),
    rows=rows_of(company=asset_relations.c.company_id),
)


class AssetsOfTwoCompaniesError(InvalidError):
    """Only assets of one client are related to each other."""

    code = "assets_of_two_companies"
    title = "The assets do not belong to one company"


class RelatedToItselfError(InvalidError):
    """An asset is related to others, not to itself."""

    code = "related_to_itself"
    title = "An asset cannot be related to itself"


async def check_relation(ctx: Ctx, given: dict[str, Any], before: AssetRelation | None) -> dict[str, Any]:
    """Check that the ends of a new relation are two assets of one company, and take that company over."""
    if before is not None:
        return given
    ends = {field: given[field] for field in ("source_asset_id", "target_asset_id")}
    found = await crud.fetch_many(ctx, ASSETS, list(ends.values()))
    for field, asset_id in ends.items():
        if asset_id not in found:
            message = f"There is no asset {asset_id}."
            raise UnknownReferenceError(message, pointer=f"/{field}")
    source, target = (found[asset_id] for asset_id in ends.values())
    if source.id == target.id:
        message = f"{source.id} is both ends of the relation."
        raise RelatedToItselfError(message, pointer="/target_asset_id")
    if source.company_id is None or source.company_id != target.company_id:
        message = f"The asset {target.id} does not belong to the company of {source.id}."
        raise AssetsOfTwoCompaniesError(message, pointer="/target_asset_id")
    return given | {"company_id": source.company_id}


router = routes(ASSET_RELATIONS, create=AssetRelationCreate, check=check_relation)
