"""What the embedded engines refuse, and that the refusal says to a human what to do."""

from pathlib import Path

import pytest

from helpdesk_api.ops import embedded_engine
from helpdesk_api.ops.embedded import EmbeddedError, start_postgres, start_valkey


def test_a_directory_of_another_major_version_is_refused_with_both_versions_and_a_way_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with start_valkey(data):
        pass
    (data / "postgres").mkdir()
    (data / "postgres" / "PG_VERSION").write_text("15\n", encoding="ascii")

    with pytest.raises(EmbeddedError) as refused:
        start_postgres(data)

    assert str(refused.value) == (
        f"{data}/postgres was made by PostgreSQL 15, and this is PostgreSQL 18, which cannot read it; "
        "to keep the data, dump it with the version of helpdesk-api that made it (pg_dump) and restore it here; "
        f"to start anew, move {data} away or set HELPDESK_DATA_DIR to another directory"
    )
    assert [path.name for path in (data / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedError) as refused:
        start_valkey(tmp_path / "file" / "data")

    assert str(refused.value) == (
        f"the data directory {tmp_path}/file/data cannot be used: Not a directory; set HELPDESK_DATA_DIR to another"
    )


def test_a_database_whose_passwords_are_lost_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "postgres").mkdir(parents=True)

    with pytest.raises(EmbeddedError, match=r"secrets\.json is missing"):
        start_postgres(data)

    assert not (data / "secrets.json").exists()


def test_too_little_space_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError) as refused:
        embedded_engine.require_free_space(tmp_path, 2**62)

    assert str(refused.value).endswith(
        "and a new database needs 4611686018427 MB; free some space or set HELPDESK_DATA_DIR to another disk"
    )


def test_a_full_disk_is_named_as_the_reason(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with start_valkey(data) as valkey:
        refusal = embedded_engine.start_failure(valkey.engine, "FATAL: could not write file: No space left on device")

    assert str(refusal) == f"Valkey cannot start: the disk that holds {data} is full"


def test_a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "data") as first:
        with pytest.raises(EmbeddedError) as refused:
            start_postgres(tmp_path / "data")
        first.create_database("goes_on")

    expected = f"PostgreSQL already runs on {tmp_path}/data/postgres (process {first.process.pid}); stop it first"
    assert str(refused.value) == expected
