"""`/operator/v1`: tenants for whoever runs the service. It has a document of its own, `openapi/operator.json`."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response, Security
from fastapi.responses import StreamingResponse

from helpdesk_api.identity.api_keys import ApiKeyCreate, NewApiKey, issue
from helpdesk_api.identity.tenant_export import NDJSON, begin_export
from helpdesk_api.identity.tenant_operations import Operator
from helpdesk_api.identity.tenant_schemas import (
    DeletionQuery,
    TenantCreate,
    TenantList,
    TenantsQuery,
    TenantState,
    TenantUpdate,
    quotas_of,
)
from helpdesk_api.identity.tenants import create_tenant, get_tenant, page_of_tenants
from helpdesk_api.kit.caller import cause_of
from helpdesk_api.kit.context import system
from helpdesk_api.kit.operator_route import PREFIX, OperatorAccess, OperatorRoute
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import MERGE_PATCH
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work

router = APIRouter(
    prefix=f"{PREFIX}/tenants", tags=["tenants"], route_class=OperatorRoute, dependencies=[Security(OperatorAccess())]
)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _operator(request: Request) -> Operator:
    return Operator(_runtime(request), cause_of(request))


@router.post(
    "",
    status_code=201,
    operation_id="tenants_create",
    summary="Create a tenant",
    description="Makes a tenant with its built-in roles; a key for it is the next thing to make.",
)
async def create(body: TenantCreate, request: Request, response: Response) -> TenantState:
    """Create a tenant."""
    created = await create_tenant(
        _runtime(request).db,
        body.name,
        clock_at=body.test_clock_at,
        quotas=quotas_of(body.quotas),
        cors_origins=tuple(body.cors_origins),
        language=body.language,
    )
    response.headers["location"] = f"{PREFIX}/tenants/{created.id}"
    return TenantState.of(created)


@router.get(
    "",
    operation_id="tenants_list",
    summary="List tenants",
    description="Pages through the tenants, oldest first: `next_after` goes into `after`.",
    openapi_extra=documented(TenantsQuery),
)
async def list_all(request: Request) -> TenantList:
    """List tenants, oldest first."""
    query = read_query(request, TenantsQuery)
    found = await page_of_tenants(_runtime(request).db, after=query.after, most=query.limit + 1)
    shown = [TenantState.of(tenant) for tenant in found[: query.limit]]
    return TenantList(data=shown, next_after=shown[-1].id if len(found) > query.limit else None)


@router.get("/{id}", operation_id="tenants_get", summary="Get one tenant", description="Reads one tenant by its id.")
async def get(id: UUID, request: Request) -> TenantState:
    """Read one tenant."""
    return TenantState.of(await get_tenant(_runtime(request).db, id))


@router.patch(
    "/{id}",
    operation_id="tenants_update",
    summary="Change a tenant",
    description="Changes name, quotas or origins; what is absent stays, and a quota of null is no limit of its own.",
)
async def update(
    id: UUID, body: Annotated[TenantUpdate, Body(media_type=MERGE_PATCH)], request: Request
) -> TenantState:
    """Change name, quotas, origins or language."""
    return TenantState.of(await _operator(request).amend(id, **body.columns()))


@router.post(
    "/{id}/suspend",
    operation_id="tenants_suspend",
    summary="Suspend a tenant",
    description="Serves a tenant no more until it is resumed, within two seconds. Repeating it changes nothing.",
)
async def suspend(id: UUID, request: Request) -> TenantState:
    """Serve a tenant no more, until it is resumed."""
    return TenantState.of(await _operator(request).suspend(id))


@router.post(
    "/{id}/resume",
    operation_id="tenants_resume",
    summary="Resume a tenant",
    description="Serves a tenant again; what waited goes on.",
)
async def resume(id: UUID, request: Request) -> TenantState:
    """Serve a tenant again."""
    return TenantState.of(await _operator(request).resume(id))


@router.delete(
    "/{id}",
    operation_id="tenants_delete",
    summary="Delete a tenant",
    description="Serves a tenant no more, and deletes every row of it when the days of grace are over.",
    openapi_extra=documented(DeletionQuery),
)
async def delete(id: UUID, request: Request) -> TenantState:
    """Serve a tenant no more, and delete it when its time of grace is over."""
    grace = timedelta(days=read_query(request, DeletionQuery).grace_days)
    return TenantState.of(await _operator(request).schedule_deletion(id, grace=grace))


@router.post(
    "/{id}/restore",
    operation_id="tenants_restore",
    summary="Restore a tenant",
    description="Keeps a tenant that was about to be deleted, and serves it again.",
)
async def restore(id: UUID, request: Request) -> TenantState:
    """Keep a tenant that was about to be deleted."""
    return TenantState.of(await _operator(request).cancel_deletion(id))


@router.get(
    "/{id}/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Lines of JSON; the last is the manifest.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        }
    },
    operation_id="tenants_export",
    summary="Export a tenant",
    description=(
        "Gives everything that a tenant has as it was at one instant, without secrets: one JSON document on each line. "
        "Without a manifest as its last line an export was cut off. Records `tenant.exported`."
    ),
)
async def export(id: UUID, request: Request) -> StreamingResponse:
    """Give everything that a tenant has, as lines of JSON."""
    pieces = await begin_export(_runtime(request), id, cause_of(request))
    name = f'attachment; filename="tenant-{id}.ndjson"'
    return StreamingResponse(pieces, media_type=NDJSON, headers={"content-disposition": name})


@router.post(
    "/{id}/api-keys",
    status_code=201,
    operation_id="tenants_create_api_key",
    summary="Give a tenant a key",
    description="Makes an API key of a tenant, its first for example. It is shown this once.",
)
async def create_key(id: UUID, body: ApiKeyCreate, request: Request) -> NewApiKey:
    """Give a tenant a key, its first for example."""
    runtime, cause = _runtime(request), cause_of(request)
    tenant = await get_tenant(runtime.db, id)
    principal = system(id, is_sandbox=tenant.is_sandbox)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        created, text = await issue(ctx, body, is_sandbox=tenant.is_sandbox)
    return NewApiKey.trusted({**vars(created), "key": text})
