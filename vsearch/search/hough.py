"""Lines that votes propose: each query frame votes with its most similar video frames for the lines through them.

A Hough transform over a grid of rates and positions, as in Douze et al., "An image-based approach to video copy
detection with spatio-temporal post-filtering", 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.search.lines import Line
from vsearch.search.pair import BLOCK_FRAMES, AlignSettings, Floats, Pair, Timing

MEDIAN_ROWS, MEDIAN_COLUMNS = 64, 256  # similarities, up to twice as many each way, that tell what is usual


@dataclass(frozen=True, slots=True, eq=False)
class StrongestCells:
    """The video frames that each query frame is most like, and how much: both (m, votes)."""

    frames: NDArray[np.intp]
    values: Floats

    def away_from(self, line: Line, pair: Pair) -> Floats:
        """(m,) how well each query frame matches somewhere that is not near a line; -inf where nothing is known."""
        on_line = line.video_times(pair.query.times_s)[:, None]
        away = np.abs(pair.video.times_s[self.frames] - on_line) > 2.0 + 2 * pair.video.interval_s
        return np.asarray(np.where(away, self.values, -np.inf).max(axis=1))


def strongest_cells(pair: Pair) -> tuple[StrongestCells, float]:
    """Each query frame's strongest cells, and the background: the median similarity of the pair."""
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
    return StrongestCells(best_frames, best_values.astype(np.float64)), float(np.median(medians))


def voted_lines(pair: Pair, strongest: StrongestCells, *, background: float) -> list[Line]:
    """The strongest lines that differ, by weighted votes for (rate, position at the middle of the query).

    At most `AlignSettings.proposals`, the strongest first.
    """
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


def _peaks(table: Floats, rates: Floats, *, lowest: float, cell: float, middle: float, pair: Pair) -> list[Line]:
    """The highest cells as lines, each of them somewhere on the query more than a second from those before."""
    count = min(table.size, 64 * pair.settings.proposals)
    cells = table.ravel()
    strongest = np.argpartition(cells, len(cells) - count)[len(cells) - count :]
    strongest = strongest[np.argsort(-cells[strongest], kind="stable")]
    rate_numbers, places = np.divmod(strongest[cells[strongest] > 0], table.shape[1])
    chosen_rates, positions = rates[rate_numbers], lowest + places * cell
    halves = chosen_rates * pair.query.duration_s / 2
    ends = np.stack([positions - halves, positions + halves], axis=1)
    lines: list[Line] = []
    left = np.ones(len(ends), bool)
    while left.any() and len(lines) < pair.settings.proposals:
        best = int(left.argmax())
        lines.append(Line(float(chosen_rates[best]), float(positions[best]), middle))
        left &= np.abs(ends - ends[best]).max(axis=1) > 1.0
    return lines
