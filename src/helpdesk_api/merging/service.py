"""Making one card of several: what points at them follows, the winner gets what it lacks, and their ids lead to it.

Everything happens in one transaction, loser by loser, so that each can be parted again from its own snapshot
(`merging.undoing`). Rules do not react and promises stay as they were made: it is the same client under another id.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.directory.card_redirects import CardType, card_redirects
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.locations import Location, LocationNotOfCompanyError
from helpdesk_api.directory.upserting import check_reach
from helpdesk_api.domain.errors import ConflictError, InvalidError, NotFoundError
from helpdesk_api.identity.api_keys import api_keys
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx, new_id
from helpdesk_api.kit.events import record
from helpdesk_api.kit.hierarchy import take_tree
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.merging.cards import KINDS, decided_before, unite
from helpdesk_api.merging.following import LATER, NOW, follow, taken
from helpdesk_api.merging.mentions import rename, still_named
from helpdesk_api.merging.merges import MERGES, Merge
from helpdesk_api.merging.pointers import Absorption, parts


class MergedWithItselfError(InvalidError):
    """A card cannot be merged into itself."""

    code = "merged_with_itself"
    title = "The card is the winner itself"


class ContactHasKeysError(ConflictError):
    """Somebody signs in to a portal with an API key of the contact; revoke it first."""

    code = "contact_has_keys"
    title = "The contact has API keys"


async def merge(ctx: Ctx, card_type: CardType, winner_id: UUID, loser_ids: list[UUID]) -> Merge:
    """Make one card of several.

    Raises ReachTooNarrowError, MergedWithItselfError, UnknownReferenceError, MergedError, LocationNotOfCompanyError,
    ContactHasKeysError, CardTooFullError and TooMuchToMergeError.
    """
    check_reach(ctx)
    resource, merge_id = KINDS[card_type].resource, new_id()
    await _lock(ctx, resource, winner_id, loser_ids)
    await ctx.tx.rows(LATER)
    steps = [Absorption(resource.table, loser_id, winner_id, merge_id) for loser_id in loser_ids]
    absorbed = [await _absorb(ctx, card_type, step) for step in steps]
    await ctx.tx.row(NOW, changing=resource.table.name)
    values = {
        "card_type": card_type,
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "state": "merged",
        "moved_counts": _counts(absorbed),
        "still_named_counts": await still_named(ctx, loser_ids),
        "snapshot": {"losers": absorbed},
    }
    merged = await crud.add(ctx, MERGES, values, object_id=merge_id)
    winner = await crud.fetch(ctx, resource, winner_id)
    told = {"merge_id": str(merge_id), "loser_ids": [str(each) for each in loser_ids]}
    record(
        ctx,
        f"{resource.name}.merged",
        object_id=winner_id,
        version=winner.version,
        data=told | {"moved_counts": merged.moved_counts},
    )
    return merged


async def _lock(ctx: Ctx, resource: Resource[Any], winner_id: UUID, loser_ids: list[UUID]) -> None:
    """Keep the cards from changing, in one order for everybody, so that two merges never wait for each other."""
    if winner_id in loser_ids:
        message = f"The card {winner_id} cannot be merged into itself."
        raise MergedWithItselfError(message, pointer=f"/loser_ids/{loser_ids.index(winner_id)}")
    if resource is COMPANIES:
        await take_tree(ctx, resource)
    cards: dict[UUID, Entity] = {}
    for card_id in sorted([winner_id, *loser_ids]):
        try:
            cards[card_id] = await crud.fetch_locked(ctx, resource, card_id)
        except NotFoundError as missing:
            pointer = "/winner_id" if card_id == winner_id else f"/loser_ids/{loser_ids.index(card_id)}"
            raise UnknownReferenceError(missing.detail, pointer=pointer) from missing
    _check_owners(cards[winner_id], [cards[each] for each in loser_ids])


def _check_owners(winner: Entity, losers: list[Entity]) -> None:
    """Refuse places of two clients: whatever is at one of them belongs to its client."""
    for index, loser in enumerate(losers):
        if isinstance(winner, Location) and isinstance(loser, Location) and loser.company_id != winner.company_id:
            message = f"{loser.id} is not a location of the company {winner.company_id}; merge the companies first."
            raise LocationNotOfCompanyError(message, pointer=f"/loser_ids/{index}")


async def _absorb(ctx: Ctx, card_type: CardType, step: Absorption) -> dict[str, Any]:
    """Merge one card; gives all that it takes to part it again."""
    resource, table, loser_id = KINDS[card_type].resource, step.card, step.loser_id
    await _check_keys(ctx, card_type, loser_id)
    loser = await crud.fetch_locked(ctx, resource, loser_id)
    (card,) = await taken(ctx, table, table.c.id == loser_id)
    along = {part.name: await taken(ctx, part, part.c[column] == loser_id) for part, column in parts(table)}
    decided = await decided_before(ctx, loser, step)
    followed = await follow(ctx, step)
    mentions = await rename(ctx, step)
    changed = await unite(ctx, KINDS[card_type], loser, step, decided)
    await ctx.tx.run(delete(table).where(table.c.tenant_id == ctx.tenant_id, table.c.id == loser_id), removing=True)
    await ctx.tx.run(
        insert(card_redirects).values(
            tenant_id=ctx.tenant_id, id=loser_id, card_type=card_type, winner_id=step.winner_id, merge_id=step.merge_id
        )
    )
    last = {field: (new, None) for field, (_, new) in crud.initial(resource, loser).items()}
    record(
        ctx,
        f"{resource.name}.deleted",
        object_id=loser_id,
        version=loser.version + 1,
        changes=last,
        data=step.cause | {"merged_into": str(step.winner_id)},
    )
    kept = {name: rows for name, rows in along.items() if rows}
    return {"card": card, "along": kept, "mentions": mentions, "winner": changed, **followed}


async def _check_keys(ctx: Ctx, card_type: CardType, card_id: UUID) -> None:
    if card_type != "contact":
        return
    keys = api_keys.c
    found = await ctx.tx.value(
        select(keys.id).where(keys.tenant_id == ctx.tenant_id, keys.contact_id == card_id, keys.revoked_at.is_(None))
    )
    if found is not None:
        message = f"The contact {card_id} has the API key {found}; revoke it first."
        raise ContactHasKeysError(message, params={"api_key_id": str(found)})


def _counts(absorbed: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in absorbed:
        followed = (*each["moved"].items(), *each["mentions"].items())
        for name, rows in followed:
            kind = name.partition(".")[0].replace("_", "-")
            counts[kind] = counts.get(kind, 0) + len(rows)
    return dict(sorted(counts.items()))
