"""One ranking of what several views and several segments found."""

from __future__ import annotations

import pytest

from vsearch.records import Segment
from vsearch.search.rank import Match, rank


def match(video_id: int, start_s: float, score: float, *, view: str = "", similarity: float = 0.9) -> Match:
    segment = Segment(0.0, 4.0, start_s, start_s + 4.0, 1.0, similarity, score, 5, query_coverage=1, video_coverage=0.1)
    return Match(video_id, segment, view)


def starts(matches: list[Match], *, per_video: int | None = None, k: int | None = None) -> list[tuple[int, float]]:
    return [(one.video_id, one.segment.start_s) for one in rank(matches, k=k, min_similarity=0.5, per_video=per_video)]


def test_the_best_come_first_and_too_dissimilar_ones_not_at_all() -> None:
    found = [match(1, 0, 0.5), match(2, 0, 0.8), match(3, 0, 0.9, similarity=0.4), match(4, 0, 0.5)]
    assert starts(found) == [(2, 0), (1, 0), (4, 0)]
    assert starts(found, k=1) == [(2, 0)]


def test_a_place_that_several_views_found_is_shown_once() -> None:
    assert starts([match(1, 0, 0.5), match(1, 3, 0.8, view="box"), match(1, 8, 0.6)]) == [(1, 3), (1, 8)]


def test_segments_that_were_put_onto_one_place_are_shown_once_and_neighbours_both() -> None:
    assert starts([match(1, 0, 0.9), match(1, 1, 0.8)]) == [(1, 0)]
    assert starts([match(1, 0, 0.9), match(1, 3, 0.8)]) == [(1, 0), (1, 3)]
    assert starts([match(1, 0, 0.9), match(2, 1, 0.8)]) == [(1, 0), (2, 1)]


def test_no_more_than_are_wanted_of_one_video() -> None:
    assert starts([match(1, 0, 0.5), match(1, 10, 0.9), match(2, 0, 0.1)], per_video=1) == [(1, 10), (2, 0)]


@pytest.mark.parametrize(("k", "per_video"), [(0, None), (None, 0)])
def test_less_than_one_is_refused(k: int | None, per_video: int | None) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        rank([], k=k, min_similarity=0.0, per_video=per_video)
