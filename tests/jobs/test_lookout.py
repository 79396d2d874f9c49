"""What a worker finds due before it claims anything."""

from datetime import timedelta
from uuid import uuid4

import pytest

from helpdesk_api.kit import jobs, lookout
from helpdesk_api.kit.context import Cause, new_id, system
from helpdesk_api.kit.jobs import NewJob
from helpdesk_api.kit.unit_of_work import unit_of_work
from tests.stage import Client, Stage

_NOW, _LATER = timedelta(seconds=-1), timedelta(days=1)


def found(stage: Stage, without_lane: list[str], by_lane: list[str]) -> set[str]:
    told = stage.run(lookout.what_is_due(stage.runtime.db, without_lane, by_lane))
    assert len(told) == len(set(told)), "each is told once, however much of it is due"
    # Deadlines of other tests are due at any moment.
    return set(told) - {lookout.DEADLINES}


async def put(stage: Stage, api: Client, kind: str, due_in: timedelta, *, in_lane: bool) -> None:
    async with unit_of_work(
        stage.runtime, system(api.tenant.id), cause=Cause("command", "test"), request_id="test"
    ) as ctx:
        lane = new_id() if in_lane else None
        await jobs.put(ctx, [NewJob(kind, {}, ctx.real_now + due_in, lane) for _ in range(3)])


@pytest.mark.parametrize("in_lane", [False, True])
def test_a_kind_is_told_once_when_something_of_it_is_due_and_only_then(
    stage: Stage, api: Client, *, in_lane: bool
) -> None:
    due, later, none, unasked = (f"test.{uuid4()}" for _ in range(4))
    for kind, due_in in {due: _NOW, later: _LATER, unasked: _NOW}.items():
        stage.run(put(stage, api, kind, due_in, in_lane=in_lane))
    asked = [due, later, none]

    assert found(stage, *((asked, []) if not in_lane else ([], asked))) == {due}
    # A lane is looked at as a lane, and a job outside of any as one.
    assert found(stage, *((asked, []) if in_lane else ([], asked))) == set()


def test_a_job_that_was_given_up_is_not_due(stage: Stage, api: Client) -> None:
    kind = f"test.{uuid4()}"
    stage.run(put(stage, api, kind, _NOW, in_lane=False))
    stage.sql("UPDATE jobs SET failed_at = now() WHERE tenant_id = $1 AND kind = $2", api.tenant.id, kind)

    assert found(stage, [kind], []) == set()
