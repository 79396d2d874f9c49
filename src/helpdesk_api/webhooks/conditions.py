"""The condition of an endpoint: which events of the types that it wants are queued for it.

It is asked when an event is queued, of the event and of the ticket as it is by then; an event of anything else has no
ticket, and none of a ticket's fields has a value. What is queued is sent, also if the condition is changed meanwhile.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from helpdesk_api.directory.custom_fields.conditions import PREFIX
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.conditions import Field, Predicate, paths_of, predicate_of
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.db import Record
from helpdesk_api.tickets.condition_facts import facts_of, facts_of_event
from helpdesk_api.tickets.condition_fields import OFFERED, Use, check_may_ask, fields_among, fields_for
from helpdesk_api.tickets.custom_conditions import offered_to
from helpdesk_api.tickets.resources import TICKETS
from helpdesk_api.webhooks.messages import FOR_ONE

_POINTER: Final = "/condition"

# The conditions of endpoints, by their ids; None where there is none.
Conditions = Mapping[UUID, Mapping[str, Any] | None]


async def check_condition(ctx: Ctx, given: Mapping[str, Any] | None) -> None:
    """Refuse what is no condition, and one about what the caller is not shown."""
    if given is not None:
        offered = await offered_to(ctx, given)
        condition = read_condition(given, fields_among(offered, Use.WEBHOOK), pointer=_POINTER)
        check_may_ask(ctx.principal, condition, pointer=_POINTER, among=offered)


async def fitting(ctx: Ctx, conditions: Conditions, wanted: Sequence[tuple[UUID, Record]]) -> list[tuple[UUID, Record]]:
    """Give those of the endpoints and events whose endpoint has no condition, or one that the event fits."""
    texts = {key: json.dumps(given, sort_keys=True) for key, given in conditions.items() if given is not None}
    offered = await offered_to(ctx, *texts.values())
    custom = tuple(each.field for path, each in offered.items() if path not in OFFERED)
    known = {key: _compiled(text, custom if PREFIX in text else ()) for key, text in texts.items()}
    asked = [event for endpoint_id, event in wanted if endpoint_id in known and event["type"] not in FOR_ONE]
    if not asked:
        return list(wanted)
    paths = frozenset[str]().union(*(paths for _, paths in known.values()))
    of_tickets = await facts_of(ctx, {event["object_id"] for event in asked if _is_of_ticket(event)}, paths)
    facts = {
        event["id"]: {
            **of_tickets.get(event["object_id"], {}),
            **facts_of_event(
                actor_type=event["actor_type"],
                actor_id=event["actor_id"],
                changes=event["changes"],
                metrics=[event["data"]["metric"]] if "clock_id" in event["data"] else [],
                is_of_ticket=_is_of_ticket(event),
            ),
        }
        for event in asked
    }
    return [
        (endpoint_id, event)
        for endpoint_id, event in wanted
        if event["id"] not in facts or endpoint_id not in known or known[endpoint_id][0](facts[event["id"]], ctx.now)
    ]


def _is_of_ticket(event: Record) -> bool:
    return bool(event["object_type"] == TICKETS.name)


@lru_cache(maxsize=1_000)
def _compiled(text: str, custom: tuple[Field, ...]) -> tuple[Predicate, frozenset[str]]:
    """Compile a condition; what is asked of custom fields means what they are in the tenant."""
    fields = {**fields_for(Use.WEBHOOK), **{field.path: field for field in custom}}
    condition = read_condition(json.loads(text), fields, pointer=_POINTER)
    return predicate_of(condition), paths_of(condition)
