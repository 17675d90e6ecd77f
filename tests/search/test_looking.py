"""Looking at pictures: which are compared, what it does to a probability, and what happens where there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.videos import scene_frames
from vsearch.errors import LatentError
from vsearch.records import Segment
from vsearch.search.calibration import Looks
from vsearch.search.gallery import Track
from vsearch.search.looking import WATCHED, Looker, Shown, side_by_side

SEGMENT = Segment(0.0, 5.0, 10.0, 15.0, 1.0, 0.6, 0.4, 20, query_coverage=1.0, video_coverage=0.2)
# 1, odds, log details alike, of the video's, of the query's, moving alike, moving
LOOKS = Looks((-4.0, 1.0, 2.0, 0.0, 0.0, 1.0, 0.0), {"duplicate": 0.9, "similar": 0.5, "any": 0.0})


def track(n: int = 30, first: int = 0) -> Track:
    times = np.arange(n, dtype=np.float64)
    return Track(7, np.arange(first, first + n), np.zeros((n, 4), np.float32), times, times + 1, float(n))


def footage(scene: int) -> np.ndarray:
    return np.stack(list(scene_frames(scene, 30, speed=4)))


def looker(asked: np.ndarray, found: np.ndarray | None) -> Looker:
    def stored(video: int) -> Callable[[np.ndarray], np.ndarray] | None:
        return None if found is None else partial(np.take, found, axis=0)

    return Looker(Shown(np.arange(len(asked), dtype=np.float64), lambda rows: asked[rows]), stored, LOOKS)


def test_the_same_pictures_raise_a_probability_and_others_lower_it() -> None:
    film = footage(1)
    same = looker(film[10:15], film).at(track(), SEGMENT)
    other = looker(footage(2)[10:15], film).at(track(), SEGMENT)
    assert same.details is not None
    assert same.details > 40
    assert same.score > 0.95
    assert other.score < 0.4
    assert replace(same, score=0.4, details=None) == SEGMENT


def test_what_recurs_keeps_its_small_share() -> None:
    film = footage(1)
    title = replace(SEGMENT, score=0.04, own=0.1)
    assert looker(film[10:15], film).at(track(), title).score == pytest.approx(
        0.1 * looker(film[10:15], film).at(track(), SEGMENT).score
    )


def test_without_stored_pictures_a_segment_stays_as_it_is() -> None:
    assert looker(footage(1)[:5], None).at(track(), SEGMENT) is SEGMENT


def test_damaged_pictures_are_named_and_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def damaged(numbers: np.ndarray) -> np.ndarray:
        raise LatentError("a damaged chunk")

    asked = footage(1)[:5]
    shown = Shown(np.arange(5, dtype=np.float64), lambda rows: asked[rows])
    assert Looker(shown, lambda video: damaged, LOOKS).at(track(), SEGMENT) is SEGMENT
    assert "v7" in caplog.text
    assert "a damaged chunk" in caplog.text


def test_frames_are_asked_for_by_their_numbers_in_the_video() -> None:
    asked = footage(1)[:5]
    seen: list[int] = []

    def stored(numbers: np.ndarray) -> np.ndarray:
        seen.extend(numbers.tolist())
        return asked[numbers - 110]

    shown = Shown(np.arange(5, dtype=np.float64), lambda rows: asked[rows])
    Looker(shown, lambda video: stored, LOOKS).at(track(first=100), SEGMENT)
    assert set(seen) <= set(range(110, 116))


def test_a_stored_query_that_plays_backwards_shows_its_frames_in_the_order_of_the_video() -> None:
    film = footage(3)

    def stored(numbers: np.ndarray) -> np.ndarray:
        assert (np.diff(numbers) > 0).all()
        return film[numbers]

    shown = Shown.stored(np.arange(10.0), 7, np.arange(20, 30), lambda video: stored).pictures(np.array([6, 2, 4]))
    assert shown is not None
    assert np.array_equal(shown, film[[26, 22, 24]])


@given(
    times=st.lists(st.floats(0, 60), min_size=1, max_size=40, unique=True).map(sorted),
    start_s=st.floats(0, 25),
    length_s=st.floats(0, 20),
    rate=st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
)
def test_pairs_ascend_are_few_and_lie_in_the_segment(
    times: list[float], start_s: float, length_s: float, rate: float
) -> None:
    there = track()
    segment = replace(
        SEGMENT, query_start_s=5.0, query_end_s=5.0 + length_s, start_s=start_s, end_s=start_s + length_s, rate=rate
    )
    rows, columns = side_by_side(np.array(times), there, segment)
    assert 1 <= len(rows) == len(columns) <= WATCHED
    assert (np.diff(columns) > 0).all()
    asked = np.array(times)[rows]
    inside = (np.array(times) >= 5.0 - 1e-6) & (np.array(times) <= 5.0 + length_s + 1e-6)
    assert inside[rows].all() or not inside.any()
    apart = np.abs(segment.video_times(asked)[:, None] - there.times_s[None])
    assert (apart[np.arange(len(rows)), columns] <= apart.min(axis=1) + 1e-9).all()
