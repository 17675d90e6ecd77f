"""The index file of a library: brought up to date from the database, rebuilt when it cannot be, never trusted.

The database is the truth. A file under `<library>/cache/` saves the work of building; it carries the library, the
generation and the head that it was built from. Whatever is wrong with it costs time, not answers.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import StoredBlock
from vsearch.errors import AnnError
from vsearch.records import FRAME_NUMBER_BITS, frame_id
from vsearch.search.ann import INDEXES
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.files import Stamp, read_stamp
from vsearch.search.gallery import Gallery

_log = logging.getLogger(__name__)

_BATCH_FRAMES = 1 << 14


def open_index(gallery: Gallery, folder: Path | None, *, d: int, kind: str = "flat", device: str = "cpu") -> AnnIndex:
    """An index of `gallery` as of now, from its file in `folder` where that helps, written back when it changed.

    folder: the library's cache folder, made when missing; None, or one that cannot be written, keeps the index in
    memory. d: the head's dimensions. Raises UnavailableError without FAISS (or without the device), AnnError when the
    library holds vectors of other dimensions under this head, and what the source raises.
    """
    path = folder / f"{kind}-{gallery.head_id[:16]}.index" if folder is not None else None
    meta = gallery.source.meta()  # before any block is read: what a writer adds meanwhile is met again next time
    index, since = _load(path, kind=kind, device=device, d=d, library=meta.uuid, head_id=gallery.head_id)
    if index is not None and since == meta.generation:
        return index
    fresh = _updated(index, gallery, since) if index is not None else None
    if fresh is None:
        fresh = INDEXES.load(kind)(d, device=device)
        _add(fresh, gallery, after=0)
    if path is not None:
        _save(fresh, path, stamp={"library": meta.uuid, "generation": meta.generation, "head": gallery.head_id})
    return fresh


def forget_indexes(folder: Path, head_id: str) -> None:
    """Delete the index files of a head whose vectors the library does not hold any more."""
    for path in folder.glob(f"*-{head_id[:16]}.index"):
        with suppress(OSError):
            path.unlink()


def _load(
    path: Path | None, *, kind: str, device: str, d: int, library: str, head_id: str
) -> tuple[AnnIndex | None, int]:
    """(the index in the file, its generation), or (None, 0) when there is none that can be used."""
    index_class = INDEXES.load(kind)
    if path is None:
        return None, 0
    try:
        stamp = read_stamp(path)
        generation = stamp.get("generation")
        if stamp.get("library") != library or stamp.get("head") != head_id or not isinstance(generation, int):
            raise AnnError(f"{path}: built from another library or head")
        index: AnnIndex = index_class.load(path, device=device)
        if index.d != d:
            raise AnnError(f"{path}: expected {d} dimensions, found {index.d}")
    except FileNotFoundError:
        return None, 0
    except (AnnError, OSError) as error:
        _log.info("the index is built anew: %s", error)
        return None, 0
    return index, generation


def _updated(index: AnnIndex, gallery: Gallery, since: int) -> AnnIndex | None:
    """`index` with everything that happened after generation `since`; None when that cannot be told."""
    changes = gallery.source.changes(since)
    if changes is None:
        _log.info("the index is built anew: its generation %d is unknown to the library", since)
        return None
    _remove_videos(index, np.asarray(changes.removed, np.int64))
    _add(index, gallery, after=since)
    return index


def _remove_videos(index: AnnIndex, video_ids: NDArray[np.int64]) -> None:
    ids = index.ids()
    gone = ids[np.isin(ids >> FRAME_NUMBER_BITS, video_ids)]
    if len(gone):
        index.remove(gone)


def _add(index: AnnIndex, gallery: Gallery, *, after: int) -> None:
    """Add the informative frames of every block written after generation `after`."""
    blocks = gallery.source.embedding_blocks(gallery.head_id, after=after)
    for batch in _batches(blocks):
        ids, vectors = _rows(batch, index.d)
        if after:  # a commit between two readings may have been seen by both
            _remove_videos(index, np.unique([stored.video_id for stored in batch]))
        index.add(ids, vectors)


def _batches(blocks: Iterable[StoredBlock]) -> Iterator[list[StoredBlock]]:
    """Blocks in batches of some ten thousand frames that never split a video."""
    batch: list[StoredBlock] = []
    for _, of_video in groupby(blocks, key=lambda stored: stored.video_id):
        batch.extend(of_video)
        if sum(len(stored.block.vectors) for stored in batch) >= _BATCH_FRAMES:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(batch: list[StoredBlock], d: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Frame ids (n,) and unit vectors (n, d) of the frames that may be found."""
    ids, vectors = [], []
    for stored in batch:
        block = stored.block
        if block.vectors.ndim != 2 or block.vectors.shape[1] != d:
            raise AnnError(
                f"video {stored.video_id}: expected embeddings of {d} dimensions under head {block.head_id[:12]}, "
                f"found {block.vectors.shape}"
            )
        keep = np.flatnonzero(~block.low_information)
        ids.append(frame_id(stored.video_id, block.first_frame) + keep)
        vectors.append(block.unit_vectors()[keep])
    return np.concatenate(ids), np.concatenate(vectors)


def _save(index: AnnIndex, path: Path, *, stamp: Stamp) -> None:
    """Replace the file in one step. A folder that cannot be written leaves everything as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget_leftovers(path)
        index.save(temporary, stamp=stamp)
        temporary.replace(path)
        _synchronise(path.parent)
    except OSError as error:
        _log.info("the index is not kept: %s", error)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _forget_leftovers(path: Path) -> None:
    """Remove what writers that were killed left behind; an hour is longer than any write takes."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        if leftover.stat().st_mtime < time.time() - 3600:
            leftover.unlink(missing_ok=True)


def _synchronise(folder: Path) -> None:
    """Make the new name last. Where folders cannot be opened (Windows) the system sees to it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
