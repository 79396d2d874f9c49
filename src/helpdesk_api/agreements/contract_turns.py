"""What time does to contracts: they begin, are suspended, end, and the day for giving notice comes.

Each contract has one deadline, at the next instant at which something of this may happen; an amendment moves it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, Uuid, any_, bindparam, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.agreements.contract_schemas import Contract
from helpdesk_api.agreements.contract_tables import contracts
from helpdesk_api.agreements.contract_versions import spells_of_many
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.domain.contracts import Spell, next_turn, notice_at, status_at, terms_at
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Ctx
from helpdesk_api.kit.deadlines import Deadline, DueDeadline, Unfired, arrange, cancel
from helpdesk_api.kit.events import record
from helpdesk_api.kit.sql import Statement

TURN_KIND: Final = "contract.turn"

_some = (contracts.c.tenant_id == bindparam("tenant"), contracts.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
_HOLD_FREE = Statement(
    select(*CONTRACTS.columns).where(*_some).order_by(contracts.c.id).with_for_update(skip_locked=True)
)
_KNOWN = Statement(select(contracts.c.id).where(*_some))
_one = (contracts.c.tenant_id == bindparam("tenant"), contracts.c.id == bindparam("contract"))
_TURN = Statement(select(contracts.c.turn).where(*_one))
_NEXT = Statement(
    update(contracts).where(*_one).values(turn=bindparam("turn", type_=Integer) + 1).returning(contracts.c.turn)
)


async def arrange_turn(ctx: Ctx, contract_id: UUID, known: Sequence[Spell]) -> None:
    """Set the deadline of a contract, which the caller holds, or take it back when nothing is to come."""
    turn = await ctx.tx.value(_TURN, {"tenant": ctx.tenant_id, "contract": contract_id})
    due_at = next_turn(known, ctx.now)
    if due_at is None:
        await cancel(ctx, [Deadline(TURN_KIND, contract_id, turn, ctx.now)])
    else:
        await arrange(ctx, [Deadline(TURN_KIND, contract_id, turn, due_at)])


async def turn(ctx: Ctx, due: Sequence[DueDeadline]) -> Unfired:
    """Let contracts follow the time; one that somebody is at is left for later."""
    ids = [deadline.object_id for deadline in due]
    params = {"tenant": ctx.tenant_id, "ids": ids}
    held = {contract.id: contract for contract in await ctx.tx.all(Contract, _HOLD_FREE, params)}
    spells = await spells_of_many(ctx, list(held))
    for deadline in due:
        contract = held.get(deadline.object_id)
        if contract is not None:
            at = max(ctx.now, deadline.due_at, contract.updated_at)
            caused = replace(ctx, now=at, cause=Cause("deadline", str(deadline.id)))
            await _turn(caused, contract, deadline, spells[contract.id])
    waiting = {deadline.id for deadline in due if deadline.object_id not in held}
    if not waiting:
        return Unfired()
    known = {row["id"] for row in await ctx.tx.rows(_KNOWN, params)}
    orphans = {deadline.id for deadline in due if deadline.object_id not in known}
    return Unfired(waiting=waiting - orphans, orphans=orphans)


async def _turn(ctx: Ctx, contract: Contract, deadline: DueDeadline, known: Sequence[Spell]) -> None:
    status = status_at(terms_at(known, ctx.now), ctx.now).value
    version = contract.version
    if status != contract.status:
        after = await crud.store_changes(ctx, CONTRACTS, contract, {"status": status})
        version = after.version
        changes: Any = {"status": (contract.status, status)}
        record(ctx, "contract.status_changed", object_id=contract.id, version=version, changes=changes)
    notice = notice_at(known, deadline.due_at)
    if notice is not None:
        data = {"ends_at": notice.ends_at.isoformat()}
        record(ctx, "contract.notice_due", object_id=contract.id, version=version, data=data)
    await ctx.tx.run(_NEXT, {"tenant": ctx.tenant_id, "contract": contract.id, "turn": deadline.instance})
    # What comes after the instant that has come, however late that was noticed.
    await arrange_turn(replace(ctx, now=deadline.due_at), contract.id, known)
