"""How tenants look to their operator, over HTTP and at the command line."""

from dataclasses import asdict
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, Strict

from helpdesk_api.identity.tenants import Quotas, Tenant
from helpdesk_api.kit.cors import is_origin
from helpdesk_api.kit.languages import Language
from helpdesk_api.kit.schema import Input, Instant, Line, Output

_MOST_REQUESTS = 1_000_000
_MOST_OBJECTS = 1_000_000
_MOST_ORIGINS = 50
_MOST_TENANTS = 200


def _origin(text: str) -> str:
    if not is_origin(text):
        message = "must be an origin in lower case, such as https://app.example.com"
        raise ValueError(message)
    return text


def _sorted_unique(origins: list[str]) -> list[str]:
    return sorted(set(origins))


_AtMost = Annotated[int, Strict(), Field(ge=0, le=_MOST_OBJECTS)]
Origins = Annotated[
    list[Annotated[str, Field(max_length=300), AfterValidator(_origin)]],
    Field(max_length=_MOST_ORIGINS, description="Web pages that may call the API for this tenant from a browser."),
    AfterValidator(_sorted_unique),
]


class QuotasInput(Input):
    """What a tenant may use at most; null for no limit of its own, absent for no change."""

    requests_per_minute: Annotated[int, Strict(), Field(ge=1, le=_MOST_REQUESTS)] | None = None
    users: Annotated[_AtMost | None, Field(description="Active ones.")] = None
    api_keys: Annotated[_AtMost | None, Field(description="Those that were not revoked and have not expired.")] = None
    webhook_endpoints: _AtMost | None = None


class TenantCreate(Input):
    """A new tenant."""

    name: Line
    test_clock_at: Annotated[Instant | None, Field(description="Makes it a sandbox whose time stands still here.")] = (
        None
    )
    quotas: QuotasInput = QuotasInput()
    cors_origins: Origins = Field(default=[])
    language: Language = "en"


class TenantUpdate(Input):
    """Changes to a tenant; what is absent stays."""

    name: Annotated[Line, Field(default_factory=str)]
    quotas: Annotated[QuotasInput, Field(default_factory=QuotasInput)]
    cors_origins: Annotated[Origins, Field(default_factory=list)]
    language: Annotated[Language, Field(default_factory=str)]

    def columns(self) -> dict[str, Any]:
        """Give what is to change by the columns that hold it."""
        given = self.given()
        quotas = self.quotas.given() if "quotas" in given else {}
        others = {name: value for name, value in given.items() if name != "quotas"}
        return others | {f"quota_{name}": value for name, value in quotas.items()}


class TenantsQuery(BaseModel):
    """Which tenants to list."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[UUID | None, Field(description="The `next_after` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=_MOST_TENANTS, description="How many to return.")] = 50


class DeletionQuery(BaseModel):
    """How long a deleted tenant can be restored."""

    model_config = ConfigDict(extra="forbid")

    grace_days: Annotated[int, Field(ge=0, le=365, description="For so long it can be restored.")] = 30


class TenantState(Output):
    """A tenant as its operator sees it."""

    id: UUID
    name: str
    state: Annotated[str, Field(examples=["active", "suspended", "deletion_scheduled"])]
    created_at: AwareDatetime
    version: int
    test_clock_at: Annotated[AwareDatetime | None, Field(description="Of a sandbox: what time it is there.")]
    suspended_at: AwareDatetime | None
    purge_at: Annotated[AwareDatetime | None, Field(description="When it is deleted for good.")]
    quotas: Annotated[dict[str, int | None], Field(description="Null for no limit of its own.")]
    cors_origins: list[str]
    language: Language

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Show a tenant."""
        return cls(
            id=tenant.id,
            name=tenant.name,
            state=tenant.state,
            created_at=tenant.created_at,
            version=tenant.version,
            test_clock_at=tenant.clock_at,
            suspended_at=tenant.suspended_at,
            purge_at=tenant.purge_at,
            quotas=asdict(tenant.quotas),
            cors_origins=list(tenant.cors_origins),
            language=tenant.language,
        )


class TenantList(Output):
    """One page of tenants, oldest first."""

    data: list[TenantState]
    next_after: Annotated[UUID | None, Field(description="Null on the last page.")]


def quotas_of(given: QuotasInput) -> Quotas:
    """Give quotas as a value."""
    return Quotas(**given.model_dump())
