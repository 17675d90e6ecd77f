"""What is searched, as the database knows it: which frames there are, when they are, and their stored vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsearch.db.records import Changes, MetaRecord, StoredBlock, Timeline
from vsearch.records import FRAME_NUMBER_BITS

SAMPLED_VIDEOS = 64


class GallerySource(Protocol):
    """The part of `vsearch.db.store.Store` that searching reads; see there for what each method promises."""

    def meta(self) -> MetaRecord: ...

    def changes(self, since: int) -> Changes | None: ...

    def embedding_blocks(
        self, head_id: str, *, after: int = 0, video_ids: Sequence[int] | None = None
    ) -> Iterator[StoredBlock]: ...

    def timelines(self, video_ids: Sequence[int]) -> dict[int, Timeline]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The searchable frames of one video (those with information), in order of time.

    numbers: (n,) int64, which of the video's sampled frames. vectors: (n, d) float32, unit length. times_s: (n,)
    float64, from the video's time zero; ends_s: (n,) when the next sampled frame follows, or the video ends.
    duration_s: the video's. part_s: (start, end) of what is looked at of it (None: the whole).
    """

    video_id: int
    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]
    times_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    duration_s: float
    part_s: tuple[float, float] | None = None

    @property
    def ids(self) -> NDArray[np.int64]:
        """(n,) int64 public frame ids."""
        return np.asarray(self.video_id << FRAME_NUMBER_BITS | self.numbers)

    def only(self, keep: NDArray[np.bool_] | slice) -> Track:
        """The same video with some of its frames alone. keep: (n,) bool, or which rows."""
        return Track(
            video_id=self.video_id,
            numbers=self.numbers[keep],
            vectors=self.vectors[keep],
            times_s=self.times_s[keep],
            ends_s=self.ends_s[keep],
            duration_s=self.duration_s,
            part_s=self.part_s,
        )

    @property
    def extent_s(self) -> tuple[float, float]:
        """Start and end of what is looked at."""
        return self.part_s or (0.0, self.duration_s)

    def parts(self, ranges: NDArray[np.int64]) -> list[Track]:
        """What these ranges of frames are of the video, each from its first frame here until its last one is followed.

        ranges: (r, 2) int64 public ids, half open, disjoint, ascending, of this and other videos. One from the video's
        start to its end is the whole video.
        """
        ids = self.ids
        first, stop = ranges[:, 1].searchsorted(ids[0], "right"), ranges[:, 0].searchsorted(ids[-1], "right")
        rows = ids.searchsorted(ranges[first:stop]).tolist()
        found = [self.only(slice(start, end)) for start, end in rows if start < end]
        extents = [(float(part.times_s[0]), float(part.ends_s[-1])) for part in found]
        return [
            part if extent == (0.0, self.duration_s) else replace(part, part_s=extent)
            for part, extent in zip(found, extents, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The vectors of one head in a library. Raises what its source raises."""

    source: GallerySource
    head_id: str

    def tracks(self, video_ids: Sequence[int]) -> Iterator[Track]:
        """One track a video, in the order of their ids; unknown videos and empty ones are left out."""
        if not video_ids:
            return
        timelines = self.source.timelines(video_ids)
        blocks = self.source.embedding_blocks(self.head_id, video_ids=video_ids)
        for video_id, group in groupby(blocks, key=lambda stored: stored.video_id):
            if video_id in timelines:
                track = _track(timelines[video_id], list(group))
                if len(track.vectors):
                    yield track

    def sample(self, ids: NDArray[np.int64], n: int, *, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Vectors (m, d) of at most n of these frames, and of which videos they are (m,): spread over up to
        `SAMPLED_VIDEOS` videos, so that little is read.
        """
        rng = np.random.default_rng(seed)
        videos = np.unique(ids >> FRAME_NUMBER_BITS)
        chosen = np.sort(rng.choice(videos, min(SAMPLED_VIDEOS, len(videos)), replace=False)).tolist()
        each = max(1, n // max(1, len(chosen)))
        vectors, owners = [], []
        for track in self.tracks(chosen):
            rows = rng.choice(len(track.vectors), min(each, len(track.vectors)), replace=False)
            vectors.append(track.vectors[rows])
            owners.append(np.full(len(rows), track.video_id, np.int64))
        return np.concatenate(vectors), np.concatenate(owners)


def _track(timeline: Timeline, blocks: list[StoredBlock]) -> Track:
    tick = float(timeline.time_base)
    numbers: NDArray[np.int64] = np.concatenate(
        [stored.block.first_frame + np.arange(len(stored.block.vectors)) for stored in blocks]
    )
    informative = ~np.concatenate([stored.block.low_information for stored in blocks])
    numbers = numbers[informative]
    vectors = np.concatenate([stored.block.unit_vectors() for stored in blocks])[informative]
    starts = np.asarray((timeline.pts - timeline.start_pts) * tick, np.float64)
    duration_s = (timeline.end_pts - timeline.start_pts) * tick
    ends = np.append(starts[1:], duration_s)
    return Track(timeline.video_id, numbers, vectors, starts[numbers], ends[numbers], duration_s)
