"""What the guarantees share: databases of their own, which they may kill."""

from collections.abc import Iterator

import pytest

from tests.guarantees.plant import Plant


@pytest.fixture(scope="session")
def plant() -> Iterator[Plant]:
    """Start PostgreSQL, durable, and Valkey for the guarantees of this test process."""
    with Plant() as running:
        yield running
