"""Parts of a unit of work that can be taken back alone: the rows, and what was noted to happen because of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from helpdesk_api.kit.context import Ctx


class _TakenBack(BaseException):
    pass


class Part:
    """A part of a unit of work."""

    def __init__(self) -> None:
        self._is_undone = False

    def undo(self) -> None:
        """Have everything taken back when the part ends."""
        self._is_undone = True

    def end(self) -> None:
        """Raise when everything is to be taken back."""
        if self._is_undone:
            raise _TakenBack


@asynccontextmanager
async def undoable(ctx: Ctx) -> AsyncIterator[Part]:
    """Do a part of a unit of work; it leaves no trace when it raises, or is undone."""
    noted, due = len(ctx.events), len(ctx.due)
    part = Part()
    try:
        async with ctx.tx.savepoint():
            yield part
            part.end()
    except BaseException as reason:
        del ctx.events[noted:]
        del ctx.due[due:]
        if not isinstance(reason, _TakenBack):
            raise
