"""A certificate of ours is shown to a receiver that asks for one, and judged before it is stored."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from helpdesk_api.kit.outbound import ClientIdentity, OutboundClient, OutboundError, UnusableIdentityError
from helpdesk_api.kit.outbound.identities import check_current
from tests.kit.receivers import LOOPBACK, NAME, OK, Names, answering, receiving

AUTHORITY = trustme.CA()


def identity(name: str, *, authority: trustme.CA = AUTHORITY) -> ClientIdentity:
    issued = authority.issue_cert(name)
    return ClientIdentity(issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode())


def asking_for_a_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(NAME).configure_cert(context)
    AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def test_a_receiver_that_asks_for_a_certificate_is_shown_the_one_of_the_message_and_no_other() -> None:
    shown: list[str] = []
    one, two = identity("one@service.example"), identity("two@service.example")
    stranger = identity("one@service.example", authority=trustme.CA())

    async with (
        receiving(answering(OK), tls=asking_for_a_certificate()) as receiver,
        OutboundClient(allow=LOOPBACK, resolve=Names(["127.0.0.1"]), make_tls=trusting) as client,
    ):
        url = f"https://{NAME}:{receiver.port}/"
        for each in (one, two, one):
            answer = await client.post(url, content=b"{}", headers={}, identity=each)
            shown.append(str(answer.status))
        with pytest.raises(OutboundError):
            await client.post(url, content=b"{}", headers={})
        with pytest.raises(OutboundError):
            await client.post(url, content=b"{}", headers={}, identity=stranger)

    # A connection of its own for each: none is shared with whoever has another certificate, or none.
    assert shown == ["200", "200", "200"]
    assert (len(receiver.requests), receiver.connections >= 3) == (3, True)


def test_a_certificate_and_its_key_are_read_and_written_anew() -> None:
    given = identity("one@service.example")

    read = ClientIdentity.read(f"some words\n{given.certificate}", given.private_key)

    assert read.certificate == given.certificate
    assert "BEGIN PRIVATE KEY" in read.private_key
    assert "PRIVATE" not in repr(read)


def rsa_key(bits: int) -> str:
    key = rsa.generate_private_key(65_537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def encrypted(key: str) -> str:
    loaded = load_pem_private_key(key.encode(), password=None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


GOOD = identity("one@service.example")


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("nothing", GOOD.private_key, "no certificate in PEM"),
        (GOOD.private_key, GOOD.private_key, "no certificate in PEM"),
        (GOOD.certificate, "nothing", "no private key in PEM"),
        (GOOD.certificate, encrypted(GOOD.private_key), "encrypted"),
        (GOOD.certificate, identity("two@service.example").private_key, "not that of the certificate"),
        (GOOD.certificate, rsa_key(1_024), "2048 bits"),
        (GOOD.certificate * 6, GOOD.private_key, "5 certificates"),
    ],
    ids=["no certificate", "a key for it", "no key", "encrypted key", "another key", "short key", "too many"],
)
def test_what_could_not_be_presented_is_refused_and_not_quoted(certificate: str, key: str, said: str) -> None:
    with pytest.raises(UnusableIdentityError, match=said) as refused:
        ClientIdentity.read(certificate, key)

    assert "BEGIN" not in str(refused.value)


def test_a_certificate_is_good_until_it_expires() -> None:
    now = datetime.now(UTC)
    issued = AUTHORITY.issue_cert("old@service.example", not_after=now + timedelta(hours=1))
    certificate = issued.cert_chain_pems[0].bytes().decode()

    check_current(certificate, now=now)
    with pytest.raises(UnusableIdentityError, match="expired"):
        check_current(certificate, now=now + timedelta(hours=1))
