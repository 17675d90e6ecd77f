"""Material that recurs in a library: titles, idents, adverts, the studio's still. Pure.

A frame recurs when frames like it are in many videos, and only a part of its own video does: thirty copies of one film
recur as a whole, and are duplicates. What recurs says little about where something is from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.records import FRAME_NUMBER_BITS
from vsearch.search.components import Components
from vsearch.search.gallery import Track
from vsearch.search.neighbours import Alike, FrameTable

MOST_OF_VIDEO = 0.5  # share of a video's frames that may recur: beyond, the video itself was copied
GAP_FRAMES = 2  # frames between two that recur which belong to the same range

Ints = NDArray[np.int64]


def recurs_from(floor: float) -> float:
    """The cosine from which on frames count as the same material: half-way from what strangers reach, `floor`, to 1."""
    return (1 + floor) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Recurring:
    """What recurs among the frames of a table. marks: (n,) bool of its rows; ids: (r,) int64 public frame ids of those,
    ascending; links: (l, 2) int64 pairs of such ids, in different videos, that are alike.
    """

    marks: NDArray[np.bool_]
    ids: Ints
    links: Ints

    @property
    def videos(self) -> list[int]:
        """The videos that have some of it, ascending."""
        return [int(video) for video in np.unique(self.ids >> FRAME_NUMBER_BITS)]

    def without(self, track: Track) -> Track:
        """The frames of a video that do not recur."""
        recurs = np.isin(track.ids, self.ids)
        return track.only(~recurs) if recurs.any() else track


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A range of a video that recurs elsewhere."""

    video_id: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Material:
    """Ranges that show the same, by video and time."""

    occurrences: tuple[Occurrence, ...]

    @property
    def videos(self) -> int:
        return len({one.video_id for one in self.occurrences})

    @property
    def length_s(self) -> float:
        """How long it usually is."""
        return float(np.median([one.end_s - one.start_s for one in self.occurrences]))


def recurring_frames(found: Sequence[Alike], table: FrameTable, *, videos: int | None, least: float) -> Recurring:
    """The frames that at least `videos` videos show, their own among them, with a cosine of `least`; and those that
    these are like (None: nothing recurs).

    found: of `neighbours.alike`, with `most` no smaller than `videos` and its `least` no higher.
    """
    marks = np.zeros(len(table), bool)
    if videos is not None:
        near = [batch.at_least(least) for batch in found]
        for batch in near:
            marks |= np.bincount(batch.rows, minlength=len(table)) >= videos - 1
        seen_by = [batch.others[marks[batch.rows]] for batch in near]
        marks[np.concatenate([np.flatnonzero(marks), *seen_by])] = True
        number = np.unique(table.videos, return_inverse=True)[1]
        share = np.bincount(number, marks) / np.maximum(np.bincount(number), 1)
        marks &= (share <= MOST_OF_VIDEO)[number]
    if not marks.any():
        return Recurring(marks, np.empty(0, np.int64), np.empty((0, 2), np.int64))
    links = []
    for batch in near:
        both = marks[batch.rows] & marks[batch.others]
        links.append(np.stack([table.ids[batch.rows[both]], table.ids[batch.others[both]]], axis=1))
    return Recurring(marks, table.ids[marks], np.concatenate(links))


def materials(recurring: Recurring, tracks: Iterable[Track], *, videos: int) -> list[Material]:
    """Ranges of frames that recur, those joined that show the same: what is in most videos first, then the longest.

    tracks: the videos that have some (`Gallery.tracks`). What is left in fewer than half of `videos` videos, since only
    whole copies show the rest, is not listed.
    """
    ids, numbers, occurrences = [np.empty(0, np.int64)], [np.empty(0, np.int64)], list[Occurrence]()
    for track in tracks:
        for rows in _ranges(track, recurring.ids):
            ids.append(track.ids[rows])
            numbers.append(np.full(len(rows), len(occurrences)))
            occurrences.append(Occurrence(track.video_id, float(track.times_s[rows[0]]), float(track.ends_s[rows[-1]])))
    known, number = np.concatenate(ids), np.concatenate(numbers)
    there = np.isin(recurring.links, known).all(axis=1)  # another process may have removed a video since
    linked = number[np.searchsorted(known, recurring.links[there])]
    joined = Components(range(len(occurrences)))
    for one, other in np.unique(linked, axis=0).tolist():
        joined.join(one, other)
    found = [Material(tuple(occurrences[i] for i in group)) for group in joined.groups()]
    listed = [one for one in found if 2 * one.videos >= videos]
    return sorted(listed, key=lambda one: (-one.videos, -one.length_s, one.occurrences[0].video_id))


def _ranges(track: Track, ids: Ints) -> Iterator[Ints]:
    """Rows of a video's frames that recur, split where something else lies between."""
    rows = np.flatnonzero(np.isin(track.ids, ids))
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(rows) > GAP_FRAMES + 1) + 1)
