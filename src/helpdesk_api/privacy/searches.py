"""Where an erasure looks, in order, and what it leaves there; the event log comes last (`privacy.event_search`).

What the person could sign in with is removed first (`privacy.sign_in_search`). What the person wrote is emptied or
redacted by whatever names them; elsewhere only values that tell of nobody else are taken out.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Table, cast, or_
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.domain.redaction import ERASED, Redactor
from helpdesk_api.files.models import files
from helpdesk_api.kit.idempotency import idempotency_keys
from helpdesk_api.kit.mail.queue import outbound_emails
from helpdesk_api.privacy.event_search import search_events
from helpdesk_api.privacy.matching import may_hold, may_name
from helpdesk_api.privacy.people import PersonType
from helpdesk_api.privacy.places import Place, places
from helpdesk_api.privacy.sign_in_search import removed, sign_in_searches
from helpdesk_api.privacy.work import Search, Work, page_of
from helpdesk_api.tickets.attachments import delete_locked, files_of
from helpdesk_api.tickets.models import comments, ticket_watchers, tickets
from helpdesk_api.webhooks.inbound.models import inbound_messages

_GONE: Final = b'{"type":"/problems/gone","title":"This is no longer available","status":410,"code":"gone"}'


def searches(person_type: PersonType) -> Sequence[Search]:
    """Give everything that an erasure does, beside the person's own row."""
    written: list[Search] = []
    if person_type == "contact":
        written = [
            _written(tickets, (tickets.c.subject, tickets.c.description), tickets.c.contact_id),
            _written(comments, (comments.c.body,), comments.c.author_contact_id),
            removed(ticket_watchers.c.contact_id),
        ]
    else:
        written = [_written(comments, (comments.c.body,), comments.c.author_user_id)]
    ways = sign_in_searches(person_type)
    named = map(_named, places())
    return [
        *ways,
        *written,
        _files(person_type),
        *named,
        _stored_answers,
        _sealed_emails,
        _inbound_messages,
        search_events,
    ]


def _written(table: Table, texts: tuple[Column[Any], ...], author: Column[UUID]) -> Search:
    async def search(work: Work, after: UUID) -> UUID | None:
        redactor = Redactor(work.wanted.values)
        empties = work.erasure.messages == "erase"
        page = await page_of(work, table, texts, author == work.erasure.person_id, after)
        return await page.rewrite(lambda _, text: ERASED if empties and text else redactor.text(text))

    return search


def _files(person_type: PersonType) -> Search:
    """Delete files of the person: nobody can be taken out of one, so those of a contact go whatever else stays."""

    async def search(work: Work, after: UUID) -> UUID | None:
        if person_type == "user" and work.erasure.messages != "erase":
            return None
        page = await page_of(work, files, (), files_of(person_type, work.ctx.tenant_id, work.erasure.person_id), after)
        for row in page.rows:
            await delete_locked(work.ctx, row["id"])
        await work.count(files.name, len(page.rows))
        return page.end

    return search


def _named(place: Place) -> Search:
    async def search(work: Work, after: UUID) -> UUID | None:
        own = work.wanted.own
        if not own:
            return None
        redactor = Redactor(own)
        page = await page_of(work, place.table, place.columns, or_(*(may_name(c, own) for c in place.columns)), after)
        return await page.rewrite(
            lambda column, text: redactor.json(text) if isinstance(column.type, JSONB) else redactor.text(text)
        )

    return search


async def _stored_answers(work: Work, after: UUID) -> UUID | None:
    """Take back stored answers that tell of the person: who repeats the request is told that the answer is gone."""
    table = idempotency_keys
    holds = may_hold(table.c.body, [str(work.erasure.person_id), *work.wanted.own])
    page = await page_of(work, table, (), ~table.c.is_sealed & (table.c.body != _GONE) & holds, after)
    return await page.set({"body": _GONE, "status": 410, "headers": {"content-type": "application/problem+json"}})


async def _inbound_messages(work: Work, after: UUID) -> UUID | None:
    """Take the person out of messages of other systems, which may write the same letter in several ways."""
    own = work.wanted.own
    if not own:
        return None
    body = inbound_messages.c.body
    page = await page_of(work, inbound_messages, (body,), may_name(cast(body, JSONB), own), after)
    redactor = Redactor(own)
    return await page.rewrite(lambda _, text: redactor.json(text))


async def _sealed_emails(work: Work, after: UUID) -> UUID | None:
    """Take the texts, which cannot be searched, out of e-mail to the person, whose address is gone by now."""
    table = outbound_emails
    has_text = (table.c.to_address == ERASED) & table.c.sealed_text.is_not(None)
    page = await page_of(work, table, (), has_text, after)
    return await page.set({"sealed_text": None})
