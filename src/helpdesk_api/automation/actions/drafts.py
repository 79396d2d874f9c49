"""What becomes of a ticket: changes that wait to be made as one, and what was said. All under everybody's guards."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from helpdesk_api.automation.actions.creating import create_linked
from helpdesk_api.automation.actions.schemas import KeptAction
from helpdesk_api.directory.custom_fields.models import COLUMN
from helpdesk_api.domain.errors import FieldError, Refusal
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.tickets import service
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Comment, Ticket


class Draft:
    """A ticket with changes that are not stored yet; each remembers which action it came from.

    `author_user_id` is who writes what an integration has written, which has no name of its own.
    """

    def __init__(self, ticket: Ticket, *, author_user_id: UUID | None = None) -> None:
        self.ticket = ticket
        self.author_user_id = author_user_id
        self.comments: list[Comment] = []
        self.created: list[Ticket] = []
        # Whether something was done beside the ticket, which leaves its version as it is.
        self.has_effects = False
        self._changes: dict[str, Any] = {}
        self._sources: dict[str, str] = {}

    def value(self, field: str) -> Any:  # noqa: ANN401 - of whatever type the field is.
        """Give the value of a field as it will be."""
        return self._changes.get(field, getattr(self.ticket, field))

    def put(self, changes: Mapping[str, Any], *, pointer: str) -> None:
        """Note new values; `pointer` is where they stand in the list of actions."""
        self._changes |= changes
        self._sources |= dict.fromkeys(changes, pointer)

    def put_custom_fields(self, values: Mapping[str, Any], *, pointer: str) -> None:
        """Note new values of custom fields, beside those that are noted already; null empties one."""
        self.put({COLUMN: {**self._changes.get(COLUMN, {}), **values}}, pointer=pointer)
        self._sources |= {f"{COLUMN}/{key}": f"{pointer}/{key}" for key in values}

    async def create(self, ctx: Ctx, action: KeptAction, *, pointer: str) -> None:
        """Create a ticket beside this one; raises what creating and linking raise, pointing at the action."""
        ticket = await self.store(ctx)
        try:
            self.created.append(await create_linked(ctx, ticket, action))
        except Refusal as refusal:
            refusal.errors = tuple(
                FieldError(pointer, error.code, error.detail, error.location) for error in refusal.errors
            )
            raise
        # What is asked of its children may be another thing now.
        self.ticket = await crud.fetch(ctx, TICKETS, ticket.id)

    async def store(self, ctx: Ctx) -> Ticket:
        """Make the changes; raises what changing a ticket raises, pointing at the action."""
        changes, self._changes = self._changes, {}
        if not changes:
            return self.ticket
        try:
            self.ticket = await service.update_ticket(ctx, self.ticket.id, changes, expected=None)
        except Refusal as refusal:
            refusal.errors = tuple(self._at_action(error) for error in refusal.errors)
            raise
        return self.ticket

    def _at_action(self, error: FieldError) -> FieldError:
        source = self._sources.get(error.pointer.removeprefix("/"), "/actions")
        return FieldError(source, error.code, error.detail, error.location)
