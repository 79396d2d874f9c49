"""The context that every service takes first: one transaction, one tenant, who acts, why, and what time it is.

Opening and committing is `kit.unit_of_work`. A service reads `ctx.now` and never a clock, and never commits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.kit.db import Transaction

if TYPE_CHECKING:
    from helpdesk_api.kit.events import Event

new_id: Callable[[], UUID] = uuid7


class MissingScopeError(ForbiddenError):
    """The credential lacks the scope that this operation asks for."""

    code = "missing_scope"
    title = "The credential lacks a scope"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `scopes` are `resource:verb` pairs; `*` stands for every resource."""

    type: Literal["api_key", "system"]
    id: UUID | None
    tenant_id: UUID
    scopes: frozenset[str] = frozenset()
    is_sandbox: bool = False

    def may_grant(self, scope: str) -> bool:
        """Tell whether the scope is among what was granted, itself or through `*`."""
        return scope in self.scopes or f"*:{scope.partition(':')[2]}" in self.scopes

    def require(self, scope: str) -> None:
        """Raise MissingScopeError unless the scope was granted."""
        if not self.may_grant(scope):
            message = f"This operation needs the scope {scope}."
            raise MissingScopeError(message, params={"scope": scope})


@dataclass(frozen=True, slots=True)
class Cause:
    """What set a change off, by its id; the same id stands on every consequence.

    Of a request it also tells from which address and by which program it came.
    """

    type: Literal["request", "job", "deadline", "command"]
    id: str
    ip: IPv4Address | IPv6Address | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Ctx:
    """One unit of work. `events` are written when it ends, in the same transaction.

    `now` is the tenant's time, by which the business lives; `real_now` is for what lives in real time even in a
    sandbox: credentials and deliveries. `due` collects the instants at which a worker should look, told after the
    commit.
    """

    tx: Transaction
    tenant_id: UUID
    principal: Principal
    now: datetime
    real_now: datetime
    is_test_clock: bool
    cause: Cause
    request_id: str
    events: "list[Event]" = field(default_factory=list)
    due: list[datetime] = field(default_factory=list)
