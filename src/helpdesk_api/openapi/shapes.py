"""What an operation is, read from FastAPI's description of it: all that decides about its problems and headers."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from helpdesk_api.domain.file_names import UNKNOWN
from helpdesk_api.kit.direct_routes import DIRECT
from helpdesk_api.kit.operator_route import OPERATOR_SCHEME
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.sql import metadata
from helpdesk_api.openapi.schemas import REF, Schema

_WRITING = frozenset({"post", "put", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Shape:
    """One operation. `fields` are the names that its body may have; what `has_bytes` takes no JSON, but any body."""

    id: str
    method: str
    resource: Resource[Any] | None
    scopes: tuple[str, ...]
    is_known: bool
    is_of_operator: bool
    is_direct: bool
    parameters: frozenset[tuple[str, str]]
    fields: frozenset[str]
    has_body: bool
    has_bytes: bool
    answers_version: bool

    @property
    def writes(self) -> bool:
        """Tell whether it changes something."""
        return self.method in _WRITING

    @property
    def takes_key(self) -> bool:
        """Tell whether it takes an idempotency key: what takes a file or a secret, or signs in, stores no answers."""
        return self.writes and not self.is_direct and not self.is_of_operator

    @property
    def signs_in(self) -> bool:
        """Tell whether it lets somebody in who is not known yet."""
        return self.is_direct and not self.is_known

    @property
    def may_be_viewed_as(self) -> bool:
        """Tell whether it answers as it would answer somebody else."""
        return self.method == "get" and self.is_known and not self.is_direct

    @property
    def is_counted(self) -> bool:
        """Tell whether rate limits apply: to everything but what load balancers ask."""
        return self.id not in {"service_livez", "service_readyz"}

    @property
    def is_bounded(self) -> bool:
        """Tell whether it may make one more of what a tenant has a quota for."""
        if self.resource is None or self.resource.quota is None:
            return False
        return self.id.endswith("_create") or self.resource.activates in self.fields

    @property
    def names_object(self) -> bool:
        """Tell whether its path holds the id of an object."""
        return any(place == "path" for place, _ in self.parameters)

    @property
    def pages(self) -> bool:
        """Tell whether it is a list with cursors that grow old."""
        return ("query", "cursor") in self.parameters

    @property
    def follows(self) -> bool:
        """Tell whether it is a feed, whose cursors never expire."""
        return {("query", "after"), ("query", "limit")} <= self.parameters

    @property
    def takes_version(self) -> bool:
        """Tell whether it looks at If-Match."""
        return ("header", "if-match") in self.parameters

    @property
    def guards_fields(self) -> bool:
        """Tell whether it takes or narrows by fields that not everybody is shown."""
        return self.resource is not None and bool(self.resource.groups) and (self.has_body or self.pages)

    @property
    def may_collide(self) -> bool:
        """Tell whether its body sets a value that must be unique."""
        return any(
            isinstance(rule, UniqueConstraint) and rule.columns.keys()[-1] in self.fields for rule in self._constraints
        )

    @property
    def refers(self) -> bool:
        """Tell whether its body holds the id of another object."""
        return any(
            isinstance(rule, ForeignKeyConstraint) and rule.column_keys[-1] in self.fields for rule in self._constraints
        )

    @property
    def is_held(self) -> bool:
        """Tell whether other objects may point at what it deletes, and keep it."""
        return self.method == "delete" and any(
            key.ondelete is None and self.resource is not None and key.referred_table is self.resource.table
            for table in metadata.tables.values()
            for key in table.foreign_key_constraints
        )

    @property
    def _constraints(self) -> frozenset[Any]:
        return frozenset() if self.resource is None or not self.has_body else frozenset(self.resource.table.constraints)


def shape_of(method: str, operation: Schema, schemas: dict[str, Schema], by_tag: dict[str, Resource[Any]]) -> Shape:
    """Read the shape of an operation that FastAPI described."""
    taken = operation.get("requestBody", {}).get("content", {})
    body = _named_schema(operation.get("requestBody", {}), schemas)
    schemes = {scheme for need in operation.get("security", []) for scheme in need}
    success = next(response for status, response in operation["responses"].items() if status.startswith("2"))
    shown = _named_schema(success, schemas).get("properties", {})
    return Shape(
        id=operation["operationId"],
        method=method,
        resource=by_tag.get(operation["tags"][-1]),
        scopes=tuple(scope for need in operation.get("security", []) for scopes in need.values() for scope in scopes),
        is_known=bool(schemes - {OPERATOR_SCHEME}),
        is_of_operator=OPERATOR_SCHEME in schemes,
        is_direct=bool(operation.get(DIRECT)),
        parameters=frozenset((item["in"], item["name"]) for item in operation.get("parameters", [])),
        fields=frozenset(body.get("properties", {})),
        has_body=bool(taken) and UNKNOWN not in taken,
        has_bytes=UNKNOWN in taken,
        answers_version={"id", "version", "updated_at"} <= shown.keys(),
    )


def _named_schema(message: Schema, schemas: dict[str, Schema]) -> Schema:
    for media in message.get("content", {}).values():
        return schemas.get(str(media["schema"].get("$ref", "")).removeprefix(REF), {})
    return {}
