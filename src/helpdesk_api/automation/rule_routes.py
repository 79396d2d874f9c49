"""The endpoints of rules: reading and writing them, publishing, and what has been published."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Response
from pydantic import Field

from helpdesk_api.automation.rule_versions import RuleVersions, versions_of
from helpdesk_api.automation.rule_writing import begin_anew, check_written, publish
from helpdesk_api.automation.rules import RULES, Rule, RuleCreate
from helpdesk_api.kit import crud
from helpdesk_api.kit.conditional import IfMatch
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import (
    ResourceRouter,
    add_create,
    add_delete,
    add_reading,
    add_update,
    operation,
    tag_response,
)
from helpdesk_api.kit.schema import INT4_MAX, Input, patch_model
from helpdesk_api.kit.unit_of_work import allowed

_RIGHTS: Final = "It needs `tickets:write` over all tickets too."


class RulePublication(Input):
    """What to publish."""

    version: Annotated[
        int | None,
        Field(ge=1, le=INT4_MAX, strict=True, description="One that was published before; null for the present draft."),
    ] = None


router = ResourceRouter(RULES)
add_reading(router, RULES)
add_create(router, RULES, RuleCreate, check=check_written, follow=begin_anew, note=_RIGHTS)
add_update(
    router,
    RULES,
    patch_model(RuleCreate),
    check=check_written,
    follow=begin_anew,
    note=f"An edit of a published rule waits as a draft until `state` is stated again. {_RIGHTS}",
)
add_delete(router, RULES)


@router.post(
    "/{id}/publish",
    operation_id=operation(RULES, "publish"),
    summary="Publish a rule",
    description=(
        "Puts a rule in force as it stands, or by a version that was published before: the rule then says again what "
        f"it said then, and a draft is dropped. Records `rule.updated`. {_RIGHTS}"
    ),
)
async def publish_rule(
    id: UUID,
    body: RulePublication,
    response: Response,
    expected: IfMatch,
    ctx: Annotated[Ctx, allowed("rules:write")],
) -> Rule:
    """Publish a rule."""
    published = await publish(ctx, id, version=body.version, expected=expected)
    tag_response(response, published)
    return published


@router.get(
    "/{id}/versions",
    operation_id="rule_versions_list",
    summary="List the versions of a rule",
    description="Lists what was published of a rule, newest first, at most the last thousand; runs name the version.",
)
async def list_rule_versions(id: UUID, ctx: Annotated[Ctx, allowed("rules:read")]) -> RuleVersions:
    """List versions."""
    await crud.fetch(ctx, RULES, id)
    return RuleVersions.trusted({"data": await versions_of(ctx, id)})
