"""Acts: lines of a ticket, or of a contract and period, put on a document that is kept as it was issued.

A line is put on one act at most, which the database holds to; one that takes it back later goes on the next. What a
document is, and how it is written, is `domain.acts`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, func, or_, select

from helpdesk_api.agreements.contract_schemas import Contract
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.domain.acts import canonical, fingerprint
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.domain.money import NOTHING, Amounts, Totals, decimals_of, totals
from helpdesk_api.identity.visibility import CONTACT_REACHES, rows_of
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.sql import Statement, insert_many
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.tickets.act_schemas import ACT_EXAMPLE, Act, ActCreate, act_lines, acts
from helpdesk_api.tickets.line_schemas import Billing
from helpdesk_api.tickets.line_tables import ticket_lines
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.service import locked

MOST_LINES: Final = 5_000
_SAID: Final = ("kind", "code", "name", "unit", "minutes", "billing")
_DECIMALS: Final = ("quantity", "price", "discount", "vat_rate", "net", "vat", "gross")
_LINK: Final = Statement(insert_many(act_lines, ["tenant_id", "id", "act_id", "line_id"]))


class InvalidActError(InvalidError):
    """It is not said, or said twice, what is to be put on an act."""

    code = "invalid_act"
    title = "An act is for a ticket, or for a contract and a period"


class NothingToActError(ConflictError):
    """There are no lines that are not on an act already."""

    code = "nothing_to_act"
    title = "There are no lines that are not on an act yet"


class TooManyActLinesError(ConflictError):
    """An act holds a limited number of lines."""

    code = "too_many_act_lines"
    title = "An act cannot hold so many lines"


_of_company = rows_of(company=acts.c.company_id)
ACTS = Resource(
    name="act",
    plural="acts",
    table=acts,
    read=Act,
    example=ACT_EXAMPLE,
    filters=(
        Filter("number", acts.c.number, int),
        Filter("ticket_id", acts.c.ticket_id, UUID),
        Filter("contract_id", acts.c.contract_id, UUID),
        Filter("company_id", acts.c.company_id, UUID),
    ),
    sorts=(Sort("number", acts.c.number, "integer"),),
    includes=(Include("contract", "contract_id", CONTRACTS), Include("company", "company_id", COMPANIES)),
    rows={kind: seen for kind, seen in _of_company.items() if kind not in CONTACT_REACHES},
)


async def issue_act(ctx: Ctx, body: ActCreate) -> Act:
    """Put every line on an act that is on none yet.

    Raises InvalidActError, NothingToActError, TooManyActLinesError, UnknownCurrencyError and UnknownReferenceError.
    """
    decimals_of(body.currency)
    contract = await _known(ctx, body)
    _check(body)
    about = await _about(ctx, body, contract)
    # Numbers have no gaps, so whoever issues one waits for whoever issues the one before.
    await take_turn(ctx, f"acts {ctx.tenant_id}")
    lines = await _lines(ctx, body)
    number = 1 + (await ctx.tx.value(select(func.max(acts.c.number)).where(acts.c.tenant_id == ctx.tenant_id)) or 0)
    total = totals(_billed(lines))
    text = canonical(_document(ctx, body, about, number=number, lines=lines, total=total))
    values = {
        **body.model_dump(),
        "number": number,
        "company_id": about["company_id"],
        "net": total.net,
        "vat": total.vat,
        "gross": total.gross,
        "document": text,
        "sha256": fingerprint(text),
    }
    act = await crud.add(ctx, ACTS, values, decided=("contract_id", "company_id"))
    size = len(lines)
    rows = {"tenant_id": [ctx.tenant_id] * size, "id": [new_id() for _ in lines], "act_id": [act.id] * size}
    await ctx.tx.run(_LINK, rows | {"line_id": [line["id"] for line in lines]})
    return act


async def document_of(ctx: Ctx, act_id: UUID) -> tuple[Act, str]:
    """Read an act with its document as it was issued."""
    act = await crud.fetch(ctx, ACTS, act_id)
    kept = select(acts.c.document).where(acts.c.tenant_id == ctx.tenant_id, acts.c.id == act_id)
    return act, str(await ctx.tx.value(kept))


def _check(body: ActCreate) -> None:
    of_contract = (body.contract_id, body.starts_on, body.ends_on)
    if body.ticket_id is not None:
        if of_contract != (None, None, None):
            message = "An act for a ticket names neither a contract nor a period."
            raise InvalidActError(message, pointer="/contract_id")
        return
    if body.contract_id is None or body.starts_on is None or body.ends_on is None:
        message = "An act is for a ticket, or for a contract from a first to a last day."
        raise InvalidActError(message, pointer="/contract_id")
    if body.ends_on < body.starts_on:
        message = "ends_on must not be before starts_on."
        raise InvalidActError(message, pointer="/ends_on")


async def _known(ctx: Ctx, body: ActCreate) -> Contract | None:
    """Give the contract that is named; raises UnknownReferenceError, also for the ticket."""
    if body.ticket_id is not None and body.ticket_id not in await crud.fetch_many(ctx, TICKETS, [body.ticket_id]):
        message = f"There is no ticket {body.ticket_id}."
        raise UnknownReferenceError(message, pointer="/ticket_id")
    if body.contract_id is None:
        return None
    found = (await crud.fetch_many(ctx, CONTRACTS, [body.contract_id])).get(body.contract_id)
    if found is None:
        message = f"There is no contract {body.contract_id}."
        raise UnknownReferenceError(message, pointer="/contract_id")
    return found


async def _about(ctx: Ctx, body: ActCreate, contract: Contract | None) -> dict[str, Any]:
    """Tell whom an act is for, and under which contract."""
    ticket_id = body.ticket_id
    if ticket_id is not None:
        # Nobody notes a line on the ticket meanwhile.
        _, ticket = await locked(ctx, ticket_id)
        return {"contract_number": None, **await _client(ctx, ticket.company_id)}
    line, ticket_of = ticket_lines.c, tickets.c
    clients = (
        select(ticket_of.company_id)
        .distinct()
        .join(ticket_lines, (line.tenant_id == ticket_of.tenant_id) & (line.ticket_id == ticket_of.id))
        .where(*_wanted(ctx, body))
        .limit(2)
    )
    ids = [row["company_id"] for row in await ctx.tx.rows(clients)]
    # A contract may be with several clients, and then the act is for none of them alone.
    number = None if contract is None else contract.number
    return {"contract_number": number, **await _client(ctx, ids[0] if len(ids) == 1 else None)}


async def _client(ctx: Ctx, company_id: UUID | None) -> dict[str, Any]:
    found = await crud.fetch_many(ctx, COMPANIES, [] if company_id is None else [company_id])
    return {"company_id": company_id, "company_name": next((each.name for each in found.values()), None)}


def _wanted(ctx: Ctx, body: ActCreate) -> tuple[Any, ...]:
    line = ticket_lines.c
    is_on_an_act = exists().where(act_lines.c.tenant_id == line.tenant_id, act_lines.c.line_id == line.id)
    common = (
        line.tenant_id == ctx.tenant_id,
        # What is covered without a rate has no currency, and is told on whichever act comes first.
        or_(line.currency == body.currency, line.currency.is_(None)),
        ~is_on_an_act,
    )
    if body.starts_on is None or body.ends_on is None:
        return (*common, line.ticket_id == body.ticket_id)
    begins, ends = (datetime.combine(day, time(), UTC) for day in (body.starts_on, body.ends_on))
    # Not the last instant of the last day, which no clock has, but before the first of the next.
    return (
        *common,
        line.contract_id == body.contract_id,
        line.worked_at >= begins,
        line.worked_at < ends + timedelta(days=1),
    )


async def _lines(ctx: Ctx, body: ActCreate) -> list[Record]:
    line, ticket = ticket_lines.c, tickets.c
    query = (
        select(
            *(line[name] for name in ("id", "worked_at", "reverses_id", *_SAID, *_DECIMALS)),
            ticket.number.label("ticket_number"),
        )
        .join(tickets, (ticket.tenant_id == line.tenant_id) & (ticket.id == line.ticket_id))
        .where(*_wanted(ctx, body))
        .order_by(line.worked_at, line.id)
        .limit(MOST_LINES + 1)
    )
    rows = await ctx.tx.rows(query)
    if not rows:
        message = "There are no lines that are not on an act yet."
        raise NothingToActError(message)
    if len(rows) > MOST_LINES:
        message = f"There are more than {MOST_LINES} lines; take a shorter period."
        raise TooManyActLinesError(message)
    return rows


def _billed(lines: Sequence[Record]) -> list[tuple[Decimal, Amounts]]:
    return [
        (line["vat_rate"], Amounts(line["discount"], line["net"], line["vat"], line["gross"]))
        for line in lines
        if line["billing"] == Billing.BILLABLE
    ]


def _document(
    ctx: Ctx, body: ActCreate, about: dict[str, Any], *, number: int, lines: Sequence[Record], total: Totals
) -> dict[str, Any]:
    zero = NOTHING.scaleb(-decimals_of(body.currency))
    return {
        "format": "helpdesk-act",
        "format_version": 1,
        "number": number,
        "issued_at": ctx.now.astimezone(UTC).isoformat(),
        "currency": body.currency,
        "ticket_id": _text(body.ticket_id),
        "contract_id": _text(body.contract_id),
        "contract_number": about["contract_number"],
        "company_id": _text(about["company_id"]),
        "company_name": about["company_name"],
        "starts_on": _text(body.starts_on),
        "ends_on": _text(body.ends_on),
        "lines": [_line(place, line) for place, line in enumerate(lines, start=1)],
        "by_rate": [
            {"vat_rate": _plain(each.vat_rate), **_sums(each.net, each.vat, each.gross)} for each in total.by_rate
        ],
        **_sums(total.net + zero, total.vat + zero, total.gross + zero),
    }


def _line(place: int, line: Record) -> dict[str, Any]:
    return {
        "number": place,
        "id": _text(line["id"]),
        "reverses_id": _text(line["reverses_id"]),
        "ticket_number": line["ticket_number"],
        "worked_at": line["worked_at"].astimezone(UTC).isoformat(),
        **{name: line[name] for name in _SAID},
        **{name: _plain(line[name]) for name in _DECIMALS},
    }


def _sums(net: Decimal, vat: Decimal, gross: Decimal) -> dict[str, str | None]:
    return {"net": _plain(net), "vat": _plain(vat), "gross": _plain(gross)}


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
