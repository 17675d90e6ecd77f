"""Merging what alignment found in many videos into one ranking. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from vsearch.records import Segment

MOST_SHARED = 0.5  # of the shorter of two segments that were put elsewhere by what moves in them


@dataclass(frozen=True, slots=True)
class Match:
    """A segment of a query and a video of the library. view: how the query had to be looked at, "" as it is."""

    video_id: int
    segment: Segment
    view: str = ""


def rank(
    matches: Iterable[Match],
    *,
    k: int | None,
    min_similarity: float,
    per_video: int | None = None,
) -> list[Match]:
    """The best `k` matches whose similarity reaches this, best score first, ties by video, then start.

    k: None for all of them. per_video: at most so many of one video (None: no limit). Where several views, or several
    segments, found the same place, the best stays. Fewer than k, or none, when no more are good enough. Raises
    ValueError for k or per_video below 1.
    """
    if (k is not None and k < 1) or (per_video is not None and per_video < 1):
        raise ValueError(f"k and per_video must be at least 1, not {k} and {per_video}")
    good = [m for m in matches if m.segment.similarity >= min_similarity]
    good.sort(key=lambda match: (-match.segment.score, match.video_id, match.segment.start_s))
    kept: list[Match] = []
    places: defaultdict[int, list[Match]] = defaultdict(list)
    for match in good:
        there = places[match.video_id]
        if (per_video is None or len(there) < per_video) and not any(_seen_again(match, other) for other in there):
            there.append(match)
            kept.append(match)
    return kept[:k]


def _seen_again(match: Match, other: Match) -> bool:
    """Whether two views found the same place, or two segments were put there."""
    a, b = match.segment, other.segment
    if match.view != other.view:
        return min(a.end_s, b.end_s) > max(a.start_s, b.start_s)
    return same_place(a, b)


def same_place(a: Segment, b: Segment) -> bool:
    """Whether two segments of one video, which alignment keeps apart, were put onto the same part of it."""
    common = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
    return common > MOST_SHARED * min(a.end_s - a.start_s, b.end_s - b.start_s)
