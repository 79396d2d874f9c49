"""The examples of what comes in through hooks."""

from typing import Any, Final

from helpdesk_api.webhooks.inbound.hooks import HOOKS
from helpdesk_api.webhooks.inbound.messages import MESSAGES
from helpdesk_api.webhooks.inbound.presets import PRESETS, PresetName

_TOKEN: Final = "hd_hook_<tenant and hook>_<secret>_<checksum>"  # noqa: S105 - the form of one.
_RESULT: Final = MESSAGES.example["results"][0]
_MESSAGE: Final = {
    "receiver": "helpdesk",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "ProbeFailure", "instance": "https://erp.alpine-dairy.example", "job": "http"},
            "annotations": {"summary": "https://erp.alpine-dairy.example does not answer"},
            "fingerprint": _RESULT["dedupe_key"],
        }
    ],
}
_TICKET: Final[dict[str, Any]] = {
    "subject": "https://erp.alpine-dairy.example does not answer",
    "description": "",
    "priority": "normal",
    "type": "incident",
    "team_id": None,
    "company_id": None,
    "tags": ["http", "probefailure"],
    "custom_fields": {},
}

ADDED_TO_NEW_HOOK: Final = {"token": _TOKEN, "secret": None}

INBOUND_EXAMPLES: Final[dict[str, Any]] = {
    "InboundBody": _MESSAGE,
    "TokenRotation": {"overlap_seconds": 3_600, "force": False},
    "InboundSecretRotation": {"overlap_seconds": 3_600, "force": False, "secret": None},
    "InboundPreviewRequest": {"body": _MESSAGE, "mapping": {"priority": "'high'"}},
    "InboundPreview": {
        "data": [{"result": _RESULT | {"ticket_id": None}, "ticket": _TICKET, "note": None, "card": None}]
    },
    "InboundReceipt": {
        "message_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e72",
        "is_repetition": False,
        "state": "done",
        "results": [_RESULT],
    },
    "InboundPresets": {"data": [PRESETS[PresetName.ALERTMANAGER].model_dump(mode="json")]},
    "InboundHookCreate": {
        "name": HOOKS.example["name"],
        "is_enabled": True,
        "preset": "alertmanager",
        "mapping": {"company_source": "'crm'", "company_external_id": "item.labels.client"},
        "on_recovery": "solve",
        "signature": None,
    },
}
