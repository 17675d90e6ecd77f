"""Whether the two sides of a segment vary alike: what tells the same moment from one that looks like it. Pure numpy.

In footage of one room, one road or one speaker all cosines are high, whatever the moment. What is left of both sides
when the mean of the video around the segment is taken away is what this moment has of its own, and how both sides
change from frame to frame is its course in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Segment
from vsearch.search.gallery import Track
from vsearch.search.queries.base import QueryFrames

PICTURE_VARIETY = 0.3  # of a video of one frame: what videos usually have, which speaks neither for nor against it
AROUND_S = 15.0  # of the video before and after a segment that tell what is common there

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Structure:
    """variety: mean squared distance of the matched video frames from the mean around them, 0 to 4. agreement: the
    cosine of both sides, all frames as one vector, without that mean, -1 to 1. motion: the same without each side's own
    mean over the segment, times 1 - 1/n for n video frames, since few move alike by chance; 0 where nothing moves.
    """

    variety: float
    agreement: float
    motion: float


def structure_of(query: QueryFrames, track: Track, segment: Segment) -> Structure:
    """The structure of a segment of these two, whose frames are informative. A video of one frame has none, which is
    not the same as footage that stands still.
    """
    rows, columns = paired_frames(query, track, segment)
    asked, found = query.vectors[rows], track.vectors[columns]
    if len(track.vectors) == 1:
        return Structure(PICTURE_VARIETY, 0.0, 0.0)
    near = (track.times_s >= segment.start_s - AROUND_S) & (track.times_s <= segment.end_s + AROUND_S)
    near[columns] = True
    common = track.vectors[near].mean(axis=0)
    own = found - common
    return Structure(
        variety=float(np.square(own).sum(axis=1).mean()),
        agreement=_cosine(asked - common, own),
        motion=_cosine(asked - asked.mean(axis=0), found - found.mean(axis=0)) * (1 - 1 / len(np.unique(columns))),
    )


def paired_frames(query: QueryFrames, track: Track, segment: Segment) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The query frames of a segment, at least one, and for each the video frame that the segment's line puts beside
    it."""
    rows = query_rows(query, segment)
    return rows, nearest(track.times_s, segment.video_times(query.times_s[rows]))


def query_rows(query: QueryFrames, segment: Segment) -> NDArray[np.intp]:
    """Which of the query's frames are in a segment: at least the one nearest to its middle."""
    times = query.times_s
    rows = np.flatnonzero((times >= segment.query_start_s - 1e-6) & (times <= segment.query_end_s + 1e-6))
    if len(rows) == 0:
        rows = np.array([np.abs(times - (segment.query_start_s + segment.query_end_s) / 2).argmin()])
    return rows


def nearest(grid: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.intp]:
    """The index of the nearest on an ascending grid (n,), for each time."""
    right = np.clip(np.searchsorted(grid, times), min(1, len(grid) - 1), len(grid) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(times - grid[left] <= grid[right] - times, left, right)


def _cosine(one: Vectors, other: Vectors) -> float:
    """Of two sets of vectors (n, d), each as one long vector; 0 where one of them is next to nothing."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float((one * other).sum()) / max(lengths, 1e-6)
