"""Who a person is, in the eyes of the product: the row, and every value by which others may have named them.

Values that the row had earlier count as well; the event log remembers them. A value that somebody else has too, such as
the telephone of an office, is not the person's alone: it is only looked for where a row is about the person.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from pydantic_core import from_json, to_jsonable_python
from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, cast, func, literal_column, or_, select, union_all

from helpdesk_api.directory.contacts import CONTACTS, contacts
from helpdesk_api.domain.redaction import ERASED, is_telling
from helpdesk_api.identity.users import USERS, users
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import events
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import Statement
from helpdesk_api.tickets.models import tickets

PersonType = Literal["contact", "user"]

RESOURCES: Final[dict[PersonType, Resource[Any]]] = {"contact": CONTACTS, "user": USERS}
IDENTITY: Final[dict[PersonType, tuple[str, ...]]] = {
    "contact": ("name", "emails", "phones", "messengers"),
    "user": ("name", "email"),
}
# The fields of the row of which nothing stays.
PRIVATE: Final[dict[PersonType, tuple[str, ...]]] = {
    "contact": (
        *IDENTITY["contact"],
        "notes",
        "preferred_channel",
        "language",
        "memberships",
        "consents",
        "custom_fields",
    ),
    "user": IDENTITY["user"],
}

_HISTORY = Statement(
    select(cast(events.c.changes, Text).label("changes")).where(
        events.c.tenant_id == bindparam("tenant"), events.c.object_id == bindparam("person", type_=Uuid)
    )
)
_values = bindparam("values", type_=ARRAY(Text))
_OTHERS = Statement(
    union_all(
        select(contacts.c.name, contacts.c.emails, contacts.c.phones, contacts.c.messengers).where(
            contacts.c.tenant_id == bindparam("tenant"),
            contacts.c.id != bindparam("person", type_=Uuid),
            or_(
                contacts.c.name == any_(_values),
                contacts.c.emails.op("&&")(_values),
                contacts.c.phones.op("&&")(_values),
                func.jsonb_path_query_array(contacts.c.messengers, literal_column("'$[*].address'")).bool_op("?|")(
                    _values
                ),
            ),
        ),
        select(
            users.c.name,
            func.array_append(cast([], ARRAY(Text)), users.c.email),
            cast([], ARRAY(Text)),
            literal_column("'[]'::jsonb"),
        ).where(
            users.c.tenant_id == bindparam("tenant"),
            users.c.id != bindparam("person", type_=Uuid),
            or_(users.c.name == any_(_values), users.c.email == any_(_values)),
        ),
    )
)
_TICKETS = Statement(
    select(tickets.c.id).where(
        tickets.c.tenant_id == bindparam("tenant"), tickets.c.contact_id == bindparam("person", type_=Uuid)
    )
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for: every value of the person, and those that tell of nobody else."""

    values: list[str]
    own: list[str]


async def wanted_of(ctx: Ctx, person_type: PersonType, person_id: UUID, row: Any) -> Wanted:  # noqa: ANN401 - a row.
    """Collect the values by which a person may be named."""
    found = set(_strings([getattr(row, name) for name in IDENTITY[person_type]]))
    for event in await ctx.tx.rows(_HISTORY, {"tenant": ctx.tenant_id, "person": person_id}):
        changes = from_json(event["changes"])
        found |= set(_strings([changes.get(name) for name in IDENTITY[person_type]]))
    values = sorted(found - {ERASED, *_tombstone_values(person_type, person_id)})
    others = await ctx.tx.rows(_OTHERS, {"tenant": ctx.tenant_id, "person": person_id, "values": values})
    shared = {value.casefold() for other in others for value in _strings([list(other.items())])}
    return Wanted(values, [value for value in values if is_telling(value) and value.casefold() not in shared])


async def tickets_of(ctx: Ctx, person_id: UUID) -> list[UUID]:
    """Find the tickets that a contact has asked for."""
    return [row[0] for row in await ctx.tx.rows(_TICKETS, {"tenant": ctx.tenant_id, "person": person_id})]


def person_type_of(text: str) -> PersonType:
    """Read the kind of a person, as a column with a check or an authentic record holds it."""
    return "user" if text == "user" else "contact"


def tombstone(person_type: PersonType, person_id: UUID) -> dict[str, Any]:
    """Give the values that a row has once its person was erased; others may still refer to it."""
    if person_type == "contact":
        empty: dict[str, Any] = {"emails": [], "phones": [], "messengers": [], "memberships": [], "consents": []}
        empty["custom_fields"] = {}
        nothing = dict.fromkeys(("notes", "portal_role_id", "preferred_channel", "language"))
        return {"name": ERASED, **empty, **nothing}
    return {"name": ERASED, "email": f"{person_id}@erased.invalid", "is_active": False}


def is_erased(person_type: PersonType, person_id: UUID, row: Any) -> bool:  # noqa: ANN401 - a row.
    """Tell whether a row still says nothing of its person."""
    return all(getattr(row, name) == value for name, value in tombstone(person_type, person_id).items())


def _tombstone_values(person_type: PersonType, person_id: UUID) -> Sequence[str]:
    return list(_strings([to_jsonable_python(tombstone(person_type, person_id))]))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case {"service": str(), "address": str(address)}:
            # The name of a messenger tells of nobody.
            yield address
        case list() | tuple():
            for item in value:
                yield from _strings(item)
        case dict():
            yield from _strings(list(value.values()))
        case _:
            return
