"""Connections: what differs between SQLite and PostgreSQL, and every error of theirs in this project's words."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from vsearch.db.locks import FolderLock, process_name
from vsearch.db.tables import Base
from vsearch.errors import InputError, LockedError, NotALibraryError, StoreError, UnavailableError
from vsearch.osys import on_network

DATABASE_NAME = "library.db"
PAGE_BYTES = 1024  # a tenth smaller than with 4096 for short videos, and as fast: docs/storage.md has the figures
WAIT_S = 30.0  # for another process's short transaction
ADVISORY_CLASS = 0x76737263  # "vsrc": PostgreSQL's advisory locks are numbers

log = logging.getLogger(__name__)


class Database(ABC):
    """Short read transactions from any thread; one connection, one transaction at a time, for the writer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.notices: list[str] = []
        self._mutex = threading.RLock()
        self._readers: Engine
        self._writer: Connection | None = None

    @property
    def writable(self) -> bool:
        return self._writer is not None

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the library."""
        with translated(self.name), self._readers.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that happens completely or, when anything is raised, not at all."""
        with self._mutex, translated(self.name):
            if self._writer is None:
                raise StoreError(f"{self.name} was opened for reading only")
            with self._writer.begin():
                yield self._writer

    def found_version(self) -> int | None:
        """The schema version of what is there; None for an empty database. Raises NotALibraryError for others."""
        with self.read() as connection:
            tables = set(inspect(connection).get_table_names())
            if {"alembic_version", "meta"} <= tables:
                version = connection.scalar(text("SELECT version_num FROM alembic_version"))
                if version is not None and version.isdigit():
                    return int(version)
            if self._foreign(tables):
                raise NotALibraryError(f"{self.name} is a database, but not a vsearch library")
            return None

    @abstractmethod
    def _foreign(self, tables: set[str]) -> bool:
        """Whether these tables, which are no library, forbid to make one beside them."""

    @abstractmethod
    def backup(self, version: int) -> None:
        """Keep a copy of the library as it was at this schema version, where the database can."""

    @abstractmethod
    def migration(self) -> contextlib.AbstractContextManager[Connection]:
        """The transaction in which the schema may be changed."""

    @abstractmethod
    def highest_ids(self, connection: Connection) -> dict[str, int]:
        """The highest id that each table ever gave out; tables that gave none out may be missing."""

    @abstractmethod
    def raise_highest_ids(self, connection: Connection, highest: dict[str, int]) -> None:
        """Let tables give out higher ids only."""

    @abstractmethod
    def size_bytes(self) -> int:
        """What the tables take on disk."""

    @abstractmethod
    def close(self) -> None: ...


# ------------------------------------------------------------------------------------------------------------ SQLite


class SqliteDatabase(Database):
    """`library.db` in a folder.

    The writer works in WAL mode, so that readers go on meanwhile, except on network file systems, which WAL's shared
    memory does not cross. Closing goes back to a rollback journal: one plain file, readable from a read-only medium.
    synchronous=FULL: a commit is on disk before the next file is begun; it is one fsync a video, too little to measure.
    """

    def __init__(self, folder: Path, *, writable: bool, create: bool) -> None:
        super().__init__(str(folder))
        self.file = folder / DATABASE_NAME
        self._lock: FolderLock | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        if not create and not self.file.is_file():
            raise NotALibraryError(f"{folder} holds no library (no {DATABASE_NAME}); `vsearch index` makes one")
        try:
            with translated(self.name):
                if writable:
                    self._open_writer(folder)
                else:
                    self._open_readers()
        except BaseException:
            self.close()
            raise

    def _open_writer(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made a library: {error.strerror}") from error
        self._lock = FolderLock(folder)
        self._readers = _sqlite_engine(self.file, "mode=ro", pool=QueuePool)
        self._writer = _sqlite_engine(self.file, "mode=rwc", begin="BEGIN IMMEDIATE").connect()
        raw = _raw(self._writer)
        raw.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # this and the next only count while the file is empty
        raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
        raw.execute("PRAGMA synchronous = FULL")
        with contextlib.suppress(sqlite3.OperationalError):  # busy readers: then go on in the mode that it has
            raw.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(folder) else 'WAL'}")

    def _open_readers(self) -> None:
        self._readers = _sqlite_engine(self.file, "mode=ro")
        try:
            self._probe()
        except DBAPIError as error:
            if _sqlite_code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            self._readers.dispose()
            self._read_without_writing()

    def _probe(self) -> None:
        with self._readers.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")

    def _read_without_writing(self) -> None:
        """SQLite wants to write (its shared memory, or a recovery) where it must not: a read-only medium or folder."""
        beside = [self.file.with_name(self.file.name + suffix) for suffix in ("-wal", "-journal")]
        unfinished = [path for path in beside if path.exists() and path.stat().st_size]
        if not unfinished:
            self._readers = _sqlite_engine(self.file, "mode=ro&immutable=1")
            return self._probe()
        self._copy = tempfile.TemporaryDirectory(prefix="vsearch-recovered-")
        try:
            for path in [self.file, *unfinished]:
                shutil.copyfile(path, Path(self._copy.name) / path.name)
        except OSError as error:
            raise StoreError(f"{self.name} cannot be recovered in {self._copy.name}: {error.strerror}") from error
        self._readers = _sqlite_engine(Path(self._copy.name) / self.file.name, "mode=rw")
        self.notices.append(
            f"{self.name}: the last writer was interrupted and the folder cannot be written to; "
            f"reading a recovered copy in {self._copy.name}"
        )
        return self._probe()

    def _foreign(self, tables: set[str]) -> bool:
        return bool(tables)

    def backup(self, version: int) -> None:
        """By SQLite's backup API, into `library.db.v0001`; complete or not there."""
        writer = self._require_writer()
        target = self.file.with_name(f"{self.file.name}.v{version:04d}")
        partial = target.with_name(target.name + ".part")
        with translated(self.name), contextlib.closing(sqlite3.connect(partial)) as copy:
            _raw(writer).backup(copy)
        partial.replace(target)
        self.notices.append(f"{self.name}: brought up to date; {target} is the library as it was, and may be deleted")

    @contextlib.contextmanager
    def migration(self) -> Iterator[Connection]:
        """Foreign keys are off meanwhile (tables are rebuilt under new names) and checked before the commit.

        Rebuilding a table makes SQLite forget the highest id that it ever gave out: it is put back.
        """
        raw = _raw(self._require_writer())
        raw.execute("PRAGMA foreign_keys = OFF")
        try:
            with self.write() as connection:
                highest = _highest_ids(connection)
                yield connection
                _restore_highest_ids(connection, highest)
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise StoreError(f"{self.name}: {len(broken)} rows lost what they belong to; nothing was changed")
        finally:
            raw.execute("PRAGMA foreign_keys = ON")

    def _require_writer(self) -> Connection:
        if self._writer is None:
            raise StoreError(f"{self.name} was opened for reading only")
        return self._writer

    def highest_ids(self, connection: Connection) -> dict[str, int]:
        return _highest_ids(connection)

    def raise_highest_ids(self, connection: Connection, highest: dict[str, int]) -> None:
        _restore_highest_ids(connection, highest)

    def size_bytes(self) -> int:
        with self.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())

    def close(self) -> None:
        if hasattr(self, "_readers"):
            self._readers.dispose()
        if self._writer is not None:
            self._fold(_raw(self._writer))
            self._writer.close()
            self._writer.engine.dispose()
            self._writer = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def _fold(self, raw: sqlite3.Connection) -> None:
        """Give free pages back and make one plain file. What prevents it (a reader, a full disk) does no harm."""
        try:
            raw.execute("PRAGMA busy_timeout = 1000")
            raw.executescript("PRAGMA incremental_vacuum")  # `execute` would take one step of many
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            raw.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.Error as error:
            log.info("%s: not folded into one file (%s); the next writer does it", self.name, error)


def _sqlite_engine(file: Path, parameters: str, *, begin: str = "BEGIN", pool: type[Pool] = NullPool) -> Engine:
    """An engine whose transactions are SQLite's own: Python's driver would begin them late, and not for reading.

    Readers keep no connection between transactions (making one costs about a millisecond): in WAL mode an idle
    one would keep the writer from folding the library into one file.
    """
    uri = f"{file.absolute().as_uri()}?{parameters}"

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        raw.execute("PRAGMA foreign_keys = ON")
        return raw

    engine = create_engine("sqlite://", creator=connect, poolclass=pool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _raw(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, for what happens outside transactions."""
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise StoreError("the connection is closed")
    return raw


def _highest_ids(connection: Connection) -> dict[str, int]:
    if not connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").first():
        return {}
    return {row.name: row.seq for row in connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")}


def _restore_highest_ids(connection: Connection, highest: dict[str, int]) -> None:
    for name, seq in highest.items():
        connection.exec_driver_sql("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (seq, name))
        connection.exec_driver_sql(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?) "
            "AND EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)",
            (name, seq, name, name),
        )


# -------------------------------------------------------------------------------------------------------- PostgreSQL


class PostgresDatabase(Database):
    """The first schema of the search path of a PostgreSQL database.

    The writer's lock lives and dies with its one connection.
    """

    def __init__(self, url: str, *, writable: bool) -> None:
        try:
            parsed = make_url(url).set(drivername="postgresql+psycopg")
        except ArgumentError as error:
            raise InputError(f"{url!r} is not a database URL") from error
        super().__init__(parsed.render_as_string(hide_password=True).replace("postgresql+psycopg", "postgresql", 1))
        options: dict[str, Any] = {"connect_args": {"application_name": f"vsearch, {process_name()}"[:63]}}
        try:
            engine = create_engine(parsed, pool_pre_ping=True, isolation_level="REPEATABLE READ", **options)
            self._readers = engine.execution_options(postgresql_readonly=True)
            if writable:
                self._writer_engine = create_engine(parsed, poolclass=NullPool, **options)
        except ModuleNotFoundError as error:
            raise UnavailableError("a PostgreSQL library needs `pip install 'vsearch[postgres]'`") from error
        if writable:
            with translated(self.name):
                self._open_writer()

    def _open_writer(self) -> None:
        connection = self._writer_engine.connect()
        try:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            if encoding != "UTF8":
                raise StoreError(f"{self.name} is encoded in {encoding}; a library needs a database in UTF8")
            self._lock(connection)
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._writer = connection

    def _lock(self, connection: Connection) -> None:
        """A killed writer's connection takes the server a moment to notice: one short wait before giving up."""
        key = {"class": ADVISORY_CLASS}
        deadline = time.monotonic() + 2.0
        while not connection.scalar(text(f"SELECT pg_try_advisory_lock(:class, {_SCHEMA_KEY})"), key):
            if time.monotonic() > deadline:
                holder = connection.scalar(text(_HOLDER), key) or "another process"
                raise LockedError(f"{self.name} is being written to by {holder}; wait for it to end, or end it")
            time.sleep(0.1)

    def _foreign(self, tables: set[str]) -> bool:
        """Others' tables may stand beside a library's, as long as no name is taken."""
        return bool(tables & ({"alembic_version"} | set(Base.metadata.tables)))

    def backup(self, version: int) -> None:
        """Nothing: a server is backed up by its own means, and its schema changes are transactional."""

    @contextlib.contextmanager
    def migration(self) -> Iterator[Connection]:
        with self.write() as connection:
            yield connection

    def highest_ids(self, connection: Connection) -> dict[str, int]:
        highest = {}
        for name, sequence in self._sequences(connection):
            row = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").one()
            highest[name] = row.last_value if row.is_called else 0
        return highest

    def raise_highest_ids(self, connection: Connection, highest: dict[str, int]) -> None:
        for name, sequence in self._sequences(connection):
            if highest.get(name, 0) > 0:
                values = {"sequence": sequence, "last": highest[name]}
                connection.execute(text("SELECT setval(CAST(:sequence AS regclass), :last)"), values)

    @staticmethod
    def _sequences(connection: Connection) -> Iterator[tuple[str, str]]:
        """Each table that gives out ids, and the sequence that they come from."""
        for name, table in Base.metadata.tables.items():
            if "id" in table.c and table.c["id"].identity is not None:
                found = connection.scalar(text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": name})
                yield name, str(found)

    def size_bytes(self) -> int:
        with self.read() as connection:
            size = text("SELECT sum(pg_total_relation_size(quote_ident(:name)::regclass))")
            return sum(int(connection.scalar(size, {"name": name}) or 0) for name in Base.metadata.tables)

    def close(self) -> None:
        self._readers.dispose()
        if self._writer is not None:
            self._writer.close()
            self._writer_engine.dispose()
            self._writer = None


_SCHEMA_KEY = "hashtext(coalesce(current_schema(), ''))"
_HOLDER = f"""
    SELECT application_name || coalesce(' (' || client_addr || ')', '') || ', since ' || backend_start::timestamp(0)
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid = :class AND objid::bigint = {_SCHEMA_KEY}::bigint & 4294967295
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1
"""


# ------------------------------------------------------------------------------------------------------------ errors


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Whatever SQLAlchemy or SQLite raise becomes a StoreError about the library called `name`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _translate(error, name) from error


_SQLITE_MESSAGES: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (StoreError, "the disk is full; nothing is half-written: make room and run the same again"),
    sqlite3.SQLITE_BUSY: (LockedError, "another process did not finish with the database in time; try again"),
    sqlite3.SQLITE_LOCKED: (LockedError, "another process did not finish with the database in time; try again"),
    sqlite3.SQLITE_NOTADB: (NotALibraryError, f"{DATABASE_NAME} is not a database of vsearch"),
    sqlite3.SQLITE_CORRUPT: (StoreError, f"{DATABASE_NAME} is damaged; restore the folder from a copy"),
    sqlite3.SQLITE_READONLY: (StoreError, f"{DATABASE_NAME} cannot be written to (permissions, or a read-only medium)"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, f"{DATABASE_NAME} or a file beside it cannot be opened (permissions?)"),
    sqlite3.SQLITE_PERM: (StoreError, f"{DATABASE_NAME} cannot be opened (permissions?)"),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "the medium refused to read or write (full, over a size limit, or failing); nothing is half-written",
    ),
}


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary result code, however deep it is wrapped; None for other errors."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _translate(error: SQLAlchemyError | sqlite3.Error, name: str) -> StoreError:
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    kind, message = _SQLITE_MESSAGES.get(_sqlite_code(error) or -1, (StoreError, ""))
    if getattr(original, "sqlstate", None) == "53100":
        message = "the server's disk is full; nothing is half-written: make room and run the same again"
    first_line = (str(original).strip() or type(original).__name__).splitlines()[0]
    return kind(f"{name}: {message} ({first_line})" if message else f"{name}: {first_line}")
