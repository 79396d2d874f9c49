"""What is sent and answered when cards are written by the ids of another system: the shapes of any kind of card."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Generic, Literal, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, create_model

from helpdesk_api.directory.external_references import ExternalId, Source
from helpdesk_api.kit.problems import Problem
from helpdesk_api.kit.resource import R, Resource
from helpdesk_api.kit.schema import Count, Flag, Input, Instant, Output

MOST_ITEMS: Final = 200

_MATCH_ON: Final = "What an unknown card may be matched by; absent: by nothing, and a new one is created."

Outcome = Literal["created", "updated", "unchanged"]
SourceTime = Annotated[
    Instant | None,
    Field(description="When the card last changed in the source; a push older than what is known is refused."),
]


class UpsertQuery(BaseModel):
    """How a card is written by its id in another system."""

    model_config = ConfigDict(extra="forbid")

    dry_run: Annotated[bool, Field(description="Tell what would become of it, and change nothing.")] = False
    source_updated_at: SourceTime = None


class UpsertItem(Input):
    """What every card of a batch says beside its fields."""

    external_id: ExternalId
    base_version: Annotated[
        Count | None, Field(description="The version this change was made on; refused when the card has another one.")
    ] = None
    source_updated_at: SourceTime = None


class UpsertBatch(Input):
    """Cards of one source. Each is looked at alone: what is wrong with one is told of that one."""

    source: Source
    atomic: Annotated[Flag, Field(description="All or nothing: the first card that is refused refuses them all.")] = (
        False
    )
    dry_run: Annotated[Flag, Field(description="Tell what would become of them, and change nothing.")] = False
    items: Sequence[Any]


class FieldWarning(Output):
    """A field that was sent and not written; the others were."""

    pointer: Annotated[str, Field(description="Its place in the body.", examples=["#/category"])]
    code: Annotated[str, Field(examples=["owned_by_source", "owned_by_helpdesk", "newer_known"])]
    detail: str


class Upserted(Output):
    """What became of a card; after a dry run, as it would be."""

    outcome: Outcome
    matched_on: Annotated[str | None, Field(description="What an unknown card was matched by, if it was.")]
    warnings: Annotated[list[FieldWarning], Field(description="The fields that were not written; see crm-sources.")]


class UpsertedItem(Output):
    """What became of one card of a batch."""

    index: Annotated[int, Field(description="Its place among the items, from 0.")]
    external_id: str | None
    outcome: Literal["created", "updated", "unchanged", "conflict", "error"]
    id: Annotated[UUID | None, Field(description="The card's id here; that of one created by a dry run is not kept.")]
    version: int | None
    matched_on: Annotated[str | None, Field(description="What an unknown card was matched by, if it was.")]
    warnings: Annotated[list[FieldWarning], Field(description="The fields that were not written; see crm-sources.")]
    problem: Annotated[Problem | None, Field(description="Why it was refused; its pointers are into the whole body.")]


class UpsertedBatch(Output):
    """What became of the cards of a batch, in the order in which they were sent."""

    dry_run: bool
    counts: Annotated[dict[str, int], Field(description="How many cards had each outcome.")]
    items: list[UpsertedItem]


class UpsertShapes(Generic[R]):
    """The models of one kind of card.

    `ways` are those to match by; `named` maps a member that takes an id of the other system to the field it stands for.
    """

    def __init__(
        self, resource: Resource[R], update: type[Input], *, ways: Sequence[str], named: Mapping[str, str]
    ) -> None:
        title, one = resource.read.__name__, resource.name.replace("_", " ")
        self.resource = resource
        match_on: dict[str, Any] = {}
        if ways:
            way: Any = Literal.__getitem__(tuple(ways))
            match_on = {"match_on": (way | None, Field(default=None, description=_MATCH_ON))}
        external: dict[str, Any] = {
            name: (ExternalId | None, Field(default=None, description=f"In place of `{field}`: its id in this source."))
            for name, field in named.items()
        }
        self.push = create_model(
            f"{title}Push",
            __base__=update,
            __doc__=f"The fields of a {one} as another system has them; what is absent stays.",
            **external,
        )
        self.query = create_model(
            f"{title}UpsertQuery",
            __base__=UpsertQuery,
            __doc__=f"How a {one} is written by its id in another system.",
            **match_on,
        )
        card: Any = (Annotated[self.push, Field(description="Its fields; what is absent stays.")], ...)
        self.item = create_model(f"{title}UpsertItem", __base__=UpsertItem, __doc__=f"One {one} of a batch.", card=card)
        # Each item is read by itself, later: one that is wrong hinders no other.
        unread: Any = cast("Any", SkipValidation)[self.item]
        items: Any = Annotated[list.__class_getitem__(unread), Field(min_length=1, max_length=MOST_ITEMS)]
        self.batch = create_model(
            f"{title}UpsertBatch",
            __base__=UpsertBatch,
            __doc__=f"Up to {MOST_ITEMS} {resource.plural} of one source.",
            items=(items, ...),
            **match_on,
        )
        told: Any = (resource.read, ...)
        self.upserted = create_model(
            f"{title}Upserted",
            __base__=Upserted,
            __doc__=f"What became of a {one}; after a dry run, as it would be.",
            card=told,
        )
        self._ways, self._named = ways, named

    def examples(self) -> dict[str, Any]:
        """Give an example of each body."""
        times = {"created_at": "2026-11-23T09:00:00Z", "updated_at": "2026-11-23T09:30:00Z", "version": 4}
        stored = {"id": _CARD, **times, **self.resource.example}
        title = self.resource.read.__name__
        taken = {name: value for name, value in self.resource.example.items() if name in self.push.model_fields}
        # What names objects of this installation belongs to no first push.
        card = {name: value for name, value in taken.items() if value and isinstance(value, str) and "_id" not in name}
        required = {name: field for name, field in self._named.items() if self.resource.example[field] is not None}
        card |= dict.fromkeys(required, "0015g00000A")
        item = {"external_id": "0035g00000B", "source_updated_at": "2026-11-23T08:59:12Z", "card": card}
        match_on = {"match_on": self._ways[0]} if self._ways else {}
        return {
            f"{title}Push": card,
            f"{title}UpsertBatch": {"source": "crm", **match_on, "atomic": False, "dry_run": False, "items": [item]},
            f"{title}Upserted": {
                "outcome": "updated",
                "matched_on": None,
                "warnings": [WARNING_EXAMPLE],
                "card": stored,
            },
        }


WARNING_EXAMPLE: Final = {
    "pointer": "#/notes",
    "code": "owned_by_helpdesk",
    "detail": "notes belongs to the help desk.",
}
_CARD: Final = "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10"
BATCH_EXAMPLE: Final = {
    "dry_run": False,
    "counts": {"updated": 1},
    "items": [
        {
            "index": 0,
            "external_id": "0015g00000A",
            "outcome": "updated",
            "id": _CARD,
            "version": 4,
            "matched_on": "domain",
            "warnings": [],
            "problem": None,
        }
    ],
}
