"""Quotas: how many objects of a kind a tenant may have, as its operator decided.

A quota is enforced where objects are stored (`kit.crud`), so that no way of creating one passes it by. Two creations at
once count one after the other. What exceeds a quota that was lowered stays; there is only no more of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, bindparam, func, select

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.turns import take_turn


class QuotaExceededError(ConflictError):
    """The tenant has as many objects of this kind as its quota allows."""

    code = "quota_exceeded"
    title = "The quota of the tenant is used up"


@dataclass(frozen=True, eq=False)
class TenantQuota:
    """A quota: the column of `tenants` that holds it, and which rows of a table count."""

    column: Column[Any]
    table: Table
    counts: Callable[[], ColumnElement[bool]] | None = None

    @property
    def name(self) -> str:
        """Name what is counted."""
        return self.column.name.removeprefix("quota_")

    @cached_property
    def _read(self) -> Statement:
        return Statement(select(self.column).where(tenants.c.id == bindparam("tenant")))

    @cached_property
    def _count(self) -> Statement:
        mine = self.table.c.tenant_id == bindparam("tenant")
        counted = select(func.count()).select_from(self.table).where(mine)
        return Statement(counted if self.counts is None else counted.where(self.counts()))

    async def check_room(self, ctx: Ctx) -> None:
        """Raise QuotaExceededError unless there is room for one more."""
        most = await ctx.tx.value(self._read, {"tenant": ctx.tenant_id})
        if most is None:
            return
        await take_turn(ctx, f"quota {self.name} {ctx.tenant_id}")
        if await ctx.tx.value(self._count, {"tenant": ctx.tenant_id}) >= most:
            message = f"This tenant may have {most} {self.name.replace('_', ' ')}."
            raise QuotaExceededError(message, params={"quota": self.name, "most": most})
