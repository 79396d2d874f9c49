"""Handing a message over at a receiver's door: with an access token where it wants one, with a certificate if it asks.

All of it happens within the time of one attempt, since the lease of its job covers no more.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from helpdesk_api.kit.access_tokens import ClientCredentials
from helpdesk_api.kit.outbound import ClientIdentity, OutboundError, OutboundResponse
from helpdesk_api.kit.outbound.client import DEADLINE
from helpdesk_api.kit.outbound.failures import AttemptTimeoutError
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.webhooks.credentials import Secrets
from helpdesk_api.webhooks.outgoing import Outgoing

_UNAUTHORIZED: Final = 401


async def deliver_message(
    runtime: Runtime, delivery: Outgoing, secrets: Secrets, *, content: bytes, headers: Mapping[str, str]
) -> OutboundResponse:
    """Post a message; raises OutboundError, also when no access token can be had."""
    certificate, authentication = delivery["client_certificate"], delivery["authentication"]
    identity = None
    if certificate is not None and secrets.private_key is not None:
        identity = ClientIdentity(certificate["certificate"], secrets.private_key)
    if authentication is None or authentication["type"] != "oauth2":
        return await runtime.outbound.post(delivery["url"], content=content, headers=headers, identity=identity)
    wanted = ClientCredentials(
        authentication["token_url"], authentication["client_id"], secrets.secret or "", authentication["scope"]
    )
    began = time.perf_counter()
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()):
            return await _with_token(runtime, wanted, delivery["url"], content, headers, identity)
    except TimeoutError as error:
        late = AttemptTimeoutError("no token and no complete answer in time")
        late.duration = timedelta(seconds=time.perf_counter() - began)
        raise late from error
    except OutboundError as error:
        error.duration = timedelta(seconds=time.perf_counter() - began)
        raise


async def _with_token(  # noqa: PLR0917 - the parts of one message, all of them needed once.
    runtime: Runtime,
    wanted: ClientCredentials,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    identity: ClientIdentity | None,
) -> OutboundResponse:
    """Post with a token; one that is refused is replaced once, as its issuer may have ended it before its time."""
    token = await runtime.access_tokens.find(wanted)
    sent = {**headers, "authorization": f"Bearer {token}"}
    response = await runtime.outbound.post(url, content=content, headers=sent, identity=identity)
    if response.status != _UNAUTHORIZED:
        return response
    runtime.access_tokens.forget(wanted, token)
    sent["authorization"] = f"Bearer {await runtime.access_tokens.find(wanted)}"
    return await runtime.outbound.post(url, content=content, headers=sent, identity=identity)
