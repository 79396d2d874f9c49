"""The endpoints of people's rights: everything about a person as one document, and having a person erased."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, tag_response
from helpdesk_api.kit.unit_of_work import RecordedReadRoute, UnitOfWorkRoute, allowed
from helpdesk_api.privacy.erasures import ERASURES, Erasure, ErasureCreate, request_erasure
from helpdesk_api.privacy.export import PersonExport, export_person
from helpdesk_api.privacy.people import PersonType

router = ResourceRouter(ERASURES)
add_reading(router, ERASURES)

requests = APIRouter(prefix="/v1", tags=["erasures"], route_class=UnitOfWorkRoute)
exports = APIRouter(prefix="/v1", tags=["person-exports"], route_class=RecordedReadRoute)

_ERASING = (
    "Erases the person wherever this tenant names them: the row, what they wrote, texts, the event log, stored answers "
    "and e-mail. Their id stays as a pseudonym. A worker does it; follow `state` at the `Location`, where the signed "
    "destruction record stands in the end. Records `person.erased`, for whoever holds copies."
)
_EXPORTING = (
    "Gives everything that is stored about a person as one document: the row, their tickets and messages, and what the "
    "event log tells of them and of what they did. That it was read is recorded as `person.exported`."
)


@requests.post(
    "/contacts/{id}/erase",
    status_code=202,
    operation_id="contacts_erase",
    summary="Erase a contact",
    description=_ERASING,
)
async def erase_contact(
    id: UUID, body: ErasureCreate, response: Response, ctx: Annotated[Ctx, allowed("erasures:write")]
) -> Erasure:
    """Have a contact erased."""
    return await _requested(ctx, "contact", id, body, response)


@requests.post(
    "/users/{id}/erase",
    status_code=202,
    operation_id="users_erase",
    summary="Erase a user",
    description=_ERASING,
)
async def erase_user(
    id: UUID, body: ErasureCreate, response: Response, ctx: Annotated[Ctx, allowed("erasures:write")]
) -> Erasure:
    """Have a user erased."""
    return await _requested(ctx, "user", id, body, response)


@exports.get(
    "/contacts/{id}/export",
    operation_id="contacts_export",
    summary="Export a contact",
    description=_EXPORTING,
)
async def export_contact(id: UUID, ctx: Annotated[Ctx, allowed("person-exports:read")]) -> PersonExport:
    """Give everything about a contact."""
    return await export_person(ctx, "contact", id)


@exports.get(
    "/users/{id}/export",
    operation_id="users_export",
    summary="Export a user",
    description=_EXPORTING,
)
async def export_user(id: UUID, ctx: Annotated[Ctx, allowed("person-exports:read")]) -> PersonExport:
    """Give everything about a user."""
    return await export_person(ctx, "user", id)


async def _requested(
    ctx: Ctx, person_type: PersonType, person_id: UUID, body: ErasureCreate, response: Response
) -> Erasure:
    created = await request_erasure(
        replace(ctx, now=ctx.real_now), person_type, person_id, reason=body.reason, messages=body.messages
    )
    response.headers["location"] = f"/v1/erasures/{created.id}"
    tag_response(response, created)
    return created
