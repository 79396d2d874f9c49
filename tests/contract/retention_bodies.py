"""A valid change of for how long what is kept."""

from tests.contract.bodies import JSON

RETENTION: JSON = {
    "closed_tickets_days": 365,
    "webhook_deliveries_days": 14,
    "inbound_messages_days": 14,
    "outbound_emails_days": 14,
    "api_key_usage_days": 90,
    "sessions_days": 30,
    "sign_in_links_days": 3,
    "rule_runs_days": 14,
    "events_days": 400,
    "security_events_days": 800,
    "legal_hold_reason": "A lawsuit.",
}
