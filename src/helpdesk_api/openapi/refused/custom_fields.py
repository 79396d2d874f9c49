"""What operations refuse because of custom fields: those that write them, and the lists that are narrowed by them."""

from collections.abc import Mapping
from typing import Final

from helpdesk_api.directory.custom_fields.routes import (
    InvalidChoicesError,
    InvalidDependencyError,
    TooManyCustomFieldsError,
)
from helpdesk_api.directory.custom_fields.types import InvalidCustomValueError
from helpdesk_api.directory.custom_fields.values import (
    ChoiceNotOfferedError,
    CustomFieldsTooLargeError,
    RequiredCustomFieldError,
    RetiredCustomFieldError,
    UnknownCustomFieldError,
)
from helpdesk_api.domain.condition_reading import (
    ConditionTooLargeError,
    ImpossibleComparisonError,
    InvalidConditionError,
    InvalidConditionValueError,
    UnknownConditionFieldError,
)
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.kit.sqlstate import UnknownReferenceError
from helpdesk_api.kit.visibility import FieldNotAllowedError

_OF_VALUES: Final = (
    *(UnknownCustomFieldError, FieldNotAllowedError, InvalidCustomValueError, RetiredCustomFieldError),
    *(ChoiceNotOfferedError, RequiredCustomFieldError, CustomFieldsTooLargeError, UnknownReferenceError),
)
_OF_NARROWING: Final = (UnknownCustomFieldError, FieldNotAllowedError, InvalidCustomValueError)
_OF_DEFINITION: Final = (
    *(TooManyCustomFieldsError, InvalidChoicesError, InvalidDependencyError, InvalidConditionError),
    *(ConditionTooLargeError, UnknownConditionFieldError, ImpossibleComparisonError, InvalidConditionValueError),
)
# Where actions are written that may set them.
_WITH_ACTIONS: Final = (
    *("rules_create", "rules_update", "rules_import", "rules_publish"),
    *("macros_create", "macros_update", "tickets_bulk"),
)
_CARDS: Final = ("companies", "contacts", "locations")

OF_CUSTOM_FIELDS: Final[Mapping[str, tuple[type[Refusal], ...]]] = {
    **dict.fromkeys(("custom_fields_create", "custom_fields_update"), _OF_DEFINITION),
    **{
        f"{plural}_{verb}": _OF_VALUES
        for plural in (*_CARDS, "tickets")
        for verb in ("create", "update", "put_by_reference", "upsert")
    },
    **dict.fromkeys(_WITH_ACTIONS, _OF_VALUES),
    **{f"{plural}_list": _OF_NARROWING for plural in (*_CARDS, "tickets")},
    "tickets_search": _OF_NARROWING,
}
