"""The library against itself: which frames of other videos are like each frame. Pure numpy.

Asking an index for every frame would compare all with all where the index is exact, and a video that resembles itself
would fill every place among its own neighbours. Instead frames are sorted into cells around centres (a few rounds of
k-means), each frame is compared with the members of the few cells nearest to it by matrix products, its own video is
left out, and of every other video only the best member counts. With cells in proportion to the square root of the
number of frames n, all of it takes n^1.5; small libraries are one cell, which is exact.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.records import FRAME_NUMBER_BITS
from vsearch.search.gallery import Gallery

_log = logging.getLogger(__name__)

Ints = NDArray[np.int64]
BLOCK = 1 << 21  # cosines held at once


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How thoroughly frames are compared.

    exact_up_to: frames up to which all are compared with all. cells: so many times the square root of the number of
    frames. probes: cells that each frame is compared with. rounds, sample: of k-means, and frames a cell it looks at.
    of_video: members of one video in one cell, evenly spread, that stand for the rest: a fixed camera fills no cell.
    members: of one cell, evenly spread, likewise: what hundreds of videos share is known well enough from some of them.
    batch: frames that ask at once, about.
    """

    exact_up_to: int = 8192
    cells: float = 4.0
    probes: int = 4
    rounds: int = 4
    sample: int = 32
    of_video: int = 32
    members: int = 8192
    batch: int = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable:
    """The informative frames of a library. ids: (n,) int64, ascending public frame ids; vectors: (n, d) float16."""

    ids: Ints
    vectors: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def videos(self) -> Ints:
        """(n,) int64 video ids, ascending."""
        return np.asarray(self.ids >> FRAME_NUMBER_BITS)

    def unit(self, rows: Ints | slice) -> NDArray[np.float32]:
        """(m, d) float32 vectors of some rows."""
        return self.vectors[rows].astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Pairs of frames (t,), by frame, then the other video: `rows` of the table, in `others` the row of the most
    similar frame of another video, `cosines` float32."""

    rows: Ints
    others: Ints
    cosines: NDArray[np.float32]

    def at_least(self, cosine: float) -> Alike:
        """The pairs that reach a cosine."""
        return self._only(self.cosines >= cosine)

    def without(self, ignored: NDArray[np.bool_]) -> Alike:
        """The pairs of which no frame is ignored. ignored: (n,) bool, by row of the table."""
        return self._only(~(ignored[self.rows] | ignored[self.others]))

    def _only(self, keep: NDArray[np.bool_]) -> Alike:
        return Alike(self.rows[keep], self.others[keep], self.cosines[keep])


def frame_table(gallery: Gallery) -> FrameTable:
    """Every informative frame of a library, read once. Raises what the gallery's source raises."""
    ids, vectors = [np.empty(0, np.int64)], []
    for stored in gallery.source.embedding_blocks(gallery.head_id):
        block = stored.block
        keep = np.flatnonzero(~block.low_information)
        ids.append((stored.video_id << FRAME_NUMBER_BITS | block.first_frame) + keep)
        vectors.append(block.unit_vectors()[keep].astype(np.float16))
    every, found = np.concatenate(ids), np.concatenate(vectors) if vectors else np.empty((0, 1), np.float16)
    order = np.argsort(every, kind="stable")
    if (np.diff(order) != 1).any():
        every, found = every[order], found[order]
    return FrameTable(every, found)


def alike(
    table: FrameTable, *, least: float, most: int, settings: JoinSettings = JoinSettings(), seed: int = 0
) -> Iterator[Alike]:
    """For each frame the other videos with a frame of at least `least` cosine, at most the `most` nearest of them.

    In batches of whole videos, in order. Above `settings.exact_up_to` frames a neighbour can be missed, never invented.
    """
    cells = _Cells.of(table, settings, seed)
    videos = table.videos
    for rows in _batches(videos, settings.batch):
        if found := list(_in_cells(table, videos, rows, cells, least, most)):
            asking, others, cosines = zip(*found, strict=True)
            yield _best(np.concatenate(asking), np.concatenate(others), np.concatenate(cosines), videos, most)


def _batches(videos: Ints, size: int) -> Iterator[Ints]:
    """Rows in batches of at least `size`, but for the last, that never split a video."""
    ends = np.append(np.flatnonzero(np.diff(videos)) + 1, len(videos))
    start = 0
    while start < len(videos):
        stop = int(ends[min(int(np.searchsorted(ends, start + size)), len(ends) - 1)])
        yield np.arange(start, stop)
        start = stop


# Cells


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """centres (c, d) float32; the members of cell i are rows `order[starts[i]:starts[i + 1]]`, ascending."""

    centres: NDArray[np.float32]
    order: Ints
    starts: Ints
    probes: int

    @staticmethod
    def of(table: FrameTable, settings: JoinSettings, seed: int) -> _Cells:
        n = len(table)
        if n <= settings.exact_up_to:
            return _Cells(np.zeros((1, table.vectors.shape[1]), np.float32), np.arange(n), np.array([0, n]), 1)
        count = max(1, round(settings.cells * n**0.5))
        centres = _centres(table, count, settings, np.random.default_rng(seed))
        cell = np.empty(n, np.int64)
        for start in range(0, n, settings.batch):
            stop = min(start + settings.batch, n)
            cell[start:stop] = _nearest(table.unit(slice(start, stop)), centres, 1)[:, 0]
        order = np.argsort(cell, kind="stable")
        order = order[_thinned(cell[order], table.videos[order], settings)]
        if len(order) < n:
            _log.info("%d of %d frames are compared through others like them in their cells", n - len(order), n)
        starts = np.searchsorted(cell[order], np.arange(count + 1))
        return _Cells(centres, order, starts, min(settings.probes, count))


def _centres(table: FrameTable, count: int, settings: JoinSettings, rng: np.random.Generator) -> NDArray[np.float32]:
    """(count, d) unit centres by k-means on a sample, from frames drawn at random."""
    drawn = np.sort(rng.choice(len(table), min(len(table), settings.sample * count), replace=False))
    points = table.unit(drawn)
    centres = points[rng.choice(len(points), count, replace=False)]
    for _ in range(settings.rounds):
        label = np.concatenate([_nearest(part, centres, 1)[:, 0] for part in _parts(points, settings.batch)])
        order = np.argsort(label, kind="stable")
        there, first = np.unique(label[order], return_index=True)
        sums = np.add.reduceat(points[order], first, axis=0)
        centres = centres.copy()  # an empty cell keeps its centre
        centres[there] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def _nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32], p: int) -> Ints:
    """(m, p) the nearest centres of each vector, in no order."""
    found = []
    for part in _parts(vectors, max(1, BLOCK // len(centres))):
        cosines = part @ centres.T
        found.append(cosines.argmax(axis=1)[:, None] if p == 1 else np.argpartition(-cosines, p - 1, axis=1)[:, :p])
    return np.concatenate(found)


def _parts(vectors: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(vectors), size):
        yield vectors[start : start + size]


def _thinned(cell: Ints, video: Ints, settings: JoinSettings) -> NDArray[np.bool_]:
    """Which members stay, (n,) bool, sorted by cell, then video: evenly spread ones of each video, and of each cell."""
    kept = _evenly(_begins(cell) | _begins(video), settings.of_video)
    left = np.flatnonzero(kept)
    kept[left[~_evenly(_begins(cell[left]), settings.members)]] = False
    return kept


def _begins(values: Ints) -> NDArray[np.bool_]:
    """Where a value differs from the one before it (ids and numbers: none is negative)."""
    return np.asarray(np.diff(values, prepend=-1) != 0)


def _evenly(begins: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Of each run of things, which begins where `begins` says: all, or `most` that are evenly spread over it."""
    firsts = np.flatnonzero(begins)
    lengths = np.diff(np.append(firsts, len(begins)))
    place, length = np.arange(len(begins)) - np.repeat(firsts, lengths), np.repeat(lengths, lengths)
    return np.asarray((length <= most) | ((place + 1) * most // length > place * most // length))


# Comparing

Triples = tuple[Ints, Ints, NDArray[np.float32]]


def _in_cells(table: FrameTable, videos: Ints, rows: Ints, cells: _Cells, least: float, most: int) -> Iterator[Triples]:
    """Pairs of frames, cell by cell; the same frame and other video may come from several."""
    vectors = table.unit(rows)
    near = np.zeros((len(rows), 1), np.int64) if cells.probes == 1 else _nearest(vectors, cells.centres, cells.probes)
    asked = np.argsort(near.ravel(), kind="stable")
    there, firsts = np.unique(near.ravel()[asked], return_index=True)
    for number, asking in zip(there.tolist(), np.split(asked // near.shape[1], firsts[1:]), strict=True):
        members = cells.order[cells.starts[number] : cells.starts[number + 1]]
        if len(members) == 0:
            continue
        theirs = table.unit(members)
        step = max(1, BLOCK // len(members))
        for start in range(0, len(asking), step):
            some = asking[start : start + step]
            for block in _compared(vectors[some] @ theirs.T, videos[rows[some]], videos[members], least, most):
                mine, other, cosines = block
                yield rows[some[mine]], members[other], cosines


def _compared(cosines: NDArray[np.float32], own: Ints, members: Ints, least: float, most: int) -> Iterator[Triples]:
    """Cells of a block of cosines (a, m): the best of every other video, where it is among the `most` best.

    own: (a,) videos that ask; members: (m,) videos of the columns, ascending.
    """
    firsts = np.flatnonzero(_begins(members))
    best = np.maximum.reduceat(cosines, firsts, axis=1)  # (a, v)
    there = members[firsts]
    place = np.minimum(np.searchsorted(there, own), len(there) - 1)
    itself = np.flatnonzero(there[place] == own)
    best[itself, place[itself]] = -np.inf
    bound = np.full((len(best), 1), least, np.float32)
    if best.shape[1] > most:
        bound = np.maximum(bound, -np.partition(-best, most - 1, axis=1)[:, most - 1 : most])
    best[best < bound] = np.inf
    asking = np.flatnonzero((best < np.inf).any(axis=1))
    if len(asking):
        lengths = np.diff(np.append(firsts, len(members)))
        some = cosines[asking]
        mine, column = np.nonzero(some >= np.repeat(best[asking], lengths, axis=1))
        yield asking[mine], column, some[mine, column]


def _best(rows: Ints, others: Ints, cosines: NDArray[np.float32], videos: Ints, most: int) -> Alike:
    """Each frame and other video once, with the best frame of it; of each frame the `most` best."""
    order = np.lexsort((others, -cosines, videos[others], rows))
    rows, others, cosines = rows[order], others[order], cosines[order]
    first = _begins(rows) | _begins(videos[others])
    rows, others, cosines = rows[first], others[first], cosines[first]
    by_cosine = np.lexsort((others, -cosines, rows))
    firsts = np.flatnonzero(_begins(rows[by_cosine]))
    rank = np.empty(len(rows), np.int64)
    rank[by_cosine] = np.arange(len(rows)) - np.repeat(firsts, np.diff(np.append(firsts, len(rows))))
    kept = rank < most
    return Alike(rows[kept], others[kept], cosines[kept])
