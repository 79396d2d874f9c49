"""What an erasure takes out of the event log: what tells of the person, what they wrote, and from where they came."""

import json
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, literal, or_

from helpdesk_api.domain.redaction import ERASED, Redactor
from helpdesk_api.identity.audit_hashing import hashable
from helpdesk_api.identity.audit_redactions import redact_event
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events
from helpdesk_api.privacy.matching import may_name
from helpdesk_api.privacy.people import PRIVATE, person_type_of, tickets_of
from helpdesk_api.privacy.work import Work, end_of_page, within

_WRITTEN_IN_TICKETS: Final = ("subject", "description")


async def search_events(work: Work, after: UUID) -> UUID | None:
    """Redact one page of the event log; gives where the next begins."""
    ctx = work.ctx
    asked_for = await tickets_of(ctx, work.erasure.person_id) if work.erasure.person_type == "contact" else []
    end = await end_of_page(ctx, events, after)
    rows = await ctx.tx.rows(
        hashable().where(within(ctx, events, after, end), _may_tell(work, asked_for)).order_by(events.c.id)
    )
    changed = 0
    for row in rows:
        changed += await _redact(work, row, set(asked_for))
    await work.count("events", changed)
    return end


def _may_tell(work: Work, asked_for: list[UUID]) -> ColumnElement[bool]:
    person = work.erasure.person_id
    conditions = [
        events.c.object_id == person,
        events.c.actor_id == person,
        events.c.object_id == any_(literal(asked_for, ARRAY(Uuid))),
    ]
    if work.wanted.own:
        conditions += [may_name(events.c.changes, work.wanted.own), may_name(events.c.data, work.wanted.own)]
    return or_(*conditions)


async def _redact(work: Work, event: Record, asked_for: set[UUID]) -> bool:
    person = work.erasure.person_id
    is_about = event["object_id"] == person or event["object_id"] in asked_for or event["actor_id"] == person
    redactor = Redactor(work.wanted.values if is_about else work.wanted.own)
    changes = event["changes"]
    if event["object_id"] == person:
        changes = _emptied(changes, PRIVATE[person_type_of(work.erasure.person_type)])
    elif event["object_id"] in asked_for and work.erasure.messages == "erase":
        changes = _emptied(changes, _WRITTEN_IN_TICKETS)
    changes, data = redactor.json(changes), redactor.json(event["data"])
    forgets_origin = event["actor_id"] == person and (event["ip"], event["user_agent"]) != (None, None)
    if (changes, data) == (event["changes"], event["data"]) and not forgets_origin:
        return False
    await redact_event(
        work.ctx, work.erasure.id, event, changes=changes, data=data, forgets_origin=forgets_origin
    )  # fmt: skip
    return True


def _emptied(changes: str, fields: tuple[str, ...]) -> str:
    """Erase every text in these fields of the changes; what is not one of them stays as it was written."""
    told: dict[str, Any] = json.loads(changes)
    if not told.keys() & set(fields):
        return changes
    return json.dumps(
        {field: _without_texts(value) if field in fields else value for field, value in told.items()},
        ensure_ascii=False,
    )


def _without_texts(value: object) -> object:
    match value:
        case str():
            return ERASED
        case list():
            return [_without_texts(item) for item in value]
        case _:
            return value
