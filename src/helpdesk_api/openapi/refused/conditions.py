"""What is refused wherever somebody writes a condition."""

from typing import Final

from helpdesk_api.domain.condition_reading import (
    ConditionTooLargeError,
    ImpossibleComparisonError,
    InvalidConditionError,
    InvalidConditionValueError,
    UnknownConditionFieldError,
)
from helpdesk_api.kit.visibility import FieldNotAllowedError

OF_CONDITION: Final = (
    *(InvalidConditionError, ConditionTooLargeError, UnknownConditionFieldError, ImpossibleComparisonError),
    *(InvalidConditionValueError, FieldNotAllowedError),
)
