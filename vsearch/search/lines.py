"""Lines through the similarity matrix of a pair, and the one that fits best near a first guess.

Video time = position + rate * (query time - middle). The library is sampled sparsely and queries densely, so that video
frames are compared with the query interpolated between its frames, which places the line within a fraction of the
library's interval, and query frames with the video interpolated likewise, which keeps the ends honest. A rate other
than 1 has to pay for itself, so that still footage keeps its speed; so has play backwards, a negative rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.search.pair import Floats, Pair, Scale, Similarities

Profile = tuple[Floats, Floats]  # values and weights

OUTSIDE_COST = 0.1  # what a query frame outside the video is worse than any other: still footage stays inside
LEAST_NOISE = 0.02  # what similarities along a line vary by, at least: library frames are not where the query's are
WITHOUT_CONTRAST = 2.0  # times the evidence that a rate needs, where a match does not stand out
SHIFTS = np.linspace(-1, 1, 9)  # of a line, in steps that become smaller
STRETCHES = np.linspace(-1, 1, 5)  # of its rate


@dataclass(frozen=True, slots=True)
class Line:
    """video time = position_s + rate * (query time - middle_s).

    rate: video seconds a query second, negative where one side runs backwards.
    """

    rate: float
    position_s: float
    middle_s: float

    def video_times(self, query_times_s: Floats | float) -> Floats:
        """Where the line is at query times of any shape: float64, in their shape."""
        return np.asarray(self.position_s + self.rate * (np.asarray(query_times_s) - self.middle_s))

    def query_time(self, video_time_s: float) -> float:
        """When the line is at a video time."""
        return self.middle_s + (video_time_s - self.position_s) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Several lines with one middle. rates, positions_s: (h,) float64."""

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
class Window:
    """The part of the similarity matrix that a line can reach. matrix: (m, c) float32; scale: of its columns."""

    pair: Pair
    matrix: Similarities
    scale: Scale

    @staticmethod
    def around(pair: Pair, line: Line) -> Window | None:
        """What lies near a line; None where the video has no frame there."""
        ends = line.video_times(np.array([pair.query.start_s, pair.query.end_s]))
        margin = 2.0 + 2 * pair.video.interval_s + 0.03 * pair.query.duration_s
        start, stop = np.searchsorted(pair.video.times_s, [ends.min() - margin, ends.max() + margin])
        if start == stop:
            return None
        scale = Scale.of(pair.video.times_s[start:stop], pair.video.interval_s)
        return Window(pair, pair.columns(int(start), int(stop)), scale)

    def seen_along(self, line: Line) -> tuple[Floats, NDArray[np.intp]]:
        """Each query frame's similarity to the better of its neighbours on the line (NaN: there is none), and which."""
        at = line.video_times(self.pair.query.times_s)
        left, right, _ = self.scale.between(at)
        rows = np.arange(len(at))
        better = np.where(self.matrix[rows, left] >= self.matrix[rows, right], left, right)
        values = self.matrix[rows, better].astype(np.float64)
        outside = (at < self.pair.video.start_s - 1e-6) | (at > self.pair.video.end_s + 1e-6)
        values[outside | ~self.scale.covers(at)] = np.nan
        return values, better


def most_promising(pair: Pair, lines: list[Line], *, background: float) -> list[tuple[float, Window, Line]]:
    """The lines that fit best after a first look around each, best first: how well (mean similarity above background),
    and the similarities they need. At most `AlignSettings.refined`.
    """
    looked = []
    for line in lines:
        window = Window.around(pair, line)
        if window is not None:
            beside = Lines(np.full(len(SHIFTS), line.rate), line.position_s + SHIFTS, line.middle_s)
            fits = _fits(window, beside, pair.weights, background)
            looked.append((float(fits.max()) - background, window, line))
    looked.sort(key=lambda entry: -entry[0])
    return looked[: pair.settings.refined]


def refined(window: Window, line: Line, *, weights: Floats, background: float) -> Line:
    """The best fit near `line`: at the speed of the original, unless another is better beyond chance.

    weights: (m,) how much each query frame counts.
    """
    position = float(line.video_times(line.middle_s))
    plains = [Line(1.0, at, line.middle_s) for at in dict.fromkeys([position, _inside(window.pair, position)])]
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


def _fit(window: Window, line: Line, weights: Floats, background: float, *, free_rate: bool) -> tuple[Line, float]:
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
        lines = Lines(rates.repeat(len(positions)), np.tile(positions, len(rates)), middle)
        fits = _fits(window, lines, weights, background)
        best = int((fits - 1e-5 * np.abs(lines.positions_s - position)).argmax())  # where all fit alike, the line stays
        rate, position, fit = float(lines.rates[best]), float(lines.positions_s[best]), float(fits[best])
        shift, stretch = shift / 4, stretch / 4
    return Line(rate, position, middle), fit


def _inside(pair: Pair, position_s: float) -> float:
    """The nearest position at which the query, at the speed of the original, runs over no end of the video, if there is
    one: another speed may have fitted only because it stays inside.
    """
    half_s = pair.query.duration_s / 2
    first, last = pair.video.start_s + half_s, pair.video.end_s - half_s
    return position_s if last < first else min(max(position_s, first), last)


def _beyond_chance(window: Window, other: Line, plain: Line, weights: Floats, background: float) -> bool:
    """Whether the query's frames fit `other` better than `plain` by more than the noise from frame to frame explains.

    A wrong rate costs most at the ends and nothing in the middle, so the noise is taken from neighbouring frames. Where
    neither stands out from the rest of the video, the best of many lines is best by chance, and has to be so much
    better.
    """
    both = np.array([other.rate, plain.rate]), np.array([other.position_s, plain.position_s])
    (values, counted), _ = _profiles(window, Lines(*both, plain.middle_s), weights, background)
    compared = counted.min(axis=0) > 0
    gains = (values[0] - values[1])[compared]
    if len(gains) < 4:
        return False
    noise = max(LEAST_NOISE, float(np.sqrt(np.mean(np.square(np.diff(gains))) / 2)))
    settings = window.pair.settings
    stands_out = float(values[:, compared].max(axis=0).mean()) - background >= settings.least_contrast
    bar = settings.rate_evidence * (1.0 if stands_out else WITHOUT_CONTRAST)
    return bool(gains.mean() * np.sqrt(len(gains)) > bar * noise)


def _fits(window: Window, lines: Lines, weights: Floats, background: float) -> Floats:
    """(h,) how similar both sides are along lines: the mean over the query's frames and that over the video's count
    alike, and as background where there are none.
    """
    fits = np.full(len(lines.rates), background)
    for values, counted in _profiles(window, lines, weights, background):
        total = counted.sum(axis=1)
        fits += (((values - background) * counted).sum(axis=1) / np.maximum(total, 1e-12)) / 2
    return fits


def _profiles(window: Window, lines: Lines, weights: Floats, background: float) -> tuple[Profile, Profile]:
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
