"""The one door through which a request to somebody else's address leaves: checked, pinned, capped and timed.

Nothing else in the product may speak HTTP to an address that a tenant chose. `check_url` says at once what can be said
without asking the network; `OutboundClient` sends, and judges the addresses behind the name each time it connects. What
is sent, when it is tried again and what the answer means is decided by the callers.
"""

from helpdesk_api.kit.outbound.addresses import Network
from helpdesk_api.kit.outbound.client import OutboundClient, OutboundResponse
from helpdesk_api.kit.outbound.failures import OutboundError, Reason, TokenNotObtainedError
from helpdesk_api.kit.outbound.identities import ClientIdentity, UnusableIdentityError
from helpdesk_api.kit.outbound.targets import UnsafeURLError, check_url

__all__ = [
    "ClientIdentity",
    "Network",
    "OutboundClient",
    "OutboundError",
    "OutboundResponse",
    "Reason",
    "TokenNotObtainedError",
    "UnsafeURLError",
    "UnusableIdentityError",
    "check_url",
]
