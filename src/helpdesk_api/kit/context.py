"""The context that every service takes first: one transaction, one tenant, who acts, why, and what time it is.

Opening and committing is `kit.unit_of_work`. A service reads `ctx.now` and never a clock, and never commits.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.kit.db import Transaction
from helpdesk_api.kit.visibility import EVERY_GROUP, EVERY_ROW, Reach, has_group

if TYPE_CHECKING:
    from helpdesk_api.kit.events import Event

new_id: Callable[[], UUID] = uuid7
# Takes the context, the object and the events; gives the object as it is left.
Reaction = Callable[..., Awaitable[Any]]


class MissingPermissionError(ForbiddenError):
    """The caller lacks the permission that this operation asks for."""

    code = "missing_permission"
    title = "The caller lacks a permission"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts, and what that one may do and see.

    `permissions` are `resource:verb` pairs, `*:verb` for every resource; `reach` says which rows, `field_groups` which
    of the guarded fields. `id` is the user, the contact, the API key, the inbound hook, the rule or the plan;
    `credential_id` what it came with.
    """

    type: Literal["user", "contact", "api_key", "inbound_hook", "rule", "ticket_plan", "system"]
    id: UUID | None
    tenant_id: UUID
    permissions: frozenset[str] = frozenset()
    reach: Reach = EVERY_ROW
    field_groups: frozenset[str] = frozenset()
    is_sandbox: bool = False
    credential_id: UUID | None = None

    def may(self, permission: str) -> bool:
        """Tell whether a permission was granted, itself or by a wider one.

        `*:read` and `*:write` hold the verb for every resource; `write` holds `create`, and `*:read` holds `list`.
        """
        resource, _, verb = permission.partition(":")
        held = self.permissions
        if permission in held or f"*:{verb}" in held:
            return True
        if verb == "create":
            return f"{resource}:write" in held or "*:write" in held
        return verb == "list" and "*:read" in held

    def require(self, *permissions: str) -> None:
        """Raise MissingPermissionError unless one of the permissions was granted, if any is named."""
        if permissions and not any(map(self.may, permissions)):
            wanted = " or ".join(permissions)
            message = f"This operation needs the permission {wanted}."
            raise MissingPermissionError(message, params={"permission": wanted})

    def is_within(self, other: "Principal") -> bool:
        """Tell whether another may do and see everything that this one may."""
        return (
            other.reach.is_unlimited
            and all(map(other.may, self.permissions))
            and all(map(other.sees, self.field_groups))
        )

    def sees(self, group: str) -> bool:
        """Tell whether the fields of a group are shown."""
        return has_group(self.field_groups, group)


def system(tenant_id: UUID, *, is_sandbox: bool = False) -> Principal:
    """Give the principal of what the product does by itself, in a tenant."""
    return Principal("system", None, tenant_id, is_sandbox=is_sandbox, field_groups=frozenset({EVERY_GROUP}))


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
    commit. `reactions` are what follows in this transaction from what happens to an object, by its type.
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
    reactions: Mapping[str, Reaction] = field(default_factory=dict)
