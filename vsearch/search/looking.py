"""Looking at the pictures behind what was found: the query's own and those that a library stores.

Vectors tell what resembles a query, quickly and in any library; whether it is the same material is decided by a few
pairs of pictures, with what `details` says of them. When is decided by them as well: footage of one room has the same
vectors at every moment, what moves in it is never twice in the same places.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.records import CHUNK_FRAMES, Segment
from vsearch.search.calibration import MOVES, Looks
from vsearch.search.details import Details, Ground, Likeness, Lineup, Luma, Motion, details_of, likeness, luma_of
from vsearch.search.gallery import Track
from vsearch.search.structure import nearest

_log = logging.getLogger(__name__)

DETAILED = 3  # pairs of frames of a segment whose details are compared
WATCHED = 8  # frames of a video whose changes are
SHIFTED_S = 3.0  # of the query, by which a segment may have been put wrongly
SHIFT_COST = 0.06  # of agreement, for each second by which a lineup is not the expected one
RATES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.5, 1.7, 2.0)  # that are tried where changes are compared
LEAST_PACE = 0.05  # (log2) by which a rate differs from the expected one
PACED_SHIFTED_S = 1.0  # of the query, by which its middle may have been put wrongly where the rate was wrong
LEAST_PACED = 4  # pairs of pictures by which a rate is told
RATE_COST = 0.03  # of agreement, for a rate that is not that of the original
RATE_GAIN = 0.1  # of agreement, that another rate has to win
SURELY = 0.3  # the agreement from which on a segment is put where it is reached
AS_IN_A_COPY = 0.6  # the agreement that hardly any other moment reaches
LEAST_STEP_S = 0.2  # between the shifts that are tried
WORKERS = 2  # pictures whose details are sought at once

Pictures = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
"""Called with ascending numbers (n,) of frames; gives them (n, 3, H, W) uint8 RGB. May raise LatentError."""

PicturesOf = Callable[[int], Pictures | None]
"""The pictures of a video of the library; None where it has none. May raise LatentError."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a query shows. times_s: (m,) float64, ascending; pictures: by their places among these times, which ascend;
    None of a stored query whose pictures are not kept.
    """

    times_s: NDArray[np.float64]
    pictures: Callable[[NDArray[np.int64]], NDArray[np.uint8] | None]

    @staticmethod
    def stored(times_s: NDArray[np.float64], video_id: int, numbers: NDArray[np.int64], pictures: PicturesOf) -> Shown:
        """What these frames (m,) of a stored video show."""

        def shown(rows: NDArray[np.int64]) -> NDArray[np.uint8] | None:
            kept = pictures(video_id)
            return None if kept is None else kept(numbers[rows])

        return Shown(times_s, shown)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the pictures of a segment have in common."""

    alike: Likeness
    motion: Motion
    paced: Motion

    @staticmethod
    def of(alike: Likeness, motions: Sequence[Motion], rate: float = 1.0) -> Seen:
        """motions: of all lineups. Those at the expected rate tell how probable a segment is, as that was measured."""
        expected = [one for one in motions if one.rate == rate] or [Motion(rate=rate)]
        best = max(expected, key=_placing)
        return Seen(alike, best, max(motions, key=_placing, default=best))

    @property
    def doubtful(self) -> bool:
        """Whether something moves, and at no rate as it would in a copy."""
        return self.motion.change > MOVES and max(self.motion.agreement, self.paced.agreement) < AS_IN_A_COPY

    def may_be_paced(self, pairs: int) -> bool:
        """Whether another rate may win, of so many pairs at most."""
        return 1 - 1 / pairs >= _placing(self.motion) + RATE_GAIN

    def placed(self, segment: Segment, track: Track) -> Segment:
        """The segment where what moves agrees, and at the rate at which it does."""
        best = self.paced if _placing(self.paced) >= _placing(self.motion) + RATE_GAIN else self.motion
        if best.agreement < SURELY:
            return segment
        paced = segment if best.rate == segment.rate else segment.at_rate(best.rate, track.duration_s)
        return paced.shifted(best.shift_s, track.duration_s)


def _placing(motion: Motion) -> float:
    """How well a lineup agrees, less what it costs not to be as expected, or not at the speed of the original."""
    return motion.agreement - SHIFT_COST * abs(motion.shift_s) - RATE_COST * (abs(motion.rate) != 1.0)


class Looker:
    """Looks at what was found for one query."""

    def __init__(self, shown: Shown, stored: PicturesOf, looks: Looks) -> None:
        self._shown, self._stored, self._looks = shown, stored, looks
        self._luma: dict[int, Luma] = {}  # of the query's pictures
        self._details: dict[int, Details] = {}
        self._ahead: tuple[int, Segment, Future[Seen | None]] | None = None

    def look_ahead(self, track: Track, segment: Segment) -> None:
        """Begin to look at a segment that is likely to be asked about, while something else is done; at the first one
        only.
        """
        if self._ahead is None:
            pool = ThreadPoolExecutor(1)
            self._ahead = track.video_id, segment, pool.submit(self._look, track, segment)
            pool.shutdown(wait=False)

    def wait(self) -> None:
        """Until nothing is looked at any more."""
        if self._ahead is not None:
            self._ahead[2].exception()

    def at(self, track: Track, segment: Segment) -> Segment:
        """The segment with the probability that its pictures give it, where they agree best; as it is where there are
        none.
        """
        return self.judged(track, segment, self.seen(track, segment))

    def judged(self, track: Track, segment: Segment, seen: Seen | None) -> Segment:
        """The same of a segment whose pictures were compared already."""
        if seen is None:
            return segment
        return self._looks.judged(seen.placed(segment, track), seen.alike, seen.motion)

    def seen(self, track: Track, segment: Segment) -> Seen | None:
        """What the pictures of a segment have in common; None where there are none, or none that can be read."""
        if self._ahead is not None:
            self.wait()  # one at a time
            video_id, looked_at, seen = self._ahead
            if (video_id, looked_at) == (track.video_id, segment):
                return seen.result()
        return self._look(track, segment)

    def _look(self, track: Track, segment: Segment) -> Seen | None:
        try:
            stored = self._stored(track.video_id)
            if stored is None:
                return None
            beside = side_by_side(self._shown.times_s, track, segment)
            if not self._learn(beside.lineups):
                return None
            there = luma_of(stored(track.numbers[beside.columns]))
        except LatentError as error:
            _log.warning("v%d: its pictures can't be compared: %s", track.video_id, error)
            return None
        expected = beside.lineups[0]
        some = np.unique(np.linspace(0, len(expected.rows) - 1, DETAILED).round().astype(np.int64))
        details = self._details_of(expected.rows[some]), _all_details(there[expected.columns[some]])
        alike = likeness(*details, width=self._luma[int(expected.rows[0])].shape[1])
        ground = Ground(self._luma, there, alike)
        motions = ground.motions(beside.lineups)
        seen = Seen.of(alike, motions, segment.rate)
        if not ground.speaks_for or not seen.may_be_paced(len(beside.columns)):
            return seen
        paced = list(beside.paced())
        return Seen.of(alike, motions + ground.motions(paced), segment.rate) if self._can_learn(paced) else seen

    def _can_learn(self, lineups: Sequence[Lineup]) -> bool:
        """The same as `_learn`, where a query's pictures that can't be read are none."""
        try:
            return self._learn(lineups)
        except LatentError:
            return False

    def _learn(self, lineups: Sequence[Lineup]) -> bool:
        """Whether the query has the pictures of these lineups; they are kept. May raise LatentError."""
        rows = {row for lineup in lineups for row in lineup.rows.tolist()}
        new = np.array(sorted(rows - self._luma.keys()), np.int64)
        if len(new):
            pictures = self._shown.pictures(new)
            if pictures is None:
                return False
            self._luma.update(zip(new.tolist(), luma_of(pictures), strict=True))
        return True

    def _details_of(self, rows: NDArray[np.int64]) -> list[Details]:
        new = [row for row in rows.tolist() if row not in self._details]
        self._details.update(zip(new, _all_details([self._luma[row] for row in new]), strict=True))
        return [self._details[row] for row in rows.tolist()]


def _all_details(pictures: Iterable[Luma]) -> list[Details]:
    with ThreadPoolExecutor(WORKERS) as pool:  # OpenCV lets go of the interpreter
        return list(pool.map(details_of, pictures))


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Frames of a track, beside pictures of a query. columns: (n,) of the track, ascending, at most `WATCHED`, at
    video_s; inside: (m,) the query's pictures that the segment has, at times_s, step_s apart; lineups: of both as the
    segment's line has it, then as lines do that lie earlier or later.
    """

    segment: Segment
    columns: NDArray[np.int64]
    video_s: NDArray[np.float64]
    inside: NDArray[np.intp]
    times_s: NDArray[np.float64]
    step_s: float
    lineups: Sequence[Lineup]

    def paced(self) -> Iterator[Lineup]:
        """What would be beside the pictures if the video passed at other rates, about the middle of the segment, and up
        to `PACED_SHIFTED_S` earlier or later. Only where there are pictures enough, and often enough.
        """
        segment, step_s = self.segment, self.step_s
        if len(self.times_s) < LEAST_PACED or len(self.columns) < LEAST_PACED or step_s > SHIFTED_S / 2:
            return
        middle = np.array([segment.query_start_s + segment.query_end_s]) / 2
        from_middle = self.video_s - segment.video_times(middle)
        most = int(PACED_SHIFTED_S / step_s)
        near_s = np.full(len(self.columns), step_s / 2)
        for rate in RATES:
            if abs(np.log2(rate / abs(segment.rate))) < LEAST_PACE:
                continue
            signed = rate * float(np.sign(segment.rate))
            asked_s = middle + from_middle / signed
            for shift in range(-most, most + 1):
                lineup = _lineup(shift * step_s, signed, self.times_s, asked_s, near_s)
                if len(lineup.rows) >= LEAST_PACED:
                    yield replace(lineup, rows=self.inside[lineup.rows])


def side_by_side(times_s: NDArray[np.float64], track: Track, segment: Segment) -> Beside:
    """Which frames of a track to look at, and beside which pictures of a query at these times (m,)."""
    inside = np.flatnonzero((times_s >= segment.query_start_s - 1e-6) & (times_s <= segment.query_end_s + 1e-6))
    if len(inside) == 0:
        inside = np.array([np.abs(times_s - (segment.query_start_s + segment.query_end_s) / 2).argmin()])
    times = times_s[inside]
    step_s = max(LEAST_STEP_S, float(np.median(np.diff(times)))) if len(times) > 1 else np.inf
    asked_s = segment.query_times(track.times_s)
    expected = np.unique(nearest(track.times_s, segment.video_times(times)))
    most = int(SHIFTED_S / step_s)
    columns = _spread(expected, WATCHED)
    if most and len(expected) < WATCHED:
        near = _around(expected, times, asked_s, track.numbers // CHUNK_FRAMES)
        columns = np.union1d(expected, _spread(near, WATCHED - len(expected)))
    within_s = np.where(np.isin(columns, expected), np.inf, step_s / 2)
    lineups = [_lineup(0.0, segment.rate, times, asked_s[columns], within_s)]
    near_s = np.full(len(columns), step_s / 2)
    for shift in sorted(range(-most, most + 1), key=abs)[1:]:
        lineups.append(_lineup(shift * step_s, segment.rate, times, asked_s[columns], near_s))
    lineups = [replace(one, rows=inside[one.rows]) for one in lineups]
    return Beside(segment, columns.astype(np.int64), track.times_s[columns], inside, times, step_s, lineups)


def _spread(columns: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of them, evenly."""
    if len(columns) <= most:
        return columns
    return columns[np.linspace(0, len(columns) - 1, most).round().astype(np.int64)]


def _around(
    expected: NDArray[np.intp], times_s: NDArray[np.float64], asked_s: NDArray[np.float64], chunks: NDArray[np.int64]
) -> NDArray[np.intp]:
    """Besides the expected frames those up to `SHIFTED_S` before and after them, as far as no other chunk has to be
    unpacked for them. asked_s: (n,) when the query at these times (m,) shows each frame; chunks: (n,).
    """
    around = (asked_s >= times_s[0] - SHIFTED_S) & (asked_s <= times_s[-1] + SHIFTED_S)
    around &= np.isin(chunks, chunks[expected])
    around[expected] = False
    return np.flatnonzero(around)


def _lineup(
    shift_s: float,
    rate: float,
    times_s: NDArray[np.float64],
    asked_s: NDArray[np.float64],
    within_s: NDArray[np.float64],
) -> Lineup:
    """The pictures at these times (m,) that are nearest to what is asked for (n,), so much later, as far as they are
    within so much (n,) of it: at most one beside each.
    """
    wanted_s = asked_s + shift_s
    rows = nearest(times_s, wanted_s)
    apart_s = np.abs(times_s[rows] - wanted_s)
    near = np.flatnonzero(apart_s <= within_s + 1e-6)
    order = near[np.lexsort((apart_s[near], rows[near]))]
    first = np.diff(rows[order], prepend=-1) > 0
    return Lineup(shift_s, rows[order][first], order[first], rate)
