"""Sending one delivery and judging the answer; many at a time, for one endpoint, is `webhooks.session`."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from helpdesk_api.domain.retry import Abort, Delivered, DisableEndpoint, Retry, judge, next_delay
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.outbound import OutboundError
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sealing import Sealer
from helpdesk_api.webhooks import credentials
from helpdesk_api.webhooks.delivery_log import Attempt, State
from helpdesk_api.webhooks.letting_in import deliver_message
from helpdesk_api.webhooks.message_writing import write_message
from helpdesk_api.webhooks.messages import TEST
from helpdesk_api.webhooks.models import SEALED_CREDENTIALS, SEALED_KEYS
from helpdesk_api.webhooks.outgoing import Outgoing
from helpdesk_api.webhooks.signing import SigningKeys, sign

# Its own source: whoever seeds the global one means something else by it.
_JITTER = random.SystemRandom()

_AGENT: Final = {"user-agent": "helpdesk-api"}
_IS_TEST: Final = {"webhook-test": "true"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# How long an overloaded receiver is left alone if it does not say so itself.
_RESPITE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one delivery: a status, or the reason why there is none."""

    job: Job
    delivery: Outgoing
    started_at: datetime
    status: int | None
    headers: Mapping[str, str]
    error: str | None
    excerpt: str | None
    duration: timedelta


async def post(runtime: Runtime, job: Job, delivery: Outgoing) -> Answer:
    """Send a delivery, signed for this attempt."""
    at = datetime.now(UTC)
    message = write_message(delivery, runtime.resources, tenant_id=job.tenant_id)
    signature = sign(_keys(runtime.sealer, job, delivery, at), str(delivery["id"]), int(at.timestamp()), message.body)
    secrets = _secrets(runtime.sealer, job, delivery)
    headers = credentials.sent_headers(delivery["headers"], delivery["authentication"], secrets) | _AGENT
    headers |= {"content-type": message.media_type, "webhook-payload-version": message.payload_version} | signature
    if delivery["type"] == TEST:
        headers |= _IS_TEST
    try:
        response = await deliver_message(runtime, delivery, secrets, content=message.body, headers=headers)
    except OutboundError as error:
        return Answer(job, delivery, at, None, {}, error.reason, None, error.duration)
    excerpt = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", response.body_excerpt.decode(errors="replace"))
    return Answer(job, delivery, at, response.status, response.headers, None, excerpt, response.duration)


def _keys(sealer: Sealer, job: Job, delivery: Outgoing, at: datetime) -> list[SigningKeys]:
    """Give the keys that sign now: the present ones first, and the former ones while they are still accepted."""
    sealed = [delivery["sealed_keys"]]
    expires_at = delivery["previous_secret_expires_at"]
    if expires_at is not None and expires_at > at:
        sealed.append(delivery["sealed_previous_keys"])
    return [SigningKeys.loads(_opened(sealer, job, delivery, each, SEALED_KEYS.purpose)) for each in sealed]


def _secrets(sealer: Sealer, job: Job, delivery: Outgoing) -> credentials.Secrets:
    sealed = delivery["sealed_credentials"]
    return credentials.Secrets.loads(
        None if sealed is None else _opened(sealer, job, delivery, sealed, SEALED_CREDENTIALS.purpose)
    )


def _opened(sealer: Sealer, job: Job, delivery: Outgoing, sealed: bytes, purpose: str) -> bytes:
    return sealer.open(sealed, tenant_id=job.tenant_id, purpose=purpose, object_id=delivery["endpoint_id"])


def is_success(answer: Answer) -> bool:
    """Tell whether the receiver has the message."""
    return isinstance(judge(answer.status, answer.headers, now=answer.started_at), Delivered)


def judged(answer: Answer, *, now: datetime) -> Attempt:
    """Decide what an answer means for its delivery: done, given up, or tried again and when."""
    number: int = answer.delivery["attempt_count"] + 1
    state, again_at, is_gone, quiet_until = State.FAILED, None, False, None
    match judge(answer.status, answer.headers, now=now):
        case Delivered():
            state = State.DELIVERED
        case DisableEndpoint():
            is_gone = True
        case Abort():
            pass
        case Retry(throttled=throttled, retry_after=asked):
            made = number - answer.job.payload["attempts_before"]
            delay = next_delay(made, jitter=_JITTER.random(), retry_after=asked)
            if delay is not None:
                state, again_at = State.PENDING, now + delay
            quiet_until = _quiet_until(now, throttled=throttled, asked=asked)
    return Attempt(
        delivery_id=answer.delivery["delivery_id"],
        endpoint_id=answer.delivery["endpoint_id"],
        number=number,
        started_at=answer.started_at,
        duration=answer.duration,
        status=answer.status,
        error=answer.error,
        response_excerpt=answer.excerpt,
        state=state,
        next_attempt_at=again_at,
        is_gone=is_gone,
        quiet_until=quiet_until,
    )


def _quiet_until(now: datetime, *, throttled: bool, asked: timedelta | None) -> datetime | None:
    """Say until when the receiver wants to hear nothing at all."""
    if not throttled and asked is None:
        return None
    return now + max(asked or timedelta(0), _RESPITE if throttled else timedelta(0))
