"""The endpoints of assets: the usual ones, where each has been, and writing them by the ids of another system."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Request

from helpdesk_api.assets.assets import ASSETS, AssetCreate, AssetUpdate
from helpdesk_api.assets.impact import IMPACT_EXAMPLE
from helpdesk_api.assets.moving import check_asset, follow_asset
from helpdesk_api.assets.placements import PLACEMENTS, AssetPlacement
from helpdesk_api.directory.upsert_routes import shapes_of, upsert_routes
from helpdesk_api.directory.upserting import CardKind, ForeignId
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import Page
from helpdesk_api.kit.unit_of_work import allowed

_ASSET: Final = CardKind(
    ASSETS,
    "asset_id",
    AssetCreate,
    AssetUpdate,
    named={
        "company_external_id": ForeignId("company_id", "company_id"),
        "location_external_id": ForeignId("location_id", "location_id"),
        "parent_asset_external_id": ForeignId("parent_asset_id", "asset_id"),
    },
    check=check_asset,
    follow=follow_asset,
)

router = ResourceRouter(ASSETS)
add_reading(router, ASSETS)
add_create(router, ASSETS, AssetCreate, check=check_asset, follow=follow_asset)
add_update(
    router,
    ASSETS,
    AssetUpdate,
    check=check_asset,
    follow=follow_asset,
    note="Another company or location is a move: what is part of the asset moves along.",
)
add_delete(router, ASSETS)

references_router = upsert_routes(_ASSET)

ASSET_EXAMPLES: Final[dict[str, Any]] = {
    **shapes_of(_ASSET).examples(),
    "Impact": IMPACT_EXAMPLE,
    "AssetPlacementPage": {
        "data": [
            {
                "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e51",
                "asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e14",
                "company_id": ASSETS.example["company_id"],
                "location_id": ASSETS.example["location_id"],
                "since_at": "2025-04-02T08:00:00Z",
                "until_at": None,
            }
        ],
        "page": {"next_cursor": None, "prev_cursor": None},
        "total": None,
    },
}


@router.get(
    "/{id}/placements",
    operation_id="assets_list_placements",
    openapi_extra=documented(PLACEMENTS.query_model),
    summary="List where an asset has been",
    description=(
        "Pages through the stays of an asset with clients and at places, the latest first unless `sort` says "
        "otherwise; those with clients whom the caller does not see are left out."
    ),
)
async def list_placements(
    id: UUID, request: Request, ctx: Annotated[Ctx, allowed("assets:read")]
) -> Page[AssetPlacement]:
    """List where an asset has been."""
    await crud.fetch(ctx, ASSETS, id)
    query = read_query(request, PLACEMENTS.query_model)
    found = await find_page(ctx, PLACEMENTS, query, request.app.state.runtime.signer, asset_id=id)
    rows = [AssetPlacement.from_record(row) for row in found.rows]
    return Page[AssetPlacement].trusted({"data": rows, "page": found.page, "total": found.total})
