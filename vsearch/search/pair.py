"""Two sides that may show the same material: when their frames are, how similar they are, and how far to look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Similarities = NDArray[np.float32]
Columns = Callable[[int, int], Similarities]  # (start, stop) of video frames -> (m, stop - start), cosines

BLOCK_FRAMES = 4096  # video frames whose similarities are held at once while all of them are looked through


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """How far alignment looks. Defaults were chosen on generated pairs (docs/search.md).

    min_rate, max_rate: speeds that are tried, video seconds a query second. reversed_play: whether the query may run
    backwards, at the same speeds. votes: video frames that each query frame votes for. position_s: width of a vote.
    proposals, refined: lines that are looked at, and that are fitted fully; rival_share: the latter only if they look
    at least so good, as a share of the best (a tenth worse before the fit is hardly ever better after it).
    least_rate_gain, rate_evidence: mean similarity that another speed than 1 must win, and by how many standard errors.
    least_other_s, least_other_share: seconds, and share of the match, below which an end of the query is never cut off.
    least_contrast: nothing is cut off when match and background differ by less. elsewhere_share: of that difference, by
    which a frame that matches elsewhere in the video must be less alike here to be something else, where a query is
    taken apart (footage that repeats itself matches everywhere, and would lose its ends). half_support_s:
    seconds of support at which the score of a long query is half its similarity.
    """

    min_rate: float = 0.5
    max_rate: float = 2.0
    reversed_play: bool = False
    votes: int = 8
    proposals: int = 6
    refined: int = 2
    rival_share: float = 0.9
    least_rate_gain: float = 0.003
    rate_evidence: float = 2.0
    position_s: float = 0.5
    least_other_s: float = 2.0
    least_other_share: float = 0.25
    least_contrast: float = 0.2
    elsewhere_share: float = 0.25
    half_support_s: float = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """The times of frames, off which others are read.

    times_s: (n,) float64, ascending. edges: (e,) float64, where what the frames say something of begins and ends, in
    turns: beyond lies a gap.
    """

    times_s: Floats
    edges: Floats

    @staticmethod
    def of(times_s: Floats, interval_s: float) -> Scale:
        """The scale of frames (n,), at least one, that are usually `interval_s` apart."""
        reach = 0.75 * interval_s + 1e-6
        gaps = np.flatnonzero(np.diff(times_s) > 2 * reach)
        ends = np.stack([times_s[gaps] + reach, times_s[gaps + 1] - reach], axis=1).ravel()
        return Scale(times_s, np.concatenate([[times_s[0] - reach], ends, [times_s[-1] + reach]]))

    def between(self, at: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """The frames left and right of times of any shape, and the share of the right one."""
        last = len(self.times_s) - 1
        places = np.interp(at, self.times_s, np.arange(last + 1))
        left = np.minimum(places.astype(np.intp), max(0, last - 1))
        return left, np.minimum(left + 1, last), places - left

    def covers(self, at: Floats) -> NDArray[np.bool_]:
        """Whether a frame is near enough to times of any shape to say something of them."""
        if len(self.edges) == 2:
            return np.asarray((at >= self.edges[0]) & (at <= self.edges[1]))
        return np.asarray(np.searchsorted(self.edges, at, side="right") % 2 == 1)


@dataclass(frozen=True, eq=False)
class Timing:
    """When the frames of one side are: times_s (n,) float64, ascending; the side is [start_s, end_s)."""

    times_s: Floats
    start_s: float
    end_s: float

    @cached_property
    def interval_s(self) -> float:
        """The usual distance of two frames; the whole length when there is only one."""
        if len(self.times_s) < 2:
            return max(self.end_s - self.start_s, 1e-3)
        return float(np.median(np.diff(self.times_s)))

    @cached_property
    def scale(self) -> Scale:
        """The same times, to be read off."""
        return Scale.of(self.times_s, self.interval_s)

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A part of both sides, the similarities by columns, and what is known of them before any line is.

    columns: similarities of the query frames with video frames. query, video: what is looked at. weights: (m,)
    float64, how much each query frame counts. all_query_s, all_video_s: how long the whole of each side is; asked_s:
    how many seconds of the whole query count, by the weights of its frames.
    """

    columns: Columns
    query: Timing
    video: Timing
    weights: Floats
    settings: AlignSettings
    all_query_s: float
    all_video_s: float
    asked_s: float

    def part(self, query: tuple[float, float], video: tuple[float, float]) -> Pair | None:
        """What lies in [start_s, end_s) of each side; None where one has no frame there."""
        top, bottom = (int(i) for i in np.searchsorted(self.query.times_s, query))
        first, stop = (int(i) for i in np.searchsorted(self.video.times_s, video))
        if top == bottom or first == stop or not self.weights[top:bottom].any():
            return None
        whole = self.columns
        return replace(
            self,
            columns=lambda start, end: whole(first + start, min(first + end, stop))[top:bottom],
            query=Timing(self.query.times_s[top:bottom], *query),
            video=Timing(self.video.times_s[first:stop], *video),
            weights=self.weights[top:bottom],
        )


def matrix_columns(similarities: Similarities) -> Columns:
    """`columns` for `align.align` of a whole matrix (m, n) float32."""
    return lambda start, stop: similarities[:, start:stop]
