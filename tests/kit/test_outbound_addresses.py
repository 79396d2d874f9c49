"""No request reaches an address that it must not reach: by name, literal, rebinding, redirect or proxy."""

from contextlib import AsyncExitStack
from datetime import timedelta
from ipaddress import ip_network

import pytest

from helpdesk_api.kit.outbound import OutboundClient, OutboundError, Reason, UnsafeURLError
from helpdesk_api.kit.outbound.dialer import Dialer
from tests.kit.hostile_addresses import DENIED_ADDRESSES
from tests.kit.receivers import ELSEWHERE, LOOPBACK, NAME, OK, Names, answering, failure, post, receiving


@pytest.mark.parametrize("address", DENIED_ADDRESSES)
async def test_a_name_that_leads_to_a_denied_address_is_not_called(address: str) -> None:
    names = Names([address])
    async with receiving(answering(OK)) as canary, OutboundClient(allow=ELSEWHERE, resolve=names) as client:
        plain = await failure(client, f"http://{NAME}:{canary.port}/")
        secure = await failure(client, f"https://{NAME}:{canary.port}/")
        usual = await failure(client, f"https://{NAME}/")

    assert [error.reason for error in (plain, secure, usual)] == [Reason.ADDRESS_DENIED] * 3
    assert address not in plain.detail
    assert canary.connections == 0


async def test_the_canary_of_these_tests_is_within_reach() -> None:
    names = Names(["127.0.0.1"])
    async with receiving(answering(OK)) as canary, OutboundClient(allow=LOOPBACK, resolve=names) as client:
        await post(client, f"http://{NAME}:{canary.port}/")

    assert canary.connections == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.000.000.001",
        "\uff11\uff12\uff17.0.0.1",
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "127\u30020\u30020\u30021",
        "127%2e0%2e0%2e1",
        "0",
        "0.0.0.0",  # noqa: S104 - a target to be refused; nothing binds to it.
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[::1%25lo]",
    ],
)
async def test_loopback_is_not_called_however_it_is_written(host: str) -> None:
    async with receiving(answering(OK)) as canary, OutboundClient(allow=ELSEWHERE) as client:
        error = await failure(client, f"http://{host}:{canary.port}/")

    assert error.reason == Reason.ADDRESS_DENIED
    assert canary.connections == 0


async def test_localhost_is_not_called_by_the_machines_own_resolver() -> None:
    async with receiving(answering(OK)) as canary, OutboundClient(allow=ELSEWHERE) as client:
        error = await failure(client, f"http://localhost:{canary.port}/")

    assert error.reason == Reason.ADDRESS_DENIED
    assert canary.connections == 0


async def test_localhost_is_called_when_it_is_allowed() -> None:
    async with receiving(answering(OK)) as receiver, OutboundClient(allow=LOOPBACK) as client:
        response = await post(client, f"http://localhost:{receiver.port}/")

    assert response.status == 200


@pytest.mark.parametrize("answers", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "not one"]])
async def test_one_denied_address_among_the_answers_condemns_the_name(answers: list[str]) -> None:
    async with receiving(answering(OK)) as canary, OutboundClient(allow=LOOPBACK, resolve=Names(answers)) as client:
        error = await failure(client, f"http://{NAME}:{canary.port}/")

    assert error.reason == Reason.ADDRESS_DENIED
    assert canary.connections == 0


async def test_a_name_is_resolved_once_so_that_a_second_answer_has_no_effect() -> None:
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    async with AsyncExitStack() as stack:
        canary = await stack.enter_async_context(receiving(answering(OK)))
        receiver = await stack.enter_async_context(receiving(answering(OK), host="127.0.0.2", port=canary.port))
        client = await stack.enter_async_context(OutboundClient(allow=(ip_network("127.0.0.2/32"),), resolve=names))
        await post(client, f"http://{NAME}:{canary.port}/")

    assert names.questions == [(NAME, canary.port)]
    assert (receiver.connections, canary.connections) == (1, 0)


async def test_a_name_that_changes_to_a_denied_address_is_refused_at_the_next_connection() -> None:
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    closing = answering(OK.replace(b"Content-Type", b"Connection: close\r\nContent-Type"), then_close=True)
    async with AsyncExitStack() as stack:
        canary = await stack.enter_async_context(receiving(answering(OK)))
        receiver = await stack.enter_async_context(receiving(closing, host="127.0.0.2", port=canary.port))
        client = await stack.enter_async_context(OutboundClient(allow=(ip_network("127.0.0.2/32"),), resolve=names))
        await post(client, f"http://{NAME}:{canary.port}/")
        error = await failure(client, f"http://{NAME}:{canary.port}/")

    assert error.reason == Reason.ADDRESS_DENIED
    assert (receiver.connections, canary.connections) == (1, 0)


@pytest.mark.parametrize(
    ("reaches_public", "address", "port", "is_called"),
    [
        (True, "8.8.8.8", 443, True),
        (True, "2606:4700:4700::1111", 8443, True),
        (True, "8.8.8.8", 22, False),
        (True, "10.0.0.1", 443, False),
        (False, "8.8.8.8", 443, False),
        (False, "8.8.8.8", 80, False),
        (True, "127.0.0.1", 22, True),
        (False, "127.0.0.1", 80, True),
    ],
)
def test_public_addresses_are_called_over_tls_at_public_ports_and_allowed_ones_always(
    reaches_public: bool,  # noqa: FBT001 - a column of the table above.
    address: str,
    port: int,
    is_called: bool,  # noqa: FBT001 - a column of the table above.
) -> None:
    second = timedelta(seconds=1)
    dialer = Dialer(
        resolve=Names([]), allow=LOOPBACK, reaches_public=reaches_public, timeout=second, longest_life=second
    )

    if is_called:
        assert str(dialer._judged(address, port)) == address
    else:
        with pytest.raises(OutboundError) as refused:
            dialer._judged(address, port)
        assert refused.value.reason == Reason.ADDRESS_DENIED


async def test_a_public_address_is_not_called_without_tls() -> None:
    async with OutboundClient(allow=ELSEWHERE, resolve=Names(["8.8.8.8"])) as client:
        error = await failure(client, f"http://{NAME}:8443/")

    assert error.reason == Reason.ADDRESS_DENIED


def test_a_client_refuses_at_once_what_it_would_never_call() -> None:
    OutboundClient(allow=LOOPBACK).check_url("http://127.0.0.1:8000/")

    with pytest.raises(UnsafeURLError) as refused:
        OutboundClient().check_url("http://127.0.0.1:8000/", pointer="/endpoint/url")
    assert [error.pointer for error in refused.value.errors] == ["/endpoint/url"]


async def test_without_allowed_networks_a_url_that_is_not_https_is_refused_before_any_lookup() -> None:
    names = Names(["127.0.0.1"])
    async with OutboundClient(resolve=names) as client:
        error = await failure(client, f"http://{NAME}/")

    assert (error.reason, error.detail) == (Reason.ADDRESS_DENIED, "a URL starts with https://")
    assert names.questions == []


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(answering(OK)) as canary, receiving(answering(OK)) as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        async with OutboundClient(allow=LOOPBACK) as client:
            await post(client, receiver.url)

    assert (receiver.connections, canary.connections) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    async with receiving(answering(OK)) as canary:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {canary.url}\r\nContent-Length: 0\r\n\r\n"
        async with receiving(answering(head.encode())) as receiver, OutboundClient(allow=LOOPBACK) as client:
            response = await post(client, receiver.url)

    assert (response.status, response.headers["location"]) == (status, canary.url)
    assert canary.connections == 0
