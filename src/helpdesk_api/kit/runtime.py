"""What a process needs to serve: built once by `opening`, passed down, never global."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from helpdesk_api.kit.access_tokens import AccessTokens
from helpdesk_api.kit.admission import Admission
from helpdesk_api.kit.client_address import Address, ClientAddresses
from helpdesk_api.kit.context import Cause, Ctx, Principal, Reaction
from helpdesk_api.kit.db import Database, Record
from helpdesk_api.kit.deadlines import Handler
from helpdesk_api.kit.distinct_counts import DistinctCounts
from helpdesk_api.kit.doorbell import Bell
from helpdesk_api.kit.jobs import Job
from helpdesk_api.kit.key_sets import KeySets
from helpdesk_api.kit.live import LiveEvents
from helpdesk_api.kit.mail.transports import MailTransport
from helpdesk_api.kit.metrics import Metrics
from helpdesk_api.kit.outbound import OutboundClient
from helpdesk_api.kit.passwords import Passwords
from helpdesk_api.kit.presence import Presence
from helpdesk_api.kit.sealing import Sealer
from helpdesk_api.kit.signals import Signals
from helpdesk_api.kit.signatures import Notary
from helpdesk_api.kit.tokens import KeyToken, Signer
from helpdesk_api.kit.usage import UsageCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpdesk_api.kit.operator_route import OperatorKey
    from helpdesk_api.kit.resource import Resource

JobHandler = Callable[["Runtime", UUID, "Sequence[Job]"], Awaitable[None]]
Chore = Callable[["Runtime"], Awaitable[None]]
Subscriber = Callable[[Ctx, "Sequence[Record]"], Awaitable[None]]


class Authenticator(Protocol):
    """Whatever turns credentials into a principal."""

    async def __call__(self, runtime: "Runtime", authorization: str | None, address: Address | None) -> Principal:
        """Give the principal of an Authorization header that came from an address; raises UnauthenticatedError."""

    def token_of(self, authorization: str | None) -> KeyToken:
        """Give what an Authorization header says of itself; raises UnauthenticatedError for one that says nothing."""

    async def again(
        self, runtime: "Runtime", token: KeyToken, address: Address | None, *, not_before: float
    ) -> Principal:
        """Give the principal that a token stands for now, looked up since an instant of the monotonic clock."""

    def has_seen(self, authorization: str | None) -> bool:
        """Tell whether a credential was found good before in this process, be it still good or not."""

    def forget(self, credential_id: UUID) -> None:
        """Drop what is remembered of a credential."""


class ViewAs(Protocol):
    """Whatever turns the header X-View-As into the principal that a read is answered for."""

    async def __call__(
        self, runtime: "Runtime", viewer: Principal, header: str, *, route: str, cause: Cause
    ) -> Principal:
        """Give the principal to view as; refuses what the viewer may not see."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one kind are run: by whom, how many in one call, how many calls at once, and the lease.

    Jobs of one call share tenant and lane. The handler ends its jobs itself, in the transaction of their effect. Those
    of a kind that goes `by_lane` all have a lane, and no two calls have the same lane at once.
    """

    handler: JobHandler
    batch: int
    concurrency: int
    lease: timedelta
    by_lane: bool = False


@dataclass(frozen=True, slots=True)
class Runtime:
    """The mechanisms of one process and the tables that say which code answers to what."""

    db: Database
    bell: Bell
    signals: Signals
    live: LiveEvents
    metrics: Metrics
    outbound: OutboundClient
    key_sets: KeySets
    access_tokens: AccessTokens
    mail: MailTransport
    signer: Signer
    notary: Notary
    sealer: Sealer
    passwords: Passwords
    authenticate: Authenticator
    addresses: ClientAddresses
    admission: Admission
    usage: UsageCounts
    distinct: DistinctCounts
    presence: Presence
    view_as: ViewAs
    deadline_handlers: Mapping[str, Handler]
    job_kinds: Mapping[str, JobKind]
    egress: "Sequence[str]"
    subscribers: "Sequence[Subscriber]"
    reactions: Mapping[str, Reaction]
    resources: "Mapping[str, Resource[Any]]"
    chores: "Sequence[Chore]"
    operator_key: "OperatorKey | None"
