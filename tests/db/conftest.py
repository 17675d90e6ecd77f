"""Every test that takes `location` or `store` runs over SQLite and, where a server is named, over PostgreSQL."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from vsearch.db.store import Store

POSTGRES = "VSEARCH_TEST_POSTGRES"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A database URL with an empty schema of its own as the first of its search path."""
    server = os.environ.get(POSTGRES)
    if not server:
        pytest.skip(f"{POSTGRES} names no server; `.ci/postgres.sh run pytest` starts one")
    schema = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
        yield f"{server}?options=-csearch_path%3D{schema}"
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    finally:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest) -> Path | str:
    """Where a library can be made."""
    if request.param == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return folder / "library"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(location: Path | str) -> Iterator[Store]:
    """A new library, open for writing."""
    with Store.open(location, writable=True, create=True) as opened:
        yield opened
