"""Reading as somebody else would: how a front-end team checks what a contact, a role or a key is shown.

The header `X-View-As: contact:<id>` (or `user`, `role`, `api_key`) makes a read answer as it would answer that one. It
changes nothing but what is seen, is for reading only, never shows more than the viewer sees, and every use of it is
an event of the one who was viewed.
"""

import re
from typing import Final
from uuid import UUID

from helpdesk_api.domain.errors import ForbiddenError, InvalidError, NotFoundError
from helpdesk_api.identity.authentication import principal_of_key
from helpdesk_api.identity.principals import principal_of_contact, principal_of_role, principal_of_user
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Ctx, Principal
from helpdesk_api.kit.events import record
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.unit_of_work import unit_of_work

PERMISSION: Final = "view-as:use"
_WHOM = re.compile(r"(contact|user|role|api_key):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class ViewAsMalformedError(InvalidError):
    """The header names nobody."""

    code = "invalid_view_as"
    title = "X-View-As names nobody"


class ViewAsExceedsOwnError(ForbiddenError):
    """Viewing as somebody must not show more than one sees oneself."""

    code = "view_as_exceeds_own"
    title = "The one to view as may do more than the viewer"


async def view_as(runtime: Runtime, viewer: Principal, header: str, *, route: str, cause: Cause) -> Principal:
    """Give the principal that a read is to be answered for, and record that it was asked for.

    Raises MissingPermissionError, ViewAsMalformedError, ViewAsExceedsOwnError, and NotFoundError for one who is not
    there or may not sign in.
    """
    viewer.require(PERMISSION)
    match = _WHOM.fullmatch(header)
    if match is None:
        message = "Send X-View-As as contact:<id>, user:<id>, role:<id> or api_key:<id>."
        raise ViewAsMalformedError(message, pointer="/X-View-As", location="header")
    kind, viewed_id = match[1], UUID(match[2])
    async with unit_of_work(runtime, viewer, cause=cause, request_id=cause.id) as ctx:
        viewed = await crud.fetch(ctx, runtime.resources[kind], viewed_id)
        principal = await _principal(ctx, kind, viewed_id)
        if principal is None:
            message = f"The {kind.replace('_', ' ')} {viewed_id} may not sign in."
            raise NotFoundError(message, params={"id": str(viewed_id)})
        if not principal.is_within(viewer):
            message = "The one to view as may do or see more than this caller."
            raise ViewAsExceedsOwnError(message, pointer="/X-View-As", location="header")
        record(ctx, f"{kind}.viewed_as", object_id=viewed_id, version=viewed.version, data={"route": route})
    return principal


async def _principal(ctx: Ctx, kind: str, viewed_id: UUID) -> Principal | None:
    match kind:
        case "contact":
            return await principal_of_contact(ctx.tx, ctx.tenant_id, viewed_id, credential_id=None)
        case "user":
            return await principal_of_user(ctx.tx, ctx.tenant_id, viewed_id, credential_id=None)
        case "role":
            return await principal_of_role(ctx.tx, ctx.tenant_id, viewed_id, key_id=None)
        case _:
            return await principal_of_key(ctx.tx, ctx.tenant_id, viewed_id)
