"""The rights of whoever asked for an export or an import, kept beside it until a worker has done it.

They are those of the request: what somebody may see or write while it is done neither grows nor shrinks. They hold ids
and names of permissions, nothing that could be signed in with.
"""

from typing import Any, Final
from uuid import UUID

from pydantic_core import to_jsonable_python

from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.visibility import Reach

# All other values of a reach are ids.
_TEXTS: Final = frozenset({"seen_territories"})


def kept(principal: Principal) -> dict[str, Any]:
    """Give a principal as JSON."""
    values: dict[str, Any] = to_jsonable_python(dict(principal.reach.values))
    return {
        "type": principal.type,
        "id": None if principal.id is None else str(principal.id),
        "permissions": sorted(principal.permissions),
        "reach": {"kind": principal.reach.kind, "values": values},
        "field_groups": sorted(principal.field_groups),
        "is_sandbox": principal.is_sandbox,
        "credential_id": None if principal.credential_id is None else str(principal.credential_id),
    }


def restored(tenant_id: UUID, told: dict[str, Any]) -> Principal:
    """Give the principal again."""
    values = {name: each if name in _TEXTS else _ids(each) for name, each in told["reach"]["values"].items()}
    return Principal(
        type=told["type"],
        id=_ids(told["id"]),
        tenant_id=tenant_id,
        permissions=frozenset(told["permissions"]),
        reach=Reach(told["reach"]["kind"], values),
        field_groups=frozenset(told["field_groups"]),
        is_sandbox=told["is_sandbox"],
        credential_id=_ids(told["credential_id"]),
    )


def _ids(value: Any) -> Any:  # noqa: ANN401 - an id, a list of ids, or none.
    if isinstance(value, list):
        return list(map(UUID, value))
    return None if value is None else UUID(value)
