"""From a line to the segment along it: which part of the query matches, what ranges that is, and what score it gets.

Ends of the query that are plainly something else are cut off (an excerpt inside other material); without such evidence
the whole query counts, clipped to the video.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsearch.records import Segment
from vsearch.search.hough import StrongestCells
from vsearch.search.lines import Line, Window, refined
from vsearch.search.pair import Floats, Pair, Timing


def grown_segment(window: Window, line: Line, *, strongest: StrongestCells, background: float) -> Segment | None:
    """The segment along a line: fitted to all of the query, then again to the part of it that matches.

    None when nothing of it lies in the video.
    """
    pair = window.pair
    weights = pair.weights
    for _ in range(3):
        line = refined(window, line, weights=weights, background=background)
        values, frames = window.seen_along(line)
        first, stop = _matching_rows(pair, values, frames, strongest.away_from(line, pair), background)
        inside = np.zeros(len(values), bool)
        inside[first:stop] = True
        if (weights > 0).sum() == (pair.weights * inside > 0).sum():
            break
        weights = pair.weights * inside
    return _segment(pair, line, values, frames, first, stop)


def segment_in_picture(pair: Pair) -> Segment:
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
        query_coverage=coverage(query_end - query_start, pair.all_query_s),
        video_coverage=coverage(pair.video.duration_s, pair.all_video_s),
    )


def _matching_rows(
    pair: Pair, values: Floats, frames: NDArray[np.intp], elsewhere: Floats, background: float
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


def _contrast(pair: Pair, values: Floats, background: float) -> float:
    """How far the best second of the match stands above the background."""
    seen = np.sort(values[np.isfinite(values)])[::-1]
    best = float(seen[: max(3, round(1.0 / pair.query.interval_s))].mean()) if len(seen) else background
    return best - background


def _best_run(gains: Floats) -> tuple[int, int]:
    """[first, stop) of the run with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    lowest = np.minimum.accumulate(sums)
    stop = int((sums - lowest)[1:].argmax()) + 1
    return int(sums[:stop].argmin()), stop


def _segment(pair: Pair, line: Line, values: Floats, frames: NDArray[np.intp], first: int, stop: int) -> Segment | None:
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
        query_coverage=coverage(query_end - query_start, pair.all_query_s),
        video_coverage=coverage(end_s - start_s, pair.all_video_s),
    )


def _row_range(query: Timing, first: int, stop: int) -> tuple[float, float]:
    """The time that query frames [first, stop) stand for: to the ends of the query, or half-way to the next frame,
    but not far into a gap."""
    times, gap = query.times_s, query.interval_s
    start = query.start_s if first == 0 else max(float(times[first - 1] + times[first]) / 2, times[first] - gap)
    end = query.end_s if stop == len(times) else min(float(times[stop - 1] + times[stop]) / 2, times[stop - 1] + gap)
    return float(start), float(end)


def _score(pair: Pair, similarity: float, query_frames: float, video_frames: int) -> float:
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


def coverage(part_s: float, whole_s: float) -> float:
    """The share of a whole that a part is, in [0, 1]; 1 when the whole has no length."""
    return float(np.clip(part_s / whole_s, 0.0, 1.0)) if whole_s > 0 else 1.0
