"""Which SLA policies are for a ticket: their conditions, asked of values that need not be stored yet.

A new ticket is promised what a stored one of the same values would be (`condition_facts`). What a policy promises to
whom it is for is `agreements.promises`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from helpdesk_api.agreements.promises import Policies, Promise, active_policies, promises_by
from helpdesk_api.agreements.sla_policy_schemas import SLAPolicy
from helpdesk_api.directory.custom_fields.conditions import PREFIX
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import ALWAYS, Predicate, paths_of, predicate_of
from helpdesk_api.domain.sla import Metric
from helpdesk_api.kit.context import Ctx
from helpdesk_api.tickets.condition_facts import column_behind, facts_of_values
from helpdesk_api.tickets.condition_fields import OFFERED, Offered, Use, check_may_ask, fields_among, fields_for
from helpdesk_api.tickets.custom_conditions import offered_to

_POINTER: Final = "/condition"
# Targets are chosen by the first and may be measured by the second; the others are what a contract or service brings.
_ALWAYS_DECIDING: Final = frozenset({"priority", "location_id", "sla_policy_id", "calendar_id"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """The condition of a policy, ready to be asked, and the paths of the fields that it asks about."""

    holds: Predicate
    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """The policies in force, what their conditions ask, and the fields that conditions of the tenant may ask about."""

    policies: Policies
    asked: Sequence[_Asked]
    offered: Offered

    @property
    def paths(self) -> frozenset[str]:
        """Name the fields that some condition asks about."""
        return frozenset[str]().union(*(each.paths for each in self.asked))

    @property
    def deciding(self) -> frozenset[str]:
        """Name the columns of a ticket on which it depends what is promised for it."""
        return _ALWAYS_DECIDING | frozenset(map(column_behind, self.paths))


# The columns of a ticket on which it may depend what is promised for it.
DECIDING: Final = _ALWAYS_DECIDING | {"custom_fields", *map(column_behind, fields_for(Use.SLA_POLICY))}
_FOR_ALL: Final = _Asked(predicate_of(ALWAYS), frozenset())


async def check_policy(ctx: Ctx, given: dict[str, Any], before: SLAPolicy | None) -> dict[str, Any]:
    """Refuse a condition that cannot be asked of a ticket, or whose author may not ask it.

    Raises what reading it raises, MissingPermissionError and FieldNotAllowedError.
    """
    del before
    if given.get("condition") is not None:
        offered = await offered_to(ctx, given["condition"])
        condition = read_condition(given["condition"], fields_among(offered, Use.SLA_POLICY), pointer=_POINTER)
        check_may_ask(ctx.principal, condition, pointer=_POINTER, among=offered)
    return given


async def choice_of(ctx: Ctx) -> Choice:
    """Read the policies that are in force, and what they ask."""
    policies = await active_policies(ctx)
    texts = [None if row["condition"] is None else json.dumps(row["condition"]) for row in policies.rows]
    offered = await offered_to(ctx, *(text for text in texts if text is not None))
    asked = [_FOR_ALL if text is None else _read(text, offered) for text in texts]
    return Choice(policies, asked, offered)


async def promises_for(
    ctx: Ctx, ticket: Mapping[str, Any], *, since: datetime, among: Choice | None = None
) -> dict[Metric, Promise]:
    """Find what is promised for a ticket of these values; `since` is from when business days are counted."""
    choice = among or await choice_of(ctx)
    facts = await facts_of_values(ctx, ticket, choice.paths, offered=choice.offered)
    fitting = [
        row for row, asked in zip(choice.policies.rows, choice.asked, strict=True) if asked.holds(facts, ctx.now)
    ]
    return await promises_by(ctx, fitting, ticket, since=since)


def _read(text: str, offered: Offered) -> _Asked:
    # Fields of the tenant's own make a condition mean something for one tenant only.
    return _read_for_all(text) if PREFIX not in text else _asked(text, offered)


@lru_cache(maxsize=5_000)
def _read_for_all(text: str) -> _Asked:
    return _asked(text, OFFERED)


def _asked(text: str, offered: Offered) -> _Asked:
    condition = read_condition(json.loads(text), fields_among(offered, Use.SLA_POLICY), pointer=_POINTER)
    return _Asked(predicate_of(condition), paths_of(condition))
