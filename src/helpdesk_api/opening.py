"""Opens what a process needs by its settings, with the system of `wiring` in it, and closes it again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

from helpdesk_api.identity.authentication import BearerAuthenticator
from helpdesk_api.identity.view_as import view_as
from helpdesk_api.kit.access_tokens import AccessTokens
from helpdesk_api.kit.admission import Admission, RequestQuotas, per_minute
from helpdesk_api.kit.client_address import ClientAddresses
from helpdesk_api.kit.db import open_database
from helpdesk_api.kit.distinct_counts import DistinctCounts
from helpdesk_api.kit.doorbell import Bell
from helpdesk_api.kit.key_sets import KeySets
from helpdesk_api.kit.leased_places import leased_places
from helpdesk_api.kit.live import ListenerLimits, LiveEvents
from helpdesk_api.kit.mail import transports
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.operator_route import OperatorKey
from helpdesk_api.kit.outbound import OutboundClient
from helpdesk_api.kit.passwords import Passwords
from helpdesk_api.kit.presence import Presence
from helpdesk_api.kit.rate_limits import RateLimiter
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sealing import Sealer
from helpdesk_api.kit.shared_buckets import SharedBuckets
from helpdesk_api.kit.shared_store import SharedStore
from helpdesk_api.kit.signals import open_signals
from helpdesk_api.kit.signatures import Notary
from helpdesk_api.kit.standing import Standings
from helpdesk_api.kit.tokens import Signer
from helpdesk_api.kit.usage import UsageCounts
from helpdesk_api.settings import ConfigurationError, Settings
from helpdesk_api.wiring import CHORES, DEADLINES, GRANTS, JOBS, REACTIONS, RESOURCES, SUBSCRIPTIONS


@asynccontextmanager
async def open_runtime(settings: Settings, bell: Bell, metrics: Metrics, *, name: str) -> AsyncIterator[Runtime]:
    """Open what a process needs and close it again."""
    if settings.database_url is None:
        raise ConfigurationError(["HELPDESK_DATABASE_URL is not set; `helpdesk up` starts everything by itself"])
    addresses = ClientAddresses(ip_network(part) for part in settings.trusted_proxies)
    async with (
        open_database(
            settings.database_url.get_secret_value(),
            pool_size=settings.pool_size,
            acquire_timeout=settings.pool_wait_seconds,
            name=name,
        ) as database,
        OutboundClient(allow=settings.outbound_networks) as outbound,
        _open_store(settings) as store,
        leased_places(store) as places,
        Passwords() as passwords,
        open_signals(settings.redis_url.get_secret_value() if settings.redis_url else None) as signals,
    ):
        yield Runtime(
            db=database,
            bell=bell,
            signals=signals,
            live=LiveEvents(database, signals, metrics, places, grants=GRANTS, limits=_listener_limits(settings)),
            metrics=metrics,
            outbound=outbound,
            key_sets=KeySets(outbound),
            access_tokens=AccessTokens(outbound),
            mail=_mail_transport(settings),
            signer=Signer(settings.signing_secret),
            notary=Notary(settings.signing_secret),
            sealer=Sealer(settings.keyring),
            passwords=passwords,
            authenticate=BearerAuthenticator(),
            addresses=addresses,
            admission=_admission(settings, store, addresses, Standings(database)),
            usage=UsageCounts(),
            distinct=DistinctCounts(store),
            presence=Presence(store),
            view_as=view_as,
            deadline_handlers=DEADLINES,
            job_kinds=JOBS,
            egress=settings.egress_networks,
            subscribers=SUBSCRIPTIONS,
            reactions=REACTIONS,
            resources={resource.name: resource for resource in RESOURCES},
            chores=CHORES,
            operator_key=OperatorKey(settings.operator_key.get_secret_value()) if settings.operator_key else None,
        )


def _listener_limits(settings: Settings) -> ListenerLimits:
    return ListenerLimits(
        of_caller=settings.streams_of_caller,
        of_tenant=settings.streams_of_tenant,
        heartbeat_seconds=settings.stream_heartbeat_seconds,
    )


def _mail_transport(settings: Settings) -> transports.MailTransport:
    if settings.smtp_host is not None:
        password = settings.smtp_password
        server = transports.SMTPServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
        )
        return transports.SMTPTransport(server, sender=settings.smtp_from)
    if settings.mail_outbox is not None:
        return transports.FolderTransport(Path(settings.mail_outbox), sender=settings.smtp_from)
    return transports.MissingTransport()


def _admission(
    settings: Settings, store: SharedStore, addresses: ClientAddresses, standings: Standings
) -> Admission:  # fmt: skip
    quotas = RequestQuotas(
        credential=per_minute("credential", settings.rate_limit_credential),
        tenant=per_minute("tenant", settings.rate_limit_tenant),
        address=per_minute("address", settings.rate_limit_address),
    )
    return Admission(RateLimiter(SharedBuckets(store)), quotas, addresses, standings)


@asynccontextmanager
async def _open_store(settings: Settings) -> AsyncIterator[SharedStore]:
    store = SharedStore(settings.redis_url.get_secret_value() if settings.redis_url else None)
    try:
        yield store
    finally:
        await store.close()
