"""The database gateway: transactions under a tenant, Core statements run straight on asyncpg, rows as typed values.

It owns the pool, the life of a transaction and the translation of errors. It knows no table. There is no session, no
unit-of-work magic and no lazy loading: a statement goes out where it is written.

Row-level security is armed by the same message that begins the transaction. Connections are given back without a reset
round trip, because every setting made here is local to a transaction and the pool rolls back one that was left open.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NoReturn, Protocol, TypeVar, cast
from uuid import UUID

import asyncpg
from pydantic_core import from_json, to_json
from sqlalchemy.sql.elements import ClauseElement

from helpdesk_api.kit.sql import Statement, compiled
from helpdesk_api.kit.sqlstate import DatabaseUnavailableError, translate

T = TypeVar("T")
Query = Statement | ClauseElement
Params = Mapping[str, Any] | None

_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_BEGIN = {False: "BEGIN", True: "BEGIN READ ONLY"}


class Record(Protocol):
    """A row as asyncpg gives it: values by position or column name."""

    def __getitem__(self, key: str | int) -> Any:
        """Give one value."""

    def items(self) -> Any:
        """Give the pairs of column name and value."""


class CommitLostError(DatabaseUnavailableError):
    """A statement had failed and was swallowed, so the database answered COMMIT with a rollback."""

    code = "commit_lost"
    title = "The change could not be committed"


class _Connection(asyncpg.Connection):
    """A connection that needs no reset between users."""

    def get_reset_query(self) -> str:
        return ""


class Transaction:
    """Run statements inside one open transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, query: Query, params: Params = None) -> list[Record]:
        """Fetch every row as it is."""
        text, arguments = compiled(query, params)
        try:
            return cast("list[Record]", await self._connection.fetch(text, *arguments))
        except _FAILURES as error:
            _refuse(error)

    async def row(self, query: Query, params: Params = None, *, changing: str | None = None) -> Record | None:
        """Fetch the first row, or None when there is none.

        To a statement that is `changing` a row of a table, a broken foreign key of another table is "still referenced".
        """
        text, arguments = compiled(query, params)
        try:
            return cast("Record | None", await self._connection.fetchrow(text, *arguments))
        except _FAILURES as error:
            _refuse(error, changing=changing)

    async def all(self, into: type[T], query: Query, params: Params = None) -> list[T]:
        """Fetch every row as a value of the type `into`, whose fields are named like the columns."""
        return list(map(builder(into), await self.rows(query, params)))

    async def first(self, into: type[T], query: Query, params: Params = None) -> T | None:
        """Fetch the first row as a value of the type `into`, or None."""
        record = await self.row(query, params)
        return None if record is None else builder(into)(record)

    async def value(self, query: Query, params: Params = None) -> Any:
        """Fetch the first column of the first row, or None when there is no row."""
        record = await self.row(query, params)
        return None if record is None else record[0]

    async def run(self, query: Query, params: Params = None, *, removing: bool = False) -> int:
        """Execute and give the number of rows touched; `removing` words a broken foreign key as "still referenced"."""
        text, arguments = compiled(query, params)
        try:
            outcome = await self._connection.execute(text, *arguments)
        except _FAILURES as error:
            _refuse(error, removing=removing)
        return int(outcome.rsplit(" ", 1)[-1])

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what is done inside, and nothing of what was done before, when it raises."""
        await self._say("SAVEPOINT part")
        try:
            yield
        except BaseException:
            await self._say("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part")
            raise
        await self._say("RELEASE SAVEPOINT part")

    async def _say(self, command: str) -> None:
        try:
            await self._connection.execute(command)
        except _FAILURES as error:
            _refuse(error)

    async def stream(self, query: Query, params: Params = None, *, chunk: int = 500) -> AsyncIterator[Record]:
        """Fetch rows through a server-side cursor, `chunk` at a time, for answers that do not fit in memory."""
        text, arguments = compiled(query, params)
        try:
            async for record in self._connection.cursor(text, *arguments, prefetch=chunk):
                yield record
        except _FAILURES as error:
            _refuse(error)


class Database:
    """A pool of connections under the application's role."""

    def __init__(self, pool: Any, *, acquire_timeout: float) -> None:
        self._pool = pool
        self._acquire_timeout = acquire_timeout

    def transaction(self, tenant_id: UUID, *, read_only: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that sees one tenant only; commit at the end, roll back on any exception."""
        return self._begin(f"{_BEGIN[read_only]}; SET LOCAL app.tenant_id = '{tenant_id}'")

    def snapshot(self, tenant_id: UUID) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction that changes nothing and sees the tenant all along as it was at its first statement."""
        return self._begin(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.tenant_id = '{tenant_id}'")

    def sweep(self, role: str = "helpdesk_sweeper") -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction under the role that may find due work of every tenant, and do nothing else."""
        return self._begin(f"BEGIN; SET LOCAL ROLE {role}")

    def _begin(self, opening: str) -> "_Opened":
        return _Opened(self._pool, opening, self._acquire_timeout)

    async def close(self) -> None:
        """Close the pool after its connections have come back."""
        await self._pool.close()

    @property
    def size(self) -> tuple[int, int]:
        """Give the number of open and of idle connections."""
        return self._pool.get_size(), self._pool.get_idle_size()


class _Opened:
    """A connection taken and a transaction begun on it; a class, so that no generator is nested in another."""

    __slots__ = ("_acquire_timeout", "_connection", "_opening", "_pool")

    def __init__(self, pool: Any, opening: str, acquire_timeout: float) -> None:
        self._pool = pool
        self._opening = opening
        self._acquire_timeout = acquire_timeout

    async def __aenter__(self) -> Transaction:
        # A time limit costs a timer and a task switch; only who has to queue or to connect needs one.
        timeout = None if self._pool.get_idle_size() else self._acquire_timeout
        try:
            self._connection = await self._pool.acquire(timeout=timeout)
        except _FAILURES as error:
            _refuse(error)
        try:
            await _command(self._connection, self._opening)
        except BaseException:
            await self._pool.release(self._connection)
            raise
        return Transaction(self._connection)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is not None:
                with suppress(*_FAILURES):
                    await self._connection.execute("ROLLBACK")
            elif await _command(self._connection, "COMMIT") != "COMMIT":
                message = "A failed statement had already undone the transaction."
                raise CommitLostError(message)
        finally:
            await self._pool.release(self._connection)


@asynccontextmanager
async def open_database(
    url: str, *, pool_size: int, acquire_timeout: float, name: str = "helpdesk"
) -> AsyncIterator[Database]:
    """Open the pool; connections are made on demand, so a process may start while the database is away."""
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=pool_size,
        connection_class=_Connection,
        init=_prepare_connection,
        timeout=5,
        command_timeout=30,
        statement_cache_size=1_000,
        max_inactive_connection_lifetime=600,
        server_settings={
            "application_name": name,
            "timezone": "UTC",
            "jit": "off",
            "statement_timeout": "10000",
            "lock_timeout": "3000",
            "idle_in_transaction_session_timeout": "30000",
        },
    )
    database = Database(pool, acquire_timeout=acquire_timeout)
    try:
        yield database
    finally:
        await database.close()


async def _prepare_connection(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_json, decoder=from_json, format="text"
    )


async def _command(connection: Any, text: str) -> str:
    try:
        return cast("str", await connection.execute(text))
    except _FAILURES as error:
        _refuse(error)


def _encode_json(value: object) -> str:
    return to_json(value).decode()


def builder(into: type[T]) -> Callable[[Record], T]:
    """Give the function that makes a value of `into` from a row: its own `from_record`, or its fields by name."""
    own: Callable[[Record], T] | None = getattr(into, "from_record", None)
    return own if own is not None else lambda record: into(**dict(record.items()))


def _refuse(error: Exception, *, removing: bool = False, changing: str | None = None) -> NoReturn:
    refusal = translate(error, removing=removing, changing=changing)
    if refusal is None:
        raise error
    raise refusal from error


async def ping(database: Database) -> bool:
    """Tell whether the database answers."""
    try:
        async with database._begin("BEGIN READ ONLY"):  # noqa: SLF001 - a health check needs no tenant.
            return True
    except DatabaseUnavailableError:
        return False
