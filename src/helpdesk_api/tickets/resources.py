"""What the mechanisms need to know about tickets and comments."""

from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select, update

from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.services import SERVICES
from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.assets.assets import ASSETS
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.custom_fields.narrowing import CustomFieldQuery, refine
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.domain.workflow import Status
from helpdesk_api.files.schemas import ATTACHMENT_EXAMPLE
from helpdesk_api.identity.teams import TEAMS
from helpdesk_api.identity.tenants import TICKET_NUMBERS
from helpdesk_api.identity.users import USERS
from helpdesk_api.identity.visibility import OWN, SEEN_COMPANIES, SEEN_CONTACT, rows_of
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.schema import Instant
from helpdesk_api.kit.tenancy import counters
from helpdesk_api.kit.visibility import RowRules
from helpdesk_api.tickets.models import comments, ticket_watchers, tickets
from helpdesk_api.tickets.schemas import Channel, Comment, CommentKind, Coverage, Ticket, TicketType

# The number is taken by the statement that stores the ticket, so that the lock on the counter is short.
_following = (
    update(counters)
    .where(counters.c.tenant_id == bindparam("of_tenant"), counters.c.name == TICKET_NUMBERS)
    .values(value=counters.c.value + 1)
    .returning(counters.c.value)
    .cte("following")
)


def watched_too(rules: RowRules) -> RowRules:
    """Let whoever of a client watches a ticket of that client see it; of the staff, watching shows nobody more."""
    watched = select(ticket_watchers.c.ticket_id).where(
        ticket_watchers.c.tenant_id == tickets.c.tenant_id, ticket_watchers.c.contact_id == SEEN_CONTACT
    )
    of_own_client = and_(tickets.c.company_id == SEEN_COMPANIES, tickets.c.id.in_(watched.correlate(tickets)))
    return {**rules, OWN: or_(rules[OWN], of_own_client)}


TICKETS = Resource(
    name="ticket",
    plural="tickets",
    table=tickets,
    read=Ticket,
    example={
        "number": 1042,
        "subject": "The label printer at dock 3 prints blank labels",
        "description": "Since this morning. Restarting it did not help.",
        "type": "incident",
        "priority": "high",
        "status": "open",
        "company_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e10",
        "contact_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e11",
        "location_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e12",
        "asset_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e14",
        "service_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e70",
        "contract_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e72",
        "coverage": "covered",
        "covered_by": "asset",
        "coverage_decided_at": "2026-11-23T09:00:00Z",
        "sla_policy_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e30",
        "calendar_id": None,
        "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02",
        "assignee_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
        "tags": ["dock-3", "printer"],
        "channel": "api",
        "due_at": "2026-11-23T10:30:00Z",
        "snoozed_until": None,
        "first_responded_at": None,
        "solved_at": None,
        "closed_at": None,
        "reopen_count": 0,
        "custom_fields": {"printer_model": "ZT-411"},
        "attachments": [ATTACHMENT_EXAMPLE],
        "clocks": [
            {
                "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e45",
                "metric": "first_response",
                "instance": 1,
                "state": "running",
                "hours": "business",
                "target_seconds": 3600,
                "extension_seconds": 0,
                "is_manual": False,
                "remaining_seconds": 2520,
                "due_at": "2026-11-23T10:30:00Z",
                "warned_at": None,
                "breached_at": None,
                "stopped_at": None,
                "policy_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e30",
                "policy_version": 1,
            }
        ],
    },
    filters=(
        Filter("number", tickets.c.number, int),
        Filter("status", tickets.c.status, Status),
        Filter("priority", tickets.c.priority, Priority),
        Filter("type", tickets.c.type, TicketType),
        Filter("channel", tickets.c.channel, Channel),
        Filter("company_id", tickets.c.company_id, UUID),
        Filter("contact_id", tickets.c.contact_id, UUID),
        Filter("location_id", tickets.c.location_id, UUID),
        Filter("asset_id", tickets.c.asset_id, UUID),
        Filter("service_id", tickets.c.service_id, UUID),
        Filter("contract_id", tickets.c.contract_id, UUID),
        Filter("coverage", tickets.c.coverage, Coverage),
        Filter("team_id", tickets.c.team_id, UUID),
        Filter("assignee_id", tickets.c.assignee_id, UUID),
        Filter("tag", tickets.c.tags, str, "contains"),
        Filter("due_at", tickets.c.due_at, Instant, "range"),
        Filter("snoozed_until", tickets.c.snoozed_until, Instant, "range"),
    ),
    sorts=(Sort("number", tickets.c.number, "integer"),),
    includes=(
        Include("company", "company_id", COMPANIES),
        Include("contact", "contact_id", CONTACTS),
        Include("location", "location_id", LOCATIONS),
        Include("asset", "asset_id", ASSETS),
        Include("service", "service_id", SERVICES),
        Include("contract", "contract_id", CONTRACTS),
        Include("team", "team_id", TEAMS),
        Include("assignee", "assignee_id", USERS),
    ),
    rows=watched_too(
        rows_of(
            company=tickets.c.company_id,
            contact=tickets.c.contact_id,
            team=tickets.c.team_id,
            assignee=tickets.c.assignee_id,
        )
    ),
    query_base=CustomFieldQuery,
    refine=refine,
    computed={"number": select(_following.c.value).scalar_subquery()},
)

COMMENTS = Resource(
    name="comment",
    plural="comments",
    table=comments,
    read=Comment,
    example={
        "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
        "kind": "reply",
        "body": "A technician will be at dock 3 at eleven.",
        "author_user_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e03",
        "author_contact_id": None,
        "attachments": [],
    },
    filters=(Filter("kind", comments.c.kind, CommentKind),),
    rows={
        kind: comments.c.ticket_id.in_(
            select(tickets.c.id).where(tickets.c.tenant_id == comments.c.tenant_id, condition)
        )
        for kind, condition in TICKETS.rows.items()
    },
    default_sort="created_at",
)
