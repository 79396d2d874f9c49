"""What is done about the client cards in a message: they are written as `PUT …/by-ref` writes them.

A card that an older state comes of is left; one that names a record without saying anything of it is told as such. A
deleted company or location is archived, because tickets remain; contacts stay.
"""

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from helpdesk_api.directory.card_kinds import KINDS
from helpdesk_api.directory.external_references import ExternalId, Source, find_reference
from helpdesk_api.directory.upsert_routes import shapes_of
from helpdesk_api.directory.upserting import Push, StaleSourceError, lock_cards, upsert
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.validation import invalid_request
from helpdesk_api.webhooks.inbound.card_expressions import PushedCard

ID_ONLY = "id_only"
_SHAPES = {plural: shapes_of(kind).push for plural, kind in KINDS.items()}
_NAME: TypeAdapter[tuple[str, str]] = TypeAdapter(tuple[Source, ExternalId])


async def lock_all(ctx: Ctx, cards: Sequence[PushedCard]) -> None:
    """Wait for others who write the same cards, kind by kind."""
    for plural, kind in KINDS.items():
        pushes = [Push(each.source, each.external_id, {}) for each in cards if each.kind == plural]
        if pushes:
            await lock_cards(ctx, kind, pushes)


async def write_card(ctx: Ctx, pushed: PushedCard) -> tuple[str, str | None, str | None]:
    """Write one card whose reference is locked; gives the outcome, the id of the card and a code that explains it.

    Raises what `upsert` raises, and InvalidRequestError for fields that are no card.
    """
    if pushed.action == "ignore":
        return "ignored", None, None
    kind: Any = KINDS[pushed.kind]
    given = {"is_active": False} if pushed.action == "delete" else pushed.card
    if pushed.action == "delete":
        known = await find_reference(ctx, kind.column, pushed.source, pushed.external_id)
        if known is None or pushed.kind == "contacts":
            return "ignored", None if known is None else str(getattr(known, kind.column)), "not_archived"
    if not given:
        return "ignored", None, ID_ONLY
    try:
        _NAME.validate_python((pushed.source, pushed.external_id))
        fields = _SHAPES[pushed.kind].model_validate(given).given()
    except ValidationError as error:
        places = error.errors(include_url=False, include_input=False)
        found = [{**place, "loc": ("body", *place["loc"])} for place in places]
        raise invalid_request(RequestValidationError(found)) from None
    push = Push(pushed.source, pushed.external_id, fields, source_updated_at=pushed.updated_at)
    try:
        async with undoable(ctx):
            written = await upsert(ctx, kind, push)
    except StaleSourceError as stale:
        return "ignored", None, stale.code
    return written.outcome, str(written.card.id), None
