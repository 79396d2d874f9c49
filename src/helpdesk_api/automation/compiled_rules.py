"""Rules ready to be tried: what they ask and do, read once; what they are told of a ticket; as whom they act."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from helpdesk_api.automation.timers import Timer, read_timer
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import ALWAYS, Condition, Predicate, paths_of, predicate_of
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.db import Record
from helpdesk_api.kit.visibility import EVERY_GROUP
from helpdesk_api.tickets.condition_facts import facts_of
from helpdesk_api.tickets.condition_fields import OFFERED, Offered, Use, fields_among
from helpdesk_api.tickets.schemas import Ticket


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A published rule, ready to be tried."""

    id: UUID
    version: int
    occasions: frozenset[str]
    condition: Condition
    holds: Predicate
    paths: frozenset[str]
    actions: Sequence[Mapping[str, Any]]
    stops: bool
    timer: Timer | None = None


def compiled(row: Record | Mapping[str, Any], offered: Offered = OFFERED) -> CompiledRule:
    """Make a rule ready to be tried, whose condition asks about some of the fields that are `offered`."""
    given = row["condition"]
    fields = fields_among(offered, Use.RULE)
    condition = ALWAYS if given is None else read_condition(given, fields, pointer="/condition")
    return CompiledRule(
        id=row["id"],
        version=row["version"],
        occasions=frozenset(row["occasions"]),
        condition=condition,
        holds=predicate_of(condition),
        paths=paths_of(condition),
        actions=row["actions"],
        stops=row["stops"],
        timer=read_timer(row["timer"]),
    )


async def facts_about(ctx: Ctx, ticket: Ticket, paths: frozenset[str]) -> dict[str, Any]:
    """Give the values of a ticket, and of the fields beyond it that rules ask about, whoever the caller is."""
    others = await facts_of(as_rule(ctx, None), [ticket.id], paths - vars(ticket).keys())
    return {**vars(ticket), **others.get(ticket.id, {})}


def as_rule(ctx: Ctx, rule_id: UUID | None) -> Ctx:
    """Give the context in which a rule acts: for the tenant, and without further reactions to what it does."""
    principal = Principal(
        "rule", rule_id, ctx.tenant_id, field_groups=frozenset({EVERY_GROUP}), is_sandbox=ctx.principal.is_sandbox
    )
    return replace(ctx, principal=principal, reactions={})
