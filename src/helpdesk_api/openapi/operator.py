"""What the operator's document says: its guide, its examples, and what its operations refuse."""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk_api.domain.errors import Refusal
from helpdesk_api.identity.api_keys import ExpiryInPastError
from helpdesk_api.identity.key_grants import NothingGrantedError, SeveralHoldersError
from helpdesk_api.identity.permissions import UnknownFieldGroupError, UnknownPermissionError
from helpdesk_api.identity.roles import ReachMismatchError
from helpdesk_api.identity.tenant_operations import DeletionScheduledError
from helpdesk_api.kit.quotas import QuotaExceededError
from helpdesk_api.kit.sqlstate import AlreadyExistsError, UnknownReferenceError

TITLE: Final = "helpdesk-api for operators"
SUMMARY: Final = "Tenants, for whoever runs the service."
DESCRIPTION: Final = """\
Creates, bounds, suspends, deletes and restores the tenants of an installation. It exists only where
`HELPDESK_OPERATOR_KEY` is set, takes that key and no other, and belongs inside of the network.

Errors are problem documents (RFC 9457) as everywhere: `code` never changes. Bodies and queries are read strictly, PATCH
is a merge patch. There are no idempotency keys: repeating a suspension changes nothing, and names of tenants are
unique.
"""
TAGS: Final = {"tenants": "The tenants of the installation."}
SECURITY: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The key of the operator, as `HELPDESK_OPERATOR_KEY` sets it.",
}

_TENANT: Final[Mapping[str, Any]] = {
    "id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e01",
    "name": "Northern Service",
    "state": "active",
    "created_at": "2026-11-23T09:00:00Z",
    "version": 3,
    "test_clock_at": None,
    "suspended_at": None,
    "purge_at": None,
    "quotas": {"requests_per_minute": 6_000, "users": 50, "api_keys": None, "webhook_endpoints": None},
    "cors_origins": ["https://desk.example"],
    "language": "en",
}
EXAMPLES: Final[Mapping[str, Any]] = {
    "TenantState": _TENANT,
    "TenantList": {"data": [_TENANT], "next_after": None},
    "TenantCreate": {"name": "Northern Service", "quotas": {"users": 50}, "cors_origins": ["https://desk.example"]},
    "TenantUpdate": {"quotas": {"users": None, "requests_per_minute": 6_000}},
}

REFUSALS: Final[Mapping[str, tuple[type[Refusal], ...]]] = {
    "tenants_create": (AlreadyExistsError,),
    "tenants_update": (AlreadyExistsError,),
    **dict.fromkeys(("tenants_suspend", "tenants_resume", "tenants_delete"), (DeletionScheduledError,)),
    "tenants_create_api_key": (
        *(ExpiryInPastError, NothingGrantedError, SeveralHoldersError, UnknownPermissionError, UnknownFieldGroupError),
        *(ReachMismatchError, UnknownReferenceError, QuotaExceededError),
    ),
}
