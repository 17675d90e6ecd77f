"""The tables, and which versions of them this program can read.

The same on SQLite and PostgreSQL. Small columns stand before large ones, so that a scan of the former does not touch
the latter; columns that a revision added stand last. Row ids are never reused; what has no public number is keyed by
its video and its place in it. There is no index that a query of `vsearch.db.store` does not need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema version and how to get there. `scripts`: folders of Alembic revisions, named by four digits.

    A revision that leaves alone what older queries select keeps `oldest_readable`; any other one raises it.
    """

    version: int
    oldest_readable: int
    scripts: tuple[Path, ...]


SCHEMA = Schema(version=3, oldest_readable=1, scripts=(Path(__file__).parent / "migrations" / "versions",))

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class CleanText(TypeDecorator[str]):
    """Text from files, which may hold what databases refuse: NUL becomes U+FFFD, lone surrogates are escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode("utf-8")


class FractionText(TypeDecorator[Fraction]):
    """A fraction as `30000/1001`, exactly."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Fraction | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Fraction | None:
        return None if value is None else Fraction(value)


class JsonText(TypeDecorator[Mapping[str, Any]]):
    """A JSON object as text of ASCII, which any database takes whatever the strings hold."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else json.loads(value)


class Unsigned64(TypeDecorator[int]):
    """0 to 2^64-1 in a signed column: inode numbers of some file systems use the top bit."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        value &= (1 << 64) - 1
        return value - (1 << 64) if value >> 63 else value

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else value & ((1 << 64) - 1)


RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself in columns of type INTEGER only
NEVER_REUSED = {"sqlite_autoincrement": True}
KEYED = {"sqlite_with_rowid": False}  # small rows, stored in the order of their key


def added(version: int, default: str | int) -> MappedColumn[Any]:
    """A column that tables have from a schema version on; rows of older ones have, or are read as having, `default`."""
    return mapped_column(info={"since": version, "default": default}, server_default=str(default))


def columns_of(table: type[Base], version: int) -> dict[str, ColumnElement[Any]]:
    """What to select from a table, by name, in a library of a schema version: columns, or what stands for them."""
    return {
        column.name: column if column.info.get("since", 1) <= version else _stand_in(column)
        for column in table.__table__.c
    }


def _stand_in(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(column.info["default"], column.type).label(column.name)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it as it stands)
        int: BigInteger,
        str: CleanText,
        bytes: LargeBinary,
        Fraction: FractionText,
        dict[str, Any]: JsonText,
    }


class Meta(Base):
    """One row. `removals_from`: the generation from which on every removal is still recorded."""

    __tablename__ = "meta"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    uuid: Mapped[str]
    format_version: Mapped[int]
    generation: Mapped[int]
    removals_from: Mapped[int]
    created_at: Mapped[int]
    active_codec: Mapped[str | None]
    active_head: Mapped[str | None]


class Model(Base):
    __tablename__ = "model"
    __table_args__ = (UniqueConstraint("model_id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    model_id: Mapped[str]
    kind: Mapped[str]
    codec_id: Mapped[int | None]
    dimensions: Mapped[int | None]
    training: Mapped[dict[str, Any]]


class Run(Base):
    __tablename__ = "run"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    started_at: Mapped[int]
    finished_at: Mapped[int | None]
    arguments: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    counts: Mapped[dict[str, Any]]


class Volume(Base):
    __tablename__ = "volume"
    __table_args__ = (UniqueConstraint("identity"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    identity: Mapped[str]
    label: Mapped[str]


class Video(Base):
    __tablename__ = "video"
    __table_args__ = (
        UniqueConstraint("full_hash"),
        CheckConstraint("state IN ('ok', 'partial')", name="state"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    revision: Mapped[int] = mapped_column(Integer)
    indexed_at: Mapped[int]
    size_bytes: Mapped[int]
    quick_hash: Mapped[bytes]
    full_hash: Mapped[bytes]
    state: Mapped[str]
    reason: Mapped[str | None]
    start_pts: Mapped[int]
    end_pts: Mapped[int]
    time_base: Mapped[Fraction]
    n_frames: Mapped[int] = mapped_column(Integer)
    n_shots: Mapped[int] = mapped_column(Integer)
    n_clips: Mapped[int] = mapped_column(Integer)
    bytes_latents: Mapped[int]
    bytes_embeddings: Mapped[int]
    preview_height: Mapped[int] = mapped_column(Integer)
    preview_width: Mapped[int] = mapped_column(Integer)
    # how it was read
    fps: Mapped[Fraction]
    sampling: Mapped[str]
    clip_s: Mapped[Fraction]
    preview_pixels: Mapped[int] = mapped_column(Integer)
    reader: Mapped[str]
    shot_detector: Mapped[str]
    threads: Mapped[int] = mapped_column(Integer)
    # what its header says
    container: Mapped[str]
    codec: Mapped[str]
    pixel_format: Mapped[str]
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    pixel_aspect: Mapped[Fraction]
    rotation: Mapped[int] = mapped_column(SmallInteger)
    mirrored: Mapped[bool]
    display_aspect: Mapped[Fraction]
    frame_rate: Mapped[Fraction | None]
    color_space: Mapped[str | None]
    color_range: Mapped[str | None]
    color_primaries: Mapped[str | None]
    color_transfer: Mapped[str | None]
    claimed_duration_s: Mapped[float | None]
    claimed_frames: Mapped[int | None]
    still: Mapped[bool]
    # what its container says about the recording
    recorded_at: Mapped[str | None]
    timecode: Mapped[str | None]
    timecode_rate: Mapped[Fraction | None]
    drop_frame: Mapped[bool | None]
    reel: Mapped[str | None]
    camera: Mapped[str | None]
    audio_streams: Mapped[int] = mapped_column(Integer)
    subtitle_streams: Mapped[int] = mapped_column(Integer)
    # large
    frame_times: Mapped[bytes]
    tags: Mapped[dict[str, Any]]
    # how it was read, since schema 2
    quality: Mapped[str] = added(2, "default")
    effort: Mapped[str] = added(2, "default")
    level: Mapped[int] = added(2, 0)


def _of_video() -> Mapped[int]:
    return mapped_column(BigInteger, ForeignKey("video.id", ondelete="CASCADE"))


class FilePath(Base):
    """`path_hash`: blake2b-128 of `path`, because PostgreSQL's indexes do not take values above 2,700 bytes.

    `display` is NULL where it is just the absolute path read as UTF-8, which it nearly always is.
    """

    __tablename__ = "path"
    __table_args__ = (UniqueConstraint("path_hash", "volume_id"), Index(None, "video_id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    video_id: Mapped[int] = _of_video()
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    online: Mapped[bool]
    seen_at: Mapped[int]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    inode: Mapped[int] = mapped_column(Unsigned64)
    path_hash: Mapped[bytes]
    mount: Mapped[bytes]
    path: Mapped[bytes]
    display: Mapped[str | None]


class Attempt(Base):
    """A failure, remembered until the file changes."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("path_hash", "volume_id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    volume_id: Mapped[int] = mapped_column(ForeignKey("volume.id"))
    tried_at: Mapped[int]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    inode: Mapped[int] = mapped_column(Unsigned64)
    path_hash: Mapped[bytes]
    mount: Mapped[bytes]
    path: Mapped[bytes]
    display: Mapped[str | None]
    program_version: Mapped[str]
    code: Mapped[str]
    reason: Mapped[str]


class ShotRow(Base):
    __tablename__ = "shot"
    __table_args__ = KEYED

    video_id: Mapped[int] = mapped_column(ForeignKey("video.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start_pts: Mapped[int]
    end_pts: Mapped[int]
    kind: Mapped[str]
    strength: Mapped[float]


class ClipRow(Base):
    __tablename__ = "clip"
    __table_args__ = (Index(None, "video_id"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    video_id: Mapped[int] = _of_video()
    shot: Mapped[int] = mapped_column(Integer)
    start_pts: Mapped[int]
    end_pts: Mapped[int]
    psnr_db: Mapped[float | None]
    ssim: Mapped[float | None]
    low_information: Mapped[bool]


class ChunkRow(Base):
    __tablename__ = "chunk"
    __table_args__ = (UniqueConstraint("video_id", "first_frame"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    video_id: Mapped[int] = _of_video()
    first_frame: Mapped[int] = mapped_column(Integer)
    n_frames: Mapped[int] = mapped_column(Integer)
    format_version: Mapped[int] = mapped_column(Integer)
    codec_id: Mapped[int] = mapped_column(Integer)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    checksum: Mapped[bytes]
    data: Mapped[bytes]


class EmbeddingRow(Base):
    """`vectors`: n_frames rows of int8. `low_information`: a bit a frame, first frame in the top bit; NULL for none."""

    __tablename__ = "embedding_block"
    __table_args__ = (
        UniqueConstraint("video_id", "model_id", "first_frame"),
        Index(None, "generation"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    video_id: Mapped[int] = _of_video()
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    generation: Mapped[int]
    first_frame: Mapped[int] = mapped_column(Integer)
    n_frames: Mapped[int] = mapped_column(Integer)
    scale: Mapped[float]
    low_information: Mapped[bytes | None]
    vectors: Mapped[bytes]


class Removal(Base):
    """A video whose frames were taken out by the commit that made `generation`, for indexes that still hold them."""

    __tablename__ = "removal"
    __table_args__ = KEYED

    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    video_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n_frames: Mapped[int] = mapped_column(Integer)


NOT_SAME_SINCE = 3  # the schema version that brought the table


class NotSame(Base):
    """Two contents (`Video.full_hash`, in order) that a person marked as not the same; since schema 3.

    They need not be in the library: a video that is indexed again after it was removed keeps its marks.
    """

    __tablename__ = "not_same"
    __table_args__ = (CheckConstraint("first_hash < second_hash", name="ordered"), KEYED)

    first_hash: Mapped[bytes] = mapped_column(primary_key=True)
    second_hash: Mapped[bytes] = mapped_column(primary_key=True)
    marked_at: Mapped[int]
