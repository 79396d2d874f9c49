"""Merges: which cards were made one, how much followed, and the snapshot that they are parted by again.

A row stays for ever, as the redirects do. Its snapshot holds the cards as they were, with the people on them, so it
goes when one of them is erased (`merging.forgetting`); the merge stays and cannot be undone then.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import CheckConstraint, Column, DateTime, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.directory.card_fields import each_once
from helpdesk_api.directory.card_redirects import CardType
from helpdesk_api.kit.listing import Filter
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Entity, Input
from helpdesk_api.kit.sql import tenant_table

MOST_LOSERS = 10
State = Literal["merged", "undone", "final"]

merges = tenant_table(
    "merges",
    Column("card_type", Text, nullable=False),
    Column("winner_id", Uuid, nullable=False),
    Column("loser_ids", ARRAY(Uuid), nullable=False),
    Column("state", Text, nullable=False),
    Column("moved_counts", JSONB, nullable=False),
    Column("still_named_counts", JSONB, nullable=False),
    Column("undone_at", DateTime(timezone=True)),
    Column("snapshot", JSONB),
    CheckConstraint("card_type IN ('company', 'contact', 'location')", name="card_type"),
    CheckConstraint("state IN ('merged', 'undone', 'final')", name="state"),
    CheckConstraint("(state = 'merged') = (snapshot IS NOT NULL)", name="undone_by_its_snapshot"),
    CheckConstraint("(state = 'undone') = (undone_at IS NOT NULL)", name="undone_at"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "winner_id"),
)


class MergeCreate(Input):
    """Cards to make one of."""

    card_type: Annotated[CardType, Field(description="What they are.")]
    winner_id: Annotated[UUID, Field(description="The card that stays, with what it has.")]
    loser_ids: Annotated[
        list[UUID],
        Field(min_length=1, max_length=MOST_LOSERS, description="The cards that go into it; their ids lead there."),
        each_once,
    ]


class MergeQuery(BaseModel):
    """How cards are merged."""

    model_config = ConfigDict(extra="forbid")

    dry_run: Annotated[bool, Field(description="Tell what would follow, and change nothing.")] = False


class Merge(Entity):
    """Cards that were made one."""

    card_type: Annotated[str, Field(examples=["company", "contact", "location"])]
    winner_id: UUID
    loser_ids: list[UUID]
    state: Annotated[
        str,
        Field(
            description="`final`: it cannot be undone, because a person of it was erased.",
            examples=["merged", "undone", "final"],
        ),
    ]
    moved_counts: Annotated[
        dict[str, int],
        Field(description="How many rows of what point at the winner now and pointed at a loser before."),
    ]
    still_named_counts: Annotated[
        dict[str, int],
        Field(description="How many settings still name a loser; they are left for people to decide."),
    ]
    undone_at: AwareDatetime | None


_EXAMPLE: dict[str, Any] = {
    "card_type": "company",
    "winner_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
    "loser_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e15"],
    "state": "merged",
    "moved_counts": {"contacts": 4, "tickets": 17},
    "still_named_counts": {"roles": 1},
    "undone_at": None,
}

MERGES = Resource(
    name="merge",
    plural="merges",
    table=merges,
    read=Merge,
    example=_EXAMPLE,
    filters=(
        Filter("card_type", merges.c.card_type, CardType),
        Filter("winner_id", merges.c.winner_id, UUID),
        Filter("loser_id", merges.c.loser_ids, UUID, "contains"),
        Filter("state", merges.c.state, State),
    ),
)
