"""Which columns hold the ids of client cards, and how: read from the foreign keys, so that no new table is forgotten.

What points at a card follows it when it is merged. What is part of it, and would be deleted with it, is kept in the
snapshot instead. Lists of ids and values of custom fields follow with the row that holds them (`merging.mentions`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Table, UniqueConstraint

from helpdesk_api.assets.assets import ASSETS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.custom_fields.models import custom_field_values
from helpdesk_api.directory.external_references import EXTERNAL_REFERENCES, external_references
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.files.models import files
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import metadata
from helpdesk_api.tickets.resources import TICKETS

# Whose changes are told, each for itself.
TOLD: Final[Mapping[str, Resource[Any]]] = {
    resource.table.name: resource for resource in (TICKETS, ASSETS, COMPANIES, CONTACTS, LOCATIONS, EXTERNAL_REFERENCES)
}
LISTING: Final[tuple[Resource[Any], ...]] = (CONTACTS, LOCATIONS)
# Triggers keep the first two; who was signed in is signed out, who has a key is not merged, tickets are counted anew.
_NOT_KEPT: Final = frozenset(
    {"card_keys", "custom_field_values", "sessions", "sign_in_links", "api_keys", "ticket_summaries"}
)


@dataclass(frozen=True, slots=True)
class Absorption:
    """One card that goes into another, as a part of a merge."""

    card: Table
    loser_id: UUID
    winner_id: UUID
    merge_id: UUID

    @property
    def cause(self) -> dict[str, str]:
        """Name the merge, as the events of what follows do."""
        return {"merge_id": str(self.merge_id)}


@dataclass(frozen=True, slots=True)
class Companion:
    """A column beside the pointer that has to agree with it: both together refer to one row of another table."""

    column: str
    table: Table
    pointer: str
    key: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """A column that holds the id of a card."""

    table: Table
    column: str
    companions: tuple[Companion, ...]
    # Beside which other columns an id may stand once only.
    unique: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        """Name it in a snapshot."""
        return f"{self.table.name}.{self.column}"


@cache
def pointers(card: Table) -> tuple[Pointer, ...]:
    """Give every column that holds the id of a card and follows it, what others refer to first."""
    lists = {listed.links for resource in LISTING for listed in resource.reference_lists}
    found: list[Pointer] = []
    for table in metadata.sorted_tables:
        if table in lists or table is custom_field_values:
            continue
        for column in table.c:
            keys = [key for key in table.foreign_key_constraints if _leads_to(column, key, card)]
            if keys and not any(_is_part(key, card) for key in keys):
                found.append(Pointer(table, column.name, _companions(table, column, keys), _unique(table, column)))
    if card is CONTACTS.table:
        # Whoever uploaded a file may be on the staff too, so no foreign key says it.
        found.append(Pointer(files, "uploaded_by_id", (), ()))
    return tuple(found)


@cache
def parts(card: Table) -> tuple[tuple[Table, str], ...]:
    """Give the tables whose rows are part of a card and are kept with it, with the column that says of which."""
    return tuple(
        (table, element.parent.name)
        for table in metadata.sorted_tables
        if table.name not in _NOT_KEPT
        for key in table.foreign_key_constraints
        if _is_part(key, card)
        for element in key.elements
        if element.column.name == "id"
    )


def _is_part(key: ForeignKeyConstraint, card: Table) -> bool:
    is_owned = key.referred_table is card and key.ondelete == "CASCADE"
    # The ids in other systems lead to the card that stays.
    return is_owned and key.table is not external_references


def _leads_to(column: Column[object], key: ForeignKeyConstraint, card: Table) -> bool:
    """Tell whether a foreign key says, at once or by way of other tables, that a column holds the id of a card."""
    for element in key.elements:
        target = element.column
        if element.parent is not column or target is column:
            continue
        if target.table is card and target.name == "id":
            return True
        if any(_leads_to(target, further, card) for further in target.table.foreign_key_constraints):
            return True
    return False


def _companions(table: Table, column: Column[object], keys: list[ForeignKeyConstraint]) -> tuple[Companion, ...]:
    found = []
    for key in keys:
        pairs = {element.parent.name: element.column.name for element in key.elements}
        pairs.pop("tenant_id")
        pointer = pairs.pop(column.name)
        if key.referred_table is not table:
            found += [Companion(own, key.referred_table, pointer, theirs) for own, theirs in pairs.items()]
    return tuple(found)


def _unique(table: Table, column: Column[object]) -> tuple[tuple[str, ...], ...]:
    constraints = (item for item in table.constraints if isinstance(item, UniqueConstraint))
    names = ([each.name for each in item.columns] for item in constraints)
    return tuple(
        tuple(name for name in each if name not in {"tenant_id", column.name})
        for each in names
        if column.name in each and "id" not in each
    )
