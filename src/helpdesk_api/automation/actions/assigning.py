"""Who of a team gets a ticket: in turn, or by load. Exact however many tickets come at once.

Whoever chooses locks the team first, so that every choice knows the one before it. Each member remembers the turn in
which he was last chosen; who never was comes first. The load is the number of unfinished tickets.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Select, UniqueConstraint, Uuid, and_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.identity.teams import teams
from helpdesk_api.identity.users import users
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.sql import Statement, reference, tenant_table
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.tickets.models import tickets

assignment_turns = tenant_table(
    "assignment_turns",
    Column("team_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("turn", BigInteger, nullable=False),
    UniqueConstraint("tenant_id", "team_id", "user_id"),
    reference("team_id", "teams", ondelete="CASCADE"),
    reference("user_id", "users", ondelete="CASCADE"),
    Index(None, "tenant_id", "user_id"),
    versioned=False,
)


class NobodyInTeamError(ConflictError):
    """A team without active members has nobody to assign a ticket to."""

    code = "nobody_in_team"
    title = "The team has no active members"


# Not FOR UPDATE: that would wait for, and could deadlock with, whoever has just stored a ticket of this team.
_LOCK: Final = Statement(
    select(teams.c.id)
    .where(teams.c.tenant_id == bindparam("tenant"), teams.c.id == bindparam("team"))
    .with_for_update(key_share=True)
)
_turn = func.coalesce(assignment_turns.c.turn, 0)
_load = (
    select(func.count())
    .select_from(tickets)
    .where(
        tickets.c.tenant_id == users.c.tenant_id,
        tickets.c.assignee_id == users.c.id,
        # What is assigned anew is no load of whom it is taken from.
        tickets.c.id != bindparam("ticket"),
        tickets.c.solved_at.is_(None),
    )
    .correlate(users)
    .scalar_subquery()
)


def _members() -> Select[tuple[UUID]]:
    return (
        select(users.c.id)
        .outerjoin(
            assignment_turns,
            and_(
                assignment_turns.c.tenant_id == users.c.tenant_id,
                assignment_turns.c.team_id == users.c.team_id,
                assignment_turns.c.user_id == users.c.id,
            ),
        )
        .where(users.c.tenant_id == bindparam("tenant"), users.c.team_id == bindparam("team"), users.c.is_active)
        .limit(1)
    )


_NEXT: Final = Statement(_members().order_by(_turn, users.c.id))
_LEAST_LOADED: Final = Statement(_members().order_by(_load, _turn, users.c.id))
_latest = select(func.coalesce(func.max(assignment_turns.c.turn), 0) + 1).where(
    assignment_turns.c.tenant_id == bindparam("tenant"), assignment_turns.c.team_id == bindparam("team")
)
_taken = upsert(assignment_turns).values(
    tenant_id=bindparam("tenant"),
    id=bindparam("key"),
    team_id=bindparam("team"),
    user_id=bindparam("user"),
    turn=_latest.scalar_subquery(),
)
_TAKE: Final = Statement(
    _taken.on_conflict_do_update(
        index_elements=["tenant_id", "team_id", "user_id"], set_={"turn": _taken.excluded.turn}
    )
)


async def next_of_team(ctx: Ctx, team_id: UUID, *, pointer: str) -> UUID:
    """Give the member of a team whose turn it is, and end that turn. Raises NobodyInTeamError."""
    await _lock(ctx, team_id, pointer=pointer)
    return await _chosen(ctx, _NEXT, {"tenant": ctx.tenant_id, "team": team_id}, pointer=pointer)


async def least_loaded_of_team(ctx: Ctx, team_id: UUID, *, ticket_id: UUID, pointer: str) -> UUID:
    """Give the member of a team with the fewest unfinished tickets beside this one. Raises NobodyInTeamError."""
    await _lock(ctx, team_id, pointer=pointer)
    wanted = {"tenant": ctx.tenant_id, "team": team_id, "ticket": ticket_id}
    return await _chosen(ctx, _LEAST_LOADED, wanted, pointer=pointer)


async def _lock(ctx: Ctx, team_id: UUID, *, pointer: str) -> None:
    if await ctx.tx.value(_LOCK, {"tenant": ctx.tenant_id, "team": team_id}) is None:
        message = f"There is no team {team_id}."
        raise UnknownReferenceError(message, pointer=pointer)


async def _chosen(ctx: Ctx, statement: Statement, wanted: dict[str, UUID], *, pointer: str) -> UUID:
    user_id: UUID | None = await ctx.tx.value(statement, wanted)
    team_id = wanted["team"]
    if user_id is None:
        message = f"The team {team_id} has no active members."
        raise NobodyInTeamError(message, pointer=pointer)
    await ctx.tx.run(_TAKE, {"tenant": ctx.tenant_id, "key": new_id(), "team": team_id, "user": user_id})
    return user_id
