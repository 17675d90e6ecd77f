"""Which segments a pair has, and how they are kept apart. Steps: test_hough, test_lines, test_segments."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.search.alignments import VIDEO_S, aligned, assert_sane, copy_of, iou, query_times
from tests.search.shelves import seen, world
from vsearch.metrics import temporal_iou
from vsearch.search.align import DisjointIn, align, align_still
from vsearch.search.pair import Timing, matrix_columns


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), start=st.floats(0, 50), duration=st.floats(5, 10), noise=st.floats(0, 0.8))
def test_a_copy_at_the_same_speed_is_found_in_its_place(seed: int, start: float, duration: float, noise: float) -> None:
    course = world(VIDEO_S, seed=seed, speed=0.3, cut_s=6)
    query, times = copy_of(course, start, duration, noise=noise)
    (segment,) = aligned(query, times, duration, course)
    assert_sane(segment, duration, VIDEO_S)
    assert iou(segment, start, min(start + duration, VIDEO_S)) > 0.6


def test_each_of_several_copies_is_a_segment_of_its_own() -> None:
    course = world(120, seed=11)
    for start in (70, 100):
        course[20 * start : 20 * (start + 8)] = course[20 * 30 : 20 * 38]
    query, times = copy_of(course, 30, 8)
    segments = aligned(query, times, 8, course, video_s=120, max_segments=3)
    assert len(segments) == 3
    assert sorted(round(segment.start_s) for segment in segments) == [30, 70, 100]
    ordered = sorted(segments, key=lambda segment: segment.start_s)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(ordered))
    assert all(segment.score > 0.7 for segment in segments)
    fourth = aligned(query, times, 8, course, video_s=120, max_segments=4)[3:]
    assert all(segment.score < 0.9 * segments[2].score for segment in fourth)


def test_parts_of_the_query_found_in_different_places_are_two_segments() -> None:
    course = world(120, seed=12)
    first, _ = copy_of(course, 20, 6)
    second, _ = copy_of(course, 80, 6)
    query = np.concatenate([first, second])
    segments = aligned(query, query_times(12), 12, course, video_s=120, max_segments=2)
    assert sorted(round(segment.start_s) for segment in segments) == [20, 80]
    for segment in segments:
        assert segment.query_end_s - segment.query_start_s == pytest.approx(6, abs=1.0)


@settings(deadline=None, max_examples=40)
@given(m=st.integers(1, 30), n=st.integers(1, 40), seed=st.integers(0, 10_000), wanted=st.integers(1, 4))
def test_noise_never_gives_nonsense(m: int, n: int, seed: int, wanted: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.clip(rng.normal(0.1, 0.3, (m, n)), -1, 1).astype(np.float32)
    times, video_times = np.sort(rng.uniform(0, m / 4, m)), np.sort(rng.uniform(0, n, n))
    segments = align(
        matrix_columns(matrix), Timing(times, 0, m / 4), Timing(video_times, 0, float(n)), max_segments=wanted
    )
    assert len(segments) <= wanted
    assert [segment.score for segment in segments] == sorted((s.score for s in segments), reverse=True)
    for segment in segments:
        assert_sane(segment, m / 4, n)


def test_a_picture_is_a_point_that_lasts_to_the_next_sample() -> None:
    values = np.array([[0.1, 0.2, 0.9, 0.85, 0.1, 0.3, 0.8, 0.2]], np.float32)
    video_times = np.arange(8.0)
    segments = align_still(
        matrix_columns(values), Timing(video_times, 0, 8.5), np.append(video_times[1:], 8.5), max_segments=2
    )
    assert [(segment.start_s, segment.end_s) for segment in segments] == [(2.0, 3.0), (6.0, 7.0)]
    assert segments[0].similarity == pytest.approx(0.9)


def test_a_side_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        align(matrix_columns(np.zeros((0, 3), np.float32)), Timing(np.zeros(0), 0, 1), Timing(np.arange(3.0), 0, 3))


def test_a_composed_query_is_taken_apart_on_both_sides() -> None:
    """Three parts of a video in another order."""
    ious = []
    for seed in range(6):
        course = world(120, seed=seed)
        starts = [80.0, 20.0, 50.0]
        query = np.concatenate([seen(course, start + query_times(6), noise=0.4, seed=1) for start in starts])
        segments = aligned(query, query_times(18), 18, course, video_s=120, max_segments=5, disjoint_in="both")
        for number, start in enumerate(starts):
            ious.append(max(iou(segment, start, start + 6) for segment in segments))
            wanted = 6 * number, 6 * number + 6
            ranges = [(segment.query_start_s, segment.query_end_s) for segment in segments]
            ious.append(max(temporal_iou(found, wanted) for found in ranges))
    assert np.mean(ious) > 0.85


@settings(deadline=None, max_examples=40)
@given(m=st.integers(1, 60), n=st.integers(1, 60), seed=st.integers(0, 10_000), wanted=st.integers(1, 6))
def test_segments_are_disjoint_in_the_sides_that_are_asked_for(m: int, n: int, seed: int, wanted: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.clip(rng.normal(0.1, 0.3, (m, n)), -1, 1).astype(np.float32)
    times, video_times = np.sort(rng.uniform(0, m / 4, m)), np.sort(rng.uniform(0, n, n))
    query, video = Timing(times, 0, m / 4), Timing(video_times, 0, float(n))
    sides: tuple[DisjointIn, ...] = ("video", "both")
    for disjoint_in in sides:
        alone = align(matrix_columns(matrix), query, video, disjoint_in=disjoint_in)
        segments = align(
            matrix_columns(matrix),
            query,
            video,
            max_segments=wanted,
            disjoint_in=disjoint_in,
        )
        assert len(segments) <= wanted
        assert alone == [] or alone[0] in segments
        for one, other in combinations(segments, 2):
            assert min(one.end_s, other.end_s) - max(one.start_s, other.start_s) <= 1e-6
            if disjoint_in == "both":
                shared = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
                assert shared <= 1e-6


def test_one_segment_costs_one_look_at_the_pair() -> None:
    course = world(VIDEO_S, seed=3)
    query, times = copy_of(course, 20, 8)
    matrix = query @ seen(course, query_times(VIDEO_S, 1.0), noise=0.0, seed=0).T
    asked = []

    def columns(start: int, stop: int) -> NDArray[np.float32]:
        asked.append((start, stop))
        return matrix[:, start:stop]

    align(columns, Timing(times, 0, 8), Timing(query_times(VIDEO_S, 1.0), 0, VIDEO_S), max_segments=1)
    assert asked.count((0, VIDEO_S)) == 1
