"""Libraries of any size that are like real ones: videos whose frames' vectors imitate those of a real library.

Each invented clip follows a real one: its vectors lie between consecutive real vectors, all of the clip are shifted by
one difference of two real vectors (so that clips differ as real ones do), and each frame is moved a little towards one
of its real neighbours. Clips of one invented video follow different real ones. So neighbouring frames, shots and
lookalikes are as near to each other as in the real library, and directions spread as there; nothing is drawn from a
sphere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import Changes, MetaRecord, StoredBlock, Timeline
from vsearch.extract import quantise
from vsearch.library import Library
from vsearch.records import FRAME_NUMBER_BITS, EmbeddingBlock

HEAD = "0" * 64
VIDEO_FRAMES = 900  # a quarter of an hour at one frame a second
NEAR = 10  # real neighbours that a frame may be moved towards
SHIFTS = (0.2, 0.7)  # of a clip, times the difference of two real vectors
WOBBLE = 0.25  # of a frame, times the difference to a neighbour


def real_clips(library: Path) -> list[NDArray[np.float32]]:
    """Unit vectors (n, d) of every video of a library with at least two informative frames."""
    clips = []
    with Library.open(library) as opened:
        store = opened._reading()
        head_id = str(store.meta().active_head)
        for video_id in store.video_ids():
            vectors, low = store.embeddings_of(video_id, head_id)
            if (~low).sum() > 1:
                clips.append(vectors[~low])
    return clips


class Imitation:
    """Invented videos after real clips."""

    def __init__(self, clips: Sequence[NDArray[np.float32]]) -> None:
        self._real = np.concatenate(clips)
        lengths = np.array([len(clip) for clip in clips])
        self._starts, self._lengths = np.cumsum(lengths) - lengths, lengths
        cosines = self._real @ self._real.T
        np.fill_diagonal(cosines, -1)
        self._near = np.argsort(-cosines, axis=1)[:, :NEAR]

    @property
    def d(self) -> int:
        return int(self._real.shape[1])

    def video(self, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        """Unit vectors (n, d) of one video: clips after real ones drawn by their length, one after the other."""
        real = self._real
        drawn = np.searchsorted(np.cumsum(self._lengths), rng.integers(len(real), size=n), side="right")
        lengths = self._lengths[drawn] - 1  # between n + 1 vectors lie n
        clip = np.repeat(np.arange(n), lengths)[:n]  # of each frame
        rows = self._starts[drawn[clip]] + np.arange(n) - (np.cumsum(lengths) - lengths)[clip]
        between = rng.random((n, 1), np.float32)[clip]
        course = (1 - between) * real[rows] + between * real[rows + 1]
        one, other = real[rng.integers(len(real), size=(2, n))]
        course += rng.uniform(*SHIFTS, (n, 1)).astype(np.float32)[clip] * (one - other)[clip]
        near = self._near[rows, rng.integers(NEAR, size=n)]
        course += WOBBLE * rng.standard_normal((n, 1), np.float32) * (real[near] - real[rows])
        return np.asarray(course / np.linalg.norm(course, axis=1, keepdims=True), np.float32)


class ImitatedLibrary:
    """A `GallerySource` of n frames, int8 in a file as a library holds them, that videos can leave and come to."""

    def __init__(self, imitation: Imitation, n: int, *, file: Path, spare: int, seed: int) -> None:
        """spare: frames of further videos, which `change` can add."""
        self.d = imitation.d
        self._n_videos, total = -(-n // VIDEO_FRAMES), -(-n // VIDEO_FRAMES) + -(-spare // VIDEO_FRAMES)
        self._codes = np.memmap(file, np.int8, "w+", shape=(total, VIDEO_FRAMES, self.d))
        for number in range(total):
            self._codes[number], _ = quantise(imitation.video(np.random.default_rng((seed, number)), VIDEO_FRAMES))
        self._generation, self._came = 1, np.where(np.arange(total) < self._n_videos, 1, 0)  # 0: not there
        self._left: dict[int, int] = {}  # generation at which a video was removed

    def __len__(self) -> int:
        """Frames."""
        return int((self._came > 0).sum()) * VIDEO_FRAMES

    def change(self, share: float, rng: np.random.Generator) -> tuple[int, int]:
        """Remove a share of the videos and add as many new ones, in one generation: how many of each."""
        self._generation += 1
        there = np.flatnonzero(self._came > 0)
        gone = rng.choice(there, max(1, round(share * len(there))), replace=False)
        new = np.arange(self._n_videos, len(self._came))[: len(gone)]
        self._left |= {int(number): self._generation for number in gone}
        self._came[gone], self._came[new] = 0, self._generation
        return len(gone), len(new)

    def video_ids(self) -> list[int]:
        return (np.flatnonzero(self._came > 0) + 1).tolist()

    def frames(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Ids and unit vectors of all frames, some thousands at a time."""
        for number in np.flatnonzero(self._came > 0).tolist():
            yield frame_ids([number + 1]), self._block(number).block.unit_vectors()

    def meta(self) -> MetaRecord:
        return MetaRecord(
            uuid="imitated",
            format_version=1,
            generation=self._generation,
            tombstones=0,
            active_codec=None,
            active_head=HEAD,
            created_at=0,
        )

    def changes(self, since: int) -> Changes:
        gone = tuple(number + 1 for number, when in self._left.items() if when > since)
        return Changes(since, self._generation, gone)

    def embedding_blocks(
        self, head_id: str, *, after: int = 0, video_ids: Sequence[int] | None = None
    ) -> Iterator[StoredBlock]:
        there = np.flatnonzero(self._came > after)
        chosen = there if video_ids is None else np.intersect1d(there, np.asarray(video_ids) - 1)
        return map(self._block, chosen.tolist())

    def timelines(self, video_ids: Sequence[int]) -> dict[int, Timeline]:
        raise NotImplementedError("the benchmark asks for frames, not for videos")

    def _block(self, number: int) -> StoredBlock:
        codes = np.asarray(self._codes[number])
        block = EmbeddingBlock(HEAD, 0, codes, 1.0, np.zeros(len(codes), np.bool_))
        return StoredBlock(number + 1, int(self._came[number]), block)


def frame_ids(video_ids: Sequence[int]) -> NDArray[np.int64]:
    """The ids of all frames of these videos, in the order given."""
    starts = np.asarray(video_ids, np.int64) << FRAME_NUMBER_BITS
    ids: NDArray[np.int64] = (starts[:, None] + np.arange(VIDEO_FRAMES)).reshape(-1)
    return ids
