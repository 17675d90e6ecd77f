import re
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from tests.db.compare import assert_stored
from tests.db.first_schema import put_first_library
from tests.db.samples import SETTINGS, indexed, sighting
from vsearch.db.session import PostgresDatabase, SqliteDatabase
from vsearch.db.store import Store
from vsearch.db.tables import NAMING_CONVENTION, SCHEMA, Base, Schema
from vsearch.errors import SchemaError, StoreError

HERE = Path(__file__).parent
NEXT = replace(SCHEMA, version=SCHEMA.version + 1, scripts=(*SCHEMA.scripts, HERE / "next_revision"))
UNREADABLE = replace(NEXT, oldest_readable=NEXT.version)
BROKEN = replace(NEXT, scripts=(*SCHEMA.scripts, HERE / "broken_revision"))
NOW = f"{SCHEMA.version:04d}"


def database(location: Path | str) -> SqliteDatabase | PostgresDatabase:
    if isinstance(location, Path):
        return SqliteDatabase(location, writable=False, create=False)
    return PostgresDatabase(location, writable=False)


def make(location: Path | str, schema: Schema = SCHEMA) -> list[int]:
    with Store.open(location, writable=True, create=True, schema=schema) as store:
        ids = [store.add_video(indexed(name), sighting(name.encode())) for name in ("one", "two", "three")]
        store.remove_videos(ids[2:])
        return ids


def test_revisions_are_numbered_without_gaps_and_end_at_the_schema_version() -> None:
    names = sorted(path.name for folder in SCHEMA.scripts for path in folder.glob("*.py"))
    assert [int(name[:4]) for name in names] == list(range(1, SCHEMA.version + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.py", name) for name in names)


def test_revisions_import_nothing_of_the_program() -> None:
    """What they make must not change when the tables do."""
    for folder in SCHEMA.scripts:
        for path in folder.glob("*.py"):
            assert "vsearch" not in path.read_text(encoding="utf-8")


def test_tables_are_what_the_migrations_make(location: Path | str) -> None:
    make(location)
    opened = database(location)
    with opened.read() as connection:
        defaults = not isinstance(location, Path)  # SQLite has no identity columns to compare
        context = MigrationContext.configure(connection, opts={"compare_server_default": defaults})
        assert compare_metadata(context, Base.metadata) == []
    opened.close()


def test_migrations_make_what_the_tables_say_to_the_letter(tmp_path: Path) -> None:
    """Beyond what is compared above: checks, cascades, AUTOINCREMENT, WITHOUT ROWID."""
    make(tmp_path / "migrated")
    engine = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()

    def definitions(path: Path) -> dict[str, str]:
        raw = sqlite3.connect(path)
        found = dict(
            raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'")
        )
        raw.close()
        return {name: " ".join(sorted(re.split(r"[\s,]+", sql))) for name, sql in found.items()}

    assert definitions(tmp_path / "migrated" / "library.db") == definitions(tmp_path / "created.db")


def test_every_constraint_is_named_by_the_convention(location: Path | str) -> None:
    assert set(NAMING_CONVENTION) == {"ix", "uq", "ck", "fk", "pk"}
    make(location)
    opened = database(location)
    with opened.read() as connection:
        found = inspect(connection)
        for table in Base.metadata.tables:
            names = [entry["name"] for entry in found.get_foreign_keys(table)]
            names += [entry["name"] for entry in found.get_unique_constraints(table)]
            names += [entry["name"] for entry in found.get_check_constraints(table)]
            names += [entry["name"] for entry in found.get_indexes(table)]
            assert all(re.match(rf"(fk|uq|ck|ix)_{table}_", name or "") for name in names), names
    opened.close()


def test_a_writer_brings_an_older_schema_up_to_date_with_its_rows(location: Path | str) -> None:
    ids = make(location)
    with Store.open(location, writable=True, schema=NEXT) as store:
        assert not store.needs_migration
        assert store.meta().format_version == NEXT.version
        if isinstance(location, Path):
            assert f"library.db.v{NOW}" in store.notices[0]
    opened = database(location)
    with opened.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == f"{NEXT.version:04d}"
        rows = connection.execute(text("SELECT id, language, read_with FROM video ORDER BY id")).all()
        assert [tuple(row) for row in rows] == [(ids[0], "deu", "pyav"), (ids[1], "deu", "pyav")]
        assert connection.scalar(text("SELECT count(*) FROM clip")) == 4
    opened.close()


def test_the_first_schema_is_read_as_it_is_and_brought_up_to_date_with_its_rows(location: Path | str) -> None:
    put_first_library(location)
    with Store.open(location, writable=False) as reader:
        assert reader.needs_migration
        before, clips = list(reader.videos()), list(reader.all_clips())
        tiers, worst = reader.tiers(), reader.worst_clips(9)
    assert {(v.settings.quality, v.settings.effort, v.settings.level) for v in before} == {("default", "default", 0)}
    assert [(tier.quality, tier.effort, tier.videos, tier.psnr_db) for tier in tiers] == [("default",) * 2 + (3, None)]
    assert worst == []
    with Store.open(location, writable=True) as writer:
        assert writer.meta().format_version == SCHEMA.version
        after = list(writer.videos())
        assert [(v.id, v.identity, v.info, v.settings, v.paths) for v in after] == [
            (v.id, v.identity, v.info, v.settings, v.paths) for v in before
        ]
        assert (list(writer.all_clips()), writer.tiers()) == (clips, tiers)
        assert all(len(writer.chunks(video.id)) == 1 for video in after)
        finer = replace(SETTINGS, quality="high", effort="archive", level=36)
        added = writer.add_video(indexed("new", settings=finer), sighting(b"new"))
        assert added == 4
        assert_stored(writer, added, indexed("new", settings=finer))


def test_ids_are_not_reused_after_a_table_was_rebuilt(tmp_path: Path) -> None:
    ids = make(tmp_path)
    Store.open(tmp_path, writable=True, schema=NEXT).close()
    raw = sqlite3.connect(tmp_path / "library.db")
    assert raw.execute("SELECT max(id) FROM video").fetchone() == (ids[1],)
    assert raw.execute("SELECT seq FROM sqlite_sequence WHERE name = 'video'").fetchone() == (ids[2],)
    assert "AUTOINCREMENT" in raw.execute("SELECT sql FROM sqlite_master WHERE name = 'video'").fetchone()[0]
    raw.close()


def test_a_backup_is_a_whole_library_of_the_old_schema(tmp_path: Path) -> None:
    ids = make(tmp_path / "library")
    Store.open(tmp_path / "library", writable=True, schema=NEXT).close()
    (tmp_path / "old").mkdir()
    shutil.copy(tmp_path / "library" / f"library.db.v{NOW}", tmp_path / "old" / "library.db")
    with Store.open(tmp_path / "old", writable=False, schema=SCHEMA) as store:
        assert_stored(store, ids[0], indexed("one"))
    assert {path.name for path in (tmp_path / "library").iterdir()} == {
        "library.db",
        f"library.db.v{NOW}",
        "library.lock",
    }


def test_a_reader_of_an_older_schema_works_and_says_so(location: Path | str) -> None:
    ids = make(location)
    with Store.open(location, writable=False, schema=NEXT) as store:
        assert store.needs_migration
        assert f"schema {SCHEMA.version} of {NEXT.version}" in store.notices[0]
        assert "vsearch index" in store.notices[0]
        assert_stored(store, ids[0], indexed("one"))
    with Store.open(location, writable=False, schema=SCHEMA) as store:
        assert not store.needs_migration
        assert store.notices == ()


def test_a_reader_refuses_what_it_cannot_read_without_migrating(location: Path | str) -> None:
    make(location)
    with pytest.raises(SchemaError, match="older vsearch"):
        Store.open(location, writable=False, schema=UNREADABLE)


@pytest.mark.parametrize("writable", [False, True])
def test_a_newer_library_is_refused_and_left_alone(location: Path | str, writable: bool) -> None:
    make(location)
    Store.open(location, writable=True, schema=NEXT).close()
    with pytest.raises(SchemaError, match=rf"newer vsearch \(schema {NEXT.version}"):
        Store.open(location, writable=writable, create=writable, schema=SCHEMA)
    Store.open(location, writable=True, schema=NEXT).close()


def test_a_migration_that_fails_changes_nothing(location: Path | str) -> None:
    ids = make(location)
    with pytest.raises(StoreError):
        Store.open(location, writable=True, schema=BROKEN)
    with Store.open(location, writable=True, schema=SCHEMA) as store:
        assert store.meta().format_version == SCHEMA.version
        assert_stored(store, ids[0], indexed("one"))
        assert store.video(ids[0]).revision == 1
        assert len(store.volumes()) == 1


def test_a_new_library_is_made_at_the_newest_schema(location: Path | str) -> None:
    with Store.open(location, writable=True, create=True, schema=NEXT) as store:
        assert store.meta().format_version == NEXT.version
        assert store.notices == ()
    assert not isinstance(location, Path) or not (location / f"library.db.v{NOW}").exists()
