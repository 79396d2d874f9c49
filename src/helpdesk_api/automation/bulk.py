"""Actions without a name, done to many tickets at once."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic_core import to_jsonable_python

from helpdesk_api.automation.actions.checking import check_actions
from helpdesk_api.automation.actions.schemas import ActionList
from helpdesk_api.automation.applying import MOST_TICKETS, TicketsChanged, TicketsToChange, apply_actions
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.tickets.resources import TICKETS

router = APIRouter(prefix="/v1/tickets", tags=["tickets"], route_class=UnitOfWorkRoute)


class BulkChange(TicketsToChange):
    """Which tickets, and what is done to each."""

    actions: ActionList


@router.post(
    "/bulk",
    operation_id=operation(TICKETS, "bulk"),
    summary=f"Change up to {MOST_TICKETS} tickets",
    description=(
        "Does the same actions to each ticket, in order, and tells what became of each. All of them are done to a "
        "ticket or none; one that is refused leaves the others be. With `dry_run` everything is told and nothing done."
    ),
)
async def change_many(
    body: BulkChange, request: Request, ctx: Annotated[Ctx, allowed("tickets:write")]
) -> TicketsChanged:
    """Change many tickets."""
    actions: Any = to_jsonable_python(body.actions)
    await check_actions(ctx, actions, pointer="/actions")
    return await apply_actions(ctx, actions, body, instance=request.url.path)


_ITEM: Final = {"ticket_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e40", "version": 3}
APPLYING_EXAMPLES: Final[dict[str, Any]] = {
    "TicketsToChange": {"tickets": [_ITEM], "author_user_id": None, "dry_run": False},
    "BulkChange": {
        "tickets": [_ITEM],
        "author_user_id": None,
        "dry_run": False,
        "actions": [{"action": "set", "values": {"priority": "high"}}, {"action": "add_tags", "tags": ["flood"]}],
    },
    "TicketsChanged": {
        "dry_run": False,
        "counts": {"changed": 1},
        "items": [
            {
                "index": 0,
                "ticket_id": _ITEM["ticket_id"],
                "outcome": "changed",
                "version": 4,
                "changes": {"priority": ["normal", "high"], "tags": [["dock-3"], ["dock-3", "flood"]]},
                "comments": [],
                "created_ticket_ids": [],
                "problem": None,
            }
        ],
    },
}
