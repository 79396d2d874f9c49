"""What can be refused of a clock, each with a code of its own."""

from helpdesk_api.domain.errors import ConflictError, InvalidError

__all__ = [
    "ClockNotPausedError",
    "ClockNotRunningError",
    "ClockNotStoppedError",
    "ClockOrderError",
    "ClockStoppedError",
    "DeadlineAlreadyFiredError",
    "DeadlineNotDueError",
    "DeadlinePassedError",
    "InvalidTargetError",
]


class InvalidTargetError(InvalidError):
    """A target is negative, or its warning does not lie within it."""

    code = "invalid_target"
    title = "The target or its warning is not possible"


class ClockNotRunningError(ConflictError):
    """Only a clock that runs can be paused or reach its deadline."""

    code = "clock_not_running"
    title = "The clock is not running"


class ClockNotPausedError(ConflictError):
    """Only a clock that is paused can be resumed."""

    code = "clock_not_paused"
    title = "The clock is not paused"


class ClockStoppedError(ConflictError):
    """A clock that has stopped stays as it is, until its ticket is reopened."""

    code = "clock_stopped"
    title = "The clock has already stopped"


class ClockNotStoppedError(ConflictError):
    """Only a clock that has stopped can be reopened."""

    code = "clock_not_stopped"
    title = "The clock has not stopped"


class DeadlineNotDueError(ConflictError):
    """A deadline is recorded at its own instant, neither before nor after."""

    code = "deadline_not_due"
    title = "The deadline has not been reached"


class DeadlineAlreadyFiredError(ConflictError):
    """A deadline is recorded once."""

    code = "deadline_already_fired"
    title = "The deadline has already been recorded"


class ClockOrderError(ConflictError):
    """A clock moves forward in time only."""

    code = "clock_order"
    title = "The clock has already moved at a later instant"


class DeadlinePassedError(InvalidError):
    """A deadline is set by hand to an instant that is still to come."""

    code = "deadline_passed"
    title = "The deadline lies in the past"
