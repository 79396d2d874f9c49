"""Taking turns: whoever asks for a name waits until the transaction of whoever asked for it before has ended.

It is for what no row can be locked for, because it is not there yet or because a whole set has to stay as it was read.
"""

from sqlalchemy import Text, bindparam, func, select

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.sql import Statement

_TAKE = Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name", type_=Text), 0))))


async def take_turn(ctx: Ctx, name: str) -> None:
    """Wait for the turn of this transaction under a name, and keep it until the transaction ends.

    A name holds the tenant: tenants do not wait for each other.
    """
    await ctx.tx.run(_TAKE, {"name": name})
