"""Several examples as one question, and the names of what is stored."""

from __future__ import annotations

import pytest

from vsearch.errors import InputError
from vsearch.records import Segment
from vsearch.search.examples import LikeMatch, nearest_examples
from vsearch.search.queries.stored import StoredName, stored_name
from vsearch.search.rank import Match


def match(video_id: int, start_s: float, score: float, *, length_s: float = 5.0) -> Match:
    end_s = start_s + length_s
    segment = Segment(0.0, length_s, start_s, end_s, 1.0, 0.9, score, 5, query_coverage=1.0, video_coverage=0.1)
    return Match(video_id, segment)


def told(places: list[LikeMatch]) -> list[tuple[int, float, float, int]]:
    """(video, start, score, example) of each place."""
    return [(p.match.video_id, p.match.segment.start_s, round(p.match.segment.score, 6), p.example) for p in places]


def test_a_place_takes_the_score_of_the_example_that_it_is_most_like() -> None:
    first = [match(1, 10, 0.6), match(2, 0, 0.9)]
    second = [match(1, 12, 0.8), match(3, 0, 0.7)]
    assert told(nearest_examples([first, second], [])) == [(2, 0, 0.9, 0), (1, 12, 0.8, 1), (3, 0, 0.7, 1)]


def test_places_of_one_video_that_do_not_overlap_are_places_of_their_own() -> None:
    found = nearest_examples([[match(1, 0, 0.9)], [match(1, 5, 0.8), match(1, 4, 0.7)]], [])
    assert told(found) == [(1, 0, 0.9, 0), (1, 5, 0.8, 1)]


def test_a_counterexample_takes_its_score_away_from_the_places_that_it_matches() -> None:
    likes = [[match(1, 0, 0.9), match(2, 0, 0.8), match(3, 0, 0.7)]]
    unlikes = [[match(1, 2, 0.4)], [match(1, 1, 0.6), match(3, 5, 0.9)]]
    assert told(nearest_examples(likes, unlikes)) == [(2, 0, 0.8, 0), (3, 0, 0.7, 0), (1, 0, 0.3, 0)]


def test_what_is_more_like_a_counterexample_is_left_out() -> None:
    likes = [[match(1, 0, 0.7)], [match(1, 1, 0.9)]]
    assert told(nearest_examples(likes, [[match(1, 0, 0.8)]])) == [(1, 1, 0.1, 1)]
    assert nearest_examples(likes, [[match(1, 0, 0.9)]]) == []


def test_nothing_found_is_nothing() -> None:
    assert nearest_examples([[], []], [[match(1, 0, 0.5)]]) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v12", StoredName(video="v12")),
        ("id:12", StoredName(video="id:12", forced=True)),
        ("c345", StoredName(clip=345)),
        ("id:c345", StoredName(clip=345, forced=True)),
        ("v12@0:12:03.5", StoredName(video="v12", frame_s=723.5)),
        ("id:v12@3", StoredName(video="id:v12", frame_s=3.0, forced=True)),
        ("a b@home.mp4@1:02-1:30.5", StoredName(video="a b@home.mp4", start_s=62.0, end_s=90.5)),
        ("path:/x/y.mp4", StoredName(video="path:/x/y.mp4", forced=True)),
        ("/x/y.mp4", None),
        ("y@home.mp4", None),
        ("v0", None),
        ("v12@", None),
        ("@12", None),
        ("v12@1:2:3:4", None),
    ],
)
def test_names_of_what_is_stored_are_told_from_files(text: str, meant: StoredName | None) -> None:
    assert stored_name(text) == meant


@pytest.mark.parametrize("text", ["v12@5-5", "v12@1:00-0:30", "v12@5-1:2:3:4"])
def test_an_empty_range_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="START-END"):
        stored_name(text)
