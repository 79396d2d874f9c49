"""The database gateway: what a transaction keeps, undoes and sees, and how the database's refusals are worded."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, delete, func, insert, literal, select, text, update

from helpdesk_api.directory.companies import companies
from helpdesk_api.domain.errors import Refusal
from helpdesk_api.identity.teams import teams
from helpdesk_api.identity.users import users
from helpdesk_api.kit.db import CommitLostError, Transaction, open_database, ping
from helpdesk_api.kit.sql import Statement
from helpdesk_api.kit.sqlstate import (
    AlreadyExistsError,
    DatabaseUnavailableError,
    StillReferencedError,
    UnknownReferenceError,
    UnstorableValueError,
    ValueTooLargeError,
    WriteConflictError,
    is_transient,
    translate,
)
from tests.stage import Client, Stage

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]


def inside(stage: Stage, tenant_id: UUID, work: Work[T], *, read_only: bool = False) -> T:
    """Do work in a transaction of the product and commit it."""

    async def whole() -> T:
        async with stage.runtime.db.transaction(tenant_id, read_only=read_only) as transaction:
            return await work(transaction)

    return stage.run(whole())


def a_team(tenant_id: UUID, name: str = "Network", **values: object) -> Any:  # noqa: ANN401 - a statement.
    return insert(teams).values(
        tenant_id=tenant_id, id=uuid4(), name=name, created_at=func.now(), updated_at=func.now(), **values
    )


def team_names(stage: Stage, tenant_id: UUID) -> list[str]:
    return [row["name"] for row in stage.sql("SELECT name FROM teams WHERE tenant_id = $1 ORDER BY name", tenant_id)]


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    version: int


def test_what_a_transaction_wrote_is_there_when_it_ends(stage: Stage, api: Client) -> None:
    inside(stage, api.tenant.id, lambda transaction: transaction.run(a_team(api.tenant.id)))

    assert team_names(stage, api.tenant.id) == ["Network"]


def test_an_exception_undoes_everything(stage: Stage, api: Client) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.run(a_team(api.tenant.id))
        message = "stop"
        raise LookupError(message)

    with pytest.raises(LookupError, match="stop"):
        inside(stage, api.tenant.id, work)

    assert team_names(stage, api.tenant.id) == []


def test_a_refusal_that_was_swallowed_does_not_pass_for_a_commit(stage: Stage, api: Client) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.run(a_team(api.tenant.id))
        with pytest.raises(AlreadyExistsError):
            await transaction.run(a_team(api.tenant.id))

    with pytest.raises(CommitLostError):
        inside(stage, api.tenant.id, work)

    assert team_names(stage, api.tenant.id) == []


def test_a_reading_transaction_writes_nothing(stage: Stage, api: Client) -> None:
    with pytest.raises(Refusal):
        inside(stage, api.tenant.id, lambda transaction: transaction.run(a_team(api.tenant.id)), read_only=True)

    assert team_names(stage, api.tenant.id) == []


def test_rows_come_as_rows_values_or_what_they_are_asked_for(stage: Stage, api: Client) -> None:
    named = select(teams.c.name, teams.c.version).order_by(teams.c.name)
    nothing = named.where(teams.c.name == "nobody")

    async def work(transaction: Transaction) -> list[object]:
        touched = [await transaction.run(a_team(api.tenant.id, name)) for name in ("A", "B")]
        return [
            touched,
            [dict(row.items()) for row in await transaction.rows(named)],
            await transaction.all(Named, named),
            await transaction.first(Named, named),
            await transaction.first(Named, nothing),
            await transaction.value(named),
            await transaction.value(nothing),
            await transaction.row(nothing),
            [row["name"] async for row in transaction.stream(named, chunk=1)],
            await transaction.run(update(teams).values(version=7)),
        ]

    assert inside(stage, api.tenant.id, work) == [
        [1, 1],
        [{"name": "A", "version": 1}, {"name": "B", "version": 1}],
        [Named("A", 1), Named("B", 1)],
        Named("A", 1),
        None,
        "A",
        None,
        None,
        ["A", "B"],
        2,
    ]


def test_a_connection_goes_back_without_the_tenant_it_served(stage: Stage, api: Client) -> None:
    told = select(func.current_setting("app.tenant_id", literal(True)))  # noqa: FBT003 - PostgreSQL's argument.

    async def work() -> list[object]:
        url = stage.services.app_url
        async with open_database(url, pool_size=1, acquire_timeout=2) as database:
            async with database.transaction(api.tenant.id) as transaction:
                first = await transaction.value(told)
            async with database.sweep() as transaction:
                second = await transaction.value(told)
            async with database.transaction(uuid4()) as transaction:
                third = await transaction.value(select(func.current_user()))
            return [first, second, third, database.size]

    assert stage.run(work()) == [str(api.tenant.id), "", "helpdesk_app", (1, 1)]


def test_a_database_that_is_away_is_a_refusal_that_passes(stage: Stage) -> None:
    nowhere = "postgresql://helpdesk_app:x@127.0.0.1:1/helpdesk"

    async def work() -> bool:
        async with open_database(nowhere, pool_size=1, acquire_timeout=2) as database:
            with pytest.raises(DatabaseUnavailableError) as refused:
                async with database.transaction(uuid4()):
                    pass
            assert refused.value.retry_after is not None
            return await ping(database)

    assert stage.run(work()) is False


def test_a_full_pool_is_a_refusal_that_passes(stage: Stage, api: Client) -> None:
    async def work() -> None:
        async with (
            open_database(stage.services.app_url, pool_size=1, acquire_timeout=0.01) as database,
            database.transaction(api.tenant.id),
            database.transaction(api.tenant.id),
        ):
            pass

    with pytest.raises(DatabaseUnavailableError):
        stage.run(work())


def test_a_taken_value_names_its_field(stage: Stage, api: Client) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.run(a_team(api.tenant.id))
        await transaction.run(a_team(api.tenant.id))

    with pytest.raises(AlreadyExistsError) as refused:
        inside(stage, api.tenant.id, work)

    assert [error.pointer for error in refused.value.errors] == ["/name"]


def a_user(tenant_id: UUID, team_id: UUID) -> Any:  # noqa: ANN401 - a statement.
    return insert(users).values(
        tenant_id=tenant_id, id=uuid4(), name="Ada", email=f"{uuid4()}@service.example", team_id=team_id,
        is_active=True, created_at=func.now(), updated_at=func.now(),
    )  # fmt: skip


def test_a_reference_to_nothing_names_its_field(stage: Stage, api: Client) -> None:
    with pytest.raises(UnknownReferenceError) as refused:
        inside(stage, api.tenant.id, lambda transaction: transaction.run(a_user(api.tenant.id, uuid4())))

    assert [error.pointer for error in refused.value.errors] == ["/team_id"]


def test_what_others_refer_to_says_who_does(stage: Stage, api: Client) -> None:
    team_id = uuid4()
    team = a_team(api.tenant.id).values(id=team_id)

    async def work(transaction: Transaction) -> None:
        await transaction.run(team)
        await transaction.run(a_user(api.tenant.id, team_id))
        await transaction.run(delete(teams), removing=True)

    with pytest.raises(StillReferencedError) as refused:
        inside(stage, api.tenant.id, work)

    assert refused.value.params == {"referenced_by": "users"}


UNSTORABLE = {
    "NUL": ("a\0b", UnstorableValueError),
    "half of a surrogate pair": ("\ud800", UnstorableValueError),
    "a number": (5, UnstorableValueError),
    "more than an index entry holds": ("".join(chr(0x4E00 + n) for n in range(20_000)), ValueTooLargeError),
}


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_a_value_that_cannot_be_stored_is_a_refusal(stage: Stage, api: Client, kind: str) -> None:
    value, expected = UNSTORABLE[kind]
    company = insert(companies).values(
        tenant_id=api.tenant.id,
        id=uuid4(),
        name=bindparam("odd"),
        domains=[],
        created_at=func.now(),
        updated_at=func.now(),
    )

    with pytest.raises(expected):
        inside(
            stage, api.tenant.id, lambda transaction: transaction.run(Statement(company), {"odd": value, "domains": []})
        )


def test_a_statement_that_is_wrong_surfaces_as_our_defect(stage: Stage, api: Client) -> None:
    with pytest.raises(asyncpg.UndefinedColumnError):
        inside(stage, api.tenant.id, lambda transaction: transaction.rows(select(text("surprise")).select_from(teams)))


WORDED = {
    asyncpg.SerializationError: WriteConflictError,
    asyncpg.DeadlockDetectedError: WriteConflictError,
    asyncpg.LockNotAvailableError: DatabaseUnavailableError,
    asyncpg.QueryCanceledError: DatabaseUnavailableError,
    asyncpg.TooManyConnectionsError: DatabaseUnavailableError,
    asyncpg.AdminShutdownError: DatabaseUnavailableError,
    asyncpg.ConnectionDoesNotExistError: DatabaseUnavailableError,
    asyncpg.DiskFullError: DatabaseUnavailableError,
    asyncpg.CharacterNotInRepertoireError: UnstorableValueError,
    asyncpg.NumericValueOutOfRangeError: UnstorableValueError,
    asyncpg.UntranslatableCharacterError: UnstorableValueError,
    asyncpg.CheckViolationError: UnstorableValueError,
    asyncpg.StatementTooComplexError: ValueTooLargeError,
    ConnectionResetError: DatabaseUnavailableError,
    TimeoutError: DatabaseUnavailableError,
}


@pytest.mark.parametrize("error", WORDED, ids=lambda error: error.__name__)
def test_each_failure_of_the_database_has_its_refusal(error: type[Exception]) -> None:
    assert type(translate(error("x"))) is WORDED[error]


@pytest.mark.parametrize(
    "error", [asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError, asyncpg.PostgresSyntaxError, ValueError]
)
def test_a_defect_of_ours_has_none(error: type[Exception]) -> None:
    assert translate(error("x")) is None


def test_only_conflicts_are_worth_repeating() -> None:
    repeated = {error for error in WORDED if is_transient(error("x"))}

    assert repeated == {asyncpg.SerializationError, asyncpg.DeadlockDetectedError}
