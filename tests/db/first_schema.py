"""A library of the first schema with rows, on either database: that of `tests/data/library-1`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Connection, MetaData, Table, create_engine, insert, select, text

from vsearch.db.store import Store
from vsearch.db.tables import SCHEMA, Schema

KEPT = Path(__file__).parents[1] / "data" / "library-1" / "library" / "library.db"
FIRST = Schema(version=1, oldest_readable=1, scripts=SCHEMA.scripts)


def put_first_library(location: Path | str) -> None:
    """Make it in a folder, by copying, or in an empty PostgreSQL schema, row by row."""
    if isinstance(location, Path):
        location.mkdir(parents=True)
        shutil.copy(KEPT, location / KEPT.name)
        return
    Store.open(location, writable=True, create=True, schema=FIRST).close()
    target = create_engine(location.replace("postgresql://", "postgresql+psycopg://", 1))
    source = create_engine(f"sqlite:///{KEPT}")
    with source.connect() as kept, target.begin() as connection:
        _copy_rows(kept, connection)
    source.dispose()
    target.dispose()


def _copy_rows(kept: Connection, connection: Connection) -> None:
    tables, kept_tables = MetaData(), MetaData()
    tables.reflect(connection)
    kept_tables.reflect(kept)
    connection.execute(tables.tables["meta"].delete())
    for table in tables.sorted_tables:
        rows = [dict(row._mapping) for row in kept.execute(select(kept_tables.tables[table.name]))]
        if not rows or table.name == "alembic_version":
            continue
        connection.execute(insert(table), [_python(row, table) for row in rows])
        if "id" in table.c and table.c.id.identity is not None:
            numbered = text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :highest)")
            connection.execute(numbered, {"name": table.name, "highest": max(row["id"] for row in rows)})


def _python(row: dict[str, Any], table: Table) -> dict[str, Any]:
    """SQLite has numbers for truth values."""
    truths = [name for name, column in table.c.items() if isinstance(column.type, Boolean) and row[name] is not None]
    return row | {name: bool(row[name]) for name in truths}
