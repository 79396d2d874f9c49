"""Replacing what somebody proves themselves with, without an outage: for a while the new and the former both hold.

What is replaced, and who accepts the former one until then, is said by the layers above.
"""

from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, Strict

from helpdesk_api.domain.errors import ConflictError
from helpdesk_api.kit.context import Ctx
from helpdesk_api.kit.schema import Flag, Input

_DAY: Final = 24 * 3_600
_LONGEST_OVERLAP: Final = 30 * _DAY


class SecretRotatingError(ConflictError):
    """The former secret is still accepted; a further one would end it before its time."""

    code = "secret_rotating"
    title = "The former secret is still in use"


class Rotation(Input):
    """How to replace a secret."""

    overlap_seconds: Annotated[
        int,
        Strict(),
        Field(
            ge=0,
            le=_LONGEST_OVERLAP,
            description="For how long the former one holds as well; 0 ends it at once, as after a leak.",
        ),
    ] = _DAY
    force: Annotated[
        Flag, Field(description="Replace it although the one before still holds, which ends that one now.")
    ] = False


def overlap_until(
    ctx: Ctx, rotation: Rotation, field: str, before: datetime | None, *, refusal: type[ConflictError]
) -> datetime:
    """Give until when what is replaced now still holds; refuses while what was replaced `before` does.

    `field` is where that time is shown, which the refusal names.
    """
    if before is not None and before > ctx.real_now and not rotation.force:
        message = f"The former one holds until {before.isoformat()}; use `force` to end it now."
        raise refusal(message, params={field: before.isoformat()})
    return ctx.real_now + timedelta(seconds=rotation.overlap_seconds)
