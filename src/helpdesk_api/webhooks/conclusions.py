"""What the answers of a receiver say of its endpoint as a whole: verified, gone, failing, well, or to be left alone.

A session (`webhooks.session`) sends and records single messages; here the group that was just recorded is judged, in
the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from helpdesk_api.domain.failing import Streak
from helpdesk_api.kit.context import Ctx
from helpdesk_api.webhooks import health
from helpdesk_api.webhooks.delivery_log import Attempt, State
from helpdesk_api.webhooks.endpoint_life import disable, verify, warn
from helpdesk_api.webhooks.endpoints import Reason
from helpdesk_api.webhooks.messages import PING
from helpdesk_api.webhooks.outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a session does about it. `quiet_until` is when the receiver may be sent something again."""

    streak: Streak
    is_quiet: bool = False
    quiet_until: datetime | None = None
    is_well: bool = False


async def conclude(ctx: Ctx, delivery: Outgoing, recorded: Sequence[Attempt], streak: Streak) -> Conclusion:
    """Judge the attempts that were recorded together; `delivery` is one of them, `streak` what was known before."""
    endpoint_id, url = delivery["endpoint_id"], delivery["url"]
    until = [attempt.quiet_until for attempt in recorded if attempt.quiet_until is not None]
    if any(attempt.is_gone for attempt in recorded):
        await disable(ctx, endpoint_id, url, Reason.GONE)
        return Conclusion(streak, is_quiet=True, quiet_until=max(until, default=None))
    if delivery["type"] == PING:
        if recorded[0].state is State.DELIVERED:
            await verify(ctx, endpoint_id, url)
        elif recorded[0].state is State.FAILED:
            await disable(ctx, endpoint_id, url, Reason.UNVERIFIED)
        return Conclusion(streak)
    after = _after(streak, recorded)
    is_given_up = after != streak and after.is_given_up(ctx.real_now)
    if is_given_up:
        await disable(ctx, endpoint_id, url, Reason.FAILING)
    elif after.failing_since is not None and streak.failing_since is None:
        await warn(ctx, endpoint_id, url)
    if after != streak:
        await health.store(ctx, endpoint_id, after)
    is_well = any(attempt.state is State.DELIVERED for attempt in recorded)
    if not is_well and all(attempt.status is None for attempt in recorded):
        until.append(ctx.real_now + health.respite(after))
    return Conclusion(after, is_quiet=is_given_up or bool(until), quiet_until=max(until, default=None), is_well=is_well)


def _after(streak: Streak, recorded: Sequence[Attempt]) -> Streak:
    for attempt in sorted(recorded, key=lambda attempt: attempt.started_at):
        succeeded = attempt.state is State.DELIVERED
        streak = health.after(streak, succeeded=succeeded, at=attempt.started_at + attempt.duration)
    return streak
