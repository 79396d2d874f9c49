"""Counting the tickets of client cards anew when they have changed: at most once in half a minute for a card.

What happens to tickets is heard behind the commit and noted as a deadline of the card, which all that happens within
the same half minute share; when it is due, the state of that moment is counted, by one statement for many cards, and
told only if it is another than the last. So the last state is always told, however much happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, Table, Uuid, and_, any_, bindparam, delete, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.directory.companies import companies
from helpdesk_api.directory.contacts import contacts
from helpdesk_api.directory.locations import locations
from helpdesk_api.directory.ticket_summaries import TICKET_SUMMARIES, TicketSummary, ticket_summaries
from helpdesk_api.domain.workflow import FINISHED
from helpdesk_api.kit import crud, deadlines
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.deadlines import Deadline, DueDeadline, Handler, Unfired
from helpdesk_api.kit.events import cause_of_event, record
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import is_sandbox_tenant, tenant_time
from helpdesk_api.tickets.models import comments, sla_clocks, tickets

# How long changes of one card are taken together, and how far the clocks of two workers may be apart.
SPAN: Final = timedelta(seconds=30)
_APART: Final = timedelta(seconds=15)
# What changes no number, and happens often.
_NO_NEWS: Final = frozenset(
    {
        *("ticket.note_added", "ticket.assigned", "ticket.woken", "ticket.sla_warning", "ticket.sla_started"),
        *("ticket.sla_escalated", "ticket.sla_paused", "ticket.rule_applied"),
    }
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of card: what points at it, what its deadlines are called, and the statement that counts."""

    card: Table
    column: str
    deadline: str
    counting: Statement
    free: Statement
    known: Statement


def _kind(card: Table, column: str) -> _Kind:
    ids = any_(bindparam("ids", type_=ARRAY(Uuid)))
    here = select(card.c.id).where(card.c.tenant_id == bindparam("tenant"), card.c.id == ids).order_by(card.c.id)
    return _Kind(
        card,
        column,
        f"{column.removesuffix('_id')}.ticket_summary",
        _counting(column),
        Statement(here.with_for_update(read=True, key_share=True, skip_locked=True)),
        Statement(here),
    )


def _counting(column: str) -> Statement:
    """Count for several cards at once; of tickets that did not change since, nothing more is looked at."""
    tenant = bindparam("tenant", type_=Uuid())
    now, quarter = (bindparam(name, type_=DateTime(timezone=True)) for name in ("now", "quarter"))
    is_open = and_(*(tickets.c.status != status for status in sorted(FINISHED)))
    clocks = sla_clocks.c
    is_live = or_(clocks.state == "running", clocks.state == "paused")
    passed = (
        select(
            func.bool_or(is_live & (clocks.due_at <= now)).label("is_overdue"),
            func.bool_or(clocks.breached_at >= quarter).label("is_breached"),
        )
        .where(
            clocks.tenant_id == tenant,
            clocks.ticket_id == tickets.c.id,
            or_(tickets.c.closed_at.is_(None), tickets.c.closed_at >= quarter),
        )
        .lateral("passed")
    )
    last = ticket_summaries.c.last_contact_at
    replied = (
        select(func.max(comments.c.created_at).label("at"))
        .where(
            comments.c.tenant_id == tenant,
            comments.c.ticket_id == tickets.c.id,
            comments.c.kind == "reply",
            or_(last.is_(None), tickets.c.updated_at >= last),
        )
        .lateral("replied")
    )
    card = tickets.c[column]
    return Statement(
        select(
            card.label("card_id"),
            func.count().filter(is_open).label("open_count"),
            func.count().filter(is_open, passed.c.is_overdue).label("overdue_count"),
            func.count().filter(passed.c.is_breached).label("breached_count"),
            func.max(func.greatest(replied.c.at, tickets.c.created_at, last)).label("last_contact_at"),
        )
        .select_from(
            tickets.outerjoin(
                ticket_summaries,
                (ticket_summaries.c.tenant_id == tenant) & (ticket_summaries.c.id == card),
            )
            .join(passed, true())
            .join(replied, true())
        )
        .where(tickets.c.tenant_id == tenant, card == any_(bindparam("ids", type_=ARRAY(Uuid))))
        .group_by(card)
    )


_KINDS: Final = (
    _kind(companies, "company_id"),
    _kind(contacts, "contact_id"),
    _kind(locations, "location_id"),
)
_CARDS_OF: Final = Statement(
    select(tickets.c.id, *(tickets.c[kind.column] for kind in _KINDS)).where(
        tickets.c.tenant_id == bindparam("tenant"), tickets.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
    )
)
_rows = deadlines.deadlines.c
_FORGET_FIRED: Final = Statement(
    delete(deadlines.deadlines).where(
        _rows.tenant_id == bindparam("tenant"),
        _rows.kind == bindparam("kind"),
        _rows.object_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        _rows.instance < bindparam("before"),
        _rows.fired_at.is_not(None),
    )
)


async def follow_tickets(ctx: Ctx, told: Sequence[Record]) -> None:
    """See to it that the cards of tickets to which something happened are counted anew."""
    news = [event for event in told if event["object_type"] == "ticket" and event["type"] not in _NO_NEWS]
    if not news:
        return
    ids = list({event["object_id"] for event in news})
    rows = {row["id"]: row for row in await ctx.tx.rows(_CARDS_OF, {"tenant": ctx.tenant_id, "ids": ids})}
    due: dict[tuple[str, UUID], Cause] = {}
    for event in news:
        row = rows.get(event["object_id"])
        for kind in _KINDS:
            named = {value for value in event["changes"].get(kind.column) or () if value is not None}
            cards = {UUID(value) for value in named} | ({row[kind.column]} if row is not None else set())
            due |= {(kind.deadline, card_id): cause_of_event(event) for card_id in cards if card_id is not None}
    # What is dispatched is so in real time, also for a tenant on a test clock.
    is_sandbox = await is_sandbox_tenant(ctx.tx, ctx.tenant_id)
    time = await tenant_time(ctx.tx, ctx.tenant_id, real_now=ctx.real_now, is_sandbox=is_sandbox, read_only=False)
    timed = replace(ctx, now=time.now, is_test_clock=time.is_test_clock)
    span, at = _span_of(timed.now)
    await deadlines.arrange(
        timed,
        [Deadline(kind, card_id, span, at, cause) for (kind, card_id), cause in sorted(due.items(), key=_by_card)],
    )


def _by_card(item: tuple[tuple[str, UUID], Cause]) -> tuple[str, UUID]:
    """Order deadlines in one way for everybody, so that two who set the same never wait for each other."""
    return item[0]


def _span_of(now: datetime) -> tuple[int, datetime]:
    """Give the number of the half minute that an instant is in, and when what happened in it is due."""
    number = int(now.timestamp() // SPAN.total_seconds())
    return number, datetime.fromtimestamp((number + 1) * SPAN.total_seconds(), UTC) + _APART


def _handler(kind: _Kind) -> Handler:
    async def summarise(ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
        ids = sorted({deadline.object_id for deadline in due})
        params = {"tenant": ctx.tenant_id, "ids": ids}
        free = {row["id"] for row in await ctx.tx.rows(kind.free, params)}
        waiting: list[UUID] = []
        if len(free) < len(ids):
            # What is gone has nothing to be told; a card that somebody is at is counted later.
            held = {row["id"] for row in await ctx.tx.rows(kind.known, params)} - free
            waiting = [deadline.id for deadline in due if deadline.object_id in held]
        before = min(deadline.instance for deadline in due)
        await ctx.tx.run(_FORGET_FIRED, {**params, "kind": kind.deadline, "before": before})
        await _count(ctx, kind, {deadline.object_id: deadline for deadline in due if deadline.object_id in free})
        return Unfired(waiting=waiting)

    return summarise


async def _count(ctx: Ctx, kind: _Kind, due: Mapping[UUID, DueDeadline]) -> None:
    now = max([ctx.now, *(deadline.due_at for deadline in due.values())])
    quarter, following = _quarter_of(now)
    began_at = datetime(quarter.year, quarter.month, quarter.day, tzinfo=UTC)
    params = {"tenant": ctx.tenant_id, "ids": sorted(due), "now": now, "quarter": began_at}
    counted = {row["card_id"]: row for row in await ctx.tx.rows(kind.counting, params)}
    # On a test clock deadlines fire for whoever moves it, who may do less.
    acting = replace(ctx, principal=system(ctx.tenant_id, is_sandbox=ctx.principal.is_sandbox))
    known = await crud.fetch_many(acting, TICKET_SUMMARIES, sorted(due))
    again: list[Deadline] = []
    for card_id in sorted(due):
        row, before = counted.get(card_id), known.get(card_id)
        values = _values(row, before, quarter)
        if values is None:
            continue
        moment = replace(acting, now=now, cause=Cause("deadline", str(due[card_id].id)))
        if before is None:
            of_card = dict.fromkeys(each.column for each in _KINDS) | {kind.column: card_id}
            await crud.add(moment, TICKET_SUMMARIES, of_card | values, object_id=card_id)
        else:
            await _change(moment, kind, card_id, values)
        if values["breached_count"]:
            # With the next quarter the count begins anew, whether or not anything happens.
            again.append(Deadline(kind.deadline, card_id, _span_of(following)[0], following, moment.cause))
    await deadlines.arrange(ctx, again)


async def _change(ctx: Ctx, kind: _Kind, card_id: UUID, values: dict[str, Any]) -> None:
    before = await crud.fetch_locked(ctx, TICKET_SUMMARIES, card_id)
    effective = crud.difference(TICKET_SUMMARIES, before, values)
    after = await crud.store_changes(ctx, TICKET_SUMMARIES, before, {name: new for name, (_, new) in effective.items()})
    told = {"card_type": kind.column.removesuffix("_id")}
    record(ctx, "ticket_summary.updated", object_id=card_id, version=after.version, changes=effective, data=told)


def _values(row: Record | None, before: TicketSummary | None, quarter: date) -> dict[str, Any] | None:
    """Give what a card tells from now on; nothing if that is what it tells already."""
    if row is None and before is None:
        return None
    last = before.last_contact_at if before is not None else None
    values: dict[str, Any] = {
        **{name: 0 if row is None else row[name] for name in ("open_count", "overdue_count", "breached_count")},
        "last_contact_at": last if row is None else row["last_contact_at"],
    }
    is_same = before is not None and all(getattr(before, name) == value for name, value in values.items())
    # That another quarter has begun without anything to count is no news.
    if before is not None and is_same and (before.quarter_began_on == quarter or not values["breached_count"]):
        return None
    return values | {"quarter_began_on": quarter}


def _quarter_of(now: datetime) -> tuple[date, datetime]:
    """Give the first day of the quarter of an instant, in UTC, and when the next one begins."""
    today = now.astimezone(UTC).date()
    began = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    year, month = (began.year, began.month + 3) if began.month < 10 else (began.year + 1, 1)  # noqa: PLR2004 - October.
    return began, datetime(year, month, 1, tzinfo=UTC)


HANDLERS: Final[Mapping[str, Handler]] = {kind.deadline: _handler(kind) for kind in _KINDS}
