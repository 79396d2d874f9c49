"""How plans and their occurrences are stored, and what their lists offer.

An occurrence stands once for each target: that is what keeps two workers, a restart or a replay from opening a ticket
twice.
"""

from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    FetchedValue,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from helpdesk_api.agreements.calendars import CALENDARS
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Include, Resource
from helpdesk_api.kit.sql import reference, tenant_table
from helpdesk_api.tickets.plans.schemas import Outcome, TicketPlan, TicketPlanOccurrence

ticket_plans = tenant_table(
    "ticket_plans",
    Column("name", Text, nullable=False),
    Column("recurrence", Text, nullable=False),
    Column("recurs", Text, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date),
    Column("time_of_day", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("lead_days", Integer, nullable=False),
    Column("holiday_shift", Text, nullable=False),
    Column("calendar_id", Uuid),
    Column("catch_up", Text, nullable=False),
    Column("overlap", Text, nullable=False),
    Column("targets", JSONB, nullable=False),
    Column("group_by", Text, nullable=False),
    Column("ticket", JSONB, nullable=False),
    Column("is_active", Boolean, nullable=False),
    # How far it has come: which deadline it waits for, from which date on what is to come counts, where its rule began.
    Column("turn", Integer, FetchedValue(), nullable=False),
    Column("next_on", Date),
    Column("begun_on", Date),
    CheckConstraint("recurs IN ('fixed', 'floating')", name="recurs"),
    CheckConstraint("holiday_shift IN ('none', 'next', 'previous', 'skip')", name="holiday_shift"),
    CheckConstraint("holiday_shift = 'none' OR calendar_id IS NOT NULL", name="shifted_by_calendar"),
    CheckConstraint("catch_up IN ('all', 'one', 'skip')", name="catch_up"),
    CheckConstraint("overlap IN ('open', 'suppress')", name="overlap"),
    CheckConstraint("group_by IN ('asset', 'location')", name="group_by"),
    CheckConstraint("ends_on >= starts_on", name="ends_after_start"),
    UniqueConstraint("tenant_id", "name"),
    reference("calendar_id", "calendars"),
    Index(None, "tenant_id", "created_at", "id"),
    Index(None, "tenant_id", "calendar_id"),
)

ticket_plan_occurrences = tenant_table(
    "ticket_plan_occurrences",
    Column("plan_id", Uuid, nullable=False),
    Column("occurs_on", Date, nullable=False),
    Column("target_id", Uuid),
    Column("planned_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("ticket_id", Uuid),
    Column("reason", Text),
    CheckConstraint("outcome IN ('opened', 'failed', 'suppressed', 'missed', 'skipped')", name="outcome"),
    CheckConstraint("(outcome = 'failed') = (reason IS NOT NULL)", name="failed_for_a_reason"),
    reference("plan_id", "ticket_plans", ondelete="CASCADE"),
    Index(
        "uq_ticket_plan_occurrences_target",
        *("tenant_id", "plan_id", "target_id", "occurs_on"),
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
    Index(None, "tenant_id", "plan_id", "occurs_on"),
    Index(None, "tenant_id", "ticket_id"),
    Index(None, "tenant_id", "created_at", "id"),
)

TICKET_PLANS = Resource(
    name="ticket_plan",
    plural="ticket-plans",
    table=ticket_plans,
    read=TicketPlan,
    example={
        "name": "Monthly service of the dock scanners",
        "recurrence": "FREQ=MONTHLY;BYDAY=1MO",
        "recurs": "fixed",
        "starts_on": "2026-12-01",
        "ends_on": None,
        "time_of_day": "08:00",
        "time_zone": "Europe/Rome",
        "lead_days": 7,
        "holiday_shift": "next",
        "calendar_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e07",
        "catch_up": "one",
        "overlap": "suppress",
        "targets": {
            "asset_ids": [],
            "asset_type_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e0a"],
            "location_ids": [],
        },
        "group_by": "location",
        "ticket": {
            "subject": "Service the dock scanners",
            "description": "",
            "type": "task",
            "priority": "normal",
            "company_id": None,
            "contact_id": None,
            "location_id": None,
            "asset_id": None,
            "service_id": None,
            "contract_id": None,
            "team_id": None,
            "assignee_id": None,
            "tags": ["maintenance"],
            "custom_fields": {},
        },
        "is_active": True,
    },
    filters=(
        Filter("name", ticket_plans.c.name, str),
        Filter("is_active", ticket_plans.c.is_active, bool),
    ),
    sorts=(Sort("name", ticket_plans.c.name, "text"),),
    includes=(Include("calendar", "calendar_id", CALENDARS),),
)

OCCURRENCES = Resource(
    name="ticket_plan_occurrence",
    plural="ticket-plan-occurrences",
    table=ticket_plan_occurrences,
    read=TicketPlanOccurrence,
    example={
        "plan_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e70",
        "occurs_on": "2026-12-07",
        "target_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e04",
        "planned_at": "2026-12-09T07:00:00Z",
        "outcome": "opened",
        "ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40",
        "reason": None,
    },
    filters=(
        Filter("plan_id", ticket_plan_occurrences.c.plan_id, UUID),
        Filter("ticket_id", ticket_plan_occurrences.c.ticket_id, UUID),
        Filter("outcome", ticket_plan_occurrences.c.outcome, Outcome),
    ),
)
