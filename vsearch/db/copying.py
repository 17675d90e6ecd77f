"""A library's tables, copied row by row from one moment: between databases of any kind, whole or in part."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from vsearch.db import rows
from vsearch.db.records import join_path
from vsearch.db.session import Database
from vsearch.db.tables import (
    NOT_SAME_SINCE,
    Attempt,
    Base,
    ChunkRow,
    ClipRow,
    EmbeddingRow,
    FilePath,
    Meta,
    Model,
    NotSame,
    Removal,
    Run,
    ShotRow,
    Video,
    Volume,
    columns_of,
)
from vsearch.records import FileStamp, PathSighting, display_path

TABLES: tuple[type[Base], ...] = (
    Meta, Model, Run, Volume, Video, FilePath, Attempt, ShotRow, ClipRow, ChunkRow, EmbeddingRow, Removal,
    NotSame,
)  # fmt: skip
"""What others refer to stands before them."""

ROWS = 500
LARGE_ROWS = 32  # embedding blocks of up to a megabyte
NOWHERE = b"/exported"  # where files are said to be whose place is not to be told


@dataclass(frozen=True, slots=True)
class Extent:
    """What a copy holds. pictures: latents; paths: where files lie, and what else tells of the owner's disks."""

    pictures: bool = True
    paths: bool = True

    @property
    def whole(self) -> bool:
        return self.pictures and self.paths


def copy_tables(source: Connection, target: Database, extent: Extent, *, version: int) -> None:
    """Fill the tables of a new library with the rows of another, numbers and all. version: the schema of the source.

    A copy that holds less than the library is another library: it has a UUID of its own, and the next generation.
    """
    with target.write() as connection:
        connection.execute(delete(Meta))
    change = _Change(extent)
    if version < NOT_SAME_SINCE:
        change.left_out.add(NotSame)
    for table in TABLES:
        query = select(*columns_of(table, version).values()).execution_options(yield_per=_rows_at_once(table))
        if table in change.left_out:
            continue
        for part in source.execute(query).mappings().partitions():
            _insert(target, table, [new for row in part if (new := change(table, dict(row))) is not None])
        if table is Volume and not extent.paths:
            _insert(target, Volume, [{"id": 1, "identity": NOWHERE.decode(), "label": "exported"}])


def _insert(target: Database, table: type[Base], values: list[rows.Values]) -> None:
    if values:
        with target.write() as connection:
            connection.execute(insert(table), values)


def _rows_at_once(table: type[Base]) -> int:
    return LARGE_ROWS if table is EmbeddingRow else ROWS


class _Change:
    """What becomes of a row in a copy."""

    def __init__(self, extent: Extent) -> None:
        self._extent = extent
        self._named: set[bytes] = set()  # hashes of the paths that were copied
        self.left_out: set[type[Base]] = set()
        if not extent.pictures:
            self.left_out.add(ChunkRow)
        if not extent.paths:
            self.left_out |= {Run, Attempt}  # they name folders and files
            self.left_out.add(NotSame)  # it may tell of videos that went
        if not extent.whole:
            self.left_out.add(Removal)  # no index can be of this library yet

    def __call__(self, table: type[Base], row: rows.Values) -> rows.Values | None:
        """The row as it is copied; None: not at all."""
        if table is Meta and not self._extent.whole:
            generation = row["generation"] + 1
            return {**row, "uuid": str(uuid4()), "generation": generation, "removals_from": generation}
        if table is Video and not self._extent.pictures:
            return {**row, "bytes_latents": 0}
        if table is ClipRow and not self._extent.pictures:
            return {**row, "psnr_db": None, "ssim": None}
        if table is Volume and not self._extent.paths:
            return None
        if table is FilePath and not self._extent.paths:
            return self._name_only(row)
        return row

    def _name_only(self, row: rows.Values) -> rows.Values | None:
        """A path of which only the file's name is told, in a folder of its video; None for one that is told already."""
        path = b"v%d/%s" % (row["video_id"], row["path"].rsplit(b"/", 1)[-1])
        if rows.path_hash(path) in self._named:
            return None
        self._named.add(rows.path_hash(path))
        display = display_path(join_path(NOWHERE, path))
        stamp = FileStamp(row["size_bytes"], 0, 0)
        told = rows.sighting_values(PathSighting("", "", NOWHERE, path, display, stamp), 1)
        return {**row, **told, "online": False, "seen_at": 0}
