"""Statements as values: compiled once, given their arguments by name."""

import pytest
from sqlalchemy import any_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from helpdesk_api.identity.teams import teams
from helpdesk_api.kit.jobs import jobs
from helpdesk_api.kit.sql import Statement, compiled, constraint_columns, insert_many
from helpdesk_api.tickets.models import tickets


def test_arguments_stand_in_the_order_of_the_text() -> None:
    statement = Statement(select(teams.c.id).where(teams.c.name == bindparam("a"), teams.c.version > bindparam("b")))

    text, arguments = compiled(statement, {"b": 2, "a": "x"})

    assert arguments == ["x", 2]
    assert text.index("$1") < text.index("$2")


def test_a_value_given_when_the_statement_was_made_is_its_default() -> None:
    statement = Statement(select(teams.c.id).where(teams.c.name == bindparam("a", value="x"), teams.c.version == 3))

    assert compiled(statement, None)[1] == ["x", 3]
    assert compiled(statement, {"a": "y"})[1] == ["y", 3]


def test_a_missing_argument_is_an_error() -> None:
    statement = Statement(select(teams.c.id).where(teams.c.name == bindparam("a")))

    with pytest.raises(KeyError):
        compiled(statement, {"b": 1})


def test_statements_of_one_shape_share_a_text_but_not_their_values() -> None:
    first = compiled(select(teams.c.id).where(teams.c.name == "x").limit(1), None)
    second = compiled(select(teams.c.id).where(teams.c.name == "y").limit(2), None)

    assert first[0] is second[0]
    assert (first[1], second[1]) == (["x", 1], ["y", 2])


def test_a_list_goes_as_one_array() -> None:
    anyone = select(teams.c.id).where(teams.c.name == any_(literal(["x", "y"], ARRAY(teams.c.name.type))))

    assert compiled(anyone, None)[1] == [["x", "y"]]


def test_a_list_that_would_change_the_text_is_refused() -> None:
    with pytest.raises(TypeError, match="ANY"):
        compiled(select(teams.c.id).where(teams.c.name.in_(["x"])), None)


def test_many_rows_are_one_statement_with_an_array_per_column() -> None:
    statement = Statement(insert_many(jobs, ("tenant_id", "id", "kind")))

    assert statement.names == ("tenant_id", "id", "kind")
    assert statement.text.count("unnest(") == 3


def test_computed_values_need_no_argument() -> None:
    following = update(teams).values(version=teams.c.version + 1, updated_at=func.now())

    assert compiled(following, None)[1] == [1]


def test_a_constraint_leads_to_its_columns_without_the_tenant() -> None:
    known = constraint_columns()

    assert known["uq_teams_tenant_id_name"] == ("name",)
    assert known["fk_tickets_tenant_id_assignee_id"] == ("assignee_id",)
    assert known["pk_tickets"] == ("id",)


def test_every_table_of_a_tenant_has_the_same_key_and_bookkeeping() -> None:
    assert [column.name for column in tickets.primary_key] == ["tenant_id", "id"]
    assert {"created_at", "updated_at", "version"} <= set(tickets.c.keys())
    assert not {"updated_at", "version"} & set(jobs.c.keys())
