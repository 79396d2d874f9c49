"""The dry run: what would go if rules were applied now, those that are set or others that somebody thinks of."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.retention import COUNTED_UP_TO
from helpdesk_api.kit.schema import Output
from helpdesk_api.retention.rules import CHOSEN
from helpdesk_api.retention.settings import check_order, chosen_days, column_of, settings_of


class WouldGo(Output):
    """What one rule would remove."""

    rule: Annotated[str, Field(examples=["events", "closed_tickets"])]
    days: Annotated[int | None, Field(description="For how many days it keeps; null is for ever.")]
    row_count: Annotated[int, Field(description=f"How many would go, counted up to {COUNTED_UP_TO:,}.")]
    is_exact: Annotated[bool, Field(description=f"False when there are {COUNTED_UP_TO:,} or more.")]
    oldest_at: Annotated[AwareDatetime | None, Field(description="From when the oldest of them is.")]
    newest_at: Annotated[AwareDatetime | None, Field(description="From when the newest of them is.")]


class RetentionPreview(Output):
    """What would go now, rule by rule. What goes along with something else is not counted."""

    legal_hold_reason: Annotated[str | None, Field(description="While there is one, nothing goes at all.")]
    data: list[WouldGo]


_instead: dict[str, Any] = {
    column_of(rule): (
        Annotated[int, Field(ge=rule.days.least, le=rule.days.most)] | None,
        Field(default=None, description="Instead of the days that are set."),
    )
    for rule in CHOSEN
}
PreviewQuery: Final = create_model("PreviewQuery", __config__=ConfigDict(extra="forbid"), **_instead)

PREVIEW_EXAMPLE: Final = {
    "legal_hold_reason": None,
    "data": [
        {
            "rule": "closed_tickets",
            "days": 730,
            "row_count": 1_204,
            "is_exact": True,
            "oldest_at": "2023-02-01T08:12:00Z",
            "newest_at": "2024-11-22T17:40:00Z",
        }
    ],
}


async def preview(ctx: Ctx, instead: BaseModel) -> RetentionPreview:
    """Tell what would go; raises SecurityEventsKeptShorterError for rules that cannot be set."""
    settings = await settings_of(ctx)
    given = {name: days for name, days in instead.model_dump().items() if days is not None}
    check_order(vars(settings) | given, location="query")
    chosen = chosen_days(settings)
    data: list[WouldGo] = []
    for rule in CHOSEN:
        days = given.get(column_of(rule), chosen[rule.name])
        due = None if days is None else await rule.due(ctx, days)
        data.append(
            WouldGo.trusted({
                "rule": rule.name,
                "days": days,
                "row_count": 0 if due is None else due.row_count,
                "is_exact": due is None or due.row_count < COUNTED_UP_TO,
                "oldest_at": None if due is None else due.oldest_at,
                "newest_at": None if due is None else due.newest_at,
            })
        )  # fmt: skip
    return RetentionPreview.trusted({"legal_hold_reason": settings.legal_hold_reason, "data": data})
