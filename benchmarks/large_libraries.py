"""Libraries of up to millions of frames that never were: mixtures of real ones, with copies that are known.

Each video is the sum of two real ones, which keep their shots and their slow changes, and of a look of its own, spread
as real frames are. Two videos that share a real one are lookalikes. Some videos get a copy: an excerpt whose frames are
disturbed to a mean cosine of about 0.85. Vectors are kept in memory, as int8, as a library keeps them in its database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import Changes, MetaRecord, StoredBlock, Timeline
from vsearch.records import EmbeddingBlock

HEAD = "mixed"
MIXED = 2
LOOK = 2.0  # the length of a video's own look, beside the 1 of each real one
COPIED = 0.02  # share of videos that get a copy
LEAST_KEPT = 0.6  # share of its frames that a copy shows
COSINE = 0.85

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MixedLibrary:
    """What `vsearch.search.gallery.Gallery` reads from. blocks[i]: of video i + 1; copies: pairs of such ids."""

    blocks: Sequence[EmbeddingBlock]
    copies: frozenset[tuple[int, int]]
    frames: int

    def meta(self) -> MetaRecord:
        return MetaRecord("mixed", 1, 1, 0, None, HEAD, 0)

    def changes(self, since: int) -> Changes | None:
        return None

    def embedding_blocks(
        self, head_id: str, *, after: int = 0, video_ids: Sequence[int] | None = None
    ) -> Iterator[StoredBlock]:
        for video_id in range(1, len(self.blocks) + 1) if video_ids is None else sorted(set(video_ids)):
            yield StoredBlock(video_id, 1, self.blocks[video_id - 1])

    def timelines(self, video_ids: Sequence[int]) -> dict[int, Timeline]:
        lengths = {video_id: len(self.blocks[video_id - 1].vectors) for video_id in video_ids}
        return {one: Timeline(one, Fraction(1), 0, n, np.arange(n, dtype=np.int64)) for one, n in lengths.items()}


def mixed_library(tracks: Sequence[Vectors], frames: int, *, seed: int) -> MixedLibrary:
    """A library of about so many frames. tracks: (n, d) float32 unit vectors of real videos, one a second."""
    rng = np.random.default_rng(seed)
    every = np.concatenate(tracks)
    spread = np.linalg.cholesky(np.cov(every.T) + 1e-6 * np.eye(every.shape[1]))
    blocks: list[EmbeddingBlock] = []
    copies = []
    total = 0
    while total < frames:
        vectors = _unit(_mixture(tracks, rng) + LOOK * (spread @ rng.normal(size=len(spread))))
        blocks.append(_block(vectors))
        total += len(vectors)
        if len(vectors) >= 4 and rng.random() < COPIED:
            copy = _copy(vectors, rng)
            blocks.append(_block(copy))
            total += len(copy)
            copies.append((len(blocks) - 1, len(blocks)))
    return MixedLibrary(blocks, frozenset(copies), total)


def _mixture(tracks: Sequence[Vectors], rng: np.random.Generator) -> Vectors:
    """One whole video, and as much of others from anywhere in them, over again where they are shorter."""
    first, *others = (tracks[int(number)] for number in rng.choice(len(tracks), MIXED, replace=False))
    mixed: Vectors = first.copy()
    for other in others:
        mixed += np.take(other, np.arange(len(first)) + int(rng.integers(len(other))), axis=0, mode="wrap")
    return mixed


def _copy(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    n = len(vectors)
    kept = max(2, round(n * rng.uniform(LEAST_KEPT, 1.0)))
    start = int(rng.integers(n - kept + 1))
    part = vectors[start : start + kept]
    noise = _unit(rng.normal(size=part.shape))
    return _unit(COSINE * part + np.sqrt(1 - COSINE**2) * noise)


def _unit(vectors: NDArray[np.floating]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _block(vectors: Vectors) -> EmbeddingBlock:
    scale = float(np.abs(vectors).max()) / 127
    return EmbeddingBlock(HEAD, 0, np.rint(vectors / scale).astype(np.int8), scale, np.zeros(len(vectors), bool))
