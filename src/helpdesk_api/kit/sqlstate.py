"""What the database refused, in the words of the API: SQLSTATE and constraint names become refusals with a pointer.

The rule itself stands in the schema (NOT NULL, CHECK, UNIQUE, composite foreign keys); this is only its translation.
Source: PostgreSQL 18, appendix A.
"""

import asyncio
from datetime import timedelta

import asyncpg

from helpdesk_api.domain.errors import ConflictError, InvalidError, Refusal, TooLargeError, UnavailableError
from helpdesk_api.kit.sql import constraint_columns

_SOON = timedelta(seconds=1)


class AlreadyExistsError(ConflictError):
    """A value that must be unique within the tenant is already taken."""

    code = "already_exists"
    title = "The value is already taken"


class UnknownReferenceError(InvalidError):
    """The id of another object does not exist in this tenant."""

    code = "unknown_reference"
    title = "The referenced object does not exist"


class StillReferencedError(ConflictError):
    """The object cannot be removed while others point at it."""

    code = "still_referenced"
    title = "Other objects still refer to this one"


class UnstorableValueError(InvalidError):
    """A value is outside of what can be stored."""

    code = "unstorable_value"
    title = "A value cannot be stored"


class ValueTooLargeError(TooLargeError):
    """A value exceeds a limit of the storage."""

    code = "value_too_large"
    title = "A value is too large to be stored"


class DatabaseUnavailableError(UnavailableError):
    """The database cannot be reached or is overloaded; nothing was changed unless a commit had been confirmed."""

    code = "database_unavailable"
    title = "The database is not available just now"


class WriteConflictError(UnavailableError):
    """Two writers got in each other's way and repeating did not help; nothing was changed."""

    code = "write_conflict"
    title = "Concurrent changes got in each other's way"


def is_transient(error: BaseException | None) -> bool:
    """Tell whether the same unit of work may succeed when simply repeated: serialization failure or deadlock."""
    return isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError)


def translate(error: Exception, *, removing: bool = False, changing: str | None = None) -> Refusal | None:
    """Give the refusal for a database error, or None when it is a defect of ours that must surface as such.

    What is `removing` a row, or `changing` one of a table of this name, can break the foreign keys of other tables too.
    """
    match error:
        case asyncpg.UniqueViolationError():
            field = _blamed(error.constraint_name)
            return AlreadyExistsError(f"Another object already has this {field}.", pointer=f"/{field}")
        case asyncpg.ForeignKeyViolationError() if removing or (changing or error.table_name) != error.table_name:
            return StillReferencedError(
                f"Objects in {error.table_name} still refer to it.", params={"referenced_by": error.table_name}
            )
        case asyncpg.ForeignKeyViolationError():
            field = _blamed(error.constraint_name)
            return UnknownReferenceError(f"There is no object with the id given as {field}.", pointer=f"/{field}")
        case asyncpg.CheckViolationError() | asyncpg.NotNullViolationError():
            field = error.column_name or error.constraint_name or "value"
            return UnstorableValueError(f"The value breaks the rule {field}.", params={"rule": field})
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError():
            return WriteConflictError(
                "Concurrent changes got in each other's way; repeat the request.", retry_after=_SOON
            )
        case asyncpg.QueryCanceledError() | asyncpg.LockNotAvailableError():
            return DatabaseUnavailableError("The database took too long; repeat the request.", retry_after=_SOON)
        case asyncpg.ProgramLimitExceededError() | asyncpg.StatementTooComplexError():
            return ValueTooLargeError("A value exceeds what the database can hold.")
        case asyncpg.DataError():
            return UnstorableValueError("A value is outside of what can be stored.")
        case _:
            if not is_outage(error):
                return None
            return DatabaseUnavailableError("The database cannot be reached; repeat the request.", retry_after=_SOON)


def is_outage(error: BaseException) -> bool:
    """Tell whether the database is away or refuses work, as opposed to refusing this statement."""
    return isinstance(
        error,
        asyncpg.PostgresConnectionError
        | asyncpg.InsufficientResourcesError
        | asyncpg.OperatorInterventionError
        | asyncpg.CannotConnectNowError
        | asyncpg.ReadOnlySQLTransactionError
        | asyncpg.InvalidAuthorizationSpecificationError
        | asyncpg.InternalClientError
        | asyncpg.InterfaceError
        | OSError
        | asyncio.TimeoutError,
    )


def _blamed(constraint: str | None) -> str:
    columns = constraint_columns().get(constraint or "", ())
    return columns[-1] if columns else "value"
