"""The health of endpoints: failures in a row, written only when there are some or when they end."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.domain.failing import UNBROKEN, Streak
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.webhooks.models import webhook_endpoint_health, webhook_endpoints
from helpdesk_api.webhooks.outgoing import Outgoing

_RESPITE: Final = timedelta(seconds=5)
_LONGEST_RESPITE: Final = timedelta(minutes=1)
_NAMES = ("first_failed_at", "failure_count", "failing_since")
_key = (webhook_endpoints.c.tenant_id == bindparam("tenant"), webhook_endpoints.c.id == bindparam("endpoint"))
_new = insert(webhook_endpoint_health).from_select(
    ["tenant_id", "id", *_NAMES],
    # Of an endpoint that has been removed meanwhile nothing is stored.
    select(
        webhook_endpoints.c.tenant_id,
        webhook_endpoints.c.id,
        *(bindparam(name, type_=webhook_endpoint_health.c[name].type) for name in _NAMES),
    ).where(*_key),
)
_STORE = Statement(
    _new.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={name: _new.excluded[name] for name in _NAMES})
)


def streak_of(row: Outgoing) -> Streak:
    """Read the failures in a row that are stored of an endpoint."""
    if not row["failure_count"]:
        return UNBROKEN
    return Streak(row["first_failed_at"], row["failure_count"], row["failing_since"])


def after(streak: Streak, *, succeeded: bool, at: datetime) -> Streak:
    """Count one more attempt."""
    return UNBROKEN if succeeded else streak.failed(at)


def respite(streak: Streak) -> timedelta:
    """Say how long to leave a receiver alone that does not answer at all: each attempt at it takes long."""
    doublings = min(max(streak.failure_count - 1, 0), 10)
    return min(_LONGEST_RESPITE, _RESPITE * float(2**doublings))


async def store(ctx: Ctx, endpoint_id: UUID, streak: Streak) -> None:
    """Remember the failures in a row of an endpoint."""
    await ctx.tx.run(
        _STORE,
        {
            "tenant": ctx.tenant_id,
            "endpoint": endpoint_id,
            "first_failed_at": streak.first_failed_at,
            "failure_count": streak.failure_count,
            "failing_since": streak.failing_since,
        },
    )
