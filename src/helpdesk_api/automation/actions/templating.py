"""Text of templates about a ticket: which fields they may name, and filling them in."""

from typing import Final

from helpdesk_api.domain.templates import read_template, rendered
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.tickets.condition_facts import facts_of
from helpdesk_api.tickets.condition_fields import Use, check_shown, fields_for, is_shown
from helpdesk_api.tickets.schemas import Ticket

_LONGEST: Final = 65_536


def check_template(principal: Principal, given: str, *, pointer: str) -> None:
    """Refuse what is no template, and one that would tell what its author is not shown.

    Raises InvalidTemplateError, UnknownTemplateFieldError, MissingPermissionError and FieldNotAllowedError.
    """
    template = read_template(given, fields_for(Use.TEMPLATE), pointer=pointer)
    check_shown(principal, template.paths, pointer=pointer)


async def fill(ctx: Ctx, ticket: Ticket, given: str, *, as_shown: bool = False) -> str:
    """Give a text with the values of a ticket as it is stored; of cards that are not seen nothing has a value.

    With `as_shown` the same holds of fields that the principal is not shown: they are for whoever reads the text.
    """
    template = read_template(given, fields_for(Use.TEMPLATE), pointer="")
    paths = template.paths if not as_shown else [path for path in template.paths if is_shown(ctx.principal, path)]
    facts = await facts_of(ctx, [ticket.id], paths)
    return rendered(template, facts.get(ticket.id, {}), longest=_LONGEST)
