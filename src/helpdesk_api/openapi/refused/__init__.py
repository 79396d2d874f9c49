"""What only one operation refuses, by its id, beside what its shape tells (`openapi.refusals`): a page for each area.

A test finds codes that no operation names.
"""

from collections.abc import Mapping
from typing import Final

from helpdesk_api.domain.errors import Refusal
from helpdesk_api.openapi import operator
from helpdesk_api.openapi.refused import cards, events, people, tickets

Refusals = tuple[type[Refusal], ...]

OF_OPERATION: Final[Mapping[str, Refusals]] = {
    **people.REFUSED,
    **cards.REFUSED,
    **tickets.REFUSED,
    **events.REFUSED,
    **operator.REFUSALS,
}
