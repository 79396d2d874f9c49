"""What is sent and answered when client cards are written by the ids of another system."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SkipValidation

from helpdesk_api.directory.companies import COMPANIES, Company, CompanyUpdate
from helpdesk_api.directory.contacts import CONTACTS, Contact, ContactUpdate
from helpdesk_api.directory.external_references import ExternalId, Source
from helpdesk_api.kit.problems import Problem
from helpdesk_api.kit.schema import Count, Flag, Input, Instant, Output

MOST_ITEMS: Final = 200

_MATCH_ON: Final = "What an unknown card may be matched by; absent: by nothing, and a new one is created."

Outcome = Literal["created", "updated", "unchanged"]
SourceTime = Annotated[
    Instant | None,
    Field(description="When the card last changed in the source; a push older than what is known is refused."),
]
MatchCompany = Annotated[Literal["domain"] | None, Field(description=_MATCH_ON)]
MatchContact = Annotated[Literal["email", "phone"] | None, Field(description=_MATCH_ON)]
MatchedOn = Annotated[str | None, Field(description="What an unknown card was matched by, if it was.")]


class CompanyPush(CompanyUpdate):  # type: ignore[valid-type, misc]  # made at run time.
    """The fields of a company as another system has them; what is absent stays."""


class ContactPush(ContactUpdate):  # type: ignore[valid-type, misc]  # made at run time.
    """The fields of a contact as another system has them; what is absent stays."""

    company_external_id: Annotated[
        ExternalId | None, Field(description="The company by its id in the same source, in place of `company_id`.")
    ] = None


class UpsertQuery(BaseModel):
    """How a card is written by its id in another system."""

    model_config = ConfigDict(extra="forbid")

    match_on: str | None = None
    dry_run: Annotated[bool, Field(description="Tell what would become of it, and change nothing.")] = False
    source_updated_at: SourceTime = None


class CompanyUpsertQuery(UpsertQuery):
    """How a company is written by its id in another system."""

    match_on: MatchCompany = None


class ContactUpsertQuery(UpsertQuery):
    """How a contact is written by its id in another system."""

    match_on: MatchContact = None


class UpsertItem(Input):
    """What every card of a batch says beside its fields."""

    external_id: ExternalId
    base_version: Annotated[
        Count | None, Field(description="The version this change was made on; refused when the card has another one.")
    ] = None
    source_updated_at: SourceTime = None


class CompanyUpsertItem(UpsertItem):
    """One company of a batch."""

    card: Annotated[CompanyPush, Field(description="Its fields; what is absent stays.")]


class ContactUpsertItem(UpsertItem):
    """One contact of a batch."""

    card: Annotated[ContactPush, Field(description="Its fields; what is absent stays.")]


class UpsertBatch(Input):
    """Cards of one source. Each is looked at alone: what is wrong with one is told of that one."""

    source: Source
    match_on: str | None = None
    atomic: Annotated[Flag, Field(description="All or nothing: the first card that is refused refuses them all.")] = (
        False
    )
    dry_run: Annotated[Flag, Field(description="Tell what would become of them, and change nothing.")] = False
    items: Sequence[Any]


class CompanyUpsertBatch(UpsertBatch):
    """Up to 200 companies of one source."""

    match_on: MatchCompany = None
    items: Annotated[list[SkipValidation[CompanyUpsertItem]], Field(min_length=1, max_length=MOST_ITEMS)]


class ContactUpsertBatch(UpsertBatch):
    """Up to 200 contacts of one source."""

    match_on: MatchContact = None
    items: Annotated[list[SkipValidation[ContactUpsertItem]], Field(min_length=1, max_length=MOST_ITEMS)]


class CompanyUpserted(Output):
    """What became of a company; after a dry run, as it would be."""

    outcome: Outcome
    matched_on: MatchedOn
    card: Company


class ContactUpserted(Output):
    """What became of a contact; after a dry run, as it would be."""

    outcome: Outcome
    matched_on: MatchedOn
    card: Contact


class UpsertedItem(Output):
    """What became of one card of a batch."""

    index: Annotated[int, Field(description="Its place among the items, from 0.")]
    external_id: str | None
    outcome: Literal["created", "updated", "unchanged", "conflict", "error"]
    id: Annotated[UUID | None, Field(description="The card's id here; that of one created by a dry run is not kept.")]
    version: int | None
    matched_on: MatchedOn
    problem: Annotated[Problem | None, Field(description="Why it was refused; its pointers are into the whole body.")]


class UpsertedBatch(Output):
    """What became of the cards of a batch, in the order in which they were sent."""

    dry_run: bool
    counts: Annotated[dict[str, int], Field(description="How many cards had each outcome.")]
    items: list[UpsertedItem]


def _stored(example: Mapping[str, Any]) -> dict[str, Any]:
    times = {"created_at": "2026-11-23T09:00:00Z", "updated_at": "2026-11-23T09:30:00Z", "version": 4}
    return {"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10", **times, **example}


_TOLD: Final = {"outcome": "updated", "matched_on": None}
_ALPINE: Final = {"name": "Alpine Dairy", "domains": ["alpine-dairy.example"]}
_LUCA: Final = {
    "name": "Luca Ferri",
    "emails": ["luca.ferri@alpine-dairy.example"],
    "company_external_id": "0015g00000A",
}


def _batch(match_on: str, external_id: str, card: Mapping[str, Any]) -> dict[str, Any]:
    item = {"external_id": external_id, "source_updated_at": "2026-11-23T08:59:12Z", "card": card}
    return {"source": "crm", "match_on": match_on, "atomic": False, "dry_run": False, "items": [item]}


UPSERT_EXAMPLES: Final = (
    ("CompanyPush", _ALPINE),
    ("ContactPush", _LUCA),
    ("CompanyUpsertBatch", _batch("domain", "0015g00000A", _ALPINE)),
    ("ContactUpsertBatch", _batch("email", "0035g00000B", _LUCA)),
    ("CompanyUpserted", _TOLD | {"card": _stored(COMPANIES.example)}),
    ("ContactUpserted", _TOLD | {"card": _stored(CONTACTS.example)}),
    (
        "UpsertedBatch",
        {
            "dry_run": False,
            "counts": {"updated": 1},
            "items": [
                {
                    "index": 0,
                    "external_id": "0015g00000A",
                    "outcome": "updated",
                    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
                    "version": 4,
                    "matched_on": "domain",
                    "problem": None,
                }
            ],
        },
    ),
)
