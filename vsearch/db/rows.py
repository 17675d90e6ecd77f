"""Records to the values of table columns, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row

from vsearch.db.records import (
    ClipRecord,
    FailedFile,
    ModelRecord,
    PathRecord,
    RunRecord,
    StoredBlock,
    Timeline,
    VideoRecord,
    join_path,
)
from vsearch.db.times import decode_times, encode_times
from vsearch.errors import LatentError, StoreError
from vsearch.records import (
    Clip,
    CodedChunk,
    ContainerFacts,
    ContentIdentity,
    EmbeddingBlock,
    FileStamp,
    IndexedVideo,
    IndexSettings,
    MediaInfo,
    PathSighting,
    Shot,
)

Values = dict[str, Any]
AnyRow = Row[*tuple[Any, ...]]
FACTS = tuple(name for name in ContainerFacts.__dataclass_fields__ if name != "tags")
INFO = tuple(name for name in MediaInfo.__dataclass_fields__ if name != "facts")
SETTINGS = tuple(IndexSettings.__dataclass_fields__)


def path_hash(path: bytes) -> bytes:
    """blake2b-128: what paths are looked up by."""
    return hashlib.blake2b(path, digest_size=16).digest()


def checksum(data: bytes) -> bytes:
    """blake2b-128: what chunks are verified by."""
    return hashlib.blake2b(data, digest_size=16).digest()


def plain(values: Values) -> Values:
    """numpy's scalars as Python's, which databases take; not-a-number, which only some keep, as None."""
    python = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    return {name: None if isinstance(value, float) and value != value else value for name, value in python.items()}


# ------------------------------------------------------------------------------------------------------------- paths


def sighting_values(sighting: PathSighting, volume_id: int) -> Values:
    plain = _plain_display(sighting.mount, sighting.path)
    return {
        "volume_id": volume_id,
        "size_bytes": sighting.stamp.size_bytes,
        "mtime_ns": sighting.stamp.mtime_ns,
        "inode": sighting.stamp.inode,
        "path_hash": path_hash(sighting.path),
        "mount": sighting.mount,
        "path": sighting.path,
        "display": None if sighting.display == plain else sighting.display,
    }


def _plain_display(mount: bytes, path: bytes) -> str | None:
    """The absolute path as text, where nothing has to be replaced: then no display form need be stored."""
    try:
        return join_path(mount, path).decode("utf-8")
    except UnicodeDecodeError:
        return None


def sighting_of(row: AnyRow) -> PathSighting:
    """Of a row with the volume's `identity` and `label` in it."""
    return PathSighting(row.identity, row.label, bytes(row.mount), bytes(row.path), display_of(row), stamp_of(row))


def display_of(row: AnyRow) -> str:
    """The display form of a path, of a row with `mount`, `path` and `display` in it."""
    if row.display is not None:
        return str(row.display)
    return _plain_display(bytes(row.mount), bytes(row.path)) or ""


def stamp_of(row: AnyRow) -> FileStamp:
    return FileStamp(row.size_bytes, row.mtime_ns, row.inode)


def path_of(row: AnyRow) -> PathRecord:
    return PathRecord(row.video_id, sighting_of(row), row.seen_at, bool(row.online))


def failed_of(row: AnyRow) -> FailedFile:
    return FailedFile(sighting_of(row), row.program_version, row.code, row.reason, row.tried_at)


# ------------------------------------------------------------------------------------------------------------ videos


def video_values(video: IndexedVideo) -> Values:
    """Everything in the video's own row but id, revision and time of indexing. Raises ValueError for bad times."""
    values = {
        **{name: getattr(video.info, name) for name in INFO},
        **{name: getattr(video.info.facts, name) for name in FACTS},
        **{name: getattr(video.settings, name) for name in SETTINGS},
        "size_bytes": video.identity.size_bytes,
        "quick_hash": video.identity.quick_hash,
        "full_hash": video.identity.full_hash,
        "state": video.state,
        "reason": video.reason,
        "start_pts": video.start_pts,
        "end_pts": video.end_pts,
        "n_frames": len(video.frame_pts),
        "n_shots": len(video.shots),
        "n_clips": len(video.clips),
        "bytes_latents": sum(len(chunk.data) for chunk in video.chunks),
        "bytes_embeddings": sum(block.vectors.nbytes for block in video.embeddings),
        "preview_height": video.preview_size[0],
        "preview_width": video.preview_size[1],
        "frame_times": encode_times(video.frame_pts),
        "tags": dict(video.info.facts.tags),
    }
    return plain(values)


def video_of(row: AnyRow, paths: tuple[PathRecord, ...]) -> VideoRecord:
    facts = ContainerFacts(**{name: getattr(row, name) for name in FACTS}, tags=row.tags)
    return VideoRecord(
        id=row.id,
        revision=row.revision,
        identity=ContentIdentity(row.size_bytes, bytes(row.quick_hash), bytes(row.full_hash)),
        info=MediaInfo(**{name: getattr(row, name) for name in INFO}, facts=facts),
        settings=IndexSettings(**{name: getattr(row, name) for name in SETTINGS}),
        start_pts=row.start_pts,
        end_pts=row.end_pts,
        preview_size=(row.preview_height, row.preview_width),
        n_frames=row.n_frames,
        n_shots=row.n_shots,
        n_clips=row.n_clips,
        bytes_latents=row.bytes_latents,
        bytes_embeddings=row.bytes_embeddings,
        state=row.state,
        reason=row.reason,
        indexed_at=row.indexed_at,
        paths=paths,
    )


def timeline_of(row: AnyRow) -> Timeline:
    try:
        pts = decode_times(bytes(row.frame_times), row.n_frames)
    except StoreError as error:
        raise StoreError(f"v{row.id}: {error}; index it again") from error
    return Timeline(row.id, row.time_base, row.start_pts, row.end_pts, pts)


# -------------------------------------------------------------------------------------------- what belongs to a video


def shot_values(video_id: int, shots: Sequence[Shot]) -> list[Values]:
    names = Shot.__dataclass_fields__
    return [
        plain({"video_id": video_id, "number": number, **{name: getattr(shot, name) for name in names}})
        for number, shot in enumerate(shots)
    ]


def shot_of(row: AnyRow) -> Shot:
    return Shot(row.start_pts, row.end_pts, row.kind, row.strength)


def clip_values(video_id: int, clips: Sequence[Clip]) -> list[Values]:
    names = Clip.__dataclass_fields__
    return [plain({"video_id": video_id, **{name: getattr(clip, name) for name in names}}) for clip in clips]


def clip_of(row: AnyRow) -> ClipRecord:
    clip = Clip(row.start_pts, row.end_pts, row.shot, row.psnr_db, row.ssim, bool(row.low_information))
    return ClipRecord(row.id, row.video_id, clip)


def chunk_values(video_id: int, chunk: CodedChunk, model: int) -> Values:
    """Raises LatentError when the chunk's checksum is not that of its bytes."""
    if checksum(chunk.data) != chunk.checksum:
        raise LatentError(f"the chunk of frame {chunk.first_frame} does not fit its checksum; it is not stored")
    return {
        "video_id": video_id,
        "first_frame": chunk.first_frame,
        "n_frames": chunk.n_frames,
        "format_version": chunk.format_version,
        "codec_id": chunk.codec_id,
        "model_id": model,
        "checksum": chunk.checksum,
        "data": chunk.data,
    }


def chunk_of(row: AnyRow) -> CodedChunk:
    """Of a row with the model's name as `model_name`. Raises LatentError when the stored bytes changed."""
    data, expected = bytes(row.data), bytes(row.checksum)
    if checksum(data) != expected:
        raise LatentError(
            f"v{row.video_id}: the stored latents of frames {row.first_frame} to {row.first_frame + row.n_frames - 1} "
            "are damaged (checksum); restore the library from a copy, or index the video again"
        )
    return CodedChunk(row.first_frame, row.n_frames, row.format_version, row.codec_id, row.model_name, data, expected)


def block_values(video_id: int, block: EmbeddingBlock, *, model: int, generation: int) -> Values:
    marks = np.packbits(block.low_information).tobytes() if block.low_information.any() else None
    return {
        "video_id": video_id,
        "model_id": model,
        "generation": generation,
        "first_frame": block.first_frame,
        "n_frames": len(block.vectors),
        "scale": block.scale,
        "low_information": marks,
        "vectors": np.ascontiguousarray(block.vectors).tobytes(),
    }


def block_of(row: AnyRow) -> StoredBlock:
    """Of a row with the model's name as `model_name`. Raises StoreError when sizes do not fit."""
    n = row.n_frames
    values = np.frombuffer(bytes(row.vectors), dtype=np.int8)
    marks = np.zeros(n, dtype=np.bool_)
    bits = None if row.low_information is None else np.frombuffer(bytes(row.low_information), dtype=np.uint8)
    if n < 1 or values.size % n or (bits is not None and bits.size != (n + 7) // 8):
        raise StoreError(f"v{row.video_id}: the stored embeddings from frame {row.first_frame} on are damaged")
    if bits is not None:
        marks = np.unpackbits(bits, count=n).astype(np.bool_)
    block = EmbeddingBlock(row.model_name, row.first_frame, values.reshape(n, -1), row.scale, marks)
    return StoredBlock(row.video_id, row.generation, block)


# ------------------------------------------------------------------------------------------------------ models, runs


def model_of(row: AnyRow) -> ModelRecord:
    return ModelRecord(row.model_id, row.kind, row.codec_id, row.dimensions, row.training)


def run_of(row: AnyRow) -> RunRecord:
    return RunRecord(row.id, row.started_at, row.finished_at, row.arguments, row.versions, row.counts)
