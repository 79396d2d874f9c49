"""What single operations refuse about tickets and what is promised for them: clocks, calendars, rules and files."""

from collections.abc import Mapping
from typing import Final

from helpdesk_api.agreements.calendar_files import CalendarFileTooLargeError, NotACalendarFileError
from helpdesk_api.agreements.calendar_imports import CalendarNotFetchedError
from helpdesk_api.agreements.calendar_versions import NeverOpensError, NothingTakesEffectError, TooManyVersionsError
from helpdesk_api.agreements.entitlement_posting import EntitlementExhaustedError
from helpdesk_api.agreements.national_holidays import (
    NoNationalHolidaysError,
    TooManyHolidaysError,
    UnknownHolidaysError,
)
from helpdesk_api.agreements.policy_checks import CalendarRequiredError, TargetOutOfReachError
from helpdesk_api.agreements.sla_policies import PolicyPublishedError
from helpdesk_api.assets.placements import AssetNotOfCompanyError
from helpdesk_api.automation.analysing import RuleNeverFiresError
from helpdesk_api.automation.macros import InactiveMacroError, NotOwnMacroError, TooManyMacrosError
from helpdesk_api.automation.named_references import UnresolvedNameError
from helpdesk_api.automation.rule_versions import UnknownRuleVersionError
from helpdesk_api.automation.rule_writing import TooManyRulesError
from helpdesk_api.automation.timers import TimerMismatchError, UnknownInstantError
from helpdesk_api.directory.contacts import ContactNotOfCompanyError
from helpdesk_api.directory.locations import LocationNotOfCompanyError
from helpdesk_api.domain.business_time import BudgetOutOfReachError, InstantOutOfRangeError, InvalidCalendarError
from helpdesk_api.domain.clock_refusals import ClockStoppedError, DeadlinePassedError
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.domain.money import DiscountTooLargeError, UnknownCurrencyError
from helpdesk_api.domain.templates import InvalidTemplateError, UnknownTemplateFieldError
from helpdesk_api.domain.workflow import InvalidTransitionError
from helpdesk_api.files.storing import TooManyUnattachedFilesError
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit.crud import MergedError
from helpdesk_api.kit.hierarchy import TooManyLevelsError
from helpdesk_api.kit.idempotency import AnswerSealedError
from helpdesk_api.kit.outbound.targets import UnsafeURLError
from helpdesk_api.kit.sqlstate import AlreadyExistsError, UnknownReferenceError
from helpdesk_api.kit.visibility import FieldNotAllowedError
from helpdesk_api.openapi.refused.conditions import OF_CONDITION
from helpdesk_api.tickets.acting import AuthorRequiredError, NotOwnNameError
from helpdesk_api.tickets.acts import InvalidActError, NothingToActError, TooManyActLinesError
from helpdesk_api.tickets.blast_radius import PlanExpiredError, PlanOutdatedError, TooManyClocksError
from helpdesk_api.tickets.covering import ContractNotOfClientError, InactiveServiceError, NotCoveredError
from helpdesk_api.tickets.deadlines import NoManualDeadlineError, TooManyTicketsError
from helpdesk_api.tickets.ending_together import OpenChildrenError
from helpdesk_api.tickets.explanations import HistoryIncompleteError
from helpdesk_api.tickets.line_pricing import AmountTooLargeError, InvalidLineError, NoPriceError
from helpdesk_api.tickets.lines import LineReversedError, NotUnderContractError, TooManyLinesError
from helpdesk_api.tickets.links import HasParentError, LinkCycleError, LinkedToItselfError, ParentFinishedError
from helpdesk_api.tickets.parties import (
    InactiveCompanyError,
    InactiveLocationError,
    InactiveUserError,
)
from helpdesk_api.tickets.plans.writing import InvalidRecurrenceError, NoOccurrenceError, TooManyPlansError
from helpdesk_api.tickets.reveal import NotOwnTicketError, TooManyRevealsError
from helpdesk_api.tickets.snoozing import InvalidSnoozeError
from helpdesk_api.tickets.watchers import TooManyWatchersError

_OF_ACTIONS: Final = (InvalidTemplateError, UnknownTemplateFieldError, UnknownReferenceError)
_OF_RULE: Final = (*_OF_ACTIONS, ReachTooNarrowError, TimerMismatchError, UnknownInstantError)
_TICKET_PARTIES: Final = (
    *(ContactNotOfCompanyError, InactiveCompanyError, InactiveUserError, BudgetOutOfReachError),
    *(LocationNotOfCompanyError, InactiveLocationError, AssetNotOfCompanyError),
    *(ContractNotOfClientError, InactiveServiceError, NotCoveredError),
)
_OF_PLAN: Final = (
    *(InvalidRecurrenceError, UnknownReferenceError, FieldNotAllowedError, ReachTooNarrowError),
    *(ContactNotOfCompanyError, InactiveCompanyError, InactiveUserError, BudgetOutOfReachError),
    *(LocationNotOfCompanyError, InactiveLocationError, AssetNotOfCompanyError),
    *(ContractNotOfClientError, InactiveServiceError),
)
_EDITED_HOURS: Final = (InvalidCalendarError, NeverOpensError, TargetOutOfReachError, TooManyVersionsError)

REFUSED: Final[Mapping[str, tuple[type[Refusal], ...]]] = {
    "sla_clocks_explain": (HistoryIncompleteError,),
    "tickets_get_times": (HistoryIncompleteError,),
    "sla_clocks_set_deadline": (ClockStoppedError, DeadlinePassedError, InstantOutOfRangeError),
    "sla_clocks_release_deadline": (ClockStoppedError, NoManualDeadlineError),
    "sla_clocks_extend": (BudgetOutOfReachError, TooManyTicketsError),
    "tickets_search": OF_CONDITION,
    "files_upload": (TooManyUnattachedFilesError,),
    "files_create_link": (AnswerSealedError,),
    "acts_create": (
        *(InvalidActError, NothingToActError, TooManyActLinesError, UnknownCurrencyError, UnknownReferenceError),
    ),
    "ticket_lines_create": (
        *(InvalidLineError, NoPriceError, NotUnderContractError, DiscountTooLargeError, AmountTooLargeError),
        *(EntitlementExhaustedError, TooManyLinesError, UnknownReferenceError, FieldNotAllowedError),
    ),
    "ticket_lines_reverse": (LineReversedError,),
    "tickets_create": (InvalidSnoozeError, *_TICKET_PARTIES),
    "ticket_links_create": (
        *(UnknownReferenceError, LinkedToItselfError, LinkCycleError, AlreadyExistsError),
        *(HasParentError, ParentFinishedError, TooManyLevelsError),
    ),
    "ticket_watchers_create": (
        *(UnknownReferenceError, InactiveUserError, ContactNotOfCompanyError, AlreadyExistsError),
        TooManyWatchersError,
    ),
    "ticket_plans_create": (*_OF_PLAN, TooManyPlansError),
    "ticket_plans_update": _OF_PLAN,
    "ticket_plans_skip": (NoOccurrenceError,),
    "tickets_update": (OpenChildrenError, InvalidTransitionError, InvalidSnoozeError, *_TICKET_PARTIES),
    "contacts_reveal": (UnknownReferenceError, NotOwnTicketError, TooManyRevealsError, MergedError),
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
    "sla_policies_create": (*OF_CONDITION, CalendarRequiredError, TargetOutOfReachError, ReachTooNarrowError),
    "sla_policies_update": (
        *OF_CONDITION,
        CalendarRequiredError,
        TargetOutOfReachError,
        PolicyPublishedError,
        ReachTooNarrowError,
    ),
    "macros_create": (*_OF_ACTIONS, FieldNotAllowedError, TooManyMacrosError),
    "macros_update": (*_OF_ACTIONS, FieldNotAllowedError),
    "macros_apply": (FieldNotAllowedError, InactiveMacroError, NotOwnMacroError, UnknownReferenceError),
    "tickets_bulk": (*_OF_ACTIONS, FieldNotAllowedError),
    "rules_create": (*OF_CONDITION, *_OF_RULE, TooManyRulesError, RuleNeverFiresError),
    "rules_update": (*OF_CONDITION, *_OF_RULE, RuleNeverFiresError),
    "rules_import": (
        *OF_CONDITION,
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
    "tickets_set_presence": (NotOwnNameError, AuthorRequiredError, UnknownReferenceError),
    "tickets_end_presence": (NotOwnNameError, UnknownReferenceError),
}
