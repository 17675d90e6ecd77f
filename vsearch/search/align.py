"""From frame similarities of one query and one video to the ranges of both that show the same material. Pure numpy.

A copy is a line through the similarity matrix: video time = position + rate * (query time - middle of the query).

1. *Propose* (`hough`): query frames vote for the lines through their most similar video frames; a few that differ stay.
2. *Refine* (`lines`): each is moved in position and rate to where the similarity along it is highest.
3. *Trim* (`segments`): ends of the query that are plainly something else are cut off, and the segment gets its score.

The best segment of a pair is taken, and more are sought in the parts of both sides that lie beside it (`pair.Pair`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Segment
from vsearch.search.hough import strongest_cells, voted_lines
from vsearch.search.lines import most_promising
from vsearch.search.pair import BLOCK_FRAMES, AlignSettings, Columns, Floats, Pair, Timing
from vsearch.search.segments import coverage, grown_segment, segment_in_picture

DisjointIn = Literal["video", "both"]

NOWHERE_ELSE = 1.0  # for `elsewhere_share`: what matches elsewhere is no reason to cut anything off


def align(
    columns: Columns,
    query: Timing,
    video: Timing,
    *,
    weights: NDArray[np.float32] | None = None,
    max_segments: int = 1,
    disjoint_in: DisjointIn = "video",
    settings: AlignSettings | None = None,
) -> list[Segment]:
    """The best segments of a pair, disjoint in the video, best first; at most `max_segments`, none without evidence.

    disjoint_in: "video" gives each place where the query is, parts of it as well; "both" takes the query apart, so
    that no second of it is in two segments: what a query that was put together from several parts consists of.
    columns: a function of (start, stop) that gives the cosines (m, stop - start) float32 of all query frames with those
    video frames: `pair.matrix_columns` makes one of a matrix. weights: (m,) float32, how much each query frame counts
    (None: alike). Raises ValueError when a side has no frames.
    """
    if len(query.times_s) == 0 or len(video.times_s) == 0:
        raise ValueError("both sides need at least one frame")
    weight = np.ones(len(query.times_s)) if weights is None else weights.astype(np.float64)
    settings = settings or AlignSettings()
    if disjoint_in == "video":
        settings = replace(settings, elsewhere_share=NOWHERE_ELSE)
    asked_s = float(weight.sum()) * query.interval_s
    waiting = [Pair(columns, query, video, weight, settings, query.duration_s, video.duration_s, asked_s)]
    found: list[tuple[Segment, Pair]] = []
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
            waiting = [part for whole in waiting for part in _beside(whole, taken, disjoint_in)]
    return sorted(segments, key=lambda segment: (-segment.score, segment.start_s))


def align_still(
    columns: Columns, video: Timing, ends_s: Floats, *, max_segments: int = 1, apart_s: float = 2.0
) -> list[Segment]:
    """Where one picture is in a video: the most similar frames at least `apart_s` from each other, best first.

    columns: as for `align`, of one row. ends_s: (n,) float64, when each frame's successor follows. Query times are 0.
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
                video_coverage=coverage(float(ends_s[best] - video.times_s[best]), video.duration_s),
            )
        )
        values[np.abs(video.times_s - video.times_s[best]) < apart_s] = -np.inf
    return segments


def _best_segment(pair: Pair) -> Segment | None:
    """The best segment of a pair; None when no line meets both sides."""
    if len(pair.video.times_s) == 1:
        return segment_in_picture(pair)
    strongest, background = strongest_cells(pair)
    lines = voted_lines(pair, strongest, background=background)
    found: list[Segment] = []
    least = -np.inf
    for fit, window, line in most_promising(pair, lines, background=background):
        if found and fit < least:
            break
        segment = grown_segment(window, line, strongest=strongest, background=background)
        if segment is not None:
            found.append(segment)
            least = max(least, fit - (1 - pair.settings.rival_share) * abs(fit))
    return max(found, key=lambda segment: segment.score, default=None)


def _beside(pair: Pair, segment: Segment, disjoint_in: DisjointIn) -> list[Pair]:
    """The parts in which segments disjoint from `segment` may be: in the video, or in both sides.

    Less of the query than is ever cut off from a match is not looked at.
    """
    query, video = (pair.query.start_s, pair.query.end_s), (pair.video.start_s, pair.video.end_s)
    rows = [query]
    if disjoint_in == "both":
        left = _outside(query, (segment.query_start_s, segment.query_end_s))
        rows = [part for part in left if part == query or part[1] - part[0] >= pair.settings.least_other_s]
    columns = _outside(video, (segment.start_s, segment.end_s))
    parts = [pair.part(asked, there) for asked in rows for there in columns]
    return [part for part in parts if part is not None]


def _outside(whole: tuple[float, float], taken: tuple[float, float]) -> list[tuple[float, float]]:
    """What of one range lies before and after another."""
    parts = [(whole[0], min(whole[1], taken[0])), (max(whole[0], taken[1]), whole[1])]
    return [(start, end) for start, end in parts if start < end]


def _clash(one: Segment, other: Segment, disjoint_in: DisjointIn) -> bool:
    """Whether two segments share more of the video, or of the query, than they may."""
    video_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    query_s = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
    return max(video_s, query_s if disjoint_in == "both" else video_s) > 1e-9
