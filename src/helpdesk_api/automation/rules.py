"""Rules: on which occasions, under which condition, in which order, and what is then done to the ticket.

A rule is shown as it stands, which may be a draft; what is in force are versions (`automation.rule_versions`). Who may
write one is `automation.rule_writing`, which of them fire `automation.engine`.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from helpdesk_api.automation.actions.schemas import ActionList
from helpdesk_api.automation.timers import KeptTimer, RuleTimerInput
from helpdesk_api.identity.visibility import SHARED
from helpdesk_api.kit.condition_schema import ConditionTree
from helpdesk_api.kit.listing import Filter, Sort
from helpdesk_api.kit.resource import Resource
from helpdesk_api.kit.schema import Count, Entity, Flag, Input, Line, Prose
from helpdesk_api.kit.sql import tenant_table

# What a version of a rule is made of.
TERMS: Final = ("position", "occasions", "timer", "condition", "actions", "stops")

rules = tenant_table(
    "rules",
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("position", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("occasions", ARRAY(Text), nullable=False),
    Column("timer", JSONB),
    Column("condition", JSONB),
    Column("actions", JSONB, nullable=False),
    Column("stops", Boolean, nullable=False),
    Column("published_version", Integer),
    Column("has_draft", Boolean, nullable=False, server_default="true"),
    # Failures in a row; they are no version of the rule.
    Column("failure_count", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('draft', 'published', 'disabled')", name="state"),
    CheckConstraint("state <> 'published' OR published_version IS NOT NULL", name="published_has_version"),
    CheckConstraint("(timer IS NOT NULL) = ('elapsed' = ANY (occasions))", name="timer_with_its_occasion"),
    UniqueConstraint("tenant_id", "name"),
    Index(None, "tenant_id", "position", "id"),
)


class Occasion(StrEnum):
    """What happens to a ticket, for rules to react to."""

    CREATED = "created"
    UPDATED = "updated"
    REPLIED = "replied"
    NOTED = "noted"
    SLA_WARNING = "sla_warning"
    SLA_BREACHED = "sla_breached"
    SLA_ESCALATED = "sla_escalated"
    SLA_MET = "sla_met"
    SLA_MISSED = "sla_missed"
    ELAPSED = "elapsed"


class RuleState(StrEnum):
    """Whether a rule fires: only a published one does."""

    DRAFT = "draft"
    PUBLISHED = "published"
    DISABLED = "disabled"


def _each_once(occasions: list[Occasion]) -> list[Occasion]:
    return sorted(set(occasions))


class RuleCreate(Input):
    """A new rule."""

    name: Annotated[Line, Field(description="Unique within the tenant.")]
    description: Prose | None = None
    position: Annotated[Count, Field(description="Rules are tried in this order, lowest first.")]
    state: Annotated[
        RuleState,
        Field(
            description=(
                "Only a `published` rule fires, by the version that was published last. Stating `published` publishes "
                "what is there. A rule that fails five times in a row is `disabled`."
            )
        ),
    ] = RuleState.DRAFT
    occasions: Annotated[
        list[Occasion],
        Field(min_length=1, max_length=len(Occasion), description="It is tried when one of these happens to a ticket."),
        AfterValidator(_each_once),
    ]
    timer: Annotated[
        RuleTimerInput | None,
        Field(description="When it is tried by itself; needed for the occasion `elapsed` and for no other."),
    ] = None
    condition: Annotated[
        ConditionTree | None,
        Field(description="Of the ticket as earlier rules have left it, and of what happened; null for always."),
    ] = None
    actions: ActionList
    stops: Annotated[Flag, Field(description="Whether no further rule is tried once this one has fired.")] = False


class Rule(Entity):
    """What is done to tickets by itself."""

    name: str
    description: str | None
    position: int
    state: Annotated[str, Field(examples=list(RuleState))]
    occasions: Annotated[list[str], Field(examples=[list(Occasion)])]
    timer: KeptTimer | None
    condition: ConditionTree | None
    actions: ActionList
    stops: bool
    published_version: Annotated[
        int | None, Field(description="The version that was published last; in force while the rule is `published`.")
    ]
    has_draft: Annotated[
        bool, Field(description="Whether what is shown is not what was published last: it waits to be published.")
    ]


RULES = Resource(
    name="rule",
    plural="rules",
    table=rules,
    read=Rule,
    example={
        "name": "Urgent tickets of the north go to the night shift",
        "description": None,
        "position": 10,
        "state": "published",
        "occasions": ["created", "updated"],
        "timer": None,
        "condition": {
            "all": [
                {"field": "priority", "op": "eq", "value": "urgent"},
                {"field": "company.territory", "op": "eq", "value": "north"},
            ]
        },
        "actions": [
            {"action": "add_tags", "tags": ["night"]},
            {"action": "assign_round_robin", "team_id": "0199a2f0-7c3e-7d41-9b1a-3f5a6c7d8e02"},
        ],
        "stops": False,
        "published_version": 1,
        "has_draft": False,
    },
    filters=(Filter("name", rules.c.name, str), Filter("state", rules.c.state, RuleState)),
    sorts=(Sort("position", rules.c.position, "integer"), Sort("name", rules.c.name, "text")),
    default_sort="position",
    rows=SHARED,
)
