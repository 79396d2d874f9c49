"""The audit trail: every change and every security event of a tenant, newest first, with who, from where and by what.

It is the event log (`kit.events`) as an auditor asks for it; whoever follows what happens reads the feed instead. Its
seals are shown here too, for a customer to keep (`identity.audit_seals`). A page begins at an id: ids are made in the
order of real time, also in a sandbox.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import Column, ColumnElement, Select, any_, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET

from helpdesk_api.identity.audit_schemas import (
    AuditActor,
    AuditCause,
    AuditEntry,
    AuditOrigin,
    AuditPage,
    AuditPageInfo,
    AuditQuery,
    AuditSeal,
)
from helpdesk_api.identity.audit_seals import audit_seals
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.events import events
from helpdesk_api.kit.id_times import first_id, made_at, next_millisecond
from helpdesk_api.kit.listing import Listing, Sort
from helpdesk_api.kit.paging import find_page
from helpdesk_api.kit.query import documented, read_query
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Page
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.visibility import seen_rows

_CURSOR: Final = "audit"

_SHOWN = tuple(column for column in events.c if column.name not in {"tenant_id", "xid", "seq", "salt"})


_SEALS = Listing(
    columns=tuple(audit_seals.c[name] for name in AuditSeal.model_fields),
    tenant=audit_seals.c.tenant_id,
    key=audit_seals.c.id,
    filters=(),
    sorts=(Sort("number", audit_seals.c.number, "integer"),),
    default_sort="-number",
    rows={},
)

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=UnitOfWorkRoute)


@router.get(
    "",
    operation_id="audit_list",
    openapi_extra=documented(AuditQuery),
    summary="Read the audit trail",
    description=(
        "Tells who changed what, from which address, with which credential and by which request, newest first. "
        "It is the trail of the whole tenant, so a caller who is narrowed to some rows sees none of it; fields that "
        "the caller is not shown are left out. Entries cannot be changed or removed over the API, and tampering in the "
        "database is found by `helpdesk audit verify`."
    ),
)
async def list_audit(request: Request, ctx: Annotated[Ctx, allowed("audit:read")]) -> AuditPage:
    """Read the audit trail."""
    query = read_query(request, AuditQuery)
    signer: Signer = request.app.state.runtime.signer
    binding = _binding(ctx, query)
    # The trail is of the whole tenant: who does not see all of it sees none.
    conditions = list(seen_rows({}, ctx.principal.reach.kind))
    if query.cursor is not None:
        conditions.append(events.c.id < _read_cursor(signer, query.cursor, binding))
    rows = await ctx.tx.rows(entries(ctx.tenant_id, query).where(*conditions))
    has_more = len(rows) > query.limit
    del rows[query.limit :]
    next_cursor = _write_cursor(signer, binding, rows[-1]["id"]) if has_more else None
    resources = request.app.state.runtime.resources
    page = AuditPageInfo.trusted({"next_cursor": next_cursor})
    return AuditPage.trusted({"data": [_entry(ctx, resources, row) for row in rows], "page": page})


@router.get(
    "/seals",
    operation_id="audit_seals_list",
    openapi_extra=documented(_SEALS.query_model),
    summary="List the seals of the audit trail",
    description=(
        "Pages through the chain of seals, newest first. About a minute after events were recorded a seal covers "
        "them. Keep the newest one somewhere else: as long as `helpdesk audit verify` finds a seal of that number "
        "with that hash, nothing that it and those before it cover was changed, removed or added."
    ),
)
async def list_seals(request: Request, ctx: Annotated[Ctx, allowed("audit:read")]) -> Page[AuditSeal]:
    """List the seals."""
    query = read_query(request, _SEALS.query_model)
    found = await find_page(ctx, _SEALS, query, request.app.state.runtime.signer)
    rows = [AuditSeal.from_record(row) for row in found.rows]
    return Page[AuditSeal].trusted({"data": rows, "page": found.page, "total": found.total})


def entries(tenant_id: UUID, query: AuditQuery) -> Select[Any]:
    """Select what is asked for, newest first, and one row more."""
    conditions = (events.c.tenant_id == tenant_id, *_conditions(query))
    return select(*_SHOWN).where(*conditions).order_by(events.c.id.desc()).limit(query.limit + 1)


def _conditions(query: AuditQuery) -> list[ColumnElement[bool]]:
    conditions = [
        _is_one_of(column, values)
        for column, values in (
            (events.c.actor_id, query.actor_id),
            (events.c.actor_type, query.actor_type),
            (events.c.credential_id, query.credential_id),
            (events.c.object_type, query.object_type),
            (events.c.object_id, query.object_id),
            (events.c.cause_id, query.request_id),
        )
        if values
    ]
    if query.request_id:
        conditions.append(events.c.cause_type == "request")
    if query.type:
        families = [name.removesuffix(".*") for name in query.type if name.endswith(".*")]
        conditions.append(
            or_(
                events.c.type == any_(literal(query.type, ARRAY(events.c.type.type))),
                events.c.object_type == any_(literal(families, ARRAY(events.c.object_type.type))),
            )
        )
    if query.ip:
        conditions.append(_is_from(query.ip))
    return [*conditions, *_within(query)]


def _is_one_of(column: Column[Any], values: Sequence[object]) -> ColumnElement[bool]:
    """Compare with the only value as such: its rows are then read from an index in the order that is wanted."""
    if len(values) == 1:
        return column == values[0]
    return column == any_(literal(list(values), ARRAY(column.type)))


def _is_from(texts: Sequence[str]) -> ColumnElement[bool]:
    networks = [ip_network(text) for text in texts]
    if len(networks) > 1:
        return events.c.ip.bool_op("<<=")(any_(literal(networks, ARRAY(CIDR))))
    (network,) = networks
    if network.num_addresses == 1:
        return events.c.ip == literal(network[0], INET)
    # Bounds, which an index knows how to find.
    return events.c.ip.between(literal(network[0], INET), literal(network[-1], INET))


def _within(query: AuditQuery) -> list[ColumnElement[bool]]:
    """Bound the ids by the times that they begin with, so that a stretch of time is a stretch of the key."""
    starts = (query.recorded_at__gte, _beyond(query.recorded_at__gt))
    ends = (query.recorded_at__lt, _beyond(query.recorded_at__lte))
    return [
        *(events.c.id >= first_id(start) for start in starts if start is not None),
        *(events.c.id < first_id(end) for end in ends if end is not None),
    ]


def _beyond(instant: datetime | None) -> datetime | None:
    return None if instant is None else next_millisecond(instant)


def _entry(ctx: Ctx, resources: Mapping[str, Resource[Any]], row: Record) -> AuditEntry:
    values = dict(row.items())
    if (resource := resources.get(row["object_type"])) is not None:
        values["changes"] = resource.shown_changes(row["changes"], ctx.principal.field_groups)
    ip = values["ip"]
    return AuditEntry.trusted({
        **{name: values[name] for name in AuditEntry.model_fields if name in values},
        "actor": AuditActor.trusted({"type": values["actor_type"], "id": values["actor_id"]}),
        "origin": AuditOrigin.trusted({
            "credential_id": values["credential_id"],
            "ip": None if ip is None else str(ip),
            "user_agent": values["user_agent"],
        }),
        "cause": AuditCause.trusted({"type": values["cause_type"], "id": values["cause_id"]}),
        "recorded_at": made_at(values["id"]),
    })  # fmt: skip


def _binding(ctx: Ctx, query: AuditQuery) -> str:
    filters = query.model_dump(mode="json", exclude={"cursor", "limit"})
    return hashlib.blake2s(f"{ctx.tenant_id}{json.dumps(filters)}".encode(), digest_size=9).hexdigest()


def _write_cursor(signer: Signer, binding: str, last_id: UUID) -> str:
    return signer.sign(_CURSOR, json.dumps([binding, last_id.hex], separators=(",", ":")).encode())


def _read_cursor(signer: Signer, text: str, binding: str) -> UUID:
    payload = signer.verify(_CURSOR, text)
    found = None if payload is None else json.loads(payload)
    if found is None or found[0] != binding:
        message = "The cursor was made for other filters, or is damaged; start from the newest entry."
        raise CursorMismatchError(message, pointer="/cursor", location="query")
    return UUID(found[1])
