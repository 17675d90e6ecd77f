"""Looking at the pictures behind what was found: the query's own and those that a library stores.

Vectors tell what resembles a query, quickly and in any library; whether it is the same material is decided by a few
pairs of pictures, with what `details` says of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.records import Segment
from vsearch.search.calibration import Looks
from vsearch.search.details import Details, Likeness, Luma, Motion, details_of, likeness, luma_of, motion
from vsearch.search.gallery import Track
from vsearch.search.structure import nearest

_log = logging.getLogger(__name__)

DETAILED = 3  # pairs of frames of a segment whose details are compared
WATCHED = 6  # whose changes are
WORKERS = 2  # pictures whose details are sought at once

Pictures = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
"""Called with ascending numbers (n,) of frames; gives them (n, 3, H, W) uint8 RGB. May raise LatentError."""

PicturesOf = Callable[[int], Pictures | None]
"""The pictures of a video of the library; None where it has none. May raise LatentError."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a query shows. times_s: (m,) float64, ascending; pictures: by their place among these times, None of a
    stored query whose pictures are not kept.
    """

    times_s: NDArray[np.float64]
    pictures: Callable[[NDArray[np.int64]], NDArray[np.uint8] | None]

    @staticmethod
    def stored(times_s: NDArray[np.float64], video_id: int, numbers: NDArray[np.int64], pictures: PicturesOf) -> Shown:
        """What these frames (m,) of a stored video show."""

        def shown(rows: NDArray[np.int64]) -> NDArray[np.uint8] | None:
            kept = pictures(video_id)
            if kept is None:
                return None
            order = np.argsort(rows)  # they descend where the query plays backwards
            return kept(numbers[rows[order]])[np.argsort(order)]

        return Shown(times_s, shown)


class Looker:
    """Looks at what was found for one query."""

    def __init__(self, shown: Shown, stored: PicturesOf, looks: Looks) -> None:
        self._shown, self._stored, self._looks = shown, stored, looks
        self._details: dict[int, Details] = {}  # of the query's pictures

    def at(self, track: Track, segment: Segment) -> Segment:
        """The segment with the probability that its pictures give it; as it is where there are none."""
        seen = self.seen(track, segment)
        return segment if seen is None else self._looks.judged(segment, *seen)

    def seen(self, track: Track, segment: Segment) -> tuple[Likeness, Motion] | None:
        """What the pictures of a segment have in common; None where there are none, or none that can be read."""
        rows, columns = side_by_side(self._shown.times_s, track, segment)
        try:
            stored, asked = self._stored(track.video_id), self._shown.pictures(rows)
            if stored is None or asked is None:
                return None
            here, there = luma_of(asked), luma_of(stored(track.numbers[columns]))
        except LatentError as error:
            _log.warning("v%d: its pictures can't be compared: %s", track.video_id, error)
            return None
        some = np.unique(np.linspace(0, len(rows) - 1, DETAILED).round().astype(np.int64))
        details = self._details_of(rows[some], here[some]), _all_details(there[some])
        alike = likeness(*details, width=here.shape[2])
        return alike, motion(here, there, alike)

    def _details_of(self, rows: NDArray[np.int64], pictures: Luma) -> list[Details]:
        new = [i for i, row in enumerate(rows.tolist()) if row not in self._details]
        self._details.update(zip(rows[new].tolist(), _all_details(pictures[new]), strict=True))
        return [self._details[row] for row in rows.tolist()]


def _all_details(pictures: Luma) -> list[Details]:
    with ThreadPoolExecutor(WORKERS) as pool:  # OpenCV lets go of the interpreter
        return list(pool.map(details_of, pictures))


def side_by_side(
    times_s: NDArray[np.float64], track: Track, segment: Segment
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) pictures of a query at these times, and (n,) frames of the track, ascending: those of a segment that its
    line puts nearest to each other, at most `WATCHED`, evenly spread.
    """
    inside = np.flatnonzero((times_s >= segment.query_start_s - 1e-6) & (times_s <= segment.query_end_s + 1e-6))
    if len(inside) == 0:
        inside = np.array([np.abs(times_s - (segment.query_start_s + segment.query_end_s) / 2).argmin()])
    there_s = segment.video_times(times_s[inside])
    beside = nearest(track.times_s, there_s)
    columns = np.unique(beside)
    if len(columns) > WATCHED:
        columns = columns[np.linspace(0, len(columns) - 1, WATCHED).round().astype(np.int64)]
    apart = np.where(beside == columns[:, None], np.abs(there_s - track.times_s[columns][:, None]), np.inf)
    return inside[apart.argmin(axis=1)].astype(np.int64), columns.astype(np.int64)
