"""What single operations refuse about events on their way out and in: the feed, webhooks and inbound hooks."""

from collections.abc import Mapping
from typing import Final

from helpdesk_api.domain.errors import NotFoundError, Refusal
from helpdesk_api.identity.visibility import ReachTooNarrowError
from helpdesk_api.kit.caller import ViewAsReadOnlyError
from helpdesk_api.kit.cursors import CursorMismatchError
from helpdesk_api.kit.idempotency import AnswerSealedError
from helpdesk_api.kit.live import TooManyStreamsError
from helpdesk_api.kit.outbound.targets import UnsafeURLError
from helpdesk_api.kit.rotation import SecretRotatingError
from helpdesk_api.openapi.refused.conditions import OF_CONDITION
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

REFUSED: Final[Mapping[str, tuple[type[Refusal], ...]]] = {
    "webhook_endpoints_create": (
        *(UnsafeURLError, TooManyEndpointsError, MissingSecretError, FullPayloadDeniedError, ReachTooNarrowError),
        *(InvalidCertificateError, AnswerSealedError),
        *OF_CONDITION,
    ),
    "webhook_endpoints_update": (
        *(UnsafeURLError, MissingSecretError, FullPayloadDeniedError, ReachTooNarrowError),
        InvalidCertificateError,
        *OF_CONDITION,
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
        *(HookExceedsOwnError, TooManyInboundHooksError, IncompleteMappingError, MissingSecretError),
        AnswerSealedError,
    ),
    "inbound_hooks_update": (HookExceedsOwnError, IncompleteMappingError, MissingSecretError),
    "inbound_hooks_rotate_token": (HookExceedsOwnError, TokenRotatingError, AnswerSealedError),
    "inbound_hooks_rotate_secret": (
        HookExceedsOwnError,
        NothingSignedError,
        *(InvalidSecretError, MissingSecretError),
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
    "events_checksum": (UnknownCollectionError, UndecidedChecksumError),
}
