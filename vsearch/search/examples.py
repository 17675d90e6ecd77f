"""Several examples as one question: places that are like any of some, and like none of others. Pure.

A place takes the score of the example that it is most like, less that of the counterexample that it is most like. So
it is nearer to what is wanted than to what is not, by that much; a place that is not is left out. The best one counts,
not the sum: examples show one thing from several sides, and what shows it from one side is not worse for that. A
counterexample counts only where it is a match itself, because every two videos are a little alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vsearch.search.rank import Match


@dataclass(frozen=True, slots=True)
class LikeMatch:
    """A place, with its score less that of the counterexamples, and the number of the example that it is most like."""

    match: Match
    example: int


def nearest_examples(likes: Sequence[Sequence[Match]], unlikes: Sequence[Sequence[Match]]) -> list[LikeMatch]:
    """The places of all `likes`, best first; of those that overlap the best.

    likes, unlikes: for each example the places that it matches.
    """
    against = [match for matches in unlikes for match in matches]
    places = [
        LikeMatch(less, example)
        for example, matches in enumerate(likes)
        for match in matches
        if (less := _less(match, against)).segment.score > 0
    ]
    places.sort(key=lambda place: (-place.match.segment.score, place.match.video_id, place.match.segment.start_s))
    kept: list[LikeMatch] = []
    for place in places:
        if not any(_overlap(place.match, other.match) for other in kept):
            kept.append(place)
    return kept


def _less(match: Match, against: Sequence[Match]) -> Match:
    """A match whose score is lowered by the best counterexample at the same place."""
    most = max((other.segment.score for other in against if _overlap(match, other)), default=0.0)
    return replace(match, segment=replace(match.segment, score=match.segment.score - most))


def _overlap(a: Match, b: Match) -> bool:
    same = a.video_id == b.video_id
    return same and min(a.segment.end_s, b.segment.end_s) > max(a.segment.start_s, b.segment.start_s)
