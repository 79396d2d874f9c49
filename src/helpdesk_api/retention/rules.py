"""Everything that is kept for a time, on one page: what a tenant chooses the days of, and what is the same for all.

Each entry is declared beside its table. Which events are about the business of the desk and which about its security
is said here: a type that is not listed counts as security and is kept longer.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from helpdesk_api.automation.rule_runs import RUNS_KEPT
from helpdesk_api.files.models import UNATTACHED_FILES_KEPT
from helpdesk_api.identity.event_purging import KeptEvents
from helpdesk_api.identity.key_usage import USAGE_KEPT
from helpdesk_api.identity.sign_in.models import LINKS_KEPT, SESSIONS_KEPT
from helpdesk_api.kit.job_causes import JOB_CAUSES_KEPT
from helpdesk_api.kit.jobs import jobs
from helpdesk_api.kit.mail.queue import EMAILS_KEPT
from helpdesk_api.kit.retention import Days, Kept, Rule
from helpdesk_api.tickets.retention import CLOSED_TICKETS_KEPT
from helpdesk_api.webhooks.event_types import EVENT_TYPES
from helpdesk_api.webhooks.inbound.models import MESSAGES_KEPT
from helpdesk_api.webhooks.models import DELIVERIES_KEPT

_BUSINESS_OBJECTS: Final = frozenset(
    {
        *("ticket", "ticket_link", "ticket_summary", "ticket_watcher"),
        *("company", "contact", "external_reference", "location", "merge", "team", "calendar", "sla_policy"),
        *("asset", "asset_type", "asset_relation", "contract", "entitlement", "service"),
        *("test_clock", "webhook_delivery", "webhook_replay", "inbound_message"),
    }
)
_ABOUT_ENDPOINTS: Final = frozenset({"webhook_endpoint.ping", "webhook_endpoint.test", "webhook_endpoint.failing"})
_LOOKED_AT: Final = frozenset({"contact.revealed", "contact.viewed_as", "contact.magic_link_sent"})

BUSINESS_EVENTS: Final = frozenset(
    name
    for name, event_type in EVENT_TYPES.items()
    if (event_type.object_type in _BUSINESS_OBJECTS and name not in _LOOKED_AT) or name in _ABOUT_ENDPOINTS
)

EVENTS_KEPT: Final = KeptEvents(
    name="events",
    meaning="Events of tickets, clients and agreements: the feed, and the history of every object.",
    days=Days(default=1_095, least=30, most=3_650),
    business=BUSINESS_EVENTS,
)
SECURITY_EVENTS_KEPT: Final = KeptEvents(
    name="security_events",
    meaning="All other events, of access and of settings: the audit trail. Never shorter than `events_days`.",
    days=Days(default=1_095, least=365, most=3_650),
    business=BUSINESS_EVENTS,
)
FAILED_JOBS_KEPT: Final = Kept(
    name="failed_jobs",
    meaning="Work of the system that was given up, with the reason.",
    table=jobs,
    since=jobs.c.failed_at,
    days=Days(default=90, least=90, most=90, may_be_endless=False),
)

# What a tenant chooses the days of. Tickets come before the events that tell of their end.
CHOSEN: Final[Sequence[Rule]] = (
    CLOSED_TICKETS_KEPT,
    DELIVERIES_KEPT,
    MESSAGES_KEPT,
    RUNS_KEPT,
    EMAILS_KEPT,
    USAGE_KEPT,
    SESSIONS_KEPT,
    LINKS_KEPT,
    EVENTS_KEPT,
    SECURITY_EVENTS_KEPT,
)
RULES: Final[Sequence[Rule]] = (FAILED_JOBS_KEPT, JOB_CAUSES_KEPT, UNATTACHED_FILES_KEPT, *CHOSEN)

DEFAULTS: Final[Mapping[str, int | None]] = {rule.name: rule.days.default for rule in RULES}
