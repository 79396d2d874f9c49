"""Sealing the audit trail of a tenant at once, instead of when its minute is over."""

from helpdesk_api.identity.audit_seals import seal_next
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.jobs.webhooks import settle
from tests.stage import Client, Stage


def seal_now(stage: Stage, api: Client) -> int:
    """Seal everything that was committed; gives how many events that was."""
    settle(stage, api)
    return seal_settled(stage, api)


def seal_settled(stage: Stage, api: Client) -> int:
    """Seal what has settled by now; gives how many events that was."""

    async def seal() -> int:
        principal = system(api.tenant.id)
        async with unit_of_work(stage.runtime, principal, cause=Cause("job", "test"), request_id="test") as ctx:
            return await seal_next(ctx)

    return stage.run(seal())
