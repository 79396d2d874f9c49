"""What single operations refuse about people and what they may do: sign-in, keys, roles, retention and erasure."""

from collections.abc import Mapping
from typing import Final

from helpdesk_api.domain.errors import Refusal
from helpdesk_api.identity.api_keys import ExpiryInPastError
from helpdesk_api.identity.key_grants import NothingGrantedError, ScopeExceedsOwnError, SeveralHoldersError
from helpdesk_api.identity.key_rotation import KeyEndedError, KeyRotatingError
from helpdesk_api.identity.permissions import UnknownFieldGroupError, UnknownPermissionError
from helpdesk_api.identity.roles import BuiltInRoleError, NotForContactsError, ReachMismatchError, RoleExceedsOwnError
from helpdesk_api.identity.sign_in.attempts import TooManyAttemptsError
from helpdesk_api.identity.sign_in.credentials import InvalidCredentialsError
from helpdesk_api.identity.sign_in.identity_providers import RoleRequiredError
from helpdesk_api.identity.sign_in.mailing import UserNotActiveError
from helpdesk_api.identity.sign_in.second_factor import (
    NoSecondFactorError,
    SecondFactorActiveError,
    SecondFactorRequiredError,
)
from helpdesk_api.identity.sign_in.session_routes import SessionRequiredError
from helpdesk_api.identity.sign_in.sessions import InvalidTokenError
from helpdesk_api.identity.test_clock import (
    ClockAdvancingError,
    ClockBackwardsError,
    ClockTooFarError,
    NoTestClockError,
)
from helpdesk_api.kit.crud import MergedError
from helpdesk_api.kit.idempotency import AnswerSealedError
from helpdesk_api.kit.key_sets import KeysUnavailableError
from helpdesk_api.kit.outbound.targets import UnsafeURLError
from helpdesk_api.kit.passwords import TooBusyToVerifyError, WeakPasswordError
from helpdesk_api.kit.service_routes import UnknownProblemError
from helpdesk_api.privacy.erasures import ErasurePendingError
from helpdesk_api.privacy.export import PartialExportError
from helpdesk_api.retention.runs import LegalHoldError, RetentionRunningError
from helpdesk_api.retention.settings import SecurityEventsKeptShorterError

_OF_PERSON: Final = (RoleExceedsOwnError, ReachMismatchError)
_OF_ROLE: Final = (*_OF_PERSON, NotForContactsError)
_PROVE_AGAIN: Final = (SessionRequiredError, InvalidCredentialsError, TooManyAttemptsError, TooBusyToVerifyError)

REFUSED: Final[Mapping[str, tuple[type[Refusal], ...]]] = {
    "roles_create": (*_OF_ROLE, UnknownPermissionError, UnknownFieldGroupError),
    "roles_update": (*_OF_ROLE, UnknownPermissionError, UnknownFieldGroupError, BuiltInRoleError),
    "roles_delete": (BuiltInRoleError, RoleExceedsOwnError),
    **dict.fromkeys(("users_create", "users_update", "contacts_create"), _OF_PERSON),
    "users_delete": (RoleExceedsOwnError,),
    "users_invite": (UserNotActiveError,),
    **dict.fromkeys(("retention_settings_update", "retention_preview_get"), (SecurityEventsKeptShorterError,)),
    "retention_apply": (RetentionRunningError, LegalHoldError),
    "sign_in_with_password": (
        InvalidCredentialsError,
        SecondFactorRequiredError,
        TooManyAttemptsError,
        TooBusyToVerifyError,
    ),
    "sign_in_refresh": (InvalidTokenError,),
    "sign_in_reset_password": (TooManyAttemptsError,),
    "sign_in_with_identity_provider": (InvalidTokenError, KeysUnavailableError),
    **dict.fromkeys(
        ("identity_providers_create", "identity_providers_update"),
        (UnsafeURLError, RoleRequiredError, RoleExceedsOwnError, ReachMismatchError),
    ),
    "sign_in_send_magic_link": (TooManyAttemptsError,),
    "sign_in_with_magic_link": (InvalidTokenError,),
    "sign_in_set_password": (InvalidTokenError, WeakPasswordError, TooBusyToVerifyError),
    **dict.fromkeys(("me_sign_out", "me_sign_out_everywhere"), (SessionRequiredError,)),
    "me_change_password": (*_PROVE_AGAIN, WeakPasswordError),
    "me_add_second_factor": (*_PROVE_AGAIN, SecondFactorActiveError),
    "me_confirm_second_factor": (
        SessionRequiredError,
        InvalidCredentialsError,
        TooManyAttemptsError,
        NoSecondFactorError,
    ),
    "me_remove_second_factor": (*_PROVE_AGAIN, NoSecondFactorError),
    "users_reset_second_factor": (NoSecondFactorError, RoleExceedsOwnError),
    "contacts_erase": (ErasurePendingError, MergedError),
    "users_erase": (ErasurePendingError,),
    "contacts_export": (PartialExportError, MergedError),
    "users_export": (PartialExportError,),
    "api_keys_create": (
        ScopeExceedsOwnError,
        ExpiryInPastError,
        NothingGrantedError,
        SeveralHoldersError,
        ReachMismatchError,
        RoleExceedsOwnError,
        UnknownPermissionError,
        UnknownFieldGroupError,
        AnswerSealedError,
    ),
    "api_keys_rotate": (ScopeExceedsOwnError, KeyEndedError, KeyRotatingError, AnswerSealedError),
    "test_clock_get": (NoTestClockError,),
    "test_clock_advance": (NoTestClockError, ClockAdvancingError, ClockBackwardsError, ClockTooFarError),
    "problems_get": (UnknownProblemError,),
}
