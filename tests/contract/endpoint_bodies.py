"""A valid body for a webhook endpoint that says everything."""

import trustme

from tests.contract.bodies import JSON, unique
from tests.stage import Client

_identity = trustme.CA().issue_cert("helpdesk@service.example")
CERTIFICATE = _identity.cert_chain_pems[0].bytes().decode()
PRIVATE_KEY = _identity.private_key_pem.bytes().decode()


def webhook_endpoint(api: Client) -> JSON:
    """Give an endpoint that is switched off, so that nothing is sent while a test looks on."""
    return {
        "url": f"https://{unique('hooks').replace(' ', '')}.client.example/helpdesk",
        "description": "Ticket mirror",
        "event_types": ["ticket.*"],
        "condition": {"field": "priority", "op": "gte", "value": "high"},
        "is_enabled": False,
        "max_in_flight": 8,
        "rate_per_second": 50,
        "ordered": True,
        "payload": "full",
        "field_groups": ["ticket.internal"],
        "payload_version": "2026-11-01",
        "format": "cloudevents",
        "metadata": {"owner": "erp-team"},
        "headers": [{"name": "X-Environment", "value": "production", "is_secret": False}],
        "authentication": {
            "type": "basic",
            "username": "helpdesk",
            "secret": "open sesame",
            "token_url": None,
            "client_id": None,
            "scope": None,
        },
        "client_certificate": {"certificate": CERTIFICATE, "private_key": PRIVATE_KEY},
    }
