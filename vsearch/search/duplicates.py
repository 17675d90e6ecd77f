"""What belongs together in a library: pairs of videos that share material, how they do, and groups of them.

Frames that are alike propose pairs (`neighbours`), each pair with enough evidence is aligned as a search would align
it, from the exact vectors, and the pairs that are kept make groups: their connected components.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Segment
from vsearch.search.calibration import Background, Calibration, Judge, Looks, uncalibrated
from vsearch.search.components import Components
from vsearch.search.engine import segments_of
from vsearch.search.gallery import Gallery, Track
from vsearch.search.looking import Looker, PicturesOf, Shown
from vsearch.search.neighbours import Alike, FrameTable, JoinSettings, alike, frame_table
from vsearch.search.pair import AlignSettings
from vsearch.search.queries.base import QueryFrames
from vsearch.search.recurring import Recurring, recurring_frames, recurs_from
from vsearch.search.segments import support_share

VideoPair = tuple[int, int]  # video ids, ascending

WHOLE = 0.8  # share of a video's length from which on the whole of it counts as matched
DUPLICATE = 0.6  # the score from which on a range counts with a head that was not calibrated (docs/search.md)
TIMELINES_AT_ONCE = 4096
WORTH_A_LOOK = 0.1  # the probability from which on the pictures of a range are compared
LEAST_LEFT_S = 1.0  # of both videos, outside the first range that they share, before a second one is looked for
USED_TWICE = 0.2  # share of a range that may lie in a better one of the same video


@dataclass(frozen=True, slots=True)
class DuplicateSettings:
    """How widely a library is compared with itself.

    neighbours: other videos that each frame may speak for. slack: how much less alike than a pair a frame may be, and
    still speak for it. partners: pairs that each video proposes, those that could score highest. ranges: that a pair
    may share, at most. asked_frames: of a longer video only so many ask, evenly spread. held_frames: whose vectors are
    in memory while pairs are aligned.
    """

    neighbours: int = 16
    slack: float = 0.05
    partners: int = 24
    ranges: int = 8
    asked_frames: int = 4096
    held_frames: int = 1 << 19
    join: JoinSettings = field(default_factory=JoinSettings)
    align: AlignSettings = field(default_factory=AlignSettings)


@dataclass(frozen=True, slots=True)
class SharedRange:
    """A range of video a and the range of video b that shows the same. rate: seconds of b a second of a."""

    a_start_s: float
    a_end_s: float
    b_start_s: float
    b_end_s: float
    rate: float
    similarity: float
    score: float

    def swapped(self) -> SharedRange:
        """The same seen from the other side."""
        return SharedRange(
            a_start_s=self.b_start_s,
            a_end_s=self.b_end_s,
            b_start_s=self.a_start_s,
            b_end_s=self.a_end_s,
            rate=1 / self.rate,
            similarity=self.similarity,
            score=self.score,
        )


@dataclass(frozen=True, slots=True)
class SharedPair:
    """Two videos that share material. ranges: best first, disjoint but for their edges, in both videos. coverage_a,
    coverage_b: how much of each length they cover.
    """

    a: int
    b: int
    ranges: tuple[SharedRange, ...]
    coverage_a: float
    coverage_b: float

    @property
    def relation(self) -> str:
        """`same`: both are covered whole; `contained`: one of them is (`inner`); else `overlapping`."""
        whole = (self.coverage_a >= WHOLE) + (self.coverage_b >= WHOLE)
        return ("overlapping", "contained", "same")[whole]

    @property
    def inner(self) -> int | None:
        """The video that is contained in the other; None where neither is, or both are."""
        if self.relation != "contained":
            return None
        return self.a if self.coverage_a >= WHOLE else self.b

    @property
    def similarity(self) -> float:
        return self.ranges[0].similarity

    @property
    def score(self) -> float:
        return self.ranges[0].score


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """Pairs that share material, by ids; what recurs; how many videos and pairs were looked at on the way."""

    pairs: tuple[SharedPair, ...]
    recurring: Recurring
    videos: int
    aligned: int


@dataclass(frozen=True, slots=True, eq=False)
class Bar:
    """What counts. floor: the similarity below which unrelated material lies, as measured for the head. threshold: the
    score that a range must reach; looked: that of one whose pictures were compared. calibration, and background (n, d)
    float32: what a head gives probabilities by; None for one that was not calibrated.
    """

    floor: float
    threshold: float
    looked: float = 0.0
    calibration: Calibration | None = None
    background: NDArray[np.float32] | None = None

    @property
    def least(self) -> float:
        """The similarity below which a pair is not looked at."""
        return self.floor if self.calibration is not None else min(self.floor, self.threshold)

    def reached(self, segment: Segment) -> bool:
        return segment.score >= (self.threshold if segment.details is None else self.looked)

    def judge(self, gallery: Gallery, table: FrameTable) -> Judge | None:
        """What gives ranges of this library their probabilities, as a search would."""
        if self.calibration is None or self.background is None:
            return None
        return Judge(self.calibration, Background.of(self.background, gallery, table.ids))


def find_duplicates(
    gallery: Gallery,
    bar: Bar,
    *,
    recurring: int | None,
    apart: Collection[VideoPair] = (),
    pictures: PicturesOf | None = None,
    settings: DuplicateSettings | None = None,
) -> Duplicates:
    """Every pair of videos that share a range whose score reaches the bar.

    pictures: of the videos, to be compared where vectors say that it is worth it (None: there are none).
    recurring: material that is in so many videos counts for nothing (None: all counts; see `recurring_frames`). apart:
    pairs that are left out. Raises what the gallery's source raises.
    """
    settings = settings or DuplicateSettings()
    table = frame_table(gallery)
    found, known = _near(table, bar, recurring, settings)
    sides = _Sides.of(gallery, table, known.marks)
    wanted = proposals(found, table, sides, least=bar.least, ignored=known.marks, settings=settings)
    marked = frozenset(apart)
    wanted = [pair for pair in wanted if pair not in marked]
    pairs = tuple(_aligned(gallery, table, wanted, known, bar, pictures, settings))
    return Duplicates(pairs, known, videos=len(np.unique(table.videos)), aligned=len(wanted))


def find_recurring(
    gallery: Gallery, bar: Bar, *, videos: int, settings: DuplicateSettings | None = None
) -> tuple[Recurring, int]:
    """What recurs in at least `videos` videos, and how many there are; no pair is aligned."""
    table = frame_table(gallery)
    _, known = _near(table, bar, videos, settings or DuplicateSettings())
    return known, len(np.unique(table.videos))


def _near(
    table: FrameTable, bar: Bar, recurring: int | None, settings: DuplicateSettings
) -> tuple[list[Alike], Recurring]:
    """Which frames are alike, and which of them recur."""
    most = max(settings.neighbours, recurring or 0)
    found = list(alike(table, least=bar.least - settings.slack, most=most, settings=settings.join))
    return found, recurring_frames(found, table, videos=recurring, least=recurs_from(bar.floor))


# Which videos may share something


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """What is known of the videos (v,) of a table before their pairs are aligned, by id, ascending.

    frames: those that speak for something; intervals_s: the usual distance of two of them.
    """

    videos: NDArray[np.int64]
    frames: NDArray[np.int64]
    intervals_s: NDArray[np.float64]

    @staticmethod
    def of(gallery: Gallery, table: FrameTable, ignored: NDArray[np.bool_]) -> _Sides:
        videos, frames = np.unique(table.videos[~ignored], return_counts=True)
        intervals = np.ones(len(videos))
        for start in range(0, len(videos), TIMELINES_AT_ONCE):
            some = videos[start : start + TIMELINES_AT_ONCE].tolist()
            for video, timeline in gallery.source.timelines(some).items():
                number = int(np.searchsorted(videos, video))
                mean = (timeline.end_pts - timeline.start_pts) / frames[number]
                usual = float(np.median(np.diff(timeline.pts))) if len(timeline.pts) > 1 else mean
                intervals[number] = max(mean, usual) * float(timeline.time_base)
        return _Sides(videos, frames, intervals)

    def at(self, videos: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        place = np.searchsorted(self.videos, videos)
        return self.frames[place], self.intervals_s[place]


def proposals(
    found: Iterable[Alike],
    table: FrameTable,
    sides: _Sides,
    *,
    least: float,
    ignored: NDArray[np.bool_],
    settings: DuplicateSettings,
) -> list[VideoPair]:
    """Pairs of videos that could share a range whose uncalibrated score is `least` or more, ascending; of each video
    those that could reach the highest.

    No alignment can give a pair a higher score than its most similar frames would, were they all on one line. ignored:
    (n,) frames of the table that speak for nothing.
    """
    parts = [_bounds(batch.without(ignored), table, sides, least, settings) for batch in found]
    if not parts:
        return []
    pairs, bounds = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((pairs[:, 1], -bounds, pairs[:, 0]))
    firsts = np.flatnonzero(np.diff(pairs[order, 0], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(firsts, np.diff(np.append(firsts, len(order))))
    chosen = np.sort(pairs[order[rank < settings.partners]], axis=1)
    return [(a, b) for a, b in np.unique(chosen, axis=0).tolist()]


def _bounds(
    batch: Alike, table: FrameTable, sides: _Sides, least: float, settings: DuplicateSettings
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of one batch of whole videos: (asking, found) videos (p, 2) that can reach `least`, and their bounds (p,).

    The bound is the best of: the most similar m frames alone, whose support is m intervals; all frames, where those
    that were not found count as much as they can without having been.
    """
    asking, other = table.videos[batch.rows], table.videos[batch.others]
    order = np.lexsort((-batch.cosines, other, asking))
    asking, other, cosines = asking[order], other[order], batch.cosines[order].astype(np.float64)
    firsts = np.flatnonzero((np.diff(asking, prepend=-1) != 0) | (np.diff(other, prepend=-1) != 0))
    lengths = np.diff(np.append(firsts, len(order)))
    place = np.arange(len(order)) - np.repeat(firsts, lengths) + 1
    before = np.concatenate([[0.0], np.cumsum(cosines)])
    sums = before[1:] - np.repeat(before[firsts], lengths)

    frames, intervals = sides.at(asking)
    frames = np.minimum(frames, sides.at(other)[0])  # the shorter one is asked for in the longer one
    possible = (frames - 0.5) * intervals
    share = support_share(np.minimum(place * intervals, possible), possible, settings.align.half_support_s)
    alone = sums / place * share
    together = (sums + np.maximum(frames - place, 0) * (least - settings.slack)) / np.maximum(frames, place)
    bounds = np.maximum.reduceat(np.maximum(alone, together), firsts) if len(firsts) else np.empty(0)
    keep = bounds >= least
    return np.stack([asking[firsts], other[firsts]], axis=1)[keep], bounds[keep]


# What they share


def _aligned(
    gallery: Gallery,
    table: FrameTable,
    wanted: Sequence[VideoPair],
    known: Recurring,
    bar: Bar,
    pictures: PicturesOf | None,
    settings: DuplicateSettings,
) -> Iterator[SharedPair]:
    """The pairs that share a range of a sufficient score, from the vectors in the database."""
    judge = bar.judge(gallery, table)
    looks = bar.calibration.looks if bar.calibration is not None else None
    for some in _batches(wanted, table, settings.held_frames):
        videos = sorted({video for pair in some for video in pair})
        left = (known.without(track) for track in gallery.tracks(videos))
        sides = {
            track.video_id: Side.of(track, judge, settings, pictures, looks) for track in left if len(track.vectors)
        }
        for a, b in some:
            if a in sides and b in sides:  # another process may have removed one since
                pair = shared(sides[a], sides[b], bar, settings=settings)
                if pair is not None:
                    yield pair


def _batches(wanted: Sequence[VideoPair], table: FrameTable, held_frames: int) -> Iterator[list[VideoPair]]:
    """Pairs in batches whose videos have about so many frames together."""
    videos, counts = np.unique(table.videos, return_counts=True)
    sizes = dict(zip(videos.tolist(), counts.tolist(), strict=True))
    batch: list[VideoPair] = []
    held: set[int] = set()
    frames = 0
    for pair in wanted:
        batch.append(pair)
        frames += sum(sizes[video] for video in pair if video not in held)
        held.update(pair)
        if frames >= held_frames:
            yield batch
            batch, held, frames = [], set(), 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A video as it is searched, and as it asks. scored: gives segments their probabilities, if they have any."""

    track: Track
    query: QueryFrames
    scored: Callable[[Track, Segment], Segment]

    @staticmethod
    def of(
        track: Track,
        judge: Judge | None,
        settings: DuplicateSettings,
        pictures: PicturesOf | None = None,
        looks: Looks | None = None,
    ) -> Side:
        """Of a video with frames; of a long one evenly spread frames ask."""
        n, most = len(track.vectors), settings.asked_frames
        rows = np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)
        query = QueryFrames(
            vectors=track.vectors[rows],
            times_s=track.times_s[rows],
            weights=np.ones(len(rows), np.float32),
            start_s=0.0,
            end_s=track.duration_s,
            still=n == 1,
        )
        probable = judge.besides(track.video_id).of(query) if judge is not None else uncalibrated
        if pictures is None or looks is None:
            return Side(track, query, probable)
        shown = Shown.stored(query.times_s, track.video_id, track.numbers[rows], pictures)

        def scored(other: Track, segment: Segment) -> Segment:
            segment = probable(other, segment)
            # a looker of its own keeps no details: there are as many sides as videos
            return Looker(shown, pictures, looks).at(other, segment) if segment.score >= WORTH_A_LOOK else segment

        return Side(track, query, scored)


def shared(a: Side, b: Side, bar: Bar, *, settings: DuplicateSettings) -> SharedPair | None:
    """What two videos share; None when nothing reaches the bar.

    The shorter one is asked for in the longer one. Unless all of it is there, the longer one is asked for as well, and
    the better answer taken: alignment would rather bend a query than leave half of it outside. Which of the two is `a`
    changes nothing else: the ranges of the swapped pair are the swapped ranges.
    """
    short, long = sorted((a, b), key=_length)
    ranges = _found(short, long, bar, settings)
    if not short.query.still and _covered([(one.a_start_s, one.a_end_s) for one in ranges], short.track) < WHOLE:
        others = [one.swapped() for one in _found(long, short, bar, settings)]
        ranges = max(ranges, others, key=lambda found: found[0].score if found else 0.0)
    if not ranges:
        return None
    if short is not a:
        ranges = [one.swapped() for one in ranges]
    covered_a = _covered([(one.a_start_s, one.a_end_s) for one in ranges], a.track)
    covered_b = _covered([(one.b_start_s, one.b_end_s) for one in ranges], b.track)
    return SharedPair(a.track.video_id, b.track.video_id, tuple(ranges), covered_a, covered_b)


def _length(side: Side) -> tuple[bool, float, int]:
    """Pictures are shortest."""
    return not side.query.still, side.track.duration_s, side.track.video_id


def _found(asked: Side, within: Side, bar: Bar, settings: DuplicateSettings) -> list[SharedRange]:
    """What of one video is in the other, best first; the asked one is `a`."""
    best = _segments(asked, within, 1, settings)
    if not best or not bar.reached(best[0]):
        return []
    if not asked.query.still and _more_may_follow(best[0], asked.track, within.track):
        best = _segments(asked, within, settings.ranges, settings)
    return _disjoint([_range(segment, asked.track) for segment in best if bar.reached(segment)])


def _segments(asked: Side, within: Side, most: int, settings: DuplicateSettings) -> list[Segment]:
    found = segments_of(asked.query, within.track, max_segments=most, settings=settings.align)
    scored = [asked.scored(within.track, segment) for segment in found]
    return sorted(scored, key=lambda segment: (-segment.score, segment.start_s))


def _range(segment: Segment, asked: Track) -> SharedRange:
    """Of a picture the whole of it matches; its times mean nothing."""
    still = len(asked.vectors) == 1
    return SharedRange(
        a_start_s=0.0 if still else segment.query_start_s,
        a_end_s=asked.duration_s if still else segment.query_end_s,
        b_start_s=segment.start_s,
        b_end_s=segment.end_s,
        rate=segment.rate,
        similarity=segment.similarity,
        score=segment.score,
    )


def _more_may_follow(segment: Segment, asked: Track, within: Track) -> bool:
    """Whether both videos have something left outside the best segment."""
    left = (
        asked.duration_s - (segment.query_end_s - segment.query_start_s),
        within.duration_s - (segment.end_s - segment.start_s),
    )
    return min(left) > LEAST_LEFT_S


def _disjoint(ranges: Sequence[SharedRange]) -> list[SharedRange]:
    """The ranges, best first, without those that lie in a better one: no part of a video is matched twice."""
    kept: list[SharedRange] = []
    for one in ranges:
        in_a = sum(max(0.0, min(one.a_end_s, other.a_end_s) - max(one.a_start_s, other.a_start_s)) for other in kept)
        in_b = sum(max(0.0, min(one.b_end_s, other.b_end_s) - max(one.b_start_s, other.b_start_s)) for other in kept)
        lengths = one.a_end_s - one.a_start_s, one.b_end_s - one.b_start_s
        if in_a <= USED_TWICE * lengths[0] and in_b <= USED_TWICE * lengths[1]:
            kept.append(one)
    return kept


def _covered(ranges: Iterable[tuple[float, float]], track: Track) -> float:
    """The share of a video that the union of ranges covers, in [0, 1]."""
    if len(track.vectors) == 1:
        return 1.0
    total, reached = 0.0, 0.0
    for start, end in sorted(ranges):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return min(1.0, total / max(track.duration_s, 1e-9))


# Groups


def groups_of(pairs: Iterable[SharedPair]) -> list[tuple[tuple[int, ...], tuple[SharedPair, ...]]]:
    """Videos that are connected by pairs, ascending, with these pairs: the largest group first, then by first video."""
    joined = Components()
    between: dict[int, list[SharedPair]] = {}
    for pair in pairs:
        joined.join(pair.a, pair.b)
        between.setdefault(pair.a, []).append(pair)
    groups = sorted(joined.groups(), key=lambda group: (-len(group), group[0]))
    return [(group, tuple(pair for video in group for pair in between.get(video, ()))) for group in groups]
