"""What an erasure removes of a person's ways in: sessions, passwords, links, second factors, who they are elsewhere.

The row of the person stays as a pseudonym, so what would go with the row is removed here: every table whose rows the
database removes with their person. A table that is added is removed from without being named. API keys stay, with the
person's name taken out: they open nothing for somebody who has no access, and others may have made them.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Table, any_, delete, literal
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.identity.api_keys import api_keys
from helpdesk_api.identity.sign_in.attempts import hashed_subject, sign_in_attempts
from helpdesk_api.kit.sql import metadata
from helpdesk_api.privacy.people import RESOURCES, PersonType
from helpdesk_api.privacy.work import Search, Work

_STAYING: Final = frozenset({api_keys.name})


def ways_in(person_type: PersonType) -> list[Column[object]]:
    """Give the columns that name the person in every table whose rows go with them."""
    people = RESOURCES[person_type].table
    return [
        column
        for _, table in sorted(metadata.tables.items())
        for key in table.foreign_key_constraints
        for column in key.columns
        if key.referred_table is people
        and key.ondelete == "CASCADE"
        and column.name != "tenant_id"
        and table.name not in _STAYING
    ]


def sign_in_searches(person_type: PersonType) -> Sequence[Search]:
    """Give what removes everything that a person could sign in with."""
    return [*map(removed, ways_in(person_type)), _attempts]


def removed(person: Column[Any]) -> Search:
    """Give what removes the rows in which a column names the person."""
    table: Table = person.table

    async def search(work: Work, after: object) -> None:
        del after
        gone = delete(table).where(table.c.tenant_id == work.ctx.tenant_id, person == work.erasure.person_id)
        await work.count(table.name, await work.ctx.tx.run(gone))

    return search


async def _attempts(work: Work, after: object) -> None:
    """Forget how often the person has tried, which is counted by a hash of the address or the id."""
    del after
    table = sign_in_attempts
    subjects = [hashed_subject(each) for each in (str(work.erasure.person_id), *work.wanted.own)]
    gone = delete(table).where(
        table.c.tenant_id == work.ctx.tenant_id, table.c.subject == any_(literal(subjects, ARRAY(table.c.subject.type)))
    )
    await work.count(table.name, await work.ctx.tx.run(gone))
