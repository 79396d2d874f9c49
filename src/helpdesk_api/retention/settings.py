"""How long a tenant keeps what, as it has chosen: one object per tenant, always there.

The bounds of each choice come from where the rule is declared, and the database holds them too. While a legal hold is
set nothing is removed, whatever the days say.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, Strict, create_model
from sqlalchemy import CheckConstraint, Column, Integer, Text, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert

from helpdesk_api.domain.errors import InvalidError, Location
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.retention import Rule
from helpdesk_api.kit.schema import Entity, Input, Line
from helpdesk_api.kit.sql import Statement, tenant_table
from helpdesk_api.kit.tenancy import tenants
from helpdesk_api.retention.rules import CHOSEN, DEFAULTS


class SecurityEventsKeptShorterError(InvalidError):
    """The audit trail would be gone before what it watches over."""

    code = "security_events_kept_shorter"
    title = "Security events must be kept at least as long as all others"


def column_of(rule: Rule) -> str:
    """Name the setting that holds the days of a rule."""
    return f"{rule.name}_days"


retention_settings = tenant_table(
    "retention_settings",
    *(Column(column_of(rule), Integer, nullable=rule.days.may_be_endless) for rule in CHOSEN),
    Column("legal_hold_reason", Text),
    *(
        CheckConstraint(f"{column_of(rule)} BETWEEN {rule.days.least} AND {rule.days.most}", name=column_of(rule))
        for rule in CHOSEN
    ),
    CheckConstraint(
        "coalesce(security_events_days, 'infinity'::float8) >= coalesce(events_days, 'infinity'::float8)",
        name="security_events_last",
    ),
)

_HOLD_TEXT: Final = "Why nothing at all is removed for the time being, such as a lawsuit; null to end the hold."


def _said(rule: Rule) -> str:
    days = rule.days
    default = "for ever" if days.default is None else f"{days.default} days"
    endless = "; null keeps for ever" if days.may_be_endless else ""
    return f"{rule.meaning} {days.least} to {days.most} days{endless}. By default {default}."


def _given(rule: Rule) -> tuple[Any, Any]:
    chosen = Annotated[int, Strict(), Field(ge=rule.days.least, le=rule.days.most)]
    # The default is never used: only what is given counts.
    field = Field(default_factory=lambda: None, description=_said(rule))
    return (chosen | None if rule.days.may_be_endless else chosen), field


def _shown(rule: Rule) -> tuple[Any, Any]:
    return (int | None if rule.days.may_be_endless else int), Field(description=_said(rule))


class Hold(Input):
    """Changes to the legal hold."""

    legal_hold_reason: Annotated[Line | None, Field(default_factory=lambda: None, description=_HOLD_TEXT)]


class Held(Entity):
    """What may keep a tenant from removing anything."""

    legal_hold_reason: Annotated[str | None, Field(description=_HOLD_TEXT)]


_choices: dict[str, Any] = {column_of(rule): _given(rule) for rule in CHOSEN}
_days: dict[str, Any] = {column_of(rule): _shown(rule) for rule in CHOSEN}
# A type checker does not know the fields of models that are made here, only those of their bases.
RetentionSettingsUpdate: Any = create_model(
    "RetentionSettingsUpdate", __base__=Hold, __doc__="Changes to how long things are kept.", **_choices
)
RetentionSettings: Any = create_model(
    "RetentionSettings", __base__=Held, __doc__="For how many days a tenant keeps what; null keeps for ever.", **_days
)

RETENTION_SETTINGS: Final = Resource(
    name="retention_settings",
    plural="retention-settings",
    table=retention_settings,
    read=RetentionSettings,
    example={**{column_of(rule): rule.days.default for rule in CHOSEN}, "legal_hold_reason": None},
)

_defaults: Final = {column_of(rule): DEFAULTS[rule.name] for rule in CHOSEN}
# Every tenant has them from its beginning on; the row is written when they are first changed.
_BEGIN: Final = Statement(
    insert(retention_settings)
    .from_select(
        ["tenant_id", "id", "created_at", "updated_at", "version", *_defaults],
        select(
            *(tenants.c.id, tenants.c.id, tenants.c.created_at, tenants.c.created_at, literal(1)),
            *(literal(days, Integer) for days in _defaults.values()),
        ).where(tenants.c.id == bindparam("tenant")),
    )
    .on_conflict_do_nothing()
)
_BORN: Final = Statement(select(tenants.c.created_at).where(tenants.c.id == bindparam("tenant")))


async def settings_of(ctx: Ctx) -> Held:
    """Give the settings of the tenant; those of one that has chosen nothing are the defaults."""
    rows = await crud.fetch_many(ctx, RETENTION_SETTINGS, [ctx.tenant_id])
    if (found := rows.get(ctx.tenant_id)) is not None:
        return found
    born_at = await ctx.tx.value(_BORN, {"tenant": ctx.tenant_id})
    bookkeeping = {"id": ctx.tenant_id, "created_at": born_at, "updated_at": born_at, "version": 1}
    untouched: Held = RetentionSettings.trusted({**bookkeeping, **_defaults, "legal_hold_reason": None})
    return untouched


async def amend_settings(ctx: Ctx, given: Mapping[str, Any], *, expected: int | None) -> Held:
    """Change the settings; raises SecurityEventsKeptShorterError and StaleVersionError."""
    await ctx.tx.run(_BEGIN, {"tenant": ctx.tenant_id})
    check_order(vars(await crud.fetch_locked(ctx, RETENTION_SETTINGS, ctx.tenant_id)) | dict(given))
    return await crud.amend(ctx, RETENTION_SETTINGS, ctx.tenant_id, given, expected=expected)


def check_order(chosen: Mapping[str, Any], *, location: Location = "body") -> None:
    """Raise SecurityEventsKeptShorterError if the trail would be gone before what it watches over."""
    security, others = chosen["security_events_days"], chosen["events_days"]
    if security is not None and (others is None or security < others):
        message = "security_events_days must not be less than events_days; null is for ever."
        raise SecurityEventsKeptShorterError(message, pointer="/security_events_days", location=location)


def chosen_days(settings: Held) -> dict[str, int | None]:
    """Give the days of every rule: those chosen, and of the others those that all tenants have."""
    return {**DEFAULTS, **{rule.name: getattr(settings, column_of(rule)) for rule in CHOSEN}}
