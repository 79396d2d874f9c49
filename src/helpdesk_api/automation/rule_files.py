"""Rules as a file: taken out of one tenant, and brought into another as drafts.

What they refer to stands there by name (`automation.named_references`). A file is brought in whole or not at all, and
can be rehearsed.
"""

from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import Field, JsonValue, ValidationError, model_validator
from sqlalchemy import bindparam, select

from helpdesk_api.automation.named_references import by_id, by_name
from helpdesk_api.automation.rule_versions import terms_of
from helpdesk_api.automation.rule_writing import MOST_RULES, begin_anew, check_written
from helpdesk_api.automation.rules import RULES, Occasion, Rule, RuleCreate, RuleState, rules
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit.checked_changes import change, create
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import operation
from helpdesk_api.kit.schema import Count, Flag, Input, Line, Output, Prose
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.undoing import undoable
from helpdesk_api.kit.unit_of_work import UnitOfWorkRoute, allowed
from helpdesk_api.kit.validation import invalid_request

FORMAT: Final = "helpdesk-rules-1"

router = APIRouter(prefix=f"/v1/{RULES.plural}", tags=[RULES.plural], route_class=UnitOfWorkRoute)

_Format = Annotated[Literal["helpdesk-rules-1"], Field(description="Names what the file is.")]
_NAMED: Final = 'References stand by name: `{"team": "Night shift"}`, `{"user": "ada@service.example"}`.'
_ALL = Statement(
    select(*RULES.columns)
    .where(rules.c.tenant_id == bindparam("tenant"))
    .order_by(rules.c.position, rules.c.id)
    .limit(MOST_RULES)
)
_CALLED = Statement(
    select(rules.c.id, rules.c.version).where(
        rules.c.tenant_id == bindparam("tenant"), rules.c.name == bindparam("name")
    )
)


class RuleInFile(Output):
    """A rule, without anything that only has a meaning in its tenant."""

    name: str
    description: str | None
    position: int
    occasions: list[str]
    timer: Annotated[dict[str, JsonValue] | None, Field(description=f"As in a rule. {_NAMED}")]
    condition: Annotated[dict[str, JsonValue] | None, Field(description=f"As in a rule. {_NAMED}")]
    actions: Annotated[JsonValue, Field(description=f"As in a rule. {_NAMED}")]
    stops: bool


class RuleFile(Output):
    """The rules of a tenant, as they stand."""

    format: _Format
    rules: list[RuleInFile]


class RuleInFileInput(Input):
    """A rule of a file."""

    name: Line
    description: Prose | None = None
    position: Count
    occasions: Annotated[list[Occasion], Field(min_length=1, max_length=len(Occasion))]
    timer: Annotated[dict[str, JsonValue] | None, Field(description=f"As in a rule. {_NAMED}")] = None
    condition: Annotated[dict[str, JsonValue] | None, Field(description=f"As in a rule. {_NAMED}")] = None
    actions: Annotated[JsonValue, Field(description=f"As in a rule. {_NAMED}")]
    stops: Flag = False


class RuleImport(Input):
    """A file of rules to bring in."""

    format: _Format
    rules: Annotated[list[RuleInFileInput], Field(min_length=1, max_length=MOST_RULES)]
    dry_run: Annotated[Flag, Field(description="Only tell what would become of it.")] = False

    @model_validator(mode="after")
    def _each_once(self) -> "RuleImport":
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            message = f"the rule {twice[0]!r} is there twice"
            raise ValueError(message)
        return self


class ImportedRule(Output):
    """What has become of a rule of a file."""

    name: str
    outcome: Annotated[str, Field(examples=["created", "changed", "unchanged"])]
    rule_id: Annotated[UUID | None, Field(description="Null for one that would be created.")]


class ImportedRules(Output):
    """What has become of a file of rules."""

    dry_run: bool
    rules: Annotated[list[ImportedRule], Field(description="In the order of the file.")]


@router.get(
    "/export",
    operation_id=operation(RULES, "export"),
    summary="Export rules as a file",
    description=(
        "Gives every rule as it stands, drafts included, in their order. Teams, users, companies, contacts and "
        "locations are told by name or e-mail address; what is gone, or not for the caller, by its id."
    ),
)
async def export_rules(ctx: Annotated[Ctx, allowed("rules:read")]) -> RuleFile:
    """Export rules."""
    found = await ctx.tx.all(Rule, _ALL, {"tenant": ctx.tenant_id})
    filed = [{"name": rule.name, "description": rule.description, **terms_of(vars(rule))} for rule in found]
    named = [
        each | {part: await by_name(ctx, each[part]) for part in ("timer", "condition", "actions")} for each in filed
    ]
    return RuleFile.trusted({"format": FORMAT, "rules": [RuleInFile.trusted(each) for each in named]})


@router.post(
    "/import",
    operation_id=operation(RULES, "import"),
    summary="Import rules from a file",
    description=(
        "Brings in what an export gave. A rule of a name that is not here is created as a draft; one that is here gets "
        "a draft of its next version, and what is in force stays so until it is published. Whole or not at all; a name "
        "that stands for nothing here, or for several things, is refused with its place in the file. It needs "
        "`tickets:write` over all tickets too."
    ),
)
async def import_rules(body: RuleImport, ctx: Annotated[Ctx, allowed("rules:write")]) -> ImportedRules:
    """Import rules."""
    async with undoable(ctx) if body.dry_run else nullcontext() as part:
        told = [await _bring_in(ctx, rule, f"/rules/{index}") for index, rule in enumerate(body.rules)]
        if part is not None:
            part.undo()
    if body.dry_run:
        told = [each | {"rule_id": None} if each["outcome"] == "created" else each for each in told]
    return ImportedRules.trusted({"dry_run": body.dry_run, "rules": [ImportedRule.trusted(each) for each in told]})


async def _bring_in(ctx: Ctx, given: RuleInFileInput, pointer: str) -> dict[str, Any]:
    """Write one rule of a file as a draft; refusals point into the file."""
    resolved = {
        **given.model_dump(),
        "timer": await by_id(ctx, given.timer, pointer=f"{pointer}/timer"),
        "condition": await by_id(ctx, given.condition, pointer=f"{pointer}/condition"),
        "actions": await by_id(ctx, given.actions, pointer=f"{pointer}/actions"),
    }
    values = _read(resolved, pointer)
    try:
        known = await ctx.tx.row(_CALLED, {"tenant": ctx.tenant_id, "name": given.name})
        if known is None:
            written = await create(ctx, RULES, values, check=check_written, follow=begin_anew)
            return {"name": given.name, "outcome": "created", "rule_id": written.id}
        del values["state"]
        written = await change(ctx, RULES, known["id"], values, check=check_written, follow=begin_anew)
    except Refusal as refusal:
        refusal.errors = tuple(replace(error, pointer=f"{pointer}{error.pointer}") for error in refusal.errors)
        raise
    outcome = "unchanged" if written.version == known["version"] else "changed"
    return {"name": given.name, "outcome": outcome, "rule_id": written.id}


def _read(resolved: dict[str, Any], pointer: str) -> dict[str, Any]:
    """Read a rule of a file as one that is created would be read."""
    try:
        return RuleCreate.model_validate({**resolved, "state": RuleState.DRAFT}).model_dump()
    except ValidationError as error:
        place = ("body", *pointer[1:].split("/"))
        found = error.errors(include_url=False, include_input=False)
        raise invalid_request(
            RequestValidationError([{**each, "loc": (*place, *each["loc"])} for each in found])
        ) from error
