"""`/operator/v1`: tenants for whoever runs the service. Described in docs/operator.md, not in the tenants' document."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response

from helpdesk_api.identity.api_keys import ApiKeyCreate, NewApiKey, issue
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
from helpdesk_api.kit.operator_route import PREFIX, OperatorRoute
from helpdesk_api.kit.query import read_query
from helpdesk_api.kit.resource_routes import MERGE_PATCH
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work

router = APIRouter(prefix=f"{PREFIX}/tenants", route_class=OperatorRoute, include_in_schema=False)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _operator(request: Request) -> Operator:
    return Operator(_runtime(request), cause_of(request))


@router.post("", status_code=201)
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


@router.get("")
async def list_all(request: Request) -> TenantList:
    """List tenants, oldest first."""
    query = read_query(request, TenantsQuery)
    found = await page_of_tenants(_runtime(request).db, after=query.after, most=query.limit + 1)
    shown = [TenantState.of(tenant) for tenant in found[: query.limit]]
    return TenantList(data=shown, next_after=shown[-1].id if len(found) > query.limit else None)


@router.get("/{id}")
async def get(id: UUID, request: Request) -> TenantState:
    """Read one tenant."""
    return TenantState.of(await get_tenant(_runtime(request).db, id))


@router.patch("/{id}")
async def update(
    id: UUID, body: Annotated[TenantUpdate, Body(media_type=MERGE_PATCH)], request: Request
) -> TenantState:
    """Change name, quotas, origins or language."""
    return TenantState.of(await _operator(request).amend(id, **body.columns()))


@router.post("/{id}/suspend")
async def suspend(id: UUID, request: Request) -> TenantState:
    """Serve a tenant no more, until it is resumed."""
    return TenantState.of(await _operator(request).suspend(id))


@router.post("/{id}/resume")
async def resume(id: UUID, request: Request) -> TenantState:
    """Serve a tenant again."""
    return TenantState.of(await _operator(request).resume(id))


@router.delete("/{id}")
async def delete(id: UUID, request: Request) -> TenantState:
    """Serve a tenant no more, and delete it when its time of grace is over."""
    grace = timedelta(days=read_query(request, DeletionQuery).grace_days)
    return TenantState.of(await _operator(request).schedule_deletion(id, grace=grace))


@router.post("/{id}/restore")
async def restore(id: UUID, request: Request) -> TenantState:
    """Keep a tenant that was about to be deleted."""
    return TenantState.of(await _operator(request).cancel_deletion(id))


@router.post("/{id}/api-keys", status_code=201)
async def create_key(id: UUID, body: ApiKeyCreate, request: Request) -> NewApiKey:
    """Give a tenant a key, its first for example."""
    runtime, cause = _runtime(request), cause_of(request)
    tenant = await get_tenant(runtime.db, id)
    principal = system(id, is_sandbox=tenant.is_sandbox)
    async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
        created, text = await issue(ctx, body, is_sandbox=tenant.is_sandbox)
    return NewApiKey.trusted({**vars(created), "key": text})
