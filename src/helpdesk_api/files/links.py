"""Links that download a file without a header, as a browser does: sealed, for minutes, and bound to who asked.

A link names the credential that it was asked for with, and stands for it: whoever that is now, with the rights of now.
It is sealed under the keys of the installation and kept nowhere. It may be used again until it expires, because
browsers repeat requests.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import UUID

from pydantic_core import from_json, to_json
from starlette.requests import Request

from helpdesk_api.domain.errors import UnauthenticatedError
from helpdesk_api.files.schemas import FileLink
from helpdesk_api.kit.caller import admit
from helpdesk_api.kit.context import Ctx, Principal
from helpdesk_api.kit.runtime import Runtime
from helpdesk_api.kit.sealing import SealBrokenError
from helpdesk_api.kit.tokens import KeyToken, Kind

LIFE: Final = timedelta(minutes=5)
LONGEST: Final = 1_000

_PURPOSE: Final = "file link"
_ID_BYTES: Final = 16


def link_to(ctx: Ctx, runtime: Runtime, file_id: UUID, token: KeyToken) -> FileLink:
    """Make a link to a file for whoever a credential stands for."""
    expires_at = ctx.real_now + LIFE
    said = to_json(
        {
            "kind": token.kind,
            "key_id": token.key_id,
            "secret_hash": token.secret_hash.hex(),
            "expires_at": expires_at.timestamp(),
        }
    )
    sealed = runtime.sealer.seal(said, tenant_id=ctx.tenant_id, purpose=_PURPOSE, object_id=file_id)
    text = base64.urlsafe_b64encode(ctx.tenant_id.bytes + sealed).decode().rstrip("=")
    return FileLink(path=f"/v1/files/{file_id}/content?link={text}", expires_at=expires_at)


async def principal_of(request: Request, text: str) -> Principal:
    """Give whoever asked for the link to the file of a path; raises UnauthenticatedError.

    Who brings wrong links is counted like who brings wrong credentials.
    """
    runtime: Runtime = request.app.state.runtime
    await runtime.admission.unproven(request)
    try:
        token = _opened(runtime, request.path_params["id"], text)
        address = runtime.addresses.of(request.scope)
        principal = await runtime.authenticate.again(runtime, token, address, not_before=0)
    except UnauthenticatedError:
        await runtime.admission.anonymous(request)
        raise
    await admit(request, principal)
    return principal


def _opened(runtime: Runtime, file_id: str, text: str) -> KeyToken:
    message = "The link is unknown, belongs to another file or has expired; ask for a new one."
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        tenant_id, sealed = UUID(bytes=raw[:_ID_BYTES]), raw[_ID_BYTES:]
        said = runtime.sealer.open(sealed, tenant_id=tenant_id, purpose=_PURPOSE, object_id=UUID(file_id))
    except (binascii.Error, ValueError, SealBrokenError) as error:
        raise UnauthenticatedError(message) from error
    told = from_json(said)
    if datetime.fromtimestamp(told["expires_at"], UTC) <= datetime.now(UTC):
        raise UnauthenticatedError(message)
    return KeyToken(
        kind=cast("Kind", told["kind"]),
        tenant_id=tenant_id,
        key_id=UUID(told["key_id"]),
        secret_hash=bytes.fromhex(told["secret_hash"]),
    )
