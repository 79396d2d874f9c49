"""The examples of rules: their versions, publishing, and trying one."""

from typing import Any, Final

from helpdesk_api.automation.rule_files import FORMAT
from helpdesk_api.automation.rules import RULES, TERMS
from helpdesk_api.automation.trying import TRIAL_EXAMPLES

_FILED: Final[dict[str, Any]] = {name: RULES.example[name] for name in ("name", "description", *TERMS)}
_BY_NAME: Final = {"field": "team_id", "op": "ne", "value": {"team": "Night shift"}}

RULE_EXAMPLES: Final[dict[str, Any]] = {
    **TRIAL_EXAMPLES,
    "RuleAnalysis": {
        "data": [
            {
                "code": "shadowed",
                "is_certain": True,
                "rule_ids": ["0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e50", "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e52"],
                "field": None,
                "detail": "Whenever the second would fire, the first has fired and stops.",
            }
        ],
        "is_complete": True,
    },
    "RulePublication": {"version": None},
    "RuleFile": {"format": FORMAT, "rules": [_FILED | {"condition": _BY_NAME}]},
    "RuleImport": {"format": FORMAT, "rules": [_FILED], "dry_run": True},
    "ImportedRules": {
        "dry_run": True,
        "rules": [{"name": _FILED["name"], "outcome": "created", "rule_id": None}],
    },
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
