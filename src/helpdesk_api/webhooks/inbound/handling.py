"""What is done about the alerts of a message: tickets are opened, told about, and ended.

It is done in the name of the hook, in the transaction that stores the message; what cannot be done about one alert
takes nothing away from the others. Two messages about the same alert wait for each other at its row, so that there is
one open ticket for it, however they arrive.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, cast
from uuid import UUID

from pydantic import Field
from sqlalchemy import LargeBinary, Text, Uuid, any_, bindparam, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from typing_extensions import TypedDict

from helpdesk_api.domain.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from helpdesk_api.domain.workflow import ACTIVE, FINISHED, Status
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.tickets import service
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.schemas import Ticket
from helpdesk_api.webhooks.inbound.card_expressions import PushedCard
from helpdesk_api.webhooks.inbound.card_handling import lock_all, write_card
from helpdesk_api.webhooks.inbound.mapping import Alert, State, StoredMapping, Unmapped, found_in
from helpdesk_api.webhooks.inbound.models import inbound_alerts
from helpdesk_api.webhooks.inbound.named import company_of, team_of

UNMAPPED: Final = "unmapped"
_HEADINGS: Final = {State.OPEN: "Still open", State.UPDATE: "Updated", State.RECOVER: "Recovered"}
# Refusals that the next attempt may not meet, once somebody has mended what is told; any other ends the message.
_TOLD: Final = (ConflictError, ForbiddenError, InvalidError, NotFoundError)

_of_alert = (
    inbound_alerts.c.tenant_id == bindparam("tenant"),
    inbound_alerts.c.hook_id == bindparam("hook", type_=Uuid),
    inbound_alerts.c.key_hash == bindparam("key_hash", type_=LargeBinary),
)
_LOCK = Statement(
    insert(inbound_alerts)
    .values(
        tenant_id=bindparam("tenant"), id=bindparam("alert"), hook_id=bindparam("hook"), key_hash=bindparam("key_hash")
    )
    .on_conflict_do_update(
        index_elements=["tenant_id", "hook_id", "key_hash"], set_={"hook_id": bindparam("hook", type_=Uuid)}
    )
)
_TICKET = Statement(select(inbound_alerts.c.ticket_id).where(*_of_alert))
_OPEN = Statement(
    select(tickets.c.id)
    .join(
        inbound_alerts,
        (inbound_alerts.c.tenant_id == tickets.c.tenant_id) & (inbound_alerts.c.ticket_id == tickets.c.id),
    )
    .where(*_of_alert, tickets.c.status == any_(bindparam("unfinished", type_=ARRAY(Text))))
)
_POINT = Statement(update(inbound_alerts).where(*_of_alert).values(ticket_id=bindparam("ticket", type_=Uuid)))


class Outcome(StrEnum):
    """What was done about an alert."""

    OPENED = "opened"
    UPDATED = "updated"
    RECOVERED = "recovered"
    IGNORED = "ignored"
    CREATED = "created"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class InboundResult(TypedDict):
    """What became of one alert of a message."""

    index: Annotated[int, Field(description="Its place in the message, from 0.")]
    dedupe_key: str | None
    state: Annotated[str | None, Field(examples=list(State))]
    outcome: Annotated[
        str,
        Field(
            description="`opened`: a new ticket. `updated`: a note on the open one. `recovered`: that ended. "
            "`ignored`: there is no open ticket to update or end. `failed`: see `code` and `detail`. Of a card: "
            "`created`, `updated`, `unchanged`, or `ignored` as `code` tells.",
            examples=list(Outcome),
        ),
    ]
    ticket_id: Annotated[str | None, Field(json_schema_extra={"format": "uuid"})]
    card_kind: Annotated[str | None, Field(examples=["companies"])]
    card_id: Annotated[str | None, Field(json_schema_extra={"format": "uuid"})]
    code: Annotated[
        str | None,
        Field(
            description="Why it failed: `unmapped`, or the code of a problem. Why a card was ignored: `id_only` (the "
            "message says nothing but its id), `stale_source`, `not_archived`."
        ),
    ]
    detail: str | None


@dataclass(frozen=True, slots=True)
class Manner:
    """How the messages of a hook are handled."""

    hook_id: UUID
    mapping: StoredMapping
    on_recovery: str


async def handle(ctx: Ctx, manner: Manner, body: object, *, without: Collection[int] = ()) -> list[InboundResult]:
    """Do what the alerts of a message ask for, but for those at some places; `ctx` acts as the hook."""
    found = [each for each in found_in(manner.mapping, body) if each.index not in without]
    await lock_all(ctx, [each for each in found if isinstance(each, PushedCard)])
    # In one order, for messages that share alerts and come at the same time.
    for key_hash in sorted({_hash(each) for each in found if isinstance(each, Alert)}):
        key = {"tenant": ctx.tenant_id, "hook": manner.hook_id, "key_hash": key_hash}
        await ctx.tx.run(_LOCK, key | {"alert": new_id()})
    return [await _handled(ctx, manner, each) for each in found]


def outcome_of(state: State, *, is_open: bool) -> Outcome:
    """Decide what an alert comes to, by what it says and whether there is an open ticket for it."""
    match state:
        case State.OPEN:
            return Outcome.UPDATED if is_open else Outcome.OPENED
        case State.UPDATE:
            return Outcome.UPDATED if is_open else Outcome.IGNORED
        case State.RECOVER:
            return Outcome.RECOVERED if is_open else Outcome.IGNORED


async def open_ticket_of(ctx: Ctx, manner: Manner, alert: Alert) -> UUID | None:
    """Find the open ticket of an alert without locking anything."""
    return cast("UUID | None", await ctx.tx.value(_OPEN, _key(ctx, manner, alert) | {"unfinished": list(ACTIVE)}))


async def ticket_of(ctx: Ctx, alert: Alert) -> dict[str, Any]:
    """Give the values of the ticket that an alert opens; raises what finding client and team raises."""
    return {
        "subject": alert.subject,
        "description": alert.description,
        "type": alert.type,
        "priority": alert.priority,
        "status": Status.NEW,
        "company_id": await company_of(ctx, alert),
        "contact_id": None,
        "team_id": await team_of(ctx, alert),
        "assignee_id": None,
        "tags": alert.tags,
        "channel": "monitoring",
        "custom_fields": alert.custom_fields,
    }


def result_of(each: Alert | PushedCard | Unmapped, outcome: str, **about: str | None) -> InboundResult:
    """Tell what became of an alert or card; `about` gives what else there is to tell."""
    told: dict[str, Any] = {"index": each.index, "outcome": outcome}
    if isinstance(each, Alert):
        told |= {"dedupe_key": each.dedupe_key, "state": each.state}
    if isinstance(each, PushedCard):
        told |= {"dedupe_key": each.external_id or None, "state": each.action, "card_kind": each.kind or None}
    nothing = dict.fromkeys(InboundResult.__annotations__)
    return cast("InboundResult", nothing | told | about)


def failed(each: Alert | PushedCard | Unmapped, code: str, detail: str) -> InboundResult:
    """Tell that nothing could be done about an alert or card."""
    return result_of(each, Outcome.FAILED, code=code, detail=detail)


def note_of(alert: Alert) -> str:
    """Give the words of the note that a ticket gets when its alert is told of again."""
    return f"{_HEADINGS[alert.state]}: {alert.note}"


async def _handled(ctx: Ctx, manner: Manner, each: Alert | PushedCard | Unmapped) -> InboundResult:
    if isinstance(each, Unmapped):
        return failed(each, UNMAPPED, each.detail)
    try:
        async with undoable(ctx):
            if isinstance(each, PushedCard):
                written, card_id, code = await write_card(ctx, each)
                return result_of(each, written, card_id=card_id, code=code)
            outcome, ticket_id = await _done(ctx, manner, each)
    except _TOLD as refusal:
        return failed(each, refusal.code, refusal.detail)
    return result_of(each, outcome, ticket_id=None if ticket_id is None else str(ticket_id))


async def _done(ctx: Ctx, manner: Manner, alert: Alert) -> tuple[Outcome, UUID | None]:
    ticket = await _open_ticket(ctx, manner, alert)
    outcome = outcome_of(alert.state, is_open=ticket is not None)
    if outcome is Outcome.OPENED:
        created = await _opened(ctx, alert)
        await ctx.tx.run(_POINT, _key(ctx, manner, alert) | {"ticket": created.id})
        return outcome, created.id
    if ticket is None:
        return outcome, None
    note = {"kind": "note", "body": note_of(alert), "author_user_id": None, "author_contact_id": None}
    await service.add_comment(ctx, ticket.id, note)
    if outcome is Outcome.RECOVERED and manner.on_recovery == "solve":
        await service.update_ticket(ctx, ticket.id, {"status": Status.SOLVED}, expected=None)
    return outcome, ticket.id


async def _open_ticket(ctx: Ctx, manner: Manner, alert: Alert) -> Ticket | None:
    ticket_id = await ctx.tx.value(_TICKET, _key(ctx, manner, alert))
    if ticket_id is None:
        return None
    _, ticket = await service.locked(ctx, ticket_id)
    return None if Status(ticket.status) in FINISHED else ticket


async def _opened(ctx: Ctx, alert: Alert) -> Ticket:
    return await service.create_ticket(ctx, await ticket_of(ctx, alert))


def _key(ctx: Ctx, manner: Manner, alert: Alert) -> dict[str, object]:
    return {"tenant": ctx.tenant_id, "hook": manner.hook_id, "key_hash": _hash(alert)}


def _hash(alert: Alert) -> bytes:
    return hashlib.sha256(alert.dedupe_key.encode()).digest()
