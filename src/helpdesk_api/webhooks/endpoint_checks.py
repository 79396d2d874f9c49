"""What is asked before a webhook endpoint is stored, moved or replayed to: room for it, and rights to what it tells."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, select

from helpdesk_api.domain.errors import ConflictError, ForbiddenError
from helpdesk_api.identity.permissions import check_known
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.webhooks.endpoints import Payload
from helpdesk_api.webhooks.models import webhook_endpoints

MOST_ENDPOINTS: Final = 20

_tenant = webhook_endpoints.c.tenant_id == bindparam("tenant")
_COUNT = Statement(select(func.count()).select_from(webhook_endpoints).where(_tenant))


class TooManyEndpointsError(ConflictError):
    """The tenant has as many endpoints as it may have."""

    code = "too_many_endpoints"
    title = "There may be no more webhook endpoints"


class FullPayloadDeniedError(ForbiddenError):
    """Values of fields would reach the receiver that the caller may not read."""

    code = "full_payload_denied"
    title = "Full messages would tell more than the caller may see"


def check_payload(ctx: Ctx, payload: str, field_groups: Sequence[str]) -> None:
    """Refuse full messages that tell fields which the caller is not shown; raises UnknownFieldGroupError too.

    That the objects may be read at all is for `event_visibility.check_subscription`.
    """
    check_known((), field_groups, named="event_types")
    hidden = [group for group in field_groups if not ctx.principal.sees(group)]
    if payload == Payload.FULL and hidden:
        message = f"Full messages of this endpoint tell the fields of {', '.join(hidden)}, which you are not shown."
        raise FullPayloadDeniedError(message, pointer="/field_groups")


async def check_room(ctx: Ctx) -> None:
    """Refuse one endpoint too many; two creations at once are made to count one after the other."""
    await take_turn(ctx, f"webhook_endpoints {ctx.tenant_id}")
    if await ctx.tx.value(_COUNT, {"tenant": ctx.tenant_id}) >= MOST_ENDPOINTS:
        message = f"A tenant may have {MOST_ENDPOINTS} webhook endpoints."
        raise TooManyEndpointsError(message, params={"most": MOST_ENDPOINTS})
