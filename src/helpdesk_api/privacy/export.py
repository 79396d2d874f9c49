"""Everything about a person as one document, for the person or for another system to take over."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue
from pydantic_core import to_jsonable_python
from sqlalchemy import Uuid, bindparam, or_, select

from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.domain.errors import ForbiddenError
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.events import commit_order, events, record
from helpdesk_api.kit.grouped_values import flattened, flattened_changes
from helpdesk_api.kit.schema import Output
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.visibility import EVERY_GROUP
from helpdesk_api.privacy.erasures import Erasure, erasures
from helpdesk_api.privacy.people import RESOURCES, PersonType
from helpdesk_api.tickets.models import comments, ticket_watchers, tickets
from helpdesk_api.tickets.schemas import Comment
from helpdesk_api.tickets.watchers import TICKET_WATCHERS

_person = bindparam("person", type_=Uuid)
_ticket_columns = tuple(column for column in tickets.c if column.name != "tenant_id")
_TICKETS: Final = Statement(
    select(*_ticket_columns)
    .where(tickets.c.tenant_id == bindparam("tenant"), tickets.c.contact_id == _person)
    .order_by(tickets.c.created_at, tickets.c.id)
)
_COMMENTS: Final = Statement(
    select(*(comments.c[name] for name in Comment.model_fields))
    .where(
        comments.c.tenant_id == bindparam("tenant"),
        or_(comments.c.author_contact_id == _person, comments.c.author_user_id == _person),
    )
    .order_by(comments.c.created_at, comments.c.id)
)
_WATCHED: Final = Statement(
    select(*TICKET_WATCHERS.columns)
    .where(
        ticket_watchers.c.tenant_id == bindparam("tenant"),
        or_(ticket_watchers.c.contact_id == _person, ticket_watchers.c.user_id == _person),
    )
    .order_by(ticket_watchers.c.created_at, ticket_watchers.c.id)
)
_event_columns = tuple(column for column in events.c if column.name not in {"tenant_id", "xid", "seq", "salt"})
_EVENTS: Final = Statement(
    select(*_event_columns)
    .where(events.c.tenant_id == bindparam("tenant"), or_(events.c.object_id == _person, events.c.actor_id == _person))
    .order_by(*commit_order())
)
_ERASURES: Final = Statement(
    select(*(erasures.c[name] for name in Erasure.model_fields))
    .where(erasures.c.tenant_id == bindparam("tenant"), erasures.c.person_id == _person)
    .order_by(erasures.c.created_at, erasures.c.id)
)


EXPORT_EXAMPLE: Final = {
    "person_type": "contact",
    "exported_at": "2026-11-23T09:30:00Z",
    "person": {"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11", "name": "Luca Ferri", "version": 3},
    "tickets": [{"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40", "subject": "The label printer prints blank labels"}],
    "comments": [{"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e41", "kind": "reply", "body": "It works again."}],
    "watched": [{"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e42", "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40"}],
    "events": [{"id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50", "type": "contact.created"}],
    "erasures": [],
}


class PartialExportError(ForbiddenError):
    """What is exported would be more than the caller is shown, and less would not be everything."""

    code = "partial_export"
    title = "The caller is not shown everything about the person"


class PersonExport(Output):
    """Everything about one person."""

    person_type: Annotated[str, Field(examples=["contact", "user"])]
    exported_at: AwareDatetime
    person: Annotated[dict[str, JsonValue], Field(description="The contact or user, as the API shows it.")]
    tickets: Annotated[list[dict[str, JsonValue]], Field(description="The tickets that a contact asked for.")]
    comments: Annotated[list[dict[str, JsonValue]], Field(description="What the person wrote.")]
    watched: Annotated[list[dict[str, JsonValue]], Field(description="Which tickets the person watches.")]
    events: Annotated[
        list[dict[str, JsonValue]], Field(description="What happened to the row, and what the person did.")
    ]
    erasures: Annotated[list[dict[str, JsonValue]], Field(description="Requests to erase the person.")]


async def export_person(ctx: Ctx, person_type: PersonType, person_id: UUID) -> PersonExport:
    """Collect everything about a person and record that it was read.

    Raises PartialExportError and NotFoundError.
    """
    if not (ctx.principal.reach.is_unlimited and ctx.principal.sees(EVERY_GROUP)):
        message = "An export holds every field and every row about a person; this caller is not shown all of them."
        raise PartialExportError(message)
    person = await crud.fetch(ctx, RESOURCES[person_type], person_id)
    key = {"tenant": ctx.tenant_id, "person": person_id}
    parts = {
        name: [_plain(row) for row in await ctx.tx.rows(statement, key)]
        for name, statement in (
            ("tickets", _TICKETS), ("comments", _COMMENTS), ("watched", _WATCHED),
            ("events", _EVENTS), ("erasures", _ERASURES),
        )
    }  # fmt: skip
    record(
        ctx,
        "person.exported",
        object_id=person_id,
        version=person.version,
        data={"person_type": person_type, "counts": {name: len(rows) for name, rows in parts.items()}},
    )
    return PersonExport.trusted({
        "person_type": person_type,
        "exported_at": ctx.real_now,
        "person": to_jsonable_python(person),
        **parts,
    })  # fmt: skip


def _plain(row: Any) -> dict[str, JsonValue]:  # noqa: ANN401 - a row of any table.
    plain: dict[str, JsonValue] = to_jsonable_python(dict(row.items()))
    if COLUMN in plain:
        plain[COLUMN] = flattened(row[COLUMN])
    if "changes" in plain:
        plain["changes"] = flattened_changes(row["changes"], frozenset({COLUMN}))
    return plain
