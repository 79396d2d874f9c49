"""Who calls, and from where: the first look at a request, before anything of it is read.

Turning a credential into a principal is `identity.authentication`, counting requests `kit.admission`; here they are
asked, in the order that lets nobody try credentials without being counted.
"""

import re

from starlette.requests import Request
from structlog.contextvars import bind_contextvars

from helpdesk_api.domain.errors import ForbiddenError, UnauthenticatedError
from helpdesk_api.kit.context import Cause, Principal
from helpdesk_api.kit.runtime import Runtime

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_USER_AGENT = 300


class ViewAsReadOnlyError(ForbiddenError):
    """Whoever reads as somebody else does not write as that one."""

    code = "view_as_read_only"
    title = "Viewing as somebody else is for reading"


async def authenticated(request: Request, *, is_plain_read: bool = False) -> Principal:
    """Give the caller, counted and noted for the log.

    Raises UnauthenticatedError, RateLimitedError and others, and ViewAsReadOnlyError unless the request is a read of
    which nothing is recorded.
    """
    principal = await _recognised(request.app.state.runtime, request)
    await admit(request, principal, is_plain_read=is_plain_read)
    return principal


async def admit(request: Request, principal: Principal, *, is_plain_read: bool = False) -> None:
    """Count a caller and note it for the log; raises like `authenticated`."""
    runtime: Runtime = request.app.state.runtime
    request.state.principal = principal
    request.state.tenant_id = principal.tenant_id
    request.state.credential_id = principal.credential_id
    bind_contextvars(tenant_id=str(principal.tenant_id))
    await runtime.admission.known(request, principal)
    if not is_plain_read and "x-view-as" in request.headers:
        message = "X-View-As is for reading what need not be recorded; send this request as yourself."
        raise ViewAsReadOnlyError(message, pointer="/X-View-As", location="header")


def cause_of(request: Request) -> Cause:
    """Say which request it is and where it comes from, for the audit trail."""
    program = request.headers.get("user-agent")
    return Cause(
        "request",
        request.state.request_id,
        ip=request.app.state.runtime.addresses.of(request.scope),
        user_agent=None if program is None else _UNPRINTABLE.sub("", program)[:_LONGEST_USER_AGENT],
    )


async def _recognised(runtime: Runtime, request: Request) -> Principal:
    """Recognise the caller; who brings wrong credentials is counted, and after too many no longer looked up."""
    authorization = request.headers.get("authorization")
    if not runtime.authenticate.has_seen(authorization):
        await runtime.admission.unproven(request)
    try:
        return await runtime.authenticate(runtime, authorization, runtime.addresses.of(request.scope))
    except UnauthenticatedError:
        await runtime.admission.anonymous(request)
        raise
