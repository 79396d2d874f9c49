"""The test clock of a sandbox tenant: time that stands still until it is moved, and then misses nothing.

A deadline fires here through the same handler as in production, with the clock standing at its very instant. One call
moves the clock in one transaction. A stretch with more deadlines than fit into one call is finished by a worker: the
call answers 202, and `advancing_to` tells the target until it is reached. Deliveries are transport and stay in real
time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, Field
from sqlalchemy import DateTime, bindparam, select, update

from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit import deadlines, jobs
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.deadlines import Handler
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job, NewJob
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.schema import Input, Instant, Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed, unit_of_work

ADVANCE = "test_clock.advance"
FIRED_PER_CALL = 500
_FURTHEST = timedelta(days=3_660)
# Calendars know the years to 2099; time beyond them could not be measured.
_END_OF_TIME = datetime(2099, 1, 1, tzinfo=UTC)

_key = tenants.c.id == bindparam("tenant_id")
_READ = Statement(select(tenants.c.clock_at, tenants.c.clock_target_at).where(_key))
_HOLD = Statement(select(tenants.c.clock_at, tenants.c.clock_target_at).where(_key).with_for_update(key_share=True))
_MOVE = Statement(
    update(tenants)
    .where(tenants.c.id == bindparam("tenant"))
    .values(
        clock_at=bindparam("now", type_=DateTime(timezone=True)),
        clock_target_at=bindparam("target", type_=DateTime(timezone=True)),
    )
)


class NoTestClockError(ConflictError):
    """The tenant lives in real time."""

    code = "no_test_clock"
    title = "The tenant has no test clock"


class ClockAdvancingError(ConflictError):
    """The clock is already on its way somewhere."""

    code = "clock_advancing"
    title = "The test clock is still advancing"


class ClockBackwardsError(InvalidError):
    """Time only moves forward."""

    code = "clock_backwards"
    title = "The test clock cannot go back"


class ClockTooFarError(InvalidError):
    """One call moves the clock by ten years at most, and never beyond 2098."""

    code = "clock_too_far"
    title = "The test clock cannot go that far at once"


class Advance(Input):
    """Where to move the clock."""

    to: Annotated[Instant, Field(description="The new time; at most ten years ahead and before 2099.")]


class TestClock(Output):
    """The time of a sandbox tenant."""

    now: AwareDatetime
    advancing_to: Annotated[
        AwareDatetime | None, Field(description="Where the clock is still heading; null when it stands.")
    ]
    fired_count: Annotated[int, Field(description="How many deadlines this call fired; 0 when only reading.")]


router = APIRouter(prefix="/v1/test-clock", tags=["test-clock"], route_class=UnitOfWorkRoute)


@router.get(
    "",
    operation_id="test_clock_get",
    summary="Read the test clock",
    description="Tells the time of a sandbox tenant; 409 for a tenant that lives in real time.",
)
async def get_clock(ctx: Annotated[Ctx, allowed("test-clock:read")]) -> TestClock:
    """Read the clock."""
    now, target = await _read(ctx, _READ)
    return TestClock(now=now, advancing_to=target, fired_count=0)


@router.post(
    "/advance",
    operation_id="test_clock_advance",
    summary="Advance the test clock",
    description=(
        "Moves the time of a sandbox tenant; everything due in between fires in order, at its own instant. A long "
        "stretch is finished in the background: 202, and `advancing_to` is set until the clock has arrived."
    ),
    responses={202: {"model": TestClock, "description": "The clock is on its way."}},
)
async def advance_clock(
    body: Advance, request: Request, response: Response, ctx: Annotated[Ctx, allowed("test-clock:write")]
) -> TestClock:
    """Move the clock."""
    now, target = await _read(ctx, _HOLD)
    if target is not None:
        message = f"The clock is on its way to {target.isoformat()}; wait until it has arrived."
        raise ClockAdvancingError(message, retry_after=timedelta(seconds=1))
    if body.to < now:
        message = f"The clock stands at {now.isoformat()} and cannot go back to {body.to.isoformat()}."
        raise ClockBackwardsError(message, pointer="/to")
    if body.to - now > _FURTHEST or body.to > _END_OF_TIME:
        message = "One call moves the clock by ten years at most, and never beyond 2098."
        raise ClockTooFarError(message, pointer="/to")
    handlers = request.app.state.runtime.deadline_handlers
    stands_at, fired, has_arrived = await _advance(ctx, body.to, handlers)
    record(ctx, "test_clock.advanced", object_id=ctx.tenant_id, version=1, changes={"now": (now, body.to)})
    if has_arrived:
        return TestClock(now=stands_at, advancing_to=None, fired_count=fired)
    await jobs.put(ctx, [NewJob(ADVANCE, {}, ctx.real_now, cause=ctx.cause)])
    response.status_code = 202
    response.headers["location"] = "/v1/test-clock"
    return TestClock(now=stands_at, advancing_to=body.to, fired_count=fired)


async def continue_advance(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Go on with a long stretch, one transaction for every `FIRED_PER_CALL` deadlines."""
    principal = system(tenant_id, is_sandbox=True)
    cause = Cause("job", str(claimed[0].id))
    has_arrived = False
    while not has_arrived:
        async with unit_of_work(runtime, principal, cause=cause, request_id=cause.id) as ctx:
            _, target = await _read(ctx, _HOLD)
            if target is None:
                has_arrived = True
            else:
                _, _, has_arrived = await _advance(ctx, target, runtime.deadline_handlers)
            if has_arrived:
                await jobs.complete(ctx.tx, claimed)


async def _read(ctx: Ctx, statement: Statement) -> tuple[datetime, datetime | None]:
    row = await ctx.tx.row(statement, {"tenant_id": ctx.tenant_id})
    if row is None or row["clock_at"] is None:
        message = "This tenant lives in real time; create one with a test clock to move time."
        raise NoTestClockError(message)
    return row["clock_at"], row["clock_target_at"]


async def _advance(ctx: Ctx, target: datetime, handlers: Mapping[str, Handler]) -> tuple[datetime, int, bool]:
    """Fire what is due up to the target, in order.

    Gives where the clock stands afterwards, how many fired, and whether nothing is left. A clock that stands at its
    target has not arrived while more is due at that very instant.
    """
    fired = 0
    stands_at = ctx.now
    has_arrived = False
    while fired < FIRED_PER_CALL:
        deadline = await deadlines.find_next(ctx, target)
        if deadline is None:
            stands_at, has_arrived = target, True
            break
        # What became due before it was set (a retarget, say) fires now: time does not run backwards for it.
        stands_at = max(stands_at, deadline.due_at)
        moment = replace(ctx, now=stands_at)
        await deadlines.fire(moment, [deadline], handlers[deadline.kind])
        fired += 1
    pending = None if has_arrived else target
    await ctx.tx.run(_MOVE, {"tenant": ctx.tenant_id, "now": stands_at, "target": pending})
    return stands_at, fired, has_arrived
