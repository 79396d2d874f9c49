"""The examples of rules: their versions, publishing, and trying one."""

from typing import Any, Final

from helpdesk_api.automation.rules import RULES, TERMS
from helpdesk_api.automation.trying import TRIAL_EXAMPLES

RULE_EXAMPLES: Final[dict[str, Any]] = {
    **TRIAL_EXAMPLES,
    "RulePublication": {"version": None},
    "RuleVersions": {
        "data": [
            {
                "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e51",
                "version": 1,
                "recorded_at": "2026-11-23T09:30:00Z",
                **{name: RULES.example[name] for name in TERMS},
                "is_in_force": True,
            }
        ]
    },
}
