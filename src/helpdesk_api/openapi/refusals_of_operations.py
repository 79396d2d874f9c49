"""What only one operation refuses, by its id, beside what its shape tells (`openapi.refusals`).

A test finds codes that no operation names.
"""

from collections.abc import Mapping

from helpdesk_api.agreements.calendar_files import CalendarFileTooLargeError, NotACalendarFileError
from helpdesk_api.agreements.calendar_imports import CalendarNotFetchedError
from helpdesk_api.agreements.calendar_versions import NeverOpensError, NothingTakesEffectError, TooManyVersionsError
from helpdesk_api.agreements.contract_amending import (
    InvalidTermsError,
    NothingHeldError,
    SubjectOfOthersError,
    TooManyContractVersionsError,
)
from helpdesk_api.agreements.national_holidays import (
    NoNationalHolidaysError,
    TooManyHolidaysError,
    UnknownHolidaysError,
)
from helpdesk_api.agreements.policy_checks import CalendarRequiredError, TargetOutOfReachError
from helpdesk_api.agreements.sla_policies import PolicyPublishedError
from helpdesk_api.assets.asset_types import RepeatedNumberError
from helpdesk_api.assets.moving import ParentElsewhereError, TooManyPartsError
from helpdesk_api.assets.relations import AssetsOfTwoCompaniesError, RelatedToItselfError
from helpdesk_api.automation.analysing import RuleNeverFiresError
from helpdesk_api.automation.macros import InactiveMacroError, NotOwnMacroError, TooManyMacrosError
from helpdesk_api.automation.named_references import UnresolvedNameError
from helpdesk_api.automation.rule_versions import UnknownRuleVersionError
from helpdesk_api.automation.rule_writing import TooManyRulesError
from helpdesk_api.automation.timers import TimerMismatchError, UnknownInstantError
from helpdesk_api.directory.contacts import ContactNotOfCompanyError
from helpdesk_api.directory.crm.conflicts import ConflictResolvedError
from helpdesk_api.directory.crm.ownership import FieldOwnedElsewhereError
from helpdesk_api.directory.crm.sources import FieldAlreadyOwnedError, TooManySourcesError, UnknownCardFieldError
from helpdesk_api.directory.external_references import OneCardError
from helpdesk_api.directory.locations import GeofenceWithoutCentreError, LocationNotOfCompanyError
from helpdesk_api.directory.upserting import AlreadyLinkedError, SeveralMatchesError, StaleSourceError
from helpdesk_api.domain.business_time import BudgetOutOfReachError, InstantOutOfRangeError, InvalidCalendarError
from helpdesk_api.domain.clock_refusals import ClockStoppedError, DeadlinePassedError
from helpdesk_api.domain.condition_reading import (
    ConditionTooLargeError,
    ImpossibleComparisonError,
    InvalidConditionError,
    InvalidConditionValueError,
    UnknownConditionFieldError,
)
from helpdesk_api.domain.errors import NotFoundError, Refusal
from helpdesk_api.domain.templates import InvalidTemplateError, UnknownTemplateFieldError
from helpdesk_api.domain.workflow import InvalidTransitionError
from helpdesk_api.files.storing import TooManyUnattachedFilesError
from helpdesk_api.identity.api_keys import ExpiryInPastError
from helpdesk_api.identity.key_grants import NothingGrantedError, ScopeExceedsOwnError, SeveralHoldersError
from helpdesk_api.identity.key_rotation import KeyEndedError, KeyRotatingError
from helpdesk_api.identity.permissions import UnknownFieldGroupError, UnknownPermissionError
from helpdesk_api.identity.roles import (
    BuiltInRoleError,
    NotForContactsError,
    ReachMismatchError,
    RoleExceedsOwnError,
)
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
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit.caller import ViewAsReadOnlyError
from helpdesk_api.kit.conditional import StaleVersionError
from helpdesk_api.kit.crud import NotNullableError
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.hierarchy import ParentCycleError, TooManyLevelsError
from helpdesk_api.kit.idempotency import (
    AnswerSealedError,
)
from helpdesk_api.kit.key_sets import KeysUnavailableError
from helpdesk_api.kit.live import TooManyStreamsError
from helpdesk_api.kit.outbound.targets import UnsafeURLError
from helpdesk_api.kit.passwords import TooBusyToVerifyError, WeakPasswordError
from helpdesk_api.kit.rotation import SecretRotatingError
from helpdesk_api.kit.service_routes import UnknownProblemError
from helpdesk_api.kit.sqlstate import (
    AlreadyExistsError,
    StillReferencedError,
    UnknownReferenceError,
)
from helpdesk_api.kit.visibility import FieldNotAllowedError
from helpdesk_api.openapi import operator
from helpdesk_api.privacy.erasures import ErasurePendingError
from helpdesk_api.privacy.export import PartialExportError
from helpdesk_api.retention.runs import LegalHoldError, RetentionRunningError
from helpdesk_api.retention.settings import SecurityEventsKeptShorterError
from helpdesk_api.tickets.acting import AuthorRequiredError, NotOwnNameError
from helpdesk_api.tickets.blast_radius import PlanExpiredError, PlanOutdatedError, TooManyClocksError
from helpdesk_api.tickets.deadlines import NoManualDeadlineError, TooManyTicketsError
from helpdesk_api.tickets.explanations import HistoryIncompleteError
from helpdesk_api.tickets.parties import (
    AssetNotOfCompanyError,
    InactiveCompanyError,
    InactiveLocationError,
    InactiveUserError,
)
from helpdesk_api.tickets.reveal import NotOwnTicketError, TooManyRevealsError
from helpdesk_api.webhooks.checksums import UndecidedChecksumError, UnknownCollectionError
from helpdesk_api.webhooks.credentials import InvalidCertificateError, MissingSecretError
from helpdesk_api.webhooks.deliveries import DeliveryInProgressError
from helpdesk_api.webhooks.endpoint_checks import FullPayloadDeniedError, TooManyEndpointsError
from helpdesk_api.webhooks.endpoints import EndpointDisabledError
from helpdesk_api.webhooks.event_filter import UnknownEventTypeError
from helpdesk_api.webhooks.feed_start import EventsPurgedError
from helpdesk_api.webhooks.inbound.forms import InvalidFormError
from helpdesk_api.webhooks.inbound.hook_rotation import InvalidSecretError, NothingSignedError, TokenRotatingError
from helpdesk_api.webhooks.inbound.hooks import HookExceedsOwnError, TooManyInboundHooksError
from helpdesk_api.webhooks.inbound.mapping import IncompleteMappingError
from helpdesk_api.webhooks.inbound.messages import HookDeletedError, NothingToRetryError
from helpdesk_api.webhooks.inbound.receiving import InboundHookDisabledError
from helpdesk_api.webhooks.inbound.schemes import InvalidSignatureError, TimestampOutOfToleranceError
from helpdesk_api.webhooks.replays import ReplayEndedError, ReplayRunningError
from helpdesk_api.webhooks.retrying import DeliveryPendingError
from helpdesk_api.webhooks.statistics import StepTooShortError, WindowBackwardsError
from helpdesk_api.webhooks.test_messages import InvalidTestError

Refusals = tuple[type[Refusal], ...]

_OF_PERSON: Refusals = (RoleExceedsOwnError, ReachMismatchError)
_OF_PUSH: Refusals = (
    *(ReachTooNarrowError, StaleSourceError, SeveralMatchesError, AlreadyLinkedError, StaleVersionError),
    *(FieldNotAllowedError, NotNullableError, FieldOwnedElsewhereError),
)
_OF_CONDITION: Refusals = (
    *(InvalidConditionError, ConditionTooLargeError, UnknownConditionFieldError, ImpossibleComparisonError),
    *(InvalidConditionValueError, FieldNotAllowedError),
)
_OF_ACTIONS: Refusals = (InvalidTemplateError, UnknownTemplateFieldError, UnknownReferenceError)
_OF_RULE: Refusals = (*_OF_ACTIONS, ReachTooNarrowError, TimerMismatchError, UnknownInstantError)
_OF_ROLE: Refusals = (*_OF_PERSON, NotForContactsError)
_TICKET_PARTIES: Refusals = (
    *(ContactNotOfCompanyError, InactiveCompanyError, InactiveUserError, BudgetOutOfReachError),
    *(LocationNotOfCompanyError, InactiveLocationError, AssetNotOfCompanyError),
)
_TREE: Refusals = (ParentCycleError, TooManyLevelsError)
_OF_ASSET: Refusals = (*_TREE, ContactNotOfCompanyError, LocationNotOfCompanyError, ParentElsewhereError)
_OF_MOVE: Refusals = (*_OF_ASSET, TooManyPartsError, StillReferencedError, AlreadyExistsError, UnknownReferenceError)

_EDITED_HOURS: Refusals = (InvalidCalendarError, NeverOpensError, TargetOutOfReachError, TooManyVersionsError)
_PROVE_AGAIN: Refusals = (SessionRequiredError, InvalidCredentialsError, TooManyAttemptsError, TooBusyToVerifyError)

# What only one operation refuses, beside what its shape tells.
OF_OPERATION: Mapping[str, Refusals] = {
    "roles_create": (*_OF_ROLE, UnknownPermissionError, UnknownFieldGroupError),
    "roles_update": (*_OF_ROLE, UnknownPermissionError, UnknownFieldGroupError, BuiltInRoleError),
    "roles_delete": (BuiltInRoleError, RoleExceedsOwnError),
    **dict.fromkeys(("users_create", "users_update", "contacts_create"), _OF_PERSON),
    "contacts_update": (*_OF_PERSON, FieldOwnedElsewhereError),
    "companies_create": _TREE,
    "companies_update": (*_TREE, FieldOwnedElsewhereError),
    "locations_create": (ContactNotOfCompanyError, GeofenceWithoutCentreError),
    "locations_update": (
        *(ContactNotOfCompanyError, GeofenceWithoutCentreError, StillReferencedError),
        FieldOwnedElsewhereError,
    ),
    "crm_sources_create": (UnknownCardFieldError, FieldAlreadyOwnedError, TooManySourcesError, AlreadyExistsError),
    "crm_sources_update": (UnknownCardFieldError, FieldAlreadyOwnedError),
    "sync_conflicts_resolve": (ConflictResolvedError, FieldNotAllowedError, UnknownReferenceError),
    **dict.fromkeys(
        ("locations_put_by_reference", "locations_upsert"),
        (
            *(*_OF_PUSH, ContactNotOfCompanyError, GeofenceWithoutCentreError, StillReferencedError),
            UnknownReferenceError,
        ),
    ),
    "asset_relations_create": (AssetsOfTwoCompaniesError, RelatedToItselfError, AlreadyExistsError),
    "asset_types_update": (RepeatedNumberError,),
    "assets_create": (*_OF_ASSET, AlreadyExistsError),
    "assets_update": _OF_MOVE,
    **dict.fromkeys(("assets_put_by_reference", "assets_upsert"), (*_OF_PUSH, *_OF_MOVE)),
    "external_references_create": (OneCardError, AlreadyExistsError),
    **dict.fromkeys(("companies_put_by_reference", "companies_upsert"), (*_OF_PUSH, *_TREE, UnknownReferenceError)),
    **dict.fromkeys(("contacts_put_by_reference", "contacts_upsert"), (*_OF_PUSH, *_OF_PERSON, UnknownReferenceError)),
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
    "sla_clocks_explain": (HistoryIncompleteError,),
    "tickets_get_times": (HistoryIncompleteError,),
    "sla_clocks_set_deadline": (ClockStoppedError, DeadlinePassedError, InstantOutOfRangeError),
    "sla_clocks_release_deadline": (ClockStoppedError, NoManualDeadlineError),
    "sla_clocks_extend": (BudgetOutOfReachError, TooManyTicketsError),
    "tickets_search": _OF_CONDITION,
    "files_upload": (TooManyUnattachedFilesError,),
    "files_create_link": (AnswerSealedError,),
    "tickets_create": _TICKET_PARTIES,
    "tickets_update": (InvalidTransitionError, *_TICKET_PARTIES),
    "contacts_reveal": (UnknownReferenceError, NotOwnTicketError, TooManyRevealsError),
    **dict.fromkeys(("contacts_erase", "users_erase"), (ErasurePendingError,)),
    **dict.fromkeys(("contacts_export", "users_export"), (PartialExportError,)),
    "comments_create": (
        UnknownReferenceError,
        ContactNotOfCompanyError,
        BudgetOutOfReachError,
        NotOwnNameError,
        AuthorRequiredError,
    ),
    "calendars_create": (InvalidCalendarError, NeverOpensError),
    "calendars_update": (*_EDITED_HOURS, NothingTakesEffectError),
    "calendars_plan": (*_EDITED_HOURS, NothingTakesEffectError, TooManyClocksError),
    "calendars_apply": (
        *(*_EDITED_HOURS, NothingTakesEffectError, TooManyClocksError),
        *(PlanOutdatedError, PlanExpiredError),
    ),
    "calendars_take_holidays": (*_EDITED_HOURS, UnknownHolidaysError, TooManyHolidaysError),
    "calendars_refresh_holidays": (
        *(*_EDITED_HOURS, UnknownHolidaysError, TooManyHolidaysError),
        NoNationalHolidaysError,
    ),
    "calendars_import": (
        *(*_EDITED_HOURS, TooManyHolidaysError, UnsafeURLError, CalendarNotFetchedError),
        *(NotACalendarFileError, CalendarFileTooLargeError),
    ),
    "services_list": (UnknownReferenceError,),
    "contracts_amend": (
        *(NothingHeldError, InvalidTermsError, SubjectOfOthersError, UnknownReferenceError),
        TooManyContractVersionsError,
    ),
    "sla_policies_create": (CalendarRequiredError, TargetOutOfReachError, ReachTooNarrowError),
    "sla_policies_update": (
        CalendarRequiredError,
        TargetOutOfReachError,
        PolicyPublishedError,
        ReachTooNarrowError,
    ),
    "macros_create": (*_OF_ACTIONS, FieldNotAllowedError, TooManyMacrosError),
    "macros_update": (*_OF_ACTIONS, FieldNotAllowedError),
    "macros_apply": (FieldNotAllowedError, InactiveMacroError, NotOwnMacroError, UnknownReferenceError),
    "tickets_bulk": (*_OF_ACTIONS, FieldNotAllowedError),
    "rules_create": (*_OF_CONDITION, *_OF_RULE, TooManyRulesError, RuleNeverFiresError),
    "rules_update": (*_OF_CONDITION, *_OF_RULE, RuleNeverFiresError),
    "rules_import": (
        *_OF_CONDITION,
        *_OF_RULE,
        TooManyRulesError,
        UnresolvedNameError,
    ),
    "rules_publish": (
        FieldNotAllowedError,
        ReachTooNarrowError,
        RuleNeverFiresError,
        UnknownReferenceError,
        UnknownRuleVersionError,
    ),
    "rules_try": (FieldNotAllowedError, ReachTooNarrowError, UnknownReferenceError),
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
    "webhook_endpoints_create": (
        *(UnsafeURLError, TooManyEndpointsError, MissingSecretError, FullPayloadDeniedError, ReachTooNarrowError),
        *(InvalidCertificateError, AnswerSealedError),
        *_OF_CONDITION,
    ),
    "webhook_endpoints_update": (
        *(UnsafeURLError, MissingSecretError, FullPayloadDeniedError, ReachTooNarrowError),
        InvalidCertificateError,
        *_OF_CONDITION,
    ),
    "webhook_endpoints_ping": (EndpointDisabledError,),
    "webhook_endpoints_rotate_secret": (SecretRotatingError, AnswerSealedError),
    "webhook_endpoints_test": (EndpointDisabledError, InvalidTestError),
    "webhook_endpoints_stats": (WindowBackwardsError, StepTooShortError),
    "webhook_deliveries_redeliver": (DeliveryInProgressError, EndpointDisabledError),
    "webhook_deliveries_retry": (NotFoundError, DeliveryPendingError, EndpointDisabledError),
    "webhook_endpoints_recover": (EndpointDisabledError, ReplayRunningError),
    "webhook_endpoints_replay": (
        EventsPurgedError,
        *(EndpointDisabledError, ReplayRunningError, FullPayloadDeniedError, ReachTooNarrowError),
        CursorMismatchError,
    ),
    "webhook_replays_cancel": (ReplayEndedError,),
    "inbound_hooks_create": (
        *(HookExceedsOwnError, TooManyInboundHooksError, IncompleteMappingError),
        AnswerSealedError,
    ),
    "inbound_hooks_update": (HookExceedsOwnError, IncompleteMappingError, MissingSecretError),
    "inbound_hooks_rotate_token": (HookExceedsOwnError, TokenRotatingError, AnswerSealedError),
    "inbound_hooks_rotate_secret": (
        HookExceedsOwnError,
        NothingSignedError,
        InvalidSecretError,
        SecretRotatingError,
        AnswerSealedError,
    ),
    "inbound_hooks_preview": (HookExceedsOwnError, IncompleteMappingError),
    "inbound_messages_retry": (HookExceedsOwnError, NothingToRetryError, HookDeletedError),
    "inbound_receive": (
        *(NotFoundError, InboundHookDisabledError, InvalidSignatureError, TimestampOutOfToleranceError),
        *(ViewAsReadOnlyError, InvalidFormError),
    ),
    "events_list": (UnknownEventTypeError, TooManyStreamsError, EventsPurgedError),
    "events_get": (EventsPurgedError,),
    "events_stream": (UnknownEventTypeError, TooManyStreamsError),
    "events_create_stream_ticket": (AnswerSealedError,),
    **dict.fromkeys(
        ("companies_list_duplicates", "contacts_list_duplicates"), (CursorMismatchError, ReachTooNarrowError)
    ),
    **dict.fromkeys(
        ("companies_list_changes", "contacts_list_changes", "locations_list_changes"),
        (EventsPurgedError, CursorMismatchError),
    ),
    "events_checksum": (UnknownCollectionError, UndecidedChecksumError),
    "tickets_set_presence": (NotOwnNameError, AuthorRequiredError, UnknownReferenceError),
    "tickets_end_presence": (NotOwnNameError, UnknownReferenceError),
    "test_clock_get": (NoTestClockError,),
    "test_clock_advance": (NoTestClockError, ClockAdvancingError, ClockBackwardsError, ClockTooFarError),
    "problems_get": (UnknownProblemError,),
    **operator.REFUSALS,
}
