"""The steps that writing transactions are made of. Each runs inside the caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, or_, select, update

from vsearch.db import rows
from vsearch.db.records import ModelRecord
from vsearch.db.tables import (
    Attempt,
    ChunkRow,
    ClipRow,
    EmbeddingRow,
    FilePath,
    Meta,
    Model,
    Removal,
    ShotRow,
    Video,
    Volume,
)
from vsearch.errors import InputError, StoreError
from vsearch.records import MAX_VIDEO_ID, IndexedVideo, PathSighting


def next_generation(connection: Connection) -> int:
    """What can be found changes: the number of the generation that this commit makes."""
    step = update(Meta).values(generation=Meta.generation + 1).returning(Meta.generation)
    return int(connection.execute(step).scalar_one())


def volume_row(connection: Connection, sighting: PathSighting) -> int:
    """The row id of the sighting's volume, made or relabelled as needed."""
    found = connection.execute(select(Volume.id, Volume.label).where(Volume.identity == sighting.volume)).first()
    if found is None:
        new = insert(Volume).values(identity=sighting.volume, label=sighting.volume_label).returning(Volume.id)
        return int(connection.execute(new).scalar_one())
    if found.label != sighting.volume_label:
        connection.execute(update(Volume).where(Volume.id == found.id).values(label=sighting.volume_label))
    return int(found.id)


def model_row(connection: Connection, model: ModelRecord) -> int:
    """The row id of a model, which is recorded with what is known of it if it is new."""
    found = connection.scalar(select(Model.id).where(Model.model_id == model.model_id))
    return int(found) if found is not None else _insert_model(connection, model)


def put_model(connection: Connection, model: ModelRecord) -> None:
    values = _model_values(model)
    known = connection.scalar(select(Model.id).where(Model.model_id == model.model_id))
    if known is None:
        _insert_model(connection, model)
    else:
        told = {name: value for name, value in values.items() if value is not None and value != {}}
        connection.execute(update(Model).where(Model.id == known).values(told))


def _insert_model(connection: Connection, model: ModelRecord) -> int:
    return int(connection.execute(insert(Model).values(_model_values(model)).returning(Model.id)).scalar_one())


def _model_values(model: ModelRecord) -> dict[str, Any]:
    return {
        "model_id": model.model_id,
        "kind": model.kind,
        "codec_id": model.codec_id,
        "dimensions": model.dimensions,
        "training": dict(model.training),
    }


# ------------------------------------------------------------------------------------------------------------ videos


def require_video(connection: Connection, video_id: int) -> bytes:
    """The full hash of a video. Raises InputError when there is none of this number."""
    found = connection.scalar(select(Video.full_hash).where(Video.id == video_id))
    if found is None:
        raise InputError(f"there is no video v{video_id}")
    return bytes(found)


def insert_video(connection: Connection, video: IndexedVideo, generation: int) -> int:
    """A new video with all that belongs to it but a path; its id."""
    values = {"revision": 1, "indexed_at": now(), **rows.video_values(video)}
    video_id = int(connection.execute(insert(Video).values(values).returning(Video.id)).scalar_one())
    if video_id > MAX_VIDEO_ID:
        raise StoreError("the library has given out all its video numbers")
    _insert_content(connection, video_id, video, generation)
    return video_id


def rewrite_video(connection: Connection, video_id: int, video: IndexedVideo, generation: int) -> None:
    """The same id, the next revision, everything else new."""
    _note_removals(connection, [video_id], generation)
    for table in (ShotRow, ClipRow, ChunkRow, EmbeddingRow):
        connection.execute(delete(table).where(table.video_id == video_id))
    values = {"revision": Video.revision + 1, "indexed_at": now(), **rows.video_values(video)}
    connection.execute(update(Video).where(Video.id == video_id).values(values))
    _insert_content(connection, video_id, video, generation)


def _insert_content(connection: Connection, video_id: int, video: IndexedVideo, generation: int) -> None:
    if video.shots:
        connection.execute(insert(ShotRow), rows.shot_values(video_id, video.shots))
    if video.clips:
        connection.execute(insert(ClipRow), rows.clip_values(video_id, video.clips))
    for chunk in video.chunks:
        model = model_row(connection, ModelRecord(chunk.model_id, "codec", codec_id=chunk.codec_id))
        connection.execute(insert(ChunkRow).values(rows.chunk_values(video_id, chunk, model)))
    for block in video.embeddings:
        model = model_row(connection, ModelRecord(block.head_id, "head", dimensions=block.vectors.shape[1]))
        values = rows.block_values(video_id, block, model=model, generation=generation)
        connection.execute(insert(EmbeddingRow).values(values))


def delete_videos(connection: Connection, video_ids: Iterable[int], generation: int) -> None:
    """Existing videos go, with their paths, shots, clips, chunks and embeddings."""
    wanted = list(video_ids)
    _note_removals(connection, wanted, generation)
    connection.execute(delete(Video).where(Video.id == bindparam("gone")), [{"gone": one} for one in wanted])


def _note_removals(connection: Connection, video_ids: Iterable[int], generation: int) -> None:
    for video_id in video_ids:
        n_frames = connection.scalar(select(Video.n_frames).where(Video.id == video_id))
        connection.execute(insert(Removal).values(generation=generation, video_id=video_id, n_frames=n_frames))


def not_same_key(connection: Connection, first: int, second: int) -> dict[str, bytes]:
    """How a pair of videos is known in `NotSame`, whatever their order."""
    if first == second:
        raise InputError(f"v{first} is one video: name two")
    hashes = sorted(require_video(connection, video_id) for video_id in (first, second))
    return {"first_hash": hashes[0], "second_hash": hashes[1]}


# ------------------------------------------------------------------------------------------------------------- paths


def take_path(connection: Connection, video_id: int, sighting: PathSighting) -> int | None:
    """The path now holds this video. The id of another video that lost its last path by it, if one did."""
    volume = volume_row(connection, sighting)
    values = {**rows.sighting_values(sighting, volume), "video_id": video_id, "online": True, "seen_at": now()}
    forget_attempt(connection, volume, sighting.path)
    known = connection.execute(select(FilePath.id, FilePath.video_id).where(at_path(FilePath, volume, sighting.path)))
    row = known.first()
    if row is None:
        connection.execute(insert(FilePath).values(values))
        return None
    connection.execute(update(FilePath).where(FilePath.id == row.id).values(values))
    left = connection.scalar(select(FilePath.id).where(FilePath.video_id == row.video_id).limit(1))
    return None if left is not None else int(row.video_id)


def touch_paths(connection: Connection, seen: Sequence[PathSighting]) -> int:
    """Known paths are online, with these stamps and mounts, and did not fail. How many of them were known."""
    numbers = {one.volume: volume_row(connection, one) for one in {one.volume: one for one in seen}.values()}
    values = [
        {f"new_{name}": value for name, value in rows.sighting_values(one, numbers[one.volume]).items()} for one in seen
    ]
    names = ("size_bytes", "mtime_ns", "inode", "mount", "display")
    here = and_(FilePath.path_hash == bindparam("new_path_hash"), FilePath.volume_id == bindparam("new_volume_id"))
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    touched = connection.execute(
        update(FilePath).where(here).values(**new, online=True, seen_at=now()), values
    ).rowcount
    if connection.scalar(select(Attempt.id).limit(1)) is not None:
        failed = (Attempt.path_hash == bindparam("new_path_hash"), Attempt.volume_id == bindparam("new_volume_id"))
        keys = [{name: one[name] for name in ("new_path_hash", "new_volume_id")} for one in values]
        connection.execute(delete(Attempt).where(*failed), keys)
    return touched


def forget_attempt(connection: Connection, volume: int, path: bytes) -> None:
    connection.execute(delete(Attempt).where(at_path(Attempt, volume, path)))


def at_path(table: type[FilePath] | type[Attempt], volume: int, path: bytes) -> ColumnElement[bool]:
    """Rows of exactly this path."""
    return and_(table.path_hash == rows.path_hash(path), table.volume_id == volume)


def under_path(table: type[FilePath] | type[Attempt], volume: int, under: bytes) -> ColumnElement[bool]:
    """Rows at or under a folder of a volume; b"" is all of it."""
    folder = under.rstrip(b"/")
    if not folder:
        return table.volume_id == volume
    inside = and_(table.path >= folder + b"/", table.path < folder + b"0")  # "0" follows "/" in ASCII
    return and_(table.volume_id == volume, or_(table.path == folder, inside))


def now() -> int:
    return int(time.time())
