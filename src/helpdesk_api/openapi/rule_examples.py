"""The examples of rules: their versions, publishing, and trying one."""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk_api.automation.rule_files import FORMAT
from helpdesk_api.automation.rule_runs import RULE_RUNS
from helpdesk_api.automation.rules import RULES, TERMS
from helpdesk_api.automation.trying import TRIAL_EXAMPLES
from helpdesk_api.webhooks.deliveries import ATTEMPT_EXAMPLE, DELIVERIES
from helpdesk_api.webhooks.feed import EVENT_EXAMPLE

_FILED: Final[dict[str, Any]] = {name: RULES.example[name] for name in ("name", "description", *TERMS)}
_BY_NAME: Final = {"field": "team_id", "op": "ne", "value": {"team": "Night shift"}}
_ENTITY: Final[dict[str, Any]] = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e71",
    "created_at": "2026-11-23T09:30:00Z",
    "updated_at": "2026-11-23T09:30:00Z",
    "version": 1,
}
_CAUSE: Final[Mapping[str, str]] = {"type": "request", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e60"}
_DEADLINE: Final[Mapping[str, str]] = {"type": "deadline", "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e61"}
_DELIVERY: Final = {**_ENTITY, **DELIVERIES.example, "attempts": [ATTEMPT_EXAMPLE]}
_RUN: Final = {**_ENTITY, **RULE_RUNS.example, "cause_type": "deadline", "cause_id": _DEADLINE["id"]}

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
    "Trace": {
        "cause_id": _CAUSE["id"],
        "before": [],
        "is_complete": True,
        "data": [
            {
                **_CAUSE,
                "set_off_by": None,
                "kind": None,
                "state": "done",
                "due_at": None,
                "fired_at": None,
                "events": [EVENT_EXAMPLE | {"deliveries": [_DELIVERY]}],
                "rule_runs": [],
            },
            {
                **_DEADLINE,
                "set_off_by": _CAUSE,
                "kind": "rule.elapsed",
                "state": "done",
                "due_at": "2026-11-23T13:30:00Z",
                "fired_at": "2026-11-23T13:30:00Z",
                "events": [],
                "rule_runs": [_RUN],
            },
        ],
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
