"""What conditions may ask of the custom fields of a ticket: which there are is said by the tenant, so it is looked up.

The fields that every ticket has are `tickets.condition_fields`. A condition that mentions no custom field costs nothing
here. Since neither fields nor choices are ever removed, a condition that could be read once can always be.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from helpdesk_api.directory.custom_fields.conditions import PREFIX, AskedPart, in_sql, parts_of
from helpdesk_api.directory.custom_fields.definitions import definitions_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.grouped_values import EVERYBODY
from helpdesk_api.tickets.condition_fields import OFFERED, OfferedField, Use
from helpdesk_api.tickets.models import tickets
from helpdesk_api.tickets.resources import TICKETS

NO_CUSTOM: Final[Mapping[str, OfferedField]] = MappingProxyType({})


async def custom_offered(ctx: Ctx) -> dict[str, OfferedField]:
    """Give what may be asked of the custom fields of tickets, by path."""
    definitions = await definitions_of(ctx, TICKETS.plural)
    return {part.field.path: _offered(part) for each in definitions.values() for part in parts_of(each)}


async def offered_to(ctx: Ctx, *given: object) -> Mapping[str, OfferedField]:
    """Give everything that conditions such as these may ask about, by path."""
    mentioned = any(PREFIX in (each if isinstance(each, str) else json.dumps(each)) for each in given)
    return {**OFFERED, **await custom_offered(ctx)} if mentioned else OFFERED


def _offered(part: AskedPart) -> OfferedField:
    group = None if part.group == EVERYBODY else part.group
    expression = in_sql(part, tickets.c.custom_fields)
    return OfferedField(part.field, frozenset(Use) - {Use.TEMPLATE}, "tickets:read", group, lambda _: expression)
