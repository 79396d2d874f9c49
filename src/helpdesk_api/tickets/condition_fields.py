"""The fields that conditions and templates may name: each with its expression in SQL, and what it takes to be shown it.

The language is `domain.conditions`. Who uses it says which uses a field has: searching looks at tickets, webhooks and
rules look at an event and the ticket that it happened to, SLA policies at what a ticket is about and who sees to it,
not at how its handling goes. Nobody may ask about what he is not shown.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final, get_args

from sqlalchemy import ColumnElement, Table, func, select

from helpdesk_api.agreements.contract_schemas import ContractStatusName
from helpdesk_api.agreements.contracts import CONTRACTS
from helpdesk_api.agreements.services import SERVICES
from helpdesk_api.agreements.sla_policy_schemas import Priority
from helpdesk_api.assets.assets import ASSETS, AssetStatus
from helpdesk_api.directory.companies import COMPANIES
from helpdesk_api.directory.contacts import CONTACTS
from helpdesk_api.directory.locations import LOCATIONS
from helpdesk_api.domain.conditions import Condition, Field, FieldType, paths_of
from helpdesk_api.domain.coverage import Match
from helpdesk_api.domain.sla import ClockState, Metric
from helpdesk_api.domain.workflow import Status
from helpdesk_api.kit.context import Principal
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.visibility import FieldNotAllowedError, seen_rows
from helpdesk_api.tickets.links import TICKET_LINKS, open_child_count, parent_of
from helpdesk_api.tickets.models import comments, sla_clocks, tickets
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.tickets.schemas import Channel, Coverage, TicketType
from helpdesk_api.tickets.watchers import TICKET_WATCHERS, watcher_ids

_TICKETS: Final = "tickets:read"
_PREVIOUS: Final = (
    "status",
    "priority",
    "type",
    "company_id",
    "service_id",
    "contract_id",
    "coverage",
    "team_id",
    "assignee_id",
)
# What is promised must not depend on how far a ticket has come, which depends on what is promised.
_DECIDING: Final = frozenset(
    (
        *("subject", "description", "type", "priority", "tags", "channel", "company_id", "contact_id", "location_id"),
        *("asset_id", "service_id", "contract_id", "coverage", "covered_by", "team_id", "assignee_id"),
    )
)


class Use(StrEnum):
    """What a condition is for; templates name fields, of the ticket only."""

    SEARCH = "search"
    WEBHOOK = "webhook"
    RULE = "rule"
    TEMPLATE = "template"
    SLA_POLICY = "sla_policy"


_OF_TICKETS: Final = frozenset(Use) - {Use.SLA_POLICY}
_OF_EVENTS: Final = frozenset({Use.WEBHOOK, Use.RULE})


@dataclass(frozen=True, slots=True)
class OfferedField:
    """A field, where it may be asked about, the permission and field group it needs, and its SQL for a kind of reach.

    What belongs to an event and not to a ticket has no SQL.
    """

    field: Field
    uses: frozenset[Use]
    permission: str | None = None
    group: str | None = None
    column: Callable[[str], ColumnElement[Any]] | None = None


Offered = Mapping[str, OfferedField]


def _of_ticket(name: str, kind: FieldType, meaning: str, choices: tuple[str, ...] = ()) -> OfferedField:
    column = tickets.c[name]
    group = TICKETS.groups.get(name)
    return OfferedField(
        Field(name, kind, meaning, is_nullable=bool(column.nullable), choices=choices),
        frozenset(Use) if name in _DECIDING else _OF_TICKETS,
        _TICKETS,
        None if group is None else group.name,
        lambda _: column,
    )


def _of_card(
    resource: Resource[Any], name: str, kind: FieldType, meaning: str, choices: tuple[str, ...] = ()
) -> OfferedField:
    """Offer a field of what a ticket refers to; of what is not seen nothing has a value.

    Asking for many tickets at once by what stands on their client cards is going through the cards.
    """
    group = resource.groups.get(name)

    def column(reach: str) -> ColumnElement[Any]:
        table: Table = resource.table
        return (
            select(table.c[name])
            .where(
                table.c.tenant_id == tickets.c.tenant_id,
                table.c.id == tickets.c[f"{resource.name}_id"],
                *seen_rows(resource.rows, reach),
            )
            .correlate(tickets)
            .scalar_subquery()
        )

    return OfferedField(
        Field(f"{resource.name}.{name}", kind, meaning, is_nullable=True, choices=choices),
        frozenset(Use),
        f"{resource.plural}:{'list' if resource.guards_lists else 'read'}",
        None if group is None else group.name,
        column,
    )


def _of_clock(metric: Metric, name: str, kind: FieldType, meaning: str, choices: tuple[str, ...] = ()) -> OfferedField:
    latest = (
        select(sla_clocks.c[name])
        .where(
            sla_clocks.c.tenant_id == tickets.c.tenant_id,
            sla_clocks.c.ticket_id == tickets.c.id,
            sla_clocks.c.metric == metric.value,
        )
        .order_by(sla_clocks.c.instance.desc())
        .limit(1)
        .correlate(tickets)
        .scalar_subquery()
    )
    path = f"clocks.{metric}.{name}"
    return OfferedField(
        Field(path, kind, meaning, is_nullable=True, choices=choices), _OF_TICKETS, _TICKETS, None, lambda _: latest
    )


def _last_reply(side: str, author: str, meaning: str) -> OfferedField:
    latest = (
        select(func.max(comments.c.created_at))
        .where(
            comments.c.tenant_id == tickets.c.tenant_id,
            comments.c.ticket_id == tickets.c.id,
            comments.c.kind == "reply",
            comments.c[author].is_not(None),
        )
        .correlate(tickets)
        .scalar_subquery()
    )
    field = Field(f"last_{side}_reply_at", FieldType.INSTANT, meaning, is_nullable=True)
    return OfferedField(field, _OF_TICKETS, _TICKETS, None, lambda _: latest)


def _beside(
    of: Resource[Any],
    path: str,
    kind: FieldType,
    meaning: str,
    column: Callable[[str], ColumnElement[Any]],
    *,
    is_nullable: bool = False,
) -> OfferedField:
    field = Field(path, kind, meaning, is_nullable=is_nullable)
    return OfferedField(field, _OF_TICKETS, f"{of.plural}:read", None, column)


def _of_event(
    path: str, kind: FieldType, meaning: str, choices: tuple[str, ...] = (), *, is_nullable: bool = False
) -> OfferedField:
    return OfferedField(Field(path, kind, meaning, is_nullable=is_nullable, choices=choices), _OF_EVENTS)


def _previous(of: OfferedField) -> OfferedField:
    field, name = of.field, of.field.path
    meaning = f"What `{name}` was before, if the event changed it."
    before = Field(f"previous.{name}", field.type, meaning, is_nullable=True, choices=field.choices)
    return OfferedField(before, _OF_EVENTS, of.permission, of.group)


_TICKET_FIELDS: Final = (
    _of_ticket("number", FieldType.INTEGER, "The number of the ticket."),
    _of_ticket("subject", FieldType.TEXT, "The subject."),
    _of_ticket("description", FieldType.TEXT, "The description."),
    _of_ticket("type", FieldType.CHOICE, "The type.", get_args(TicketType)),
    _of_ticket("priority", FieldType.LEVEL, "The priority; `gte` `high` is high or urgent.", get_args(Priority)),
    _of_ticket("status", FieldType.CHOICE, "The status.", tuple(map(str, Status))),
    _of_ticket("company_id", FieldType.REFERENCE, "The client."),
    _of_ticket("contact_id", FieldType.REFERENCE, "Who asks."),
    _of_ticket("location_id", FieldType.REFERENCE, "Where it is."),
    _of_ticket("asset_id", FieldType.REFERENCE, "The asset that it is about."),
    _of_ticket("service_id", FieldType.REFERENCE, "The service that is asked for."),
    _of_ticket("contract_id", FieldType.REFERENCE, "The contract that it is under."),
    _of_ticket("coverage", FieldType.CHOICE, "Whether a contract covers it.", get_args(Coverage)),
    _of_ticket("covered_by", FieldType.CHOICE, "What the contract covers it by.", tuple(map(str, Match))),
    _of_ticket("team_id", FieldType.REFERENCE, "The team."),
    _of_ticket("assignee_id", FieldType.REFERENCE, "The assignee."),
    _of_ticket("tags", FieldType.SET, "The tags."),
    _of_ticket("channel", FieldType.CHOICE, "How the ticket came in.", get_args(Channel)),
    _of_ticket("reopen_count", FieldType.INTEGER, "How often it was reopened."),
    _of_ticket("created_at", FieldType.INSTANT, "When it was created."),
    _of_ticket("updated_at", FieldType.INSTANT, "When it was last changed."),
    _of_ticket("status_changed_at", FieldType.INSTANT, "When it came into its present status."),
    _last_reply("client", "author_contact_id", "The last message of the client."),
    _last_reply("user", "author_user_id", "The last public reply of a user."),
    _beside(
        TICKET_LINKS,
        *("parent_id", FieldType.REFERENCE, "The ticket that it is a child of.", parent_of),
        is_nullable=True,
    ),
    _beside(
        TICKET_LINKS,
        *("open_child_count", FieldType.INTEGER, "How many children are not finished.", open_child_count),
    ),
    _beside(TICKET_WATCHERS, "watcher_ids", FieldType.SET, "The users and contacts who watch it.", watcher_ids),
    _of_ticket("due_at", FieldType.INSTANT, "The earliest deadline of the running clocks."),
    _of_ticket("snoozed_until", FieldType.INSTANT, "Until when it is put off."),
    _of_ticket("first_responded_at", FieldType.INSTANT, "The first public reply of a user."),
    _of_ticket("solved_at", FieldType.INSTANT, "When it was solved."),
    _of_ticket("closed_at", FieldType.INSTANT, "When it was closed."),
)
_CARD_FIELDS: Final = (
    _of_card(COMPANIES, "name", FieldType.TEXT, "The name of the client."),
    _of_card(COMPANIES, "category", FieldType.TEXT, "The category of the client."),
    _of_card(COMPANIES, "territory", FieldType.TEXT, "The territory of the client."),
    _of_card(COMPANIES, "domains", FieldType.SET, "The mail domains of the client."),
    _of_card(CONTACTS, "name", FieldType.TEXT, "The name of who asks."),
    _of_card(CONTACTS, "emails", FieldType.SET, "The addresses of who asks."),
    _of_card(LOCATIONS, "name", FieldType.TEXT, "The name of the place."),
    _of_card(LOCATIONS, "kind", FieldType.TEXT, "The kind of place."),
    _of_card(LOCATIONS, "company_id", FieldType.REFERENCE, "Whose place it is."),
    _of_card(ASSETS, "asset_type_id", FieldType.REFERENCE, "The type of the asset."),
    _of_card(ASSETS, "name", FieldType.TEXT, "The name of the asset."),
    _of_card(ASSETS, "manufacturer", FieldType.TEXT, "Who made the asset."),
    _of_card(ASSETS, "model", FieldType.TEXT, "The model of the asset."),
    _of_card(ASSETS, "serial_number", FieldType.TEXT, "The serial number of the asset."),
    _of_card(ASSETS, "inventory_number", FieldType.TEXT, "The inventory number of the asset."),
    _of_card(ASSETS, "location_id", FieldType.REFERENCE, "Where the asset is."),
    _of_card(ASSETS, "parent_asset_id", FieldType.REFERENCE, "What the asset is part of."),
    _of_card(ASSETS, "status", FieldType.CHOICE, "The status of the asset.", get_args(AssetStatus)),
    _of_card(SERVICES, "name", FieldType.TEXT, "The name of the service."),
    _of_card(SERVICES, "team_id", FieldType.REFERENCE, "Who does the service."),
    _of_card(CONTRACTS, "number", FieldType.TEXT, "The number of the contract."),
    _of_card(CONTRACTS, "name", FieldType.TEXT, "The name of the contract."),
    _of_card(CONTRACTS, "status", FieldType.CHOICE, "Where the contract stands.", get_args(ContractStatusName)),
    _of_card(CONTRACTS, "responsible_user_id", FieldType.REFERENCE, "Who looks after the contract."),
    _of_card(CONTRACTS, "responsible_team_id", FieldType.REFERENCE, "The team that looks after the contract."),
)
_CLOCK_FIELDS: Final = tuple(
    offered
    for metric in Metric
    for called in (metric.replace("_", " "),)
    for offered in (
        _of_clock(
            metric,
            "state",
            FieldType.CHOICE,
            f"The state of the latest clock for {called}.",
            tuple(map(str, ClockState)),
        ),
        _of_clock(metric, "due_at", FieldType.INSTANT, f"The deadline of the latest clock for {called}."),
        _of_clock(metric, "breached_at", FieldType.INSTANT, f"The deadline for {called} that passed."),
    )
)
_EVENT_FIELDS: Final = (
    _of_event("event.changed_fields", FieldType.SET, "The fields that the event changed."),
    _of_event(
        "event.actor_type",
        FieldType.CHOICE,
        "What sort of caller did it.",
        ("user", "contact", "api_key", "inbound_hook", "rule", "ticket_plan", "system"),
    ),
    _of_event("event.actor_id", FieldType.REFERENCE, "Who did it.", is_nullable=True),
    _of_event(
        "event.clock_metrics",
        FieldType.SET,
        "What the clocks measure that were warned, breached or stopped by it.",
        tuple(map(str, Metric)),
    ),
    *(_previous(offered) for offered in _TICKET_FIELDS if offered.field.path in _PREVIOUS),
)

OFFERED: Final[Offered] = MappingProxyType(
    {offered.field.path: offered for offered in (*_TICKET_FIELDS, *_CARD_FIELDS, *_CLOCK_FIELDS, *_EVENT_FIELDS)}
)


@cache
def fields_for(use: Use) -> Mapping[str, Field]:
    """Give the fields of every ticket that a condition for this use may ask about, by path."""
    return MappingProxyType(fields_among(OFFERED, use))


def fields_among(offered: Offered, use: Use) -> dict[str, Field]:
    """Give those of these fields that a condition for this use may ask about, by path."""
    return {path: each.field for path, each in offered.items() if use in each.uses}


@cache
def columns_for(reach: str) -> Mapping[str, ColumnElement[Any]]:
    """Give the SQL of the fields of every ticket, by path, as somebody with this kind of reach sees them."""
    return MappingProxyType(columns_among(OFFERED, reach))


def columns_among(offered: Offered, reach: str) -> dict[str, ColumnElement[Any]]:
    """Give the SQL of these fields, by path, as somebody with this kind of reach sees them."""
    return {path: each.column(reach) for path, each in offered.items() if each.column is not None}


def check_may_ask(principal: Principal, condition: Condition, *, pointer: str, among: Offered = OFFERED) -> None:
    """Refuse a condition about what its author is not shown: what fits it would tell.

    Raises MissingPermissionError and FieldNotAllowedError.
    """
    check_shown(principal, paths_of(condition), pointer=pointer, among=among)


def is_shown(principal: Principal, path: str) -> bool:
    """Tell whether a principal is shown a field of every ticket."""
    offered = OFFERED[path]
    may_read = offered.permission is None or principal.may(offered.permission)
    return may_read and (offered.group is None or principal.sees(offered.group))


def check_shown(principal: Principal, paths: Collection[str], *, pointer: str, among: Offered = OFFERED) -> None:
    """Refuse fields that a principal is not shown. Raises MissingPermissionError and FieldNotAllowedError."""
    for path in sorted(paths):
        offered = among[path]
        if offered.permission is not None:
            principal.require(offered.permission)
        if offered.group is not None and not principal.sees(offered.group):
            message = f"{path} needs the field group {offered.group}."
            raise FieldNotAllowedError(message, pointer=pointer, params={"field_group": offered.group})
