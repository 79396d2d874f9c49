"""Access tokens are asked for as RFC 6749 has it, kept as long as they are good, and by one request for everybody."""

import asyncio
import base64
import json

import pytest

from helpdesk_api.kit.access_tokens import AccessTokens, ClientCredentials
from helpdesk_api.kit.outbound import OutboundClient, TokenNotObtainedError
from tests.kit.receivers import LOOPBACK, Handler, Receiver, answering, receiving


def answer(status: int = 200, **values: object) -> bytes:
    body = json.dumps({"token_type": "Bearer", **values}).encode()
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def in_turn(*answers: bytes) -> Handler:
    left = list(answers)

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0)
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return handler


def credentials(receiver: Receiver, **more: str) -> ClientCredentials:
    return ClientCredentials(**{"token_url": receiver.url, "client_id": "desk:1", "secret": "a b&c"} | more)


async def test_a_token_is_asked_for_with_credentials_in_the_header_and_a_scope_in_the_form() -> None:
    async with (
        receiving(answering(answer(access_token="one", expires_in=3600))) as receiver,
        OutboundClient(allow=LOOPBACK) as client,
    ):
        token = await AccessTokens(client).find(credentials(receiver, scope="hooks write"))

    head, _, form = receiver.requests[0].partition(b"\r\n\r\n")
    pair = base64.b64encode(b"desk%3A1:a+b%26c")
    assert token == "one"
    assert b"authorization: Basic " + pair in head
    assert b"content-type: application/x-www-form-urlencoded" in head
    assert form == b"grant_type=client_credentials&scope=hooks+write"


async def test_one_request_serves_everybody_as_long_as_the_token_is_good() -> None:
    async with (
        receiving(answering(answer(access_token="one", expires_in=3600))) as receiver,
        OutboundClient(allow=LOOPBACK) as client,
    ):
        tokens = AccessTokens(client)
        found = await asyncio.gather(*(tokens.find(credentials(receiver)) for _ in range(20)))
        found.append(await tokens.find(credentials(receiver)))

    assert (set(found), len(receiver.requests)) == ({"one"}, 1)


async def test_a_token_that_is_about_to_end_is_replaced() -> None:
    answers = (answer(access_token="one", expires_in=1e-9), answer(access_token="two", expires_in=3600))
    async with receiving(in_turn(*answers)) as receiver, OutboundClient(allow=LOOPBACK) as client:
        tokens = AccessTokens(client)

        found = [await tokens.find(credentials(receiver)) for _ in range(3)]

    assert found == ["one", "two", "two"]


async def test_a_token_that_was_refused_is_replaced_and_a_newer_one_is_kept() -> None:
    answers = (answer(access_token="one"), answer(access_token="two"))
    async with receiving(in_turn(*answers)) as receiver, OutboundClient(allow=LOOPBACK) as client:
        tokens = AccessTokens(client)
        await tokens.find(credentials(receiver))
        tokens.forget(credentials(receiver), "one")
        second = await tokens.find(credentials(receiver))
        tokens.forget(credentials(receiver), "one")
        third = await tokens.find(credentials(receiver))

    assert (second, third, len(receiver.requests)) == ("two", "two", 2)


@pytest.mark.parametrize(
    "given",
    [
        answer(401, error="invalid_client"),
        answer(access_token="one", token_type="mac"),
        answer(access_token="with\nbreak"),
        answer(access_token=""),
        answer(expires_in=3600),
        answer(access_token="one", expires_in=-1),
        b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\n[]",
        answer(access_token="one", long="x" * 40_000),
        b"no HTTP at all\r\n\r\n",
    ],
    ids=["refused", "of another type", "broken", "empty", "missing", "over", "no object", "too long", "no HTTP"],
)
async def test_what_is_no_token_is_an_error_and_is_not_asked_for_again_at_once(given: bytes) -> None:
    async with (
        receiving(answering(given, then_close=True)) as receiver,
        OutboundClient(allow=LOOPBACK) as client,
    ):
        tokens = AccessTokens(client)
        for _ in range(3):
            with pytest.raises(TokenNotObtainedError):
                await tokens.find(credentials(receiver))

    assert len(receiver.requests) == 1
