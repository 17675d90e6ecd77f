"""Bringing a library's schema up to date: the only module that imports Alembic, loaded when there is need."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import insert, update

from vsearch.db.session import Database
from vsearch.db.tables import Meta, Schema

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, schema: Schema, *, found: int | None) -> None:
    """Take the database from version `found` (None: empty) to `schema.version`, completely or not at all.

    An older library is backed up first. Raises StoreError.
    """
    if found is not None:
        database.backup(found)
    with database.migration() as connection:
        config = Config()
        config.set_main_option("script_location", _escape(MIGRATIONS))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", "\n".join(_escape(folder) for folder in schema.scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, f"{schema.version:04d}")
        if found is None:
            connection.execute(insert(Meta).values(_first_meta(schema)))
        else:
            connection.execute(update(Meta).values(format_version=schema.version))


def _first_meta(schema: Schema) -> dict[str, object]:
    return {
        "id": 1,
        "uuid": str(uuid.uuid4()),
        "format_version": schema.version,
        "generation": 0,
        "removals_from": 0,
        "created_at": int(time.time()),
    }


def _escape(path: Path) -> str:
    return str(path).replace("%", "%%")
