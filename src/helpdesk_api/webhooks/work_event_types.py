"""The event types of the work itself: of tickets, of the contracts they are under and of what these entitle to.

They are told as part of `event_types`, which holds everything.
"""

from typing import Final

from helpdesk_api.webhooks.event_description import CREATED_FIRST, event, stored

TICKET: Final = (
    event(
        "ticket.created",
        "A ticket was created.",
        *("number", "subject", "type", "priority", "status", "company_id", "contact_id", "channel"),
        version=CREATED_FIRST,
    ),
    event("ticket.updated", "Fields of a ticket other than status and assignment were changed.", "priority", "tags"),
    event("ticket.deleted", "A closed ticket was removed with everything on it, under the rules of retention."),
    event("ticket.status_changed", "A ticket moved to another status.", "status"),
    event("ticket.assigned", "A ticket was given to another team or assignee, or taken from them.", "assignee_id"),
    event(
        "ticket.woken",
        "A ticket is put off no longer: time was up, its client wrote, or somebody woke it.",
        "snoozed_until",
    ),
    event("ticket.reply_added", "A user or a contact replied publicly."),
    event("ticket.note_added", "A user or an inbound hook added an internal note. No event or message holds its text."),
    event("ticket.sla_started", "A clock of an SLA policy started to run for a ticket.", version=CREATED_FIRST),
    event("ticket.sla_warning", "A clock of a ticket reached its warning before the deadline."),
    event("ticket.sla_breached", "The deadline of a clock passed before what was promised was done."),
    event(
        "ticket.sla_escalated",
        "A clock of a ticket reached an escalation step; `data` tells which, and whether the clock got it too late.",
    ),
    event("ticket.sla_escalation_failed", "What an escalation step was to change was refused; `data` tells why."),
    event("ticket.sla_paused", "A clock of a ticket was paused, because the ticket waits."),
    event("ticket.sla_resumed", "A paused clock of a ticket runs again, with a later deadline."),
    event("ticket.sla_met", "A clock of a ticket stopped in time: the promise was kept."),
    event("ticket.sla_missed", "A clock of a ticket stopped after its deadline: the promise was kept late."),
    event("ticket.sla_cancelled", "A clock of a ticket ended because nothing promises it any more."),
    event("ticket.sla_reopened", "A stopped clock runs again, because the ticket was opened again."),
    event("ticket.sla_retargeted", "A clock of a ticket got another target or deadline."),
    event("ticket.sla_extended", "More time was granted to a clock of a ticket; `data` tells the reason."),
    event("ticket.sla_deadline_set", "The deadline of a clock was set by hand; `data` tells the reason."),
    event("ticket.sla_deadline_released", "A deadline that was set by hand was taken back."),
    event(
        "ticket.notified",
        "Messages about a ticket were written; `data` names them, and counts whom none was written to.",
    ),
    event("ticket.rule_applied", "A rule fired for a ticket; `data` tells which version of which."),
    event("ticket.rules_ended", "Rules were kept from going on with a ticket; `data` tells the limit and the rules."),
)
CONTRACT: Final = (
    event(
        "contract.amended",
        "Terms of a contract were stated for a span of time; `data` tells which, for when, and why.",
    ),
    event("contract.status_changed", "A contract has begun, ended, or was suspended, resumed or amended.", "status"),
    event(
        "coverage_settings.updated", "What becomes of tickets that no contract covers was changed.", "uncovered_tickets"
    ),
    event("contract.notice_due", "The last chance for giving notice before a term of a contract ends has come."),
)
ENTITLEMENT: Final = (
    event("entitlement.granted", "An amount was granted, for a period or by hand; `data` tells how much is left."),
    event("entitlement.reserved", "An amount was set aside; `data` tells how much, for what, and what is left."),
    event("entitlement.used", "An amount was used; `data` tells how much, for what, and the balance after it."),
    event("entitlement.reversed", "What was granted, reserved or used was undone; `data` tells what."),
    event("entitlement.rolled_over", "What was left of a period is kept for the next one."),
    event("entitlement.expired", "What was left of a grant is over without having been used."),
    event("entitlement.threshold_reached", "What is left has fallen to one of the amounts in `warn_at`."),
    event("entitlement.exhausted", "Nothing is left."),
    event(
        "entitlement.contract_ending",
        "The last chance for giving notice before the contract ends has come; `data` tells what is left by then.",
    ),
)
TICKET_SUMMARY: Final = stored(
    "ticket_summary",
    "How many tickets a client card has",
    *("company_id", "open_count", "overdue_count", "breached_count", "last_contact_at"),
    changing="open_count",
    removable=False,
)
