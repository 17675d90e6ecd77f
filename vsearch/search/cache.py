"""The index file of a library: brought up to date from the database, rebuilt when it cannot be, never trusted.

The database is the truth. A file under `<library>/cache/` saves the work of building; it carries the library, the
generation and the head that it was built from. Whatever is wrong with it costs time, not answers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vsearch.config import INDEX_MEMORY_BYTES
from vsearch.db.records import StoredBlock
from vsearch.errors import AnnError, UnavailableError
from vsearch.records import FRAME_NUMBER_BITS, frame_id
from vsearch.search.ann import INDEXES
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.choice import EXACT_FRAMES, choose_kind, outgrown, training_size
from vsearch.search.ann.device import uses_gpu
from vsearch.search.ann.files import Stamp, read_header, replace_file
from vsearch.search.gallery import Gallery

if TYPE_CHECKING:
    from vsearch.search.ann.measure import ExactNeighbours

_log = logging.getLogger(__name__)

RECALL_WANTED = 0.98  # of the true ten neighbours, when an approximate index is built
PENDING_SHARE = 1 / 256  # of the frames: changes up to here are made again by the next who opens, not written
_BATCH_FRAMES = 1 << 14


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an index should be, as `open_index` was told."""

    d: int
    kind: str
    device: str
    memory_bytes: int

    def choose(self, n: int) -> str:
        """The kind for n frames. Raises UnavailableError without FAISS."""
        if self.kind != "auto":
            return self.kind
        return choose_kind(n, d=self.d, memory_bytes=self.memory_bytes, on_gpu=uses_gpu(self.device))

    def outgrown(self, kind: str, n: int, n_then: int) -> bool:
        """Whether an index of n_then frames when it was built should be built anew, now that it holds n."""
        if self.kind != "auto":
            return False
        on_gpu = uses_gpu(self.device)
        return outgrown(kind, n, n_then=n_then, d=self.d, memory_bytes=self.memory_bytes, on_gpu=on_gpu)


def open_index(
    gallery: Gallery,
    folder: Path | None,
    *,
    d: int,
    kind: str = "auto",
    device: str = "cpu",
    memory_bytes: int = INDEX_MEMORY_BYTES,
    rebuild: bool = False,
) -> AnnIndex:
    """An index of `gallery` as of now, from its file in `folder` where that helps, written back when it changed.

    folder: the library's cache folder, made when missing; None, or one that cannot be written, keeps the index in
    memory. d: the head's dimensions. kind: of `INDEXES`, or "auto" for what suits the number of frames and the memory
    that it may take. rebuild: build anew what was outgrown, instead of using it as long as it works. Raises
    UnavailableError without FAISS (or without the device), AnnError when the library holds vectors of other dimensions
    under this head, and what the source raises.
    """
    plan = _Plan(d, kind, device, memory_bytes)
    path = index_path(folder, gallery.head_id) if folder is not None else None
    meta = gallery.source.meta()  # before any block is read: what a writer adds meanwhile is met again next time
    stamp: Stamp = {"library": meta.uuid, "generation": meta.generation, "head": gallery.head_id}
    found, index, since = _load(path, plan, stamp)
    before = len(index) if index is not None else 0
    if index is not None and since != meta.generation:
        index = _updated(index, gallery, since)
    if index is None or (rebuild and plan.outgrown(found, len(index), int(index.facts.get("built_of", 0)))):
        return _built(gallery, path, plan, stamp)
    changes = 2 * index.pending + before - len(index)  # rows added, and rows removed
    if path is not None and since != meta.generation and (found == "flat" or changes > PENDING_SHARE * len(index)):
        _save(index, path, stamp=stamp)
    return index


def forget_indexes(folder: Path, head_id: str) -> None:
    """Delete the index files of a head whose vectors the library does not hold any more."""
    with suppress(OSError):
        index_path(folder, head_id).unlink(missing_ok=True)


def refresh_index(
    gallery: Gallery, folder: Path, *, n: int, d: int, device: str = "cpu", memory_bytes: int = INDEX_MEMORY_BYTES
) -> None:
    """After n frames are there: bring a large index up to date, and build anew what was outgrown.

    So that no search waits for it; searches under way go on with the old file until it is replaced. Small libraries are
    left to their next search, which takes no longer. Without FAISS nothing is done.
    """
    if n <= EXACT_FRAMES:
        return
    with suppress(UnavailableError):
        open_index(gallery, folder, d=d, device=device, memory_bytes=memory_bytes, rebuild=True)


def index_path(folder: Path, head_id: str) -> Path:
    """Where the index of a head's vectors lies."""
    return folder / f"frames-{head_id[:16]}.index"


def describe_index(folder: Path, head_id: str) -> dict[str, Any] | None:
    """What the index's file says of itself, JSON-ready, FAISS not being needed; None when there is none to use."""
    try:
        header = read_header(index_path(folder, head_id))
    except (AnnError, OSError):
        return None
    return {
        "kind": header.kind,
        "generation": header.stamp.get("generation"),
        "frames": header.arrays["ids"][1][0] if "ids" in header.arrays else 0,
        "bytes": header.size,
        **header.facts,
    }


def _load(path: Path | None, plan: _Plan, stamp: Stamp) -> tuple[str, AnnIndex | None, int]:
    """(kind, the index in the file, its generation), or ("", None, 0) when there is none that can be used."""
    if path is None:
        return "", None, 0
    try:
        header = read_header(path)
        generation = header.stamp.get("generation")
        if header.kind not in INDEXES.names() or plan.kind not in ("auto", header.kind):
            raise AnnError(f"{path}: expected an index of kind {plan.kind!r}, found {header.kind!r}")
        if header.stamp != {**stamp, "generation": generation} or not isinstance(generation, int):
            raise AnnError(f"{path}: built from another library or head")
        if header.d != plan.d:
            raise AnnError(f"{path}: expected {plan.d} dimensions, found {header.d}")
        return header.kind, INDEXES.load(header.kind).load(path, device=plan.device), generation
    except FileNotFoundError:
        return "", None, 0
    except (AnnError, OSError) as error:
        _log.info("the index is built anew: %s", error)
        return "", None, 0


def _built(gallery: Gallery, path: Path | None, plan: _Plan, stamp: Stamp) -> AnnIndex:
    """An index of everything, in its file where there is one. Others go on with the old file until it is replaced."""
    from vsearch.search.ann.measure import ExactNeighbours

    n = sum(int((~stored.block.low_information).sum()) for stored in gallery.source.embedding_blocks(gallery.head_id))
    kind = plan.choose(n)
    index: AnnIndex = INDEXES.load(kind)(plan.d, device=plan.device)
    if kind == "flat" or n == 0:
        _add(index, gallery, after=0)
    else:
        _log.info("an index of kind %s is built of %d frames", kind, n)
        sample = _sample(gallery, plan.d, n)
        index.train(sample, n=n)
        nearest = ExactNeighbours(sample)
        index = _filled(index, gallery, path, plan, nearest)
        index.tune(nearest.queries, nearest.ids, wanted=RECALL_WANTED)
        index.facts = {**index.facts, "built_of": n}
    untrained = n == 0 and kind != "flat"  # nothing could be added to what such a file holds
    if path is None or untrained or not _save(index, path, stamp=stamp) or not index.pending:
        return index
    return _load(path, replace(plan, kind=kind), stamp)[1] or index


def _sample(gallery: Gallery, d: int, n: int) -> NDArray[np.float32]:
    """Vectors (m, d) for an index of n to learn from: every so many frames one."""
    every = max(1, n // training_size(n))
    taken, seen = [], 0
    for batch in _batches(gallery.source.embedding_blocks(gallery.head_id)):
        _, vectors = _rows(batch, d)
        taken.append(vectors[-seen % every :: every])
        seen += len(vectors)
    return np.concatenate(taken)


def _filled(index: AnnIndex, gallery: Gallery, path: Path | None, plan: _Plan, nearest: ExactNeighbours) -> AnnIndex:
    """The index with every frame, which `nearest` sees as well; of a large one little is in memory at any time."""
    spill_rows = plan.memory_bytes // 2 // (3 * plan.d + 16)  # a byte and a float16 a dimension, id and row number
    for number, batch in enumerate(_batches(gallery.source.embedding_blocks(gallery.head_id))):
        ids, vectors = _rows(batch, plan.d)
        index.add(ids, vectors)
        nearest.see(ids, vectors)
        if path is not None and index.pending >= spill_rows:
            index = _spilled(index, path.with_name(f".{path.name}.{os.getpid()}.{number}"), plan)
    return index


def _spilled(index: AnnIndex, place: Path, plan: _Plan) -> AnnIndex:
    """The same index with everything on disk, in a file without a name where the system allows that."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        index.save(place, stamp={})
        return type(index).load(place, device=plan.device)
    except (AnnError, OSError) as error:
        _log.info("the index is built in memory: %s", error)
        return index
    finally:
        with suppress(OSError):
            place.unlink(missing_ok=True)


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


def _save(index: AnnIndex, path: Path, *, stamp: Stamp) -> bool:
    """Replace the file in one step; whether it was. A folder that cannot be written leaves everything as it was.

    Where it comes out that the old file is damaged, that is removed, and the next to open builds anew.
    """
    try:
        replace_file(path, lambda place: index.save(place, stamp=stamp))
    except (AnnError, OSError) as error:
        _log.info("the index is not kept: %s", error)
        if isinstance(error, AnnError):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return False
    return True
