"""What an operator does to tenants and their keys, outside of the API and above every tenant.

The rules are those of `identity`; values from a command line are checked here by the same types as a request's body.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import bindparam, select

from helpdesk_api.identity import api_keys
from helpdesk_api.identity.api_keys import API_KEYS, ApiKey, ApiKeyCreate, ExpiryInPastError
from helpdesk_api.identity.builtin_roles import BUILT_IN
from helpdesk_api.identity.tenant_export import begin_export
from helpdesk_api.identity.tenant_operations import Operator
from helpdesk_api.identity.tenant_schemas import QuotasInput
from helpdesk_api.identity.tenants import Tenant, create_tenant, find_tenant, list_tenants
from helpdesk_api.kit.context import Cause, Ctx, new_id, system
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Line
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.kit.visibility import EVERY_GROUP

EVERYTHING: Final[Sequence[str]] = tuple(BUILT_IN["admin"]["permissions"])

_NAME: TypeAdapter[str] = TypeAdapter(Line)
_keys = API_KEYS.table
_KEYS = Statement(
    select(*API_KEYS.columns).where(_keys.c.tenant_id == bindparam("tenant")).order_by(_keys.c.created_at, _keys.c.id)
)


class NotUsableError(Exception):
    """A name or a key was described on the command line in a way that the API would not take; the message says how."""


async def create(runtime: Runtime, name: str, *, clock_at: datetime | None) -> Tenant:
    """Create a tenant; raises NotUsableError, or AlreadyExistsError when the name is taken."""
    try:
        usable = _NAME.validate_python(name)
    except ValidationError as error:
        raise NotUsableError(f"name: {error.errors()[0]['msg']}") from None
    return await create_tenant(runtime.db, usable, clock_at=clock_at)


async def list_all(runtime: Runtime) -> list[Tenant]:
    """List every tenant, oldest first."""
    return await list_tenants(runtime.db)


async def suspend(runtime: Runtime, name_or_id: str) -> Tenant:
    """Serve a tenant no more; raises NotFoundError."""
    return await _operator(runtime).suspend(await _id_of(runtime, name_or_id))


async def resume(runtime: Runtime, name_or_id: str) -> Tenant:
    """Serve a tenant again; raises NotFoundError or DeletionScheduledError."""
    return await _operator(runtime).resume(await _id_of(runtime, name_or_id))


async def set_quotas(runtime: Runtime, name_or_id: str, given: Mapping[str, int | None]) -> Tenant:
    """Change the quotas that are given, None for no limit; raises NotFoundError or NotUsableError."""
    try:
        wanted = QuotasInput.model_validate(given)
    except ValidationError as error:
        raise NotUsableError("; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())) from None
    columns = {f"quota_{name}": value for name, value in wanted.given().items()}
    return await _operator(runtime).amend(await _id_of(runtime, name_or_id), **columns)


async def schedule_deletion(runtime: Runtime, name_or_id: str, *, grace: timedelta) -> Tenant:
    """Delete a tenant when its time of grace is over; raises NotFoundError or DeletionScheduledError."""
    return await _operator(runtime).schedule_deletion(await _id_of(runtime, name_or_id), grace=grace)


async def cancel_deletion(runtime: Runtime, name_or_id: str) -> Tenant:
    """Keep a tenant that was about to be deleted; raises NotFoundError."""
    return await _operator(runtime).cancel_deletion(await _id_of(runtime, name_or_id))


@dataclass(frozen=True, slots=True)
class Export:
    """A file that holds a whole tenant: how much, and the SHA-256 of all of it."""

    path: Path
    row_count: int
    byte_count: int
    sha256: str


async def export(runtime: Runtime, name_or_id: str, path: Path) -> Export:
    """Write everything that a tenant has to a file, which appears when it is whole; raises NotFoundError or OSError."""
    tenant_id = await _id_of(runtime, name_or_id)
    unfinished = path.with_name(f"{path.name}.part")
    digest, lines, size = hashlib.sha256(), 0, 0
    try:
        # For its owner only: it is everything that the tenant has.
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            async for piece in await begin_export(runtime, tenant_id, Cause("command", str(new_id()))):
                digest.update(piece)
                lines += piece.count(b"\n")
                size += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    # Two of the lines, the first and the last, are no rows.
    return Export(path, lines - 2, size, digest.hexdigest())


def _operator(runtime: Runtime) -> Operator:
    return Operator(runtime, Cause("command", str(new_id())))


async def _id_of(runtime: Runtime, name_or_id: str) -> UUID:
    return (await find_tenant(runtime.db, name_or_id)).id


async def create_key(
    runtime: Runtime,
    tenant_name_or_id: str,
    *,
    name: str,
    scopes: Sequence[str],
    field_groups: Sequence[str] = (EVERY_GROUP,),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key and give it with its text.

    Raises NotFoundError, NotUsableError, ExpiryInPastError, UnknownPermissionError or UnknownFieldGroupError.
    """
    try:
        wanted = ApiKeyCreate(name=name, scopes=list(scopes), field_groups=list(field_groups), expires_at=expires_at)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'][:1]))}: {item['msg']}" for item in error.errors())
        raise NotUsableError("; ".join(problems)) from None
    if wanted.expires_at is not None and wanted.expires_at <= datetime.now(UTC):
        raise ExpiryInPastError(f"{wanted.expires_at.isoformat()} is not in the future.")
    tenant = await find_tenant(runtime.db, tenant_name_or_id)
    async with as_operator(runtime, tenant) as ctx:
        return await api_keys.issue(ctx, wanted, is_sandbox=tenant.is_sandbox)


async def list_keys(runtime: Runtime, tenant_name_or_id: str) -> list[ApiKey]:
    """List the keys of a tenant, oldest first; raises NotFoundError."""
    tenant = await find_tenant(runtime.db, tenant_name_or_id)
    async with runtime.db.transaction(tenant.id, read_only=True) as transaction:
        return await transaction.all(ApiKey, _KEYS, {"tenant": tenant.id})


async def revoke_key(runtime: Runtime, tenant_name_or_id: str, key_id: UUID) -> ApiKey:
    """End a key; raises NotFoundError."""
    tenant = await find_tenant(runtime.db, tenant_name_or_id)
    async with as_operator(runtime, tenant) as ctx:
        return await api_keys.revoke(ctx, key_id, at=ctx.real_now)


@asynccontextmanager
async def as_operator(runtime: Runtime, tenant: Tenant) -> AsyncIterator[Ctx]:
    """Open a unit of work in a tenant for somebody at the command line."""
    principal = system(tenant.id, is_sandbox=tenant.is_sandbox)
    command_id = str(new_id())
    async with unit_of_work(runtime, principal, cause=Cause("command", command_id), request_id=command_id) as ctx:
        yield ctx
