"""What a segment's sides have of their own, on courses whose course is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.shelves import excerpt, picture, seen, world
from vsearch.records import Segment
from vsearch.search.gallery import Track
from vsearch.search.queries.base import QueryFrames
from vsearch.search.structure import nearest, paired_frames, structure_of

COURSE = world(40, seed=11, cut_s=1000)  # one shot: everything looks alike


def track_of(course: np.ndarray) -> Track:
    times = np.arange(len(course) // 20, dtype=np.float64)
    return Track(1, np.arange(len(times)), seen(course, times, noise=0.0, seed=0), times, times + 1, float(len(times)))


def segment(start_s: float, query: QueryFrames) -> Segment:
    length = query.duration_s
    return Segment(0.0, length, start_s, start_s + length, 1.0, 0.8, 0.8, 20, query_coverage=1.0, video_coverage=0.1)


def test_the_same_moment_moves_alike_and_another_of_the_same_shot_does_not() -> None:
    query, track = excerpt(COURSE, 10, 20), track_of(COURSE)
    right = structure_of(query, track, segment(10.0, query))
    wrong = structure_of(query, track, segment(25.0, query))
    assert right.motion > 0.5 > wrong.motion + 0.2
    assert right.agreement > wrong.agreement + 0.2


def test_what_an_edit_adds_to_every_frame_does_not_count_as_motion() -> None:
    query, track = excerpt(COURSE, 10, 20, noise=0.0), track_of(COURSE)
    shifted = query.vectors + 0.5 * np.eye(64, dtype=np.float32)[3]
    edited = replace(query, vectors=shifted / np.linalg.norm(shifted, axis=1, keepdims=True))
    plain, other = (structure_of(one, track, segment(10.0, one)).motion for one in (query, edited))
    assert other == pytest.approx(plain, abs=0.05)


def test_still_footage_and_pictures_do_not_move() -> None:
    still = np.repeat(COURSE[:1], len(COURSE), axis=0)
    query = excerpt(still, 10, 20, noise=0.0)
    found = structure_of(query, track_of(still), segment(10.0, query))
    assert found.motion == pytest.approx(0, abs=1e-3)
    assert found.variety == pytest.approx(0, abs=1e-6)
    one = picture(COURSE, 12.0)
    assert structure_of(one, track_of(COURSE), segment(12.0, one)).motion == 0


def test_only_what_is_around_a_segment_tells_what_is_common() -> None:
    other = world(200, seed=12)
    query = excerpt(COURSE, 10, 20)
    alone = structure_of(query, track_of(COURSE), segment(10.0, query))
    long = track_of(np.concatenate([COURSE, other]))
    assert structure_of(query, long, segment(10.0, query)).variety == pytest.approx(alone.variety)


def test_a_segment_between_frames_is_paired_with_the_nearest_one() -> None:
    query, track = excerpt(COURSE, 10, 20), track_of(COURSE)
    short = replace(segment(10.0, query), query_start_s=3.05, query_end_s=3.1)
    rows, columns = paired_frames(query, track, short)
    assert rows.tolist() == [12]
    assert columns.tolist() == [10]


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20, unique=True),
    st.lists(st.floats(-10, 110), min_size=1, max_size=20),
)
def test_the_nearest_on_a_grid_is_the_nearest(grid: list[float], times: list[float]) -> None:
    places, at = np.sort(np.array(grid)), np.array(times)
    found = np.abs(places[nearest(places, at)] - at)
    assert found == pytest.approx(np.abs(places[None] - at[:, None]).min(axis=1))


def test_a_video_of_one_frame_is_not_footage_that_stands_still() -> None:
    one = picture(COURSE, 12.0)
    alone = track_of(COURSE[:20])
    assert len(alone.vectors) == 1
    assert structure_of(one, alone, segment(0.0, one)).variety == pytest.approx(0.3)


def test_a_segment_far_from_all_frames_has_a_structure() -> None:
    query, track = excerpt(COURSE, 10, 20), track_of(COURSE)
    sparse = track.only(np.isin(np.arange(len(track.vectors)), [0, 39]))
    found = structure_of(query, sparse, segment(18.0, query))
    assert np.isfinite([found.variety, found.agreement, found.motion]).all()
