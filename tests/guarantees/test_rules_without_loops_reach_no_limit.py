"""Random sets of rules, run by the engine: one that the analysis finds no loop or long chain in reaches no limit."""

import random
from typing import Any
from uuid import UUID, uuid4

from helpdesk_api.automation.analysing import LIMITS, analysed
from helpdesk_api.automation.chains import Chain, run_chain
from helpdesk_api.automation.compiled_rules import CompiledRule, compiled
from helpdesk_api.automation.spreading import spread
from helpdesk_api.domain.rule_analysis import Found, analyse
from helpdesk_api.kit import crud
from helpdesk_api.kit.context import Cause, Ctx, system
from helpdesk_api.kit.events import record
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import unit_of_work
from helpdesk_api.tickets.condition_fields import Use, fields_for
from helpdesk_api.tickets.resources import TICKETS
from tests.factories import a_ticket
from tests.guarantees.report import SCALE, tell
from tests.stage import Client, Stage

SETS = 200 * SCALE
OF_CHAINS = frozenset({Found.LOOP, Found.LOOP_THROUGH_TICKETS, Found.LONG_CHAIN, Found.MANY_RULES, Found.MANY_TICKETS})
VALUES = {
    "priority": ("low", "normal", "high", "urgent"),
    "type": ("question", "incident", "problem"),
    "status": ("open", "pending", "on_hold", "solved"),
}
TAGS = ("a", "b", "c", "d", "e", "f", "g")


def comparison(chance: random.Random) -> Any:  # noqa: ANN401 - JSON.
    """Make a comparison; tags are asked about most, because they make the longest chains."""
    field = chance.choice(
        (*VALUES, "tags", "tags", "tags", "tags", "previous.priority", "event.changed_fields", "snoozed_until")
    )
    if field == "tags":
        has = {"field": "tags", "op": "contains", "value": chance.choice(TAGS)}
        return has if chance.random() < 0.8 else {"not": has}
    if field == "snoozed_until":
        return {"field": field, "op": "is_empty"}
    if field == "event.changed_fields":
        return {"field": field, "op": "contains", "value": chance.choice((*VALUES, "tags"))}
    of = field.removeprefix("previous.")
    return {"field": field, "op": chance.choice(("eq", "ne")), "value": chance.choice(VALUES[of])}


def action(chance: random.Random) -> Any:  # noqa: ANN401 - JSON.
    """Make an action."""
    if chance.random() < 0.05:
        return {"action": "snooze", "seconds": chance.randrange(1, 9_999), "calendar_id": None}
    if chance.random() < 0.05:
        values = {field: chance.choice(VALUES[field]) for field in ("priority", "type")} | {
            "tags": [chance.choice(TAGS)]
        }
        texts = {"subject": "For #{{number}}", "description": ""}
        return {"action": "create_ticket", "link_type": "relates_to", **texts, "copied_fields": [], "values": values}
    if chance.random() < 0.6:
        kind = "add_tags" if chance.random() < 0.8 else "remove_tags"
        return {"action": kind, "tags": [chance.choice(TAGS)]}
    field = chance.choice(list(VALUES))
    return {"action": "set", "values": {field: chance.choice(VALUES[field])}}


def rule(chance: random.Random) -> CompiledRule:
    """Make a rule, ready to be tried."""
    parts = [comparison(chance) for _ in range(chance.randrange(1, 3))]
    condition = parts[0] if len(parts) == 1 else {chance.choice(("all", "any")): parts}
    occasions = chance.sample(["created", "updated"], chance.choice((1, 1, 2)))
    given = {"condition": condition, "actions": [action(chance)], "occasions": occasions, "timer": None}
    return compiled({"id": uuid4(), "version": 1, "stops": chance.random() < 0.05, **given})


def ladder(chance: random.Random) -> list[CompiledRule]:
    """Make rules of which each sets off the one before it: every round fires one. Now and then a step is out."""
    steps = [
        compiled({
            "id": uuid4(),
            "version": 1,
            "stops": False,
            "occasions": ["updated"],
            "timer": None,
            "condition": {"field": "tags", "op": "contains", "value": TAGS[step]},
            "actions": [{"action": "add_tags", "tags": [f"{TAGS[step + 1]}"]}],
        })
        for step in reversed(range(len(TAGS) - 1))
    ]  # fmt: skip
    if chance.random() < 0.5:
        del steps[chance.randrange(len(steps))]
    return steps


async def ends_at_a_limit(ctx: Ctx, ticket_id: UUID, known: list[CompiledRule]) -> bool:
    """Let rules react to a creation and to a change, and tell whether either chain came to a limit; all is undone."""
    reached = False
    for event_type, changes in (("ticket.created", {}), ("ticket.updated", {"priority": ("low", "normal")})):
        async with undoable(ctx) as part:
            mark = len(ctx.events)
            ticket = await crud.fetch_locked(ctx, TICKETS, ticket_id)
            record(ctx, event_type, object_id=ticket_id, version=ticket.version, changes=dict(changes))
            chain = Chain(ticket, is_sampled=lambda _: False)
            await run_chain(ctx, chain, known, ctx.events[mark:])
            await spread(ctx, chain, known, since=mark, is_sampled=chain.is_sampled)
            reached = reached or any(event.type == "ticket.rules_ended" for event in ctx.events[mark:])
            part.undo()
    return reached


def test_a_set_of_rules_without_a_loop_or_a_long_chain_reaches_no_limit(stage: Stage, api: Client) -> None:
    chance = random.Random(20_261_122)
    ticket_id = UUID(a_ticket(api, status="open", tags=["a"])["id"])
    counts = {"clean": 0, "clean_at_limit": 0, "doubted": 0, "doubted_at_limit": 0}

    async def run() -> None:
        async with unit_of_work(
            stage.runtime, system(api.tenant.id), cause=Cause("command", "test"), request_id="test"
        ) as ctx:
            for number in range(SETS):
                is_ladder = number % 20 == 0
                known = ladder(chance) if is_ladder else [rule(chance) for _ in range(chance.choice((2, 4, 6, 8, 12)))]
                found = analyse([analysed(each) for each in known], fields_for(Use.RULE), LIMITS)
                said = "doubted" if any(each.code in OF_CHAINS for each in found.findings) else "clean"
                counts[said] += 1
                if said == "clean" or is_ladder:
                    counts[f"{said}_at_limit"] += await ends_at_a_limit(ctx, ticket_id, known)

    stage.run(run())

    wrong = counts["clean_at_limit"]
    tell("rules_without_loops_reach_no_limit", n=SETS, faults=counts["doubted_at_limit"], lost=wrong, dup=0, **counts)
    assert counts["clean_at_limit"] == 0
    # Neither answer is given by default, and there are limits to come to.
    assert min(counts["clean"], counts["doubted"]) > SETS // 10
    assert counts["doubted_at_limit"] > 0
