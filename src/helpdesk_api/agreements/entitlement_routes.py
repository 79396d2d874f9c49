"""The endpoints of entitlements: the usual ones, entering operations, the entries, and the balance at any instant."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Request

from helpdesk_api.agreements.entitlement_books import SHOWN, entry_of, last_entry_at
from helpdesk_api.agreements.entitlement_posting import Asked, enter_asked
from helpdesk_api.agreements.entitlement_schemas import (
    BalanceAt,
    Entitlement,
    EntitlementCreate,
    EntitlementUpdate,
    Entries,
    Entry,
    EntryCreate,
)
from helpdesk_api.agreements.entitlement_tables import ACCOUNTS, entitlement_entries
from helpdesk_api.agreements.entitlement_turns import begin_book
from helpdesk_api.agreements.entitlements import ENTITLEMENTS, check_entitlement
from helpdesk_api.domain.ledger import EntryKind
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.listing import Listing, Sort
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource_routes import ResourceRouter, add_create, add_delete, add_reading, add_update
from helpdesk_api.kit.schema import Instant, Page
from helpdesk_api.kit.unit_of_work import allowed

ENTRIES: Final = Listing(
    columns=SHOWN,
    tenant=entitlement_entries.c.tenant_id,
    key=entitlement_entries.c.id,
    filters=(),
    sorts=(Sort("number", entitlement_entries.c.number, "integer"),),
    default_sort="-number",
    # Who sees the entitlement sees all of its ledger.
    rows=SHARED,
)


async def _begin(ctx: Ctx, given: Mapping[str, Any], before: Entitlement | None, after: Entitlement) -> None:
    del given
    if before is None:
        await begin_book(ctx, after)


router = ResourceRouter(ENTITLEMENTS)
add_reading(router, ENTITLEMENTS)
add_create(
    router,
    ENTITLEMENTS,
    EntitlementCreate,
    check=check_entitlement,
    follow=_begin,
    note="The period that is now is granted at once, if the contract is in force.",
)
add_update(
    router,
    ENTITLEMENTS,
    EntitlementUpdate,
    check=check_entitlement,
    note="What was granted before stays as it was granted.",
)
add_delete(router, ENTITLEMENTS)


@router.post(
    "/{id}/entries",
    operation_id="entitlements_enter",
    summary="Grant, reserve, use or undo",
    description=(
        "Enters an operation in the ledger and answers with its entries. Said again under the same `source` and "
        "`reference`, it is not entered again: the answer is the same."
    ),
)
async def enter_operation(id: UUID, body: EntryCreate, ctx: Annotated[Ctx, allowed("entitlements:write")]) -> Entries:
    """Enter an operation."""
    asked = Asked(body.source, body.reference, body.amount, body.operation_id, body.reason, body.expires_at)
    return Entries.trusted({"data": await enter_asked(ctx, id, EntryKind(body.kind), asked)})


@router.get(
    "/{id}/entries",
    operation_id="entitlements_list_entries",
    openapi_extra=documented(ENTRIES.query_model),
    summary="List the entries of an entitlement",
    description="Pages through the ledger, the latest entry first unless `sort` says otherwise.",
)
async def list_entries(id: UUID, request: Request, ctx: Annotated[Ctx, allowed("entitlements:read")]) -> Page[Entry]:
    """List entries."""
    await crud.fetch(ctx, ENTITLEMENTS, id)
    query = read_query(request, ENTRIES.query_model)
    found = await find_page(ctx, ENTRIES, query, request.app.state.runtime.signer, entitlement_id=id)
    rows = [entry_of(row) for row in found.rows]
    return Page[Entry].trusted({"data": rows, "page": found.page, "total": found.total})


@router.get(
    "/{id}/balance",
    operation_id="entitlements_get_balance",
    summary="Read how much is left",
    description="Reads the accounts of an entitlement as they were at an instant: the sum of all entries up to it.",
)
async def get_balance(
    id: UUID,
    ctx: Annotated[Ctx, allowed("entitlements:read")],
    at: Annotated[Instant | None, Query(description="By default, now.")] = None,
) -> BalanceAt:
    """Read a balance."""
    await crud.fetch(ctx, ENTITLEMENTS, id)
    last = await last_entry_at(ctx, id, at)
    balance = dict.fromkeys(ACCOUNTS, 0) if last is None else vars(last.balance)
    left = balance["available"] + balance["rolled_over"]
    return BalanceAt.trusted({**balance, "at": at or ctx.now, "left": left})


_ENTRY: Final[dict[str, Any]] = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e81",
    "number": 2,
    "operation_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e82",
    "kind": "post",
    "from_account": "available",
    "to_account": "used",
    "amount": 45,
    "grant_number": 1,
    "reservation_id": None,
    "reverses_id": None,
    "ticket_id": None,
    "asked_amount": 40,
    "source": "timesheets",
    "reference": "2026-11-23/17",
    "reason": None,
    "occurred_at": "2026-11-23T09:30:00Z",
    "balance": {
        "granted": 600,
        "overage": 0,
        "available": 555,
        "rolled_over": 0,
        "reserved": 0,
        "used": 45,
        "expired": 0,
    },
}
ENTITLEMENT_EXAMPLES: Final[dict[str, Any]] = {
    "EntryCreate": {"kind": "post", "amount": 40, "source": "timesheets", "reference": "2026-11-23/17"},
    "Entries": {"data": [_ENTRY]},
    "EntryPage": {"data": [_ENTRY], "page": {"next_cursor": None, "prev_cursor": None}, "total": None},
    "BalanceAt": {**_ENTRY["balance"], "at": "2026-11-23T09:30:00Z", "left": 555},
}
