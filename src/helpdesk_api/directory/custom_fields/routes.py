"""Defining custom fields: the endpoints, and what a definition must be like for every value to make sense."""

from collections.abc import Mapping
from typing import Any, Final

from helpdesk_api.directory.custom_fields.conditions import vocabulary_of
from helpdesk_api.directory.custom_fields.definitions import (
    CHOOSING,
    CUSTOM_FIELDS,
    CustomField,
    CustomFieldCreate,
    CustomFieldWording,
    FieldKind,
    definitions_of,
)
from helpdesk_api.domain.condition_reading import read_condition
from helpdesk_api.domain.errors import ConflictError, InvalidError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.resource_routes import routes
from helpdesk_api.kit.schema import patch_model
from helpdesk_api.kit.turns import take_turn

MOST_ACTIVE: Final = 100
MOST_IN_ALL: Final = 300

# Two definitions at once could each be within the limits, or each depend on the other.


class InvalidChoicesError(InvalidError):
    """Fields to choose from have choices, each once, and others have none; a choice is retired, never removed."""

    code = "invalid_choices"
    title = "The choices do not make sense"


class InvalidDependencyError(InvalidError):
    """A field to choose from may depend on another `select` of the same objects, and not in a ring."""

    code = "invalid_dependency"
    title = "The field cannot depend on this one"


class TooManyCustomFieldsError(ConflictError):
    """A kind of object may have 100 fields in use, and 300 with those that are retired."""

    code = "too_many_custom_fields"
    title = "There may be no more custom fields"


async def check_custom_field(ctx: Ctx, given: dict[str, Any], before: CustomField | None) -> dict[str, Any]:
    """Check a definition as it will be; raises also what reading its condition raises."""
    whole: Mapping[str, Any] = given if before is None else {**vars(before), **given}
    await take_turn(ctx, f"custom fields {ctx.tenant_id} {whole['resource']}")
    others = await definitions_of(ctx, whole["resource"])
    others.pop(whole["key"], None)
    _check_number(whole, others, is_new=before is None)
    _check_choices(whole, before)
    _check_dependency(whole, others)
    if whole["required_when"] is not None:
        # What is not known of the field itself is not asked about by it.
        read_condition(whole["required_when"], vocabulary_of(whole["resource"], others), pointer="/required_when")
    return given


def _check_number(whole: Mapping[str, Any], others: Mapping[str, CustomField], *, is_new: bool) -> None:
    active = sum(not other.is_retired for other in others.values())
    if (not whole["is_retired"] and active >= MOST_ACTIVE) or (is_new and len(others) >= MOST_IN_ALL):
        message = f"{whole['resource']} may have {MOST_ACTIVE} custom fields in use, {MOST_IN_ALL} with retired ones."
        raise TooManyCustomFieldsError(message, params={"most": MOST_ACTIVE, "most_in_all": MOST_IN_ALL})


def _check_choices(whole: Mapping[str, Any], before: CustomField | None) -> None:
    ids = [choice["id"] for choice in whole["choices"]]
    if (whole["type"] in CHOOSING) is not bool(ids):
        message = f"A {whole['type']} field has {'choices' if whole['type'] in CHOOSING else 'no choices'}."
        raise InvalidChoicesError(message, pointer="/choices")
    if len(set(ids)) < len(ids):
        message = "Every choice has an id of its own."
        raise InvalidChoicesError(message, pointer="/choices")
    if before is not None and (gone := {choice["id"] for choice in before.choices} - set(ids)):
        message = f"The choice {min(gone)} may be stored somewhere; retire it instead of removing it."
        raise InvalidChoicesError(message, pointer="/choices")


def _check_dependency(whole: Mapping[str, Any], others: Mapping[str, CustomField]) -> None:
    name = whole["depends_on"]
    offered: set[str] = set()
    if name is not None:
        decider = others.get(name)
        if whole["type"] not in CHOOSING or decider is None or decider.type != FieldKind.SELECT:
            message = f"A field to choose from depends on another select of the same objects; not on {name}."
            raise InvalidDependencyError(message, pointer="/depends_on")
        offered = {choice["id"] for choice in decider.choices}
        above: CustomField | None = decider
        while above is not None and above.depends_on is not None:
            if above.depends_on == whole["key"]:
                message = f"{name} depends on {whole['key']} itself."
                raise InvalidDependencyError(message, pointer="/depends_on")
            above = others.get(above.depends_on)
    for index, choice in enumerate(whole["choices"]):
        if unknown := sorted(set(choice["only_for"]) - offered):
            message = f"{name or 'No field'} offers no {unknown[0]}."
            raise InvalidDependencyError(message, pointer=f"/choices/{index}/only_for")


router = routes(
    CUSTOM_FIELDS,
    create=CustomFieldCreate,
    update=patch_model(CustomFieldWording, of="CustomField"),
    removable=False,
    check=check_custom_field,
)
