"""What an operator does about erasures of every tenant: keep their ledger, check it, replay it after a restore."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select

from helpdesk_api.domain.errors import NotFoundError
from helpdesk_api.identity.tenants import Tenant, find_tenant, list_tenants
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sql import Statement
from helpdesk_api.ops.tenants_admin import as_operator
from helpdesk_api.privacy.erasures import erasures, request_erasure
from helpdesk_api.privacy.people import RESOURCES, is_erased, person_type_of
from helpdesk_api.privacy.records import Ledgered, is_authentic, ledgered, vouches_for_events

_DONE: Final = Statement(
    select(erasures.c.record)
    .where(erasures.c.tenant_id == bindparam("tenant"), erasures.c.state == "done")
    .order_by(erasures.c.completed_at, erasures.c.id)
)
_FIND: Final = Statement(
    select(erasures.c.state).where(erasures.c.tenant_id == bindparam("tenant"), erasures.c.id == bindparam("erasure"))
)


class UnsignedRecordError(Exception):
    """A line of a ledger was not signed by the expected key, or was changed since."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was found or done about one erasure."""

    tenant: str
    erasure_id: UUID
    person_type: str
    person_id: UUID
    verdict: str


async def ledger(runtime: Runtime, tenant_name_or_id: str | None) -> list[dict[str, Any]]:
    """Give the signed record of every erasure that is done."""
    found: list[dict[str, Any]] = []
    for tenant in await _chosen(runtime, tenant_name_or_id):
        async with runtime.db.snapshot(tenant.id) as transaction:
            found += [row["record"] for row in await transaction.rows(_DONE, {"tenant": tenant.id})]
    return found


async def verify(runtime: Runtime, tenant_name_or_id: str | None, *, public_key: bytes | None) -> list[Line]:
    """Check every record of the chosen tenants."""
    key = public_key or runtime.notary.public_key
    found: list[Line] = []
    for tenant in await _chosen(runtime, tenant_name_or_id):
        async with as_operator(runtime, tenant) as ctx:
            rows = await ctx.tx.rows(_DONE, {"tenant": tenant.id})
            found += [_line(tenant.name, row["record"], await _verdict(ctx, row["record"], key)) for row in rows]
    return found


async def replay(runtime: Runtime, records: Sequence[dict[str, Any]], *, public_key: bytes | None) -> list[Line]:
    """Ask again for every erasure of a ledger whose person is there; raises UnsignedRecordError before doing any."""
    key = public_key or runtime.notary.public_key
    for number, record in enumerate(records, 1):
        if not is_authentic(record, key):
            message = f"line {number} is not signed by this key; nothing was done"
            raise UnsignedRecordError(message)
    tenants = {tenant.id: tenant for tenant in await list_tenants(runtime.db)}
    found: list[Line] = []
    for record in records:
        told = ledgered(record)
        tenant = tenants.get(told.tenant_id)
        if tenant is None:
            found.append(_line(str(told.tenant_id), record, "no such tenant"))
            continue
        async with as_operator(runtime, tenant) as ctx:
            found.append(_line(tenant.name, record, await _replayed(ctx, told)))
    return found


async def _replayed(ctx: Ctx, told: Ledgered) -> str:
    person_type = person_type_of(told.person_type)
    try:
        row = await crud.fetch(ctx, RESOURCES[person_type], told.person_id)
    except NotFoundError:
        return "not there"
    state = await ctx.tx.value(_FIND, {"tenant": ctx.tenant_id, "erasure": told.erasure_id})
    if state is not None and (state == "pending" or is_erased(person_type, told.person_id, row)):
        return "erased already" if state == "done" else "being erased"
    await request_erasure(
        replace(ctx, now=ctx.real_now),
        person_type,
        told.person_id,
        reason=f"Replay of the erasure {told.erasure_id}",
        messages=told.messages,
        erasure_id=told.erasure_id if state is None else None,
    )
    return "to be erased again"


async def _verdict(ctx: Ctx, record: dict[str, Any], key: bytes) -> str:
    if not is_authentic(record, key):
        return "not signed by this key"
    told = ledgered(record)
    person_type = person_type_of(told.person_type)
    row = (await crud.fetch_many(ctx, RESOURCES[person_type], [told.person_id])).get(told.person_id)
    if row is not None and not is_erased(person_type, told.person_id, row):
        return "the person is back"
    if not await vouches_for_events(ctx.tx, ctx.tenant_id, record):
        return "the event log is not as it was left"
    return "intact"


async def _chosen(runtime: Runtime, tenant_name_or_id: str | None) -> list[Tenant]:
    if tenant_name_or_id is None:
        return await list_tenants(runtime.db)
    return [await find_tenant(runtime.db, tenant_name_or_id)]


def _line(tenant: str, record: dict[str, Any], verdict: str) -> Line:
    document = record["document"]
    return Line(tenant, document["erasure_id"], document["person_type"], document["person_id"], verdict)
