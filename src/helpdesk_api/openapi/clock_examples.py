"""The examples of lines of tickets, and of SLA clocks.

Their records, explaining a deadline, setting it by hand, and extending many.
"""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk_api.tickets.attainment_schemas import ATTAINMENT_EXAMPLES
from helpdesk_api.tickets.calendar_plans import CALENDAR_PLAN_EXAMPLES
from helpdesk_api.tickets.explanation_schemas import EXPLANATION_EXAMPLE
from helpdesk_api.tickets.line_schemas import LINE_EXAMPLES

_TICKET_ID: Final = EXPLANATION_EXAMPLE["ticket_id"]
_EXTENDED: Final = {
    "ticket_id": _TICKET_ID,
    "clock_id": EXPLANATION_EXAMPLE["clock_id"],
    "metric": "resolution",
    "outcome": "extended",
    "due_at": "2026-11-24T10:00:00Z",
}

CLOCK_EXAMPLES: Final[Mapping[str, Any]] = {
    **ATTAINMENT_EXAMPLES,
    **LINE_EXAMPLES,
    "DueCounts": {
        "as_of": "2026-11-23T12:00:00Z",
        "until": "2026-11-23T13:00:00Z",
        "data": [
            {
                "metric": "resolution",
                "overdue": {"count": 3, "relation": "eq"},
                "due_soon": {"count": 12, "relation": "eq"},
            }
        ],
    },
    "ClockExplanation": EXPLANATION_EXAMPLE,
    "ManualDeadline": {"due_at": "2026-11-23T12:00:00Z", "reason": "Agreed with the client on the phone."},
    "ClockExtensionCreate": {
        "filter": {"ticket_ids": [_TICKET_ID], "company_ids": [], "priorities": []},
        "metrics": ["resolution"],
        "seconds": 14_400,
        "reason": "Outage of the data centre.",
    },
    "ClockExtensions": {"data": [_EXTENDED]},
    **CALENDAR_PLAN_EXAMPLES,
}
