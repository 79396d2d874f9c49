"""What would be made of a message, told without doing any of it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, JsonValue

from helpdesk_api.directory.custom_fields.values import with_custom_fields
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import flattened
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.webhooks.inbound.card_expressions import PushedCard
from helpdesk_api.webhooks.inbound.handling import (
    UNMAPPED,
    InboundResult,
    Manner,
    Outcome,
    failed,
    handle,
    note_of,
    open_ticket_of,
    outcome_of,
    result_of,
    ticket_of,
)
from helpdesk_api.webhooks.inbound.hooks import InboundHook
from helpdesk_api.webhooks.inbound.mapping import Alert, StoredMapping, Unmapped, found_in


class PreviewedTicket(Output):
    """The ticket that would be opened."""

    subject: str
    description: str
    priority: str
    type: Annotated[str, Field(examples=["incident"])]
    team_id: UUID | None
    company_id: UUID | None
    tags: list[str]
    custom_fields: Annotated[dict[str, JsonValue], Field(description="Values of custom fields by key.")]


class PreviewedAlert(Output):
    """What would be done about one alert."""

    result: Annotated[InboundResult, Field(description="`ticket_id` is that of the ticket which is open now.")]
    ticket: Annotated[PreviewedTicket | None, Field(description="Only if one would be opened.")]
    note: Annotated[str | None, Field(description="The internal note, if there would be one.")]
    card: Annotated[
        dict[str, JsonValue] | None, Field(description="The fields of a client card, as the message tells them.")
    ]


class InboundPreview(Output):
    """What would be done about a message."""

    data: list[PreviewedAlert]


async def preview(ctx: Ctx, hook: InboundHook, mapping: StoredMapping, body: object) -> InboundPreview:
    """Tell what would be done; each alert by itself, as if the others were not there."""
    manner = Manner(hook.id, mapping, hook.on_recovery)
    if mapping["card"] is not None:
        return InboundPreview(data=await _previewed_cards(ctx, manner, body))
    found = [each for each in found_in(mapping, body) if not isinstance(each, PushedCard)]
    return InboundPreview(data=[await _previewed(ctx, manner, each) for each in found])


async def _previewed_cards(ctx: Ctx, manner: Manner, body: object) -> list[PreviewedAlert]:
    """Write the cards and take it back; each as the ones before it have left the rest."""
    cards = {each.index: each.card for each in found_in(manner.mapping, body) if isinstance(each, PushedCard)}
    async with undoable(ctx) as part:
        results = await handle(ctx, manner, body)
        part.undo()
    return [PreviewedAlert(result=each, ticket=None, note=None, card=cards.get(each["index"])) for each in results]


async def _previewed(ctx: Ctx, manner: Manner, each: Alert | Unmapped) -> PreviewedAlert:
    if isinstance(each, Unmapped):
        return PreviewedAlert(result=failed(each, UNMAPPED, each.detail), ticket=None, note=None, card=None)
    ticket_id = await open_ticket_of(ctx, manner, each)
    outcome = outcome_of(each.state, is_open=ticket_id is not None)
    opened = None
    if outcome is Outcome.OPENED:
        try:
            values = await with_custom_fields(ctx, TICKETS, await ticket_of(ctx, each), None)
        except Refusal as refusal:
            return PreviewedAlert(result=failed(each, refusal.code, refusal.detail), ticket=None, note=None, card=None)
        opened = PreviewedTicket(
            subject=each.subject,
            description=each.description,
            priority=each.priority,
            type=each.type,
            team_id=values["team_id"],
            company_id=values["company_id"],
            tags=each.tags,
            custom_fields=flattened(values["custom_fields"]),
        )
    result = result_of(each, outcome, ticket_id=None if ticket_id is None else str(ticket_id))
    return PreviewedAlert(result=result, ticket=opened, note=None if ticket_id is None else note_of(each), card=None)
