"""Sync conflicts: what sources say and may not, with both values, and the decision whose holds."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError

from helpdesk_api.directory.card_kinds import KINDS
from helpdesk_api.directory.crm.disagreeing import SYNC_CONFLICTS, SyncConflict, end_conflict
from helpdesk_api.directory.crm.fields import CUSTOM, held_value
from helpdesk_api.directory.crm.provenance import Written, note
from helpdesk_api.directory.crm.reading import shown_fields
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit import crud
from helpdesk_api.kit.checked_changes import change
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import ResourceRouter, add_reading, operation, tag_response
from helpdesk_api.kit.schema import Input
from helpdesk_api.kit.unit_of_work import allowed
from helpdesk_api.kit.validation import invalid_request
from helpdesk_api.kit.visibility import FieldNotAllowedError


class ConflictResolvedError(ConflictError):
    """The conflict is over: both sides agree by now, or somebody has decided."""

    code = "conflict_resolved"
    title = "The conflict is resolved"


class ConflictResolution(Input):
    """Whose value holds."""

    keep: Annotated[
        Literal["ours", "theirs"], Field(description="`theirs` is written to the card, whoever owns the field.")
    ]


async def _present(ctx: Ctx, rows: list[SyncConflict]) -> list[SyncConflict]:
    """Complete conflicts with what their cards hold now, and show no values of fields that are not shown."""
    told = {}
    for plural, kind in KINDS.items():
        of_kind = [row for row in rows if row.card.plural == plural]
        cards = await crud.fetch_many(ctx, kind.resource, [row.card.id for row in of_kind])
        shown = await shown_fields(ctx, kind.resource, {row.field for row in of_kind})
        for row in of_kind:
            is_shown = row.field in shown and row.card.id in cards
            values = {"ours": held_value(cards[row.card.id], row.field) if is_shown else None}
            told[row.id] = SyncConflict.trusted({**vars(row), **values} | ({} if is_shown else {"theirs": None}))
    return [told[row.id] for row in rows]


router = ResourceRouter(SYNC_CONFLICTS)
add_reading(router, SYNC_CONFLICTS, present=_present)


@router.post(
    "/{id}/resolve",
    operation_id=operation(SYNC_CONFLICTS, "resolve"),
    summary="Resolve a sync conflict",
    description=(
        "Decides whose value holds: `ours` leaves the card as it is, `theirs` is written to it, which needs the "
        "permission to write such cards. The same value sent again opens no new conflict. Records "
        "`sync_conflict.resolved`."
    ),
)
async def resolve_conflict(
    id: UUID, body: ConflictResolution, response: Response, ctx: Annotated[Ctx, allowed("sync-conflicts:write")]
) -> SyncConflict:
    """Decide a conflict."""
    before = await crud.fetch_locked(ctx, SYNC_CONFLICTS, id)
    if before.state != "open":
        message = f"The conflict {id} is resolved."
        raise ConflictResolvedError(message)
    if body.keep == "theirs":
        await _write(ctx, before)
    (resolved,) = await _present(ctx, [await end_conflict(ctx, before, body.keep)])
    tag_response(response, resolved)
    return resolved


async def _write(ctx: Ctx, conflict: SyncConflict) -> None:
    """Write what a source sent, as if it owned the field."""
    card = conflict.card
    kind: Any = KINDS[card.plural]
    ctx.principal.require(f"{card.plural}:write")
    if conflict.field not in await shown_fields(ctx, kind.resource, {conflict.field}):
        message = f"{conflict.field} is not shown to this caller, and not to be set."
        raise FieldNotAllowedError(message, pointer="/keep")
    theirs: Any = conflict.theirs
    is_custom = conflict.field.startswith(CUSTOM)
    given = {COLUMN: {conflict.field.removeprefix(CUSTOM): theirs}} if is_custom else {conflict.field: theirs}
    try:
        changes = kind.update.model_validate(given).given()
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        raise invalid_request(RequestValidationError([{**each, "loc": ("body", "keep")} for each in places])) from None
    after = await change(ctx, kind.resource, card.id, changes, check=kind.check, follow=kind.follow)
    at = conflict.source_updated_at or ctx.now
    await note(ctx, card, [conflict.field], Written(conflict.source, at), version=after.version)
