"""Search by example: frame neighbours from an index, exact similarities from the database, alignment, ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.records import FRAME_NUMBER_BITS, Segment
from vsearch.search.align import DisjointIn, align, align_still
from vsearch.search.ann.base import AnnIndex
from vsearch.search.calibration import Judge, uncalibrated
from vsearch.search.gallery import Gallery, Track
from vsearch.search.pair import AlignSettings, Timing
from vsearch.search.queries.base import QueryFrames
from vsearch.search.rank import Match, rank
from vsearch.search.structure import query_rows

DEFAULT_MIN_SIMILARITY = 0.0
CANDIDATES = 16  # videos whose frames are all compared, at least
CANDIDATES_A_HIT = 2  # or so many for each hit that is asked for
ROUNDING = 1e-3  # what an exact index's cosines may differ from the database's by
FIRST_PLACES = 8  # segments of one video that are sought first where there is no limit
HELD_NEIGHBOURS = 1 << 22  # neighbours that are held at once while all above a similarity are looked for
RECURRING_WEIGHT = 0.1  # of a query frame that recurs, where others do not
MOST_RECURRING = 0.8  # of a query, above which nothing of it is weighed down

Neighbours = tuple[NDArray[np.float32], NDArray[np.int64]]  # scores and ids, both (m, k), best first


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When a query frame counts as a title, an advert or an ident: so many videos of the library have a frame with this
    cosine. Such frames say little about where a query is from.
    """

    videos: int
    cosine: float


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How widely one search looks.

    neighbours: library frames asked for each query frame; most_neighbours: at most so many, asked for when a few videos
    take all places. candidates: videos whose frames are all compared (or 2 for every hit asked for); None: every one
    with a frame that reaches the least similarity, which none without such a frame can reach as a whole.
    query_batch: query frames handed to the index at once. params: for the index (`AnnIndex.search`). recurrence: what
    loses weight (None: nothing does).
    """

    neighbours: int = 64
    most_neighbours: int = 1024
    candidates: int | None = CANDIDATES
    query_batch: int = 256
    align: AlignSettings = field(default_factory=AlignSettings)
    params: Mapping[str, Any] | None = None
    recurrence: Recurrence | None = None


def find(
    query: QueryFrames,
    gallery: Gallery,
    index: AnnIndex,
    *,
    k: int | None = 10,
    min_similarity: float = DEFAULT_MIN_SIMILARITY,
    per_video: int | None = 1,
    allowed: NDArray[np.int64] | None = None,
    parts: NDArray[np.int64] | None = None,
    judge: Judge | None = None,
    settings: SearchSettings | None = None,
    watch: Callable[[Track, Match], None] | None = None,
) -> list[Match]:
    """The best `k` aligned segments for a query, best first; fewer, or none, when nothing else is similar enough.

    index: over the frames of `gallery`. per_video: segments of one video, disjoint in it. k, per_video: None for all
    that are similar enough. allowed: (n,) int64 frame ids, ascending, only videos with these may be found. parts: as
    for `Track.parts`, all that may be found of a video: each is searched as if it were one (None: whole videos; else
    allowed: the frames in them). judge: gives segments probabilities for scores. watch: is shown the best match of each
    video as it is found, first that of the video with the strongest neighbours. Raises AnnError when the query has
    other dimensions, and what the gallery raises.
    """
    settings = settings or SearchSettings()
    query = query.informative()
    if len(query.vectors) == 0 or len(index) == 0 or (allowed is not None and len(allowed) == 0):
        return []
    known = _Neighbours(query, index, settings)
    query = replace(query, weights=_discounted(query, known, settings.recurrence))
    within = known if allowed is None else _Neighbours(query, index, settings, allowed)
    if settings.candidates is None:
        videos = _videos_reaching(query, index, min_similarity - ROUNDING, allowed=allowed, settings=settings)
    else:
        candidates = max(settings.candidates, CANDIDATES_A_HIT * (k or 0))
        videos = _candidate_videos(query, within, candidates)
    matches: list[Match] = []
    probable = judge.of(query) if judge is not None else uncalibrated
    for track in _likeliest_first(gallery, videos):
        found = [
            Match(track.video_id, probable(track, segment), query.view)
            for part in parts_of(track, parts)
            for segment in _segments(query, part, per_video, min_similarity, settings.align)
        ]
        matches += found
        best = rank(found, k=1, min_similarity=min_similarity)
        if watch is not None and best:
            watch(track, best[0])
    return rank(matches, k=k, min_similarity=min_similarity, per_video=per_video)


class Places:
    """Where a query is in single videos, besides where it was found. judge, parts: as for `find`."""

    def __init__(
        self,
        query: QueryFrames,
        index: AnnIndex,
        judge: Judge | None,
        settings: SearchSettings,
        parts: NDArray[np.int64] | None = None,
    ) -> None:
        self._asked, self._index, self._judge, self._settings = query, index, judge, settings
        self._parts = parts

    @cached_property
    def _query(self) -> QueryFrames:
        return discounted(self._asked.informative(), self._index, self._settings)

    @cached_property
    def _probable(self) -> Callable[[Track, Segment], Segment]:
        return uncalibrated if self._judge is None else self._judge.of(self._query)

    def beside(self, track: Track, segment: Segment, *, most: int) -> list[Segment]:
        """Of so many of the query's best places in a video, disjoint in it, those that do not touch a segment."""
        segments = [
            one
            for part in parts_of(track, self._parts)
            for one in segments_of(self._query, part, max_segments=most, settings=self._settings.align)
        ]
        segments.sort(key=lambda one: (-one.score, one.start_s))
        others = [one for one in segments[:most] if one.end_s <= segment.start_s or one.start_s >= segment.end_s]
        return [self._probable(track, one) for one in others]


def discounted(query: QueryFrames, index: AnnIndex, settings: SearchSettings) -> QueryFrames:
    """The query with little weight on frames that recur in the library; unchanged where none does, or most do."""
    return replace(query, weights=_discounted(query, _Neighbours(query, index, settings), settings.recurrence))


class _Neighbours:
    """The neighbours of a query's frames, as many as were needed so far.

    allowed: the only ids that may be found, ascending (None: all).
    """

    def __init__(
        self,
        query: QueryFrames,
        index: AnnIndex,
        settings: SearchSettings,
        allowed: NDArray[np.int64] | None = None,
    ) -> None:
        self._query, self._index, self._settings, self._allowed = query, index, settings, allowed
        available = len(index) if allowed is None else len(allowed)
        self.least, self.most = min(settings.neighbours, available), min(settings.most_neighbours, available)
        self._found: list[Neighbours] = []

    def nearest(self) -> Iterator[Neighbours]:
        """Scores and ids (m, k), first of few, then of four times as many, up to the most that are asked for."""
        yield from self._found
        while not self._found or self._found[-1][0].shape[1] < self.most:
            k = self.least if not self._found else min(4 * self._found[-1][0].shape[1], self.most)
            self._found.append(self.asked(self._query.vectors, k))
            yield self._found[-1]

    def asked(self, vectors: NDArray[np.float32], k: int) -> Neighbours:
        """Scores and ids (m, k) of these vectors (m, d) of the query."""
        step = self._settings.query_batch
        parts = [
            self._index.search(vectors[i : i + step], k, allowed=self._allowed, params=self._settings.params)
            for i in range(0, len(vectors), step)
        ]
        return np.concatenate([scores for scores, _ in parts]), np.concatenate([ids for _, ids in parts])


def _discounted(query: QueryFrames, known: _Neighbours, recurrence: Recurrence | None) -> NDArray[np.float32]:
    """(m,) the frames' weights, lower for those that recur where others do not.

    A picture recurs or does not as a whole, and where most of the query recurs, it is a title that is asked for, or
    something that was copied often: nothing is weighed down.
    """
    if recurrence is None or len(query.vectors) < 2 or known.most < recurrence.videos:
        return query.weights
    recurs = np.zeros(len(query.vectors), bool)
    scores, ids = next(known.nearest())
    waiting, k = np.arange(len(query.vectors)), known.least
    while True:
        near = scores >= recurrence.cosine
        videos = [np.unique(row[there] >> FRAME_NUMBER_BITS) for row, there in zip(ids, near, strict=True)]
        recurs[waiting] = [len(seen) >= recurrence.videos for seen in videos]
        # where all neighbours are near, but of a few videos that show it long, there may be more
        waiting = waiting[near.all(axis=1) & ~recurs[waiting]]
        if len(waiting) == 0 or k >= known.most:
            break
        k = min(4 * k, known.most)
        scores, ids = known.asked(query.vectors[waiting], k)
    if query.weights[recurs].sum() > MOST_RECURRING * query.weights.sum():
        return query.weights
    return query.weights * np.where(recurs, np.float32(RECURRING_WEIGHT), np.float32(1))


def _candidate_videos(query: QueryFrames, known: _Neighbours, count: int) -> list[int]:
    """Ids of the videos with the strongest neighbours, best first; more neighbours are asked for while they are few."""
    for scores, ids in known.nearest():
        videos, evidence = _evidence(scores, ids, query.weights)
        if len(videos) >= count:
            break
    best = np.argsort(-evidence, kind="stable")[:count]
    return [int(video) for video in videos[best]]


def _likeliest_first(gallery: Gallery, videos: Sequence[int]) -> Iterator[Track]:
    """The tracks of videos: the first one's first, so that it can be looked at while the others are aligned."""
    yield from gallery.tracks(videos[:1])
    yield from gallery.tracks(sorted(videos[1:]))


def _videos_reaching(
    query: QueryFrames,
    index: AnnIndex,
    similarity: float,
    *,
    allowed: NDArray[np.int64] | None,
    settings: SearchSettings,
) -> list[int]:
    """Ids of all videos with a frame at least so similar to a query frame, ascending.

    Query frames whose last neighbour still is are asked again for more.
    """
    available = len(index) if allowed is None else len(allowed)
    k = min(settings.neighbours, available)
    found: set[int] = set()
    waiting = query.vectors
    while len(waiting):
        step = max(1, min(settings.query_batch, HELD_NEIGHBOURS // k))
        full = np.zeros(len(waiting), bool)
        for start in range(0, len(waiting), step):
            part = waiting[start : start + step]
            scores, ids = index.search(part, k, allowed=allowed, params=settings.params)
            full[start : start + step] = scores[:, -1] >= similarity
            found.update(np.unique(ids[(ids >= 0) & (scores >= similarity)] >> FRAME_NUMBER_BITS).tolist())
        waiting = waiting[full] if k < available else waiting[:0]
        k = min(16 * k, available)
    return sorted(found)


def _evidence(
    scores: NDArray[np.float32], ids: NDArray[np.int64], weights: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Videos (v,) among the neighbours, and for each how far its best frames stand above the query frames' last ones.

    The last neighbour tells how common a query frame is: a frame that resembles everything says little about any video.
    """
    rows, columns = np.nonzero(ids >= 0)
    if len(rows) == 0:
        return np.empty(0, np.int64), np.empty(0)
    found = scores[rows, columns]
    last = np.full(len(scores), np.inf)
    np.minimum.at(last, rows, found)
    videos, places = np.unique(ids[rows, columns] >> FRAME_NUMBER_BITS, return_inverse=True)
    best = np.full(len(videos) * len(scores), -np.inf)
    np.maximum.at(best, places * len(scores) + rows, found)
    above = best.reshape(len(videos), len(scores)) - last + 1e-3
    return videos, np.maximum(above, 0.0) @ weights.astype(np.float64)


def parts_of(track: Track, parts: NDArray[np.int64] | None) -> list[Track]:
    """The parts of a video in which something may be found, as `Track.parts` takes them; None: all of it."""
    if len(track.vectors) == 0:
        return []
    return [track] if parts is None else track.parts(parts)


def _segments(
    query: QueryFrames, track: Track, per_video: int | None, floor: float, settings: AlignSettings
) -> list[Segment]:
    """The segments of one video, best first; without a limit until one falls below the floor."""
    limit = per_video or FIRST_PLACES
    while True:
        segments = segments_of(query, track, max_segments=limit, settings=settings)
        if per_video is not None or len(segments) < limit or min(s.similarity for s in segments) < floor:
            return segments
        limit *= 4


def segments_of(
    query: QueryFrames,
    track: Track,
    *,
    max_segments: int,
    settings: AlignSettings,
    disjoint_in: DisjointIn = "video",
) -> list[Segment]:
    """The best segments of a query and one video, or the part of it that is looked at, as `align` gives them.

    Both sides hold informative frames only.
    """

    def columns(start: int, stop: int) -> NDArray[np.float32]:
        return query.vectors @ track.vectors[start:stop].T

    video = Timing(track.times_s, *track.extent_s)
    if query.still:
        segments = align_still(columns, video, track.ends_s, max_segments=max_segments)
    else:
        segments = align(
            columns,
            Timing(query.times_s, query.start_s, query.end_s),
            video,
            weights=query.weights,
            max_segments=max_segments,
            disjoint_in=disjoint_in,
            settings=settings,
        )
    return segments if track.part_s is None else [_of_part(segment, query, track) for segment in segments]


def _of_part(segment: Segment, query: QueryFrames, track: Track) -> Segment:
    """A segment of a part, which alignment took for a video: with the share of the whole video that it is."""
    if len(track.vectors) == 1 and not query.still:
        segment = _shown_once(segment, query, track.vectors[0])
    return replace(segment, video_coverage=min(1.0, (segment.end_s - segment.start_s) / track.duration_s))


def _shown_once(segment: Segment, query: QueryFrames, frame: NDArray[np.float32]) -> Segment:
    """A segment of a part with one frame (d,), which has no line: of the query what begins with the frame most like it,
    for as long as the part lasts (a still, unlike a part, stands for all of a query that shows it).
    """
    rows = query_rows(query, segment)
    start_s = float(query.times_s[rows[(query.vectors[rows] @ frame).argmax()]])
    end_s = min(query.end_s, start_s + segment.end_s - segment.start_s)
    share = (end_s - start_s) / max(segment.query_end_s - segment.query_start_s, 1e-9)
    coverage = min(1.0, segment.query_coverage * share)
    return replace(segment, query_start_s=start_s, query_end_s=end_s, query_coverage=coverage)
