"""From frame similarities of one query and one video to the ranges of both that show the same material. Pure numpy.

A copy is a line through the similarity matrix: video time = position + rate * (query time - middle of the query).

1. *Propose*: every query frame votes with its most similar video frames for the lines through them, over a grid of
   rates (a Hough transform, as in Douze et al., "An image-based approach to video copy detection with spatio-temporal
   post-filtering", 2010); the strongest few lines that differ are kept.
2. *Refine*: each line is moved in position and rate to where the similarity along it is highest. The library is sampled
   sparsely and queries densely, so that video frames are compared with the query interpolated between its frames, which
   places the line within a fraction of the library's interval, and query frames with the video interpolated likewise,
   which keeps the ends honest. A rate other than 1 has to pay for itself, so that still footage keeps its speed.
   A negative rate (on demand) is play backwards, and has to pay likewise.
3. *Trim*: ends of the query that are plainly something else are cut off (an excerpt inside other material); without
   such evidence the whole query counts, clipped to the video.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Segment

Floats = NDArray[np.float64]
Similarities = NDArray[np.float32]
Columns = Callable[[int, int], Similarities]
DisjointIn = Literal["video", "both"]
Profile = tuple[Floats, Floats]  # values and weights

OUTSIDE_COST = 0.1  # what a query frame outside the video is worse than any other: still footage stays inside
LEAST_NOISE = 0.02  # what similarities along a line vary by, at least: library frames are not where the query's are
NOWHERE_ELSE = 1.0  # for `elsewhere_share`: what matches elsewhere is no reason to cut anything off
BLOCK_FRAMES = 4096  # video frames whose similarities are held at once while lines are proposed
WITHOUT_CONTRAST = 2.0  # times the evidence that a rate needs, where a match does not stand out
MEDIAN_ROWS, MEDIAN_COLUMNS = 64, 256  # similarities, up to twice as many each way, that tell what is usual
SHIFTS = np.linspace(-1, 1, 9)  # of a line, in steps that become smaller
STRETCHES = np.linspace(-1, 1, 5)  # of its rate


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
class _Scale:
    """The times of frames, off which others are read. edges: (e,) where what the frames say something of begins and
    ends, in turns: beyond lies a gap.
    """

    times_s: Floats
    edges: Floats

    @staticmethod
    def of(times_s: Floats, interval_s: float) -> _Scale:
        reach = 0.75 * interval_s + 1e-6
        gaps = np.flatnonzero(np.diff(times_s) > 2 * reach)
        ends = np.stack([times_s[gaps] + reach, times_s[gaps + 1] - reach], axis=1).ravel()
        return _Scale(times_s, np.concatenate([[times_s[0] - reach], ends, [times_s[-1] + reach]]))

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
    def scale(self) -> _Scale:
        return _Scale.of(self.times_s, self.interval_s)

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class _Line:
    """video time = position_s + rate * (query time - middle_s)."""

    rate: float
    position_s: float
    middle_s: float

    def video_times(self, query_times_s: Floats | float) -> Floats:
        return np.asarray(self.position_s + self.rate * (np.asarray(query_times_s) - self.middle_s))

    def query_time(self, video_time_s: float) -> float:
        return self.middle_s + (video_time_s - self.position_s) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Several lines with one middle. rates, positions_s: (h,)."""

    rates: Floats
    positions_s: Floats
    middle_s: float

    def video_times(self, query_times_s: Floats) -> Floats:
        """(h, m)."""
        return np.asarray(self.positions_s[:, None] + self.rates[:, None] * (query_times_s - self.middle_s))

    def query_times(self, video_times_s: Floats) -> Floats:
        """(h, c)."""
        return np.asarray(self.middle_s + (video_times_s - self.positions_s[:, None]) / self.rates[:, None])


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A part of both sides, the similarities by columns, and what is known of them before any line is.

    query, video: what is looked at; all_query_s, all_video_s: how long the whole of each is; asked_s: how many seconds
    of the whole query count, by the weights of its frames.
    """

    columns: Columns
    query: Timing
    video: Timing
    weights: Floats
    settings: AlignSettings
    all_query_s: float
    all_video_s: float
    asked_s: float

    def part(self, query: tuple[float, float], video: tuple[float, float]) -> _Pair | None:
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

    def beside(self, segment: Segment, disjoint_in: DisjointIn) -> list[_Pair]:
        """The parts in which segments disjoint from `segment` may be: in the video, or in both sides.

        Less of the query than is ever cut off from a match is not looked at.
        """
        query, video = (self.query.start_s, self.query.end_s), (self.video.start_s, self.video.end_s)
        rows = [query]
        if disjoint_in == "both":
            left = _outside(query, (segment.query_start_s, segment.query_end_s))
            rows = [part for part in left if part == query or part[1] - part[0] >= self.settings.least_other_s]
        columns = _outside(video, (segment.start_s, segment.end_s))
        parts = [self.part(asked, there) for asked in rows for there in columns]
        return [part for part in parts if part is not None]


def align(
    columns: Columns,
    query: Timing,
    video: Timing,
    *,
    weights: NDArray[np.float32] | None = None,
    max_segments: int = 1,
    disjoint_in: DisjointIn = "video",
    settings: AlignSettings = AlignSettings(),
) -> list[Segment]:
    """The best segments of a pair, disjoint in the video, best first; at most `max_segments`, none without evidence.

    disjoint_in: "video" gives each place where the query is, parts of it as well; "both" takes the query apart, so
    that no second of it is in two segments: what a query that was put together from several parts consists of.
    columns: a function of (start, stop) that gives the cosines (m, stop - start) float32 of all query frames with those
    video frames: `matrix_columns` makes one of a matrix. weights: (m,) how much each query frame counts (None: alike).
    Raises ValueError when a side has no frames.
    """
    if len(query.times_s) == 0 or len(video.times_s) == 0:
        raise ValueError("both sides need at least one frame")
    weight = np.ones(len(query.times_s)) if weights is None else weights.astype(np.float64)
    if disjoint_in == "video":
        settings = replace(settings, elsewhere_share=NOWHERE_ELSE)
    asked_s = float(weight.sum()) * query.interval_s
    waiting = [_Pair(columns, query, video, weight, settings, query.duration_s, video.duration_s, asked_s)]
    found: list[tuple[Segment, _Pair]] = []
    segments: list[Segment] = []
    while len(segments) < max_segments:
        found += [(segment, pair) for pair in waiting if (segment := _best_segment(pair)) is not None]
        if not found:
            break
        found.sort(key=lambda entry: (-entry[0].score, entry[0].start_s))
        segment, pair = found.pop(0)
        if not any(_clash(segment, taken, disjoint_in) for taken in segments):
            segments.append(segment)
        waiting = [pair]
        for taken in segments:
            waiting = [part for whole in waiting for part in whole.beside(taken, disjoint_in)]
    return sorted(segments, key=lambda segment: (-segment.score, segment.start_s))


def align_still(
    columns: Columns, video: Timing, ends_s: Floats, *, max_segments: int = 1, apart_s: float = 2.0
) -> list[Segment]:
    """Where one picture is in a video: the most similar frames at least `apart_s` from each other, best first.

    columns: as for `align`, of one row. ends_s: (n,) when each frame's successor follows. Query times are 0.
    """
    n = len(video.times_s)
    values = np.concatenate([columns(start, min(n, start + BLOCK_FRAMES))[0] for start in range(0, n, BLOCK_FRAMES)])
    values = values.astype(np.float64)
    segments: list[Segment] = []
    while len(segments) < max_segments and np.isfinite(values).any():
        best = int(values.argmax())
        segments.append(
            Segment(
                query_start_s=0.0,
                query_end_s=0.0,
                start_s=float(video.times_s[best]),
                end_s=float(ends_s[best]),
                rate=1.0,
                similarity=float(values[best]),
                score=float(np.clip(values[best], 0.0, 1.0)),
                matched_frames=1,
                query_coverage=1.0,
                video_coverage=_share(float(ends_s[best] - video.times_s[best]), video.duration_s),
            )
        )
        values[np.abs(video.times_s - video.times_s[best]) < apart_s] = -np.inf
    return segments


def matrix_columns(similarities: Similarities) -> Columns:
    """`columns` for `align` of a whole matrix (m, n)."""
    return lambda start, stop: similarities[:, start:stop]


def _outside(whole: tuple[float, float], taken: tuple[float, float]) -> list[tuple[float, float]]:
    """What of one range lies before and after another."""
    parts = [(whole[0], min(whole[1], taken[0])), (max(whole[0], taken[1]), whole[1])]
    return [(start, end) for start, end in parts if start < end]


def _clash(one: Segment, other: Segment, disjoint_in: DisjointIn) -> bool:
    """Whether two segments share more of the video, or of the query, than they may."""
    video_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    query_s = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
    return max(video_s, query_s if disjoint_in == "both" else video_s) > 1e-9


# One segment


def _best_segment(pair: _Pair) -> Segment | None:
    """The best segment of a pair; None when no line meets both sides."""
    if len(pair.video.times_s) == 1:
        return _segment_in_picture(pair)
    strongest, background = _strongest(pair)
    lines = _proposals(pair, strongest, background)
    found: list[Segment] = []
    least = -np.inf
    for fit, window, line in _promising(pair, lines, background):
        if found and fit < least:
            break
        segment = _grown(window, line, strongest, background)
        if segment is not None:
            found.append(segment)
            least = max(least, fit - (1 - pair.settings.rival_share) * abs(fit))
    return max(found, key=lambda segment: segment.score, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class _Strongest:
    """The video frames that each query frame is most like, and how much: both (m, votes)."""

    frames: NDArray[np.intp]
    values: Floats

    def away_from(self, line: _Line, pair: _Pair) -> Floats:
        """(m,) how well each query frame matches somewhere that is not near a line; -inf where nothing is known."""
        on_line = line.video_times(pair.query.times_s)[:, None]
        away = np.abs(pair.video.times_s[self.frames] - on_line) > 2.0 + 2 * pair.video.interval_s
        return np.asarray(np.where(away, self.values, -np.inf).max(axis=1))


def _strongest(pair: _Pair) -> tuple[_Strongest, float]:
    """Each query frame's strongest cells, and the median of the pair."""
    m, n = len(pair.query.times_s), len(pair.video.times_s)
    best_values = np.empty((m, 0), np.float32)
    best_frames = np.empty((m, 0), np.intp)
    medians = []
    for start in range(0, n, BLOCK_FRAMES):
        stop = min(n, start + BLOCK_FRAMES)
        block = pair.columns(start, stop)
        some = block[:: max(1, m // MEDIAN_ROWS), :: max(1, (stop - start) // MEDIAN_COLUMNS)]
        medians.append(float(np.median(some)))
        frames = np.arange(start, stop, dtype=np.int32)
        # equal cells (still footage) must not all fall to the first frames: far below any difference that matters
        spread = (np.arange(m, dtype=np.int32)[:, None] * 7919 + frames * 104729) & 1023
        best_values = np.concatenate([best_values, block + spread.astype(np.float32) * np.float32(1e-8)], axis=1)
        best_frames = np.concatenate([best_frames, np.broadcast_to(frames, block.shape)], axis=1)
        most = best_values.shape[1]
        keep = min(pair.settings.votes, most)
        order = np.argpartition(best_values, most - keep, axis=1)[:, most - keep :]
        best_values = np.take_along_axis(best_values, order, axis=1)
        best_frames = np.take_along_axis(best_frames, order, axis=1)
    return _Strongest(best_frames, best_values.astype(np.float64)), float(np.median(medians))


# Proposing lines


def _proposals(pair: _Pair, strongest: _Strongest, background: float) -> list[_Line]:
    """The strongest lines that differ, by weighted votes for (rate, position at the middle of the query)."""
    frames, values = strongest.frames.ravel(), strongest.values.ravel() - background
    rows = np.repeat(np.arange(len(strongest.frames)), strongest.frames.shape[1])
    settings, query = pair.settings, pair.query
    middle = (query.start_s + query.end_s) / 2
    rates = _rates(settings, query)
    votes = (np.maximum(values, 0.0) + 1e-4) * pair.weights[rows]  # still footage stands out nowhere, and votes as well
    cell = settings.position_s
    positions = pair.video.times_s[frames] - rates[:, None] * (query.times_s[rows] - middle)  # (rates, votes)
    lowest = float(positions.min())
    places = (positions - lowest) / cell
    width = int(places.max()) + 2
    left = places.astype(np.intp)
    share = places - left
    flat = np.arange(len(rates))[:, None] * width + left
    size = len(rates) * width
    counts = np.bincount(flat.ravel(), (votes * (1 - share)).ravel(), minlength=size)
    counts = counts + np.bincount(flat.ravel() + 1, (votes * share).ravel(), minlength=size)
    table = np.asarray(counts, np.float64).reshape(len(rates), width)
    smooth = table.copy()  # the nearest library frame is up to half an interval off: neighbouring cells belong together
    smooth[:, 1:] += table[:, :-1] / 2
    smooth[:, :-1] += table[:, 1:] / 2
    smooth *= (1 - 0.1 * np.abs(np.log2(np.abs(rates))) - 0.1 * (rates < 0))[:, None]
    return _peaks(smooth, rates, lowest=lowest, cell=cell, middle=middle, pair=pair)


def _rates(settings: AlignSettings, query: Timing) -> Floats:
    """The rates that are tried: 4% apart, denser around 1 where most copies are; only 1 for less than a second."""
    if len(query.times_s) < 2 or query.times_s[-1] - query.times_s[0] < 1.0:
        return np.ones(1)
    steps = 2.0 ** (np.arange(-32, 33) / 16)
    near = 1 + np.arange(-8, 9) * 0.005
    rates = np.unique(np.concatenate([steps, near]).round(6))
    rates = rates[(rates >= settings.min_rate) & (rates <= settings.max_rate)]
    return np.concatenate([rates, -rates]) if settings.reversed_play else rates


def _peaks(table: Floats, rates: Floats, *, lowest: float, cell: float, middle: float, pair: _Pair) -> list[_Line]:
    """The highest cells as lines, each of them somewhere on the query more than a second from those before."""
    count = min(table.size, 64 * pair.settings.proposals)
    cells = table.ravel()
    strongest = np.argpartition(cells, len(cells) - count)[len(cells) - count :]
    strongest = strongest[np.argsort(-cells[strongest], kind="stable")]
    rate_numbers, places = np.divmod(strongest[cells[strongest] > 0], table.shape[1])
    chosen_rates, positions = rates[rate_numbers], lowest + places * cell
    halves = chosen_rates * pair.query.duration_s / 2
    ends = np.stack([positions - halves, positions + halves], axis=1)
    lines: list[_Line] = []
    left = np.ones(len(ends), bool)
    while left.any() and len(lines) < pair.settings.proposals:
        best = int(left.argmax())
        lines.append(_Line(float(chosen_rates[best]), float(positions[best]), middle))
        left &= np.abs(ends - ends[best]).max(axis=1) > 1.0
    return lines


def _promising(pair: _Pair, lines: list[_Line], background: float) -> list[tuple[float, _Window, _Line]]:
    """The lines that fit best after a first look around each, best first: how well, and the similarities they need."""
    looked = []
    for line in lines:
        window = _Window.around(pair, line)
        if window is not None:
            beside = _Lines(np.full(len(SHIFTS), line.rate), line.position_s + SHIFTS, line.middle_s)
            fits = _fits(window, beside, pair.weights, background)
            looked.append((float(fits.max()) - background, window, line))
    looked.sort(key=lambda entry: -entry[0])
    return looked[: pair.settings.refined]


# Refining lines


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """The part of the similarity matrix that a line can reach. matrix: (m, c) float32; scale: of its columns."""

    pair: _Pair
    matrix: Similarities
    scale: _Scale

    @staticmethod
    def around(pair: _Pair, line: _Line) -> _Window | None:
        ends = line.video_times(np.array([pair.query.start_s, pair.query.end_s]))
        margin = 2.0 + 2 * pair.video.interval_s + 0.03 * pair.query.duration_s
        start, stop = np.searchsorted(pair.video.times_s, [ends.min() - margin, ends.max() + margin])
        if start == stop:
            return None
        scale = _Scale.of(pair.video.times_s[start:stop], pair.video.interval_s)
        return _Window(pair, pair.columns(int(start), int(stop)), scale)

    def seen_along(self, line: _Line) -> tuple[Floats, NDArray[np.intp]]:
        """Each query frame's similarity to the better of its neighbours on the line (NaN: there is none), and which."""
        at = line.video_times(self.pair.query.times_s)
        left, right, _ = self.scale.between(at)
        rows = np.arange(len(at))
        better = np.where(self.matrix[rows, left] >= self.matrix[rows, right], left, right)
        values = self.matrix[rows, better].astype(np.float64)
        outside = (at < self.pair.video.start_s - 1e-6) | (at > self.pair.video.end_s + 1e-6)
        values[outside | ~self.scale.covers(at)] = np.nan
        return values, better


def _profiles(window: _Window, lines: _Lines, weights: Floats, background: float) -> tuple[Profile, Profile]:
    """Similarities along lines (h,) at the query's frames (h, m), and at the video's (h, c): values and weights.

    Query frames that a line puts outside the video count as a little less than background, those in a gap of the
    library not at all.
    """
    query, video, matrix = window.pair.query, window.pair.video, window.matrix.ravel()
    m, c = window.matrix.shape
    at = lines.video_times(query.times_s)
    left, right, share = window.scale.between(at)
    rows = np.arange(m) * c
    values = matrix.take(left + rows)
    values = values + (matrix.take(right + rows) - values) * share
    outside = (at < video.start_s) | (at > video.end_s)
    from_query = np.where(outside, background - OUTSIDE_COST, values), weights * (outside | window.scale.covers(at))

    at = lines.query_times(window.scale.times_s)
    left, right, share = query.scale.between(at)
    columns = np.arange(c)
    values = matrix.take(left * c + columns)
    values = values + (matrix.take(right * c + columns) - values) * share
    nearer = np.where(share < 0.5, left, right)
    return from_query, (values, weights.take(nearer) * query.scale.covers(at))


def _fits(window: _Window, lines: _Lines, weights: Floats, background: float) -> Floats:
    """(h,) how similar both sides are along lines: the mean over the query's frames and that over the video's count
    alike, and as background where there are none.
    """
    fits = np.full(len(lines.rates), background)
    for values, counted in _profiles(window, lines, weights, background):
        total = counted.sum(axis=1)
        fits += (((values - background) * counted).sum(axis=1) / np.maximum(total, 1e-12)) / 2
    return fits


def _fit(window: _Window, line: _Line, weights: Floats, background: float, *, free_rate: bool) -> tuple[_Line, float]:
    """`line` moved to where the similarity along it is highest, by grids that become finer, and that similarity."""
    times = window.pair.query.times_s[weights > 0]
    length, middle = float(np.ptp(times)), float(times[0] + times[-1]) / 2
    rate, position, fit = line.rate, float(line.video_times(middle)), background
    settings = window.pair.settings
    shift, stretch = 1.0, 0.05 if free_rate else 0.0
    while shift > 0.02 or stretch * length > 0.04:
        rates = np.array([rate])
        if free_rate:
            stretched = np.abs(rate * (1 + stretch * STRETCHES))
            rates = np.sign(rate) * np.minimum(np.maximum(stretched, settings.min_rate), settings.max_rate)
        positions = position + shift * SHIFTS
        lines = _Lines(rates.repeat(len(positions)), np.tile(positions, len(rates)), middle)
        fits = _fits(window, lines, weights, background)
        best = int((fits - 1e-5 * np.abs(lines.positions_s - position)).argmax())  # where all fit alike, the line stays
        rate, position, fit = float(lines.rates[best]), float(lines.positions_s[best]), float(fits[best])
        shift, stretch = shift / 4, stretch / 4
    return _Line(rate, position, middle), fit


def _refined(window: _Window, line: _Line, weights: Floats, background: float) -> _Line:
    """The best fit near `line`: at the speed of the original, unless another is better beyond chance."""
    position = float(line.video_times(line.middle_s))
    plains = [_Line(1.0, at, line.middle_s) for at in dict.fromkeys([position, _inside(window.pair, position)])]
    fitted = [_fit(window, plain, weights, background, free_rate=False) for plain in plains]
    plain, plain_fit = max(fitted, key=lambda one: one[1])
    times = window.pair.query.times_s[weights > 0]
    settings = window.pair.settings
    one_speed = settings.max_rate <= 1.0 and not settings.reversed_play
    if one_speed or len(times) < 2 or np.ptp(times) < 1.0:
        return plain
    other, other_fit = _fit(window, line, weights, background, free_rate=True)
    worth_it = other_fit - plain_fit > settings.least_rate_gain
    return other if worth_it and _beyond_chance(window, other, plain, weights, background) else plain


def _inside(pair: _Pair, position_s: float) -> float:
    """The nearest position at which the query, at the speed of the original, runs over no end of the video, if there is
    one: another speed may have fitted only because it stays inside.
    """
    half_s = pair.query.duration_s / 2
    first, last = pair.video.start_s + half_s, pair.video.end_s - half_s
    return position_s if last < first else min(max(position_s, first), last)


def _beyond_chance(window: _Window, other: _Line, plain: _Line, weights: Floats, background: float) -> bool:
    """Whether the query's frames fit `other` better than `plain` by more than the noise from frame to frame explains.

    A wrong rate costs most at the ends and nothing in the middle, so the noise is taken from neighbouring frames. Where
    neither stands out from the rest of the video, the best of many lines is best by chance, and has to be so much
    better.
    """
    both = np.array([other.rate, plain.rate]), np.array([other.position_s, plain.position_s])
    (values, counted), _ = _profiles(window, _Lines(*both, plain.middle_s), weights, background)
    compared = counted.min(axis=0) > 0
    gains = (values[0] - values[1])[compared]
    if len(gains) < 4:
        return False
    noise = max(LEAST_NOISE, float(np.sqrt(np.mean(np.square(np.diff(gains))) / 2)))
    settings = window.pair.settings
    stands_out = float(values[:, compared].max(axis=0).mean()) - background >= settings.least_contrast
    bar = settings.rate_evidence * (1.0 if stands_out else WITHOUT_CONTRAST)
    return bool(gains.mean() * np.sqrt(len(gains)) > bar * noise)


# Trimming


def _grown(window: _Window, line: _Line, strongest: _Strongest, background: float) -> Segment | None:
    """The segment along a line: fitted to all of the query, then again to the part of it that matches."""
    pair = window.pair
    weights = pair.weights
    for _ in range(3):
        line = _refined(window, line, weights, background)
        values, frames = window.seen_along(line)
        first, stop = _matching_rows(pair, values, frames, strongest.away_from(line, pair), background)
        inside = np.zeros(len(values), bool)
        inside[first:stop] = True
        if (weights > 0).sum() == (pair.weights * inside > 0).sum():
            break
        weights = pair.weights * inside
    return _segment(pair, line, values, frames, first, stop)


def _contrast(pair: _Pair, values: Floats, background: float) -> float:
    """How far the best second of the match stands above the background."""
    seen = np.sort(values[np.isfinite(values)])[::-1]
    best = float(seen[: max(3, round(1.0 / pair.query.interval_s))].mean()) if len(seen) else background
    return best - background


def _matching_rows(
    pair: _Pair, values: Floats, frames: NDArray[np.intp], elsewhere: Floats, background: float
) -> tuple[int, int]:
    """[first, stop) of the query frames that match: all but ends with enough evidence that they are something else.

    That is: nearer to the background than to the match, or a match elsewhere in the video (`elsewhere`: how good one)
    and much less alike here. Less than two video frames (`frames`: which one each query frame saw) are no reason to cut
    anything off: one picture in common does not make a part of the query a copy.
    """
    m = len(values)
    contrast = _contrast(pair, values, background)
    if contrast < pair.settings.least_contrast:
        return 0, m
    slack = contrast * pair.settings.elsewhere_share
    as_good = elsewhere >= background + contrast - slack
    half_way = background + contrast / 2
    threshold = np.where(as_good, np.maximum(half_way, elsewhere - slack), half_way)
    gains = np.where(np.isfinite(values), pair.weights * (values - threshold), 0.0)
    first, stop = _best_run(gains)
    if len(np.unique(frames[first:stop][gains[first:stop] > 0])) < 2:
        return 0, m
    query, settings = pair.query, pair.settings
    least_s = max(settings.least_other_s, settings.least_other_share * (stop - first) * query.interval_s)
    seen_s = np.where(np.isfinite(values) & (pair.weights > 0), query.interval_s, 0.0)
    if seen_s[:first].sum() < least_s:
        first = 0
    if seen_s[stop:].sum() < least_s:
        stop = m
    return first, stop


def _best_run(gains: Floats) -> tuple[int, int]:
    """[first, stop) of the run with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    lowest = np.minimum.accumulate(sums)
    stop = int((sums - lowest)[1:].argmax()) + 1
    return int(sums[:stop].argmin()), stop


def _segment(
    pair: _Pair, line: _Line, values: Floats, frames: NDArray[np.intp], first: int, stop: int
) -> Segment | None:
    """The segment of query frames [first, stop) on `line`, clipped to the video; None when nothing is left of it."""
    query, video = pair.query, pair.video
    query_start, query_end = _row_range(query, first, stop)
    ends = np.sort(line.video_times(np.array([query_start, query_end])))
    start_s, end_s = (float(np.clip(end, video.start_s, video.end_s)) for end in ends)
    shown = sorted(line.query_time(end) for end in (video.start_s, video.end_s))
    inside = np.zeros(len(values), bool)
    inside[first:stop] = True
    matched = inside & np.isfinite(values) & (pair.weights > 0)
    if end_s <= start_s or not matched.any():
        return None
    similarity = float(np.average(values[matched], weights=pair.weights[matched]))
    query_start, query_end = max(query_start, shown[0]), min(query_end, shown[1])
    return Segment(
        query_start_s=query_start,
        query_end_s=query_end,
        start_s=start_s,
        end_s=end_s,
        rate=line.rate,
        similarity=similarity,
        score=_score(pair, similarity, float(pair.weights[matched].sum()), len(np.unique(frames[matched]))),
        matched_frames=int(matched.sum()),
        query_coverage=_share(query_end - query_start, pair.all_query_s),
        video_coverage=_share(end_s - start_s, pair.all_video_s),
    )


def _row_range(query: Timing, first: int, stop: int) -> tuple[float, float]:
    """The time that query frames [first, stop) stand for: to the ends of the query, or half-way to the next frame,
    but not far into a gap."""
    times, gap = query.times_s, query.interval_s
    start = query.start_s if first == 0 else max(float(times[first - 1] + times[first]) / 2, times[first] - gap)
    end = query.end_s if stop == len(times) else min(float(times[stop - 1] + times[stop]) / 2, times[stop - 1] + gap)
    return float(start), float(end)


def _share(part_s: float, whole_s: float) -> float:
    return float(np.clip(part_s / whole_s, 0.0, 1.0)) if whole_s > 0 else 1.0


def _score(pair: _Pair, similarity: float, query_frames: float, video_frames: int) -> float:
    """Similarity, lowered where few frames of either side support it: in [0, 1], not calibrated.

    query_frames: by their weights. n frames of the video support n - 1/2 intervals: one picture in common, however long
    it is shown, is little.
    """
    query, video = pair.query, pair.video
    spare_s = min(video.interval_s, pair.asked_s) / 2
    possible_s = pair.asked_s - spare_s
    support_s = min(query_frames * query.interval_s, video_frames * video.interval_s - spare_s, possible_s)
    share = support_share(np.array(support_s), np.array(possible_s), pair.settings.half_support_s)
    return float(np.clip(similarity * share, 0.0, 1.0))


def support_share(support_s: Floats, possible_s: Floats, half_support_s: float) -> Floats:
    """What is left of a score when so many seconds support it, of those that could: in (0, 1], grows with support."""
    return np.asarray(support_s / (support_s + half_support_s) / (possible_s / (possible_s + half_support_s)))


def _segment_in_picture(pair: _Pair) -> Segment | None:
    """The part of the query that shows a video of one frame: without a second frame there is no line."""
    values = pair.columns(0, 1)[:, 0].astype(np.float64)
    first, stop = _matching_rows(pair, values, np.arange(len(values)), values, float(np.quantile(values, 0.1)))
    query_start, query_end = _row_range(pair.query, first, stop)
    similarity = float(np.average(values[first:stop], weights=pair.weights[first:stop]))
    return Segment(
        query_start_s=query_start,
        query_end_s=query_end,
        start_s=pair.video.start_s,
        end_s=pair.video.end_s,
        rate=1.0,
        similarity=similarity,
        score=_score(pair, similarity, float(pair.weights[first:stop].sum()), 1),
        matched_frames=stop - first,
        query_coverage=_share(query_end - query_start, pair.all_query_s),
        video_coverage=_share(pair.video.duration_s, pair.all_video_s),
    )
