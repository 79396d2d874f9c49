"""Erasing a person, in a worker: step by step, in short transactions, and safe to begin again after any of them.

First the person's own row, then what they wrote, then every other place of the tenant where they are named
(`privacy.searches`). One erasure of a tenant works at a time; whoever reads or writes waits for a page of rows at most.
When nothing is left, the proof is signed and `person.erased` recorded, for whoever holds copies.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from types import SimpleNamespace
from uuid import UUID

from sqlalchemy import select, update

from helpdesk_api.domain.redaction import Redactor
from helpdesk_api.kit import crud, jobs
from helpdesk_api.kit.context import Cause, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.signatures import Notary
from helpdesk_api.kit.turns import take_turn
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.merging.forgetting import cards_within, forget
from helpdesk_api.privacy.erasures import ERASE, ERASURES, erasures
from helpdesk_api.privacy.people import RESOURCES, PersonType, Wanted, person_type_of, tombstone, wanted_of
from helpdesk_api.privacy.records import signed_record
from helpdesk_api.privacy.searches import searches
from helpdesk_api.privacy.work import BEGINNING, Work
from helpdesk_api.webhooks.event_types import EVENT_TYPES


async def erase(runtime: Runtime, tenant_id: UUID, claimed: Sequence[Job]) -> None:
    """Erase the person of a job."""
    erasure_id = UUID(claimed[0].payload["erasure_id"])
    cause = Cause("job", str(claimed[0].id))
    told = {
        resource.table.name: resource
        for name, resource in runtime.resources.items()
        if f"{name}.updated" in EVENT_TYPES
    }

    @asynccontextmanager
    async def step() -> AsyncIterator[Work]:
        async with unit_of_work(runtime, system(tenant_id), cause=cause, request_id=cause.id) as ctx:
            await take_turn(ctx, f"{ERASE} {tenant_id}")
            erasure = await crud.fetch_locked(ctx, ERASURES, erasure_id)
            known = await ctx.tx.value(
                select(erasures.c.wanted).where(erasures.c.tenant_id == tenant_id, erasures.c.id == erasure_id)
            )
            yield Work(ctx, erasure, Wanted(**known) if known else Wanted([], []), told)

    async with step() as work:
        if work.erasure.state == "done":
            await jobs.complete(work.ctx.tx, claimed)
            return
        person_type = person_type_of(work.erasure.person_type)
        await _erase_row(work, person_type)
    for search in searches(person_type):
        after: UUID | None = BEGINNING
        while after is not None:
            async with step() as work:
                after = await search(work, after)
    async with step() as work:
        if work.erasure.state == "pending" and await jobs.complete(work.ctx.tx, claimed):
            await _finish(work, runtime.notary)


async def _erase_row(work: Work, person_type: PersonType) -> None:
    """Note what to look for and empty the person's own row, at once: the values are known by nothing else."""
    ctx, person_id = work.ctx, work.erasure.person_id
    resource = RESOURCES[person_type]
    row = await crud.fetch_locked(ctx, resource, person_id)
    found = [await wanted_of(ctx, person_type, person_id, row)]
    if person_type == "contact":
        # Who was merged into this contact is the same person, by another name perhaps.
        cards = await cards_within(ctx, person_id)
        found += [await wanted_of(ctx, person_type, UUID(each["id"]), SimpleNamespace(**each)) for each in cards]
        await forget(ctx, person_id)
    known = Wanted(
        sorted({*work.wanted.values, *(value for each in found for value in each.values)}),
        sorted({*work.wanted.own, *(value for each in found for value in each.own)}),
    )
    await ctx.tx.run(
        update(erasures)
        .where(erasures.c.tenant_id == ctx.tenant_id, erasures.c.id == work.erasure.id)
        .values(wanted=asdict(known))
    )
    left = crud.difference(resource, row, tombstone(person_type, person_id))
    if left:
        values = {field: new for field, (_, new) in left.items()}
        emptied = await crud.store_changes(ctx, resource, row, values)
        # Who keeps a copy is told what it holds now, and not what it held.
        changes = {field: (None, new) for field, new in values.items()}
        record(ctx, f"{resource.name}.updated", object_id=person_id, version=emptied.version, changes=changes)
        await work.count(resource.table.name, 1)


async def _finish(work: Work, notary: Notary) -> None:
    ctx, erasure = work.ctx, work.erasure
    # Whoever asked may have named the person in the reason.
    reason = Redactor(work.wanted.values).text(erasure.reason)
    proof = await signed_record(ctx, erasure, notary, reason=reason)
    await ctx.tx.run(
        update(erasures)
        .where(erasures.c.tenant_id == ctx.tenant_id, erasures.c.id == erasure.id)
        .values(
            state="done",
            reason=reason,
            wanted=None,
            record=proof,
            completed_at=ctx.real_now,
            updated_at=ctx.real_now,
            version=erasure.version + 1,
        )
    )
    record(
        ctx,
        "person.erased",
        object_id=erasure.person_id,
        version=1,
        data={
            "person_type": erasure.person_type,
            "erasure_id": str(erasure.id),
            "redactions_sha256": proof["document"]["redactions_sha256"],
        },
    )
