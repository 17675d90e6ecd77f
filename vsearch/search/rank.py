"""Merging what alignment found in many videos into one ranking. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vsearch.records import Segment


@dataclass(frozen=True, slots=True)
class Match:
    """A segment of a query and a video of the library."""

    video_id: int
    segment: Segment


def rank(
    matches: Iterable[Match], *, k: int | None, min_similarity: float, per_video: int | None = None
) -> list[Match]:
    """The best `k` matches whose similarity reaches the floor, best score first, ties by video, then start.

    k: None for all of them. per_video: at most so many of one video (None: no limit). Fewer than k, or none, when no
    more are similar enough. Raises ValueError for k or per_video below 1.
    """
    if (k is not None and k < 1) or (per_video is not None and per_video < 1):
        raise ValueError(f"k and per_video must be at least 1, not {k} and {per_video}")
    good = [match for match in matches if match.segment.similarity >= min_similarity]
    good.sort(key=lambda match: (-match.segment.score, match.video_id, match.segment.start_s))
    kept: list[Match] = []
    seen: dict[int, int] = {}
    for match in good:
        seen[match.video_id] = seen.get(match.video_id, 0) + 1
        if per_video is None or seen[match.video_id] <= per_video:
            kept.append(match)
    return kept[:k]
