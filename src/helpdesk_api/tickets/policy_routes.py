"""The endpoints of SLA policies. They stand above the tickets, because the condition of a policy asks about those."""

from typing import Annotated
from uuid import UUID

from helpdesk_api.agreements.sla_policies import SLA_POLICIES, keep_version, versions_of
from helpdesk_api.agreements.sla_policy_schemas import SLAPolicyCreate, SLAPolicyVersions
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import patch_model
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.tickets.policy_choice import check_policy

router = ResourceRouter(SLA_POLICIES)
add_reading(router, SLA_POLICIES)
add_create(
    router,
    SLA_POLICIES,
    SLAPolicyCreate,
    check=check_policy,
    follow=keep_version,
    note="It holds for clocks started from now on.",
)
add_update(
    router,
    SLA_POLICIES,
    patch_model(SLAPolicyCreate),
    check=check_policy,
    follow=keep_version,
    note="Clocks already running keep the version they were started with.",
)
add_delete(router, SLA_POLICIES)


@router.get(
    "/{id}/versions",
    operation_id="sla_policy_versions_list",
    summary="List the versions of an SLA policy",
    description="Lists what a policy promised, oldest first; clocks name the version that they run under.",
)
async def list_policy_versions(id: UUID, ctx: Annotated[Ctx, allowed("sla-policies:read")]) -> SLAPolicyVersions:
    """List versions."""
    return await versions_of(ctx, id)
