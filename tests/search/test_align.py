"""Alignment against pairs whose offset, rate and ranges are known."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.search.shelves import seen, world
from vsearch.metrics import temporal_iou
from vsearch.records import Segment
from vsearch.search.align import AlignSettings, DisjointIn, Timing, align, align_still, matrix_columns

VIDEO_S = 60


def query_times(duration_s: float, fps: float = 4.0) -> NDArray[np.float64]:
    return np.arange(round(duration_s * fps)) / fps


def aligned(
    query: NDArray[np.float32],
    times_s: NDArray[np.float64],
    duration_s: float,
    course: NDArray[np.float32],
    *,
    video_s: float = VIDEO_S,
    video_fps: float = 1.0,
    max_segments: int = 1,
    disjoint_in: Literal["video", "both"] = "video",
    reversed_play: bool = False,
) -> list[Segment]:
    """Segments of query vectors and a course that the library sampled at `video_fps`."""
    video_times = query_times(video_s, video_fps)
    video = seen(course, video_times, noise=0.0, seed=0)
    return align(
        matrix_columns(query @ video.T),
        Timing(times_s, 0.0, duration_s),
        Timing(video_times, 0.0, video_s),
        max_segments=max_segments,
        disjoint_in=disjoint_in,
        settings=AlignSettings(reversed_play=reversed_play),
    )


def copy_of(
    course: NDArray[np.float32],
    start_s: float,
    duration_s: float,
    *,
    rate: float = 1.0,
    noise: float = 0.5,
    seed: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    times = query_times(duration_s)
    return seen(course, start_s + rate * times, noise=noise, seed=seed), times


def iou(segment: Segment, start_s: float, end_s: float) -> float:
    return temporal_iou((segment.start_s, segment.end_s), (start_s, end_s))


def assert_sane(segment: Segment, duration_s: float, video_s: float) -> None:
    assert 0 <= segment.start_s < segment.end_s <= video_s + 1e-9
    assert -1e-9 <= segment.query_start_s < segment.query_end_s <= duration_s + 1e-9
    assert 0 <= segment.score <= 1
    assert -1.001 <= segment.similarity <= 1.001
    assert 0.5 - 1e-9 <= segment.rate <= 2.0 + 1e-9


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), start=st.floats(0, 50), duration=st.floats(5, 10), noise=st.floats(0, 0.8))
def test_a_copy_at_the_same_speed_is_found_in_its_place(seed: int, start: float, duration: float, noise: float) -> None:
    course = world(VIDEO_S, seed=seed, speed=0.3, cut_s=6)
    query, times = copy_of(course, start, duration, noise=noise)
    (segment,) = aligned(query, times, duration, course)
    assert_sane(segment, duration, VIDEO_S)
    assert iou(segment, start, min(start + duration, VIDEO_S)) > 0.6


def test_five_seconds_are_placed_within_a_fraction_of_the_librarys_interval() -> None:
    ious, rates = [], []
    for seed in range(24):
        course = world(VIDEO_S, seed=seed)
        start = np.random.default_rng(seed).uniform(0, 55)
        query, times = copy_of(course, start, 5)
        (segment,) = aligned(query, times, 5, course)
        ious.append(iou(segment, start, start + 5))
        rates.append(segment.rate)
    assert np.mean(ious) > 0.9
    assert np.min(ious) > 0.7
    assert np.mean(np.abs(np.log2(rates))) < 0.05


@pytest.mark.parametrize("rate", [0.5, 0.7, 1.25, 1.5, 2.0])
def test_other_speeds_are_recognised(rate: float) -> None:
    ious, errors = [], []
    for seed in range(8):
        course = world(VIDEO_S, seed=seed, speed=0.5)
        start = np.random.default_rng(seed).uniform(0, VIDEO_S - 10 * rate)
        query, times = copy_of(course, start, 10, rate=rate)
        (segment,) = aligned(query, times, 10, course)
        ious.append(iou(segment, start, start + 10 * rate))
        errors.append(abs(segment.rate / rate - 1))
    assert np.mean(ious) > 0.85
    assert np.median(errors) < 0.08


def test_the_film_speed_up_of_television_is_measured_over_a_minute() -> None:
    course = world(120, seed=1)
    query, times = copy_of(course, 20, 60, rate=25 / 23.976)
    (segment,) = aligned(query, times, 60, course, video_s=120)
    assert segment.rate == pytest.approx(25 / 23.976, rel=0.01)
    assert iou(segment, 20, 20 + 60 * 25 / 23.976) > 0.97


def test_an_excerpt_inside_other_material_is_cut_out_of_it() -> None:
    ious, query_ious = [], []
    for seed in range(8):
        course, other = world(VIDEO_S, seed=seed), world(60, seed=1000 + seed)
        times = query_times(60)
        inside = (times >= 27) & (times < 33)
        start = np.random.default_rng(seed).uniform(0, 54)
        query = seen(other, times, noise=0.3, seed=2)
        query[inside] = seen(course, start + times[inside] - 27, noise=0.3, seed=2)
        (segment,) = aligned(query, times, 60, course)
        ious.append(iou(segment, start, start + 6))
        query_ious.append(temporal_iou((segment.query_start_s, segment.query_end_s), (27, 33)))
    assert np.mean(ious) > 0.85
    assert np.mean(query_ious) > 0.9


def test_a_query_that_runs_over_the_end_of_the_video_is_clipped() -> None:
    long = world(70, seed=3)
    query, times = copy_of(long, 52, 12)
    (segment,) = aligned(query, times, 12, long[: 20 * VIDEO_S])
    assert segment.end_s == VIDEO_S
    assert segment.start_s == pytest.approx(52, abs=0.4)
    assert segment.query_end_s == pytest.approx(8, abs=0.5)


def test_the_whole_of_a_short_video_inside_a_longer_query_is_found() -> None:
    short, other = world(6, seed=4), world(40, seed=5)
    times = query_times(40)
    query = seen(other, times, noise=0.3, seed=2)
    inside = (times >= 12) & (times < 18)
    query[inside] = seen(short, times[inside] - 12, noise=0.3, seed=2)
    (segment,) = aligned(query, times, 40, short, video_s=6)
    assert iou(segment, 0, 6) > 0.85
    assert temporal_iou((segment.query_start_s, segment.query_end_s), (12, 18)) > 0.85


@settings(deadline=None, max_examples=15)
@given(duration=st.floats(0.5, 20), video=st.integers(1, 90), noise=st.floats(0, 0.1))
@example(duration=18.0, video=51, noise=0.09375)  # the best line at another speed ends with the video
@example(duration=12.8125, video=28, noise=0.09375)  # the best of many lines is best by chance
def test_still_footage_keeps_its_speed_and_length(duration: float, video: int, noise: float) -> None:
    course = np.repeat(world(1, seed=6)[:1], 20 * video, axis=0)
    times = query_times(max(duration, 0.5))
    query = seen(course, times, noise=noise, seed=1)
    (segment,) = aligned(query, times, duration, course, video_s=video)
    assert_sane(segment, duration, video)
    if duration < video / 2:
        assert segment.rate == pytest.approx(1.0, abs=0.15)
        assert segment.end_s - segment.start_s > 0.6 * duration
    assert segment.similarity > 0.9


def test_scattered_frames_do_not_beat_a_consistent_copy() -> None:
    """Frames that resemble the query more, one here and one there, against five seconds in order."""
    course = world(VIDEO_S, seed=7)
    query, times = copy_of(course, 20, 5, noise=0.6)
    (true,) = aligned(query, times, 5, course)
    scattered = world(VIDEO_S, seed=8)
    rng = np.random.default_rng(0)
    for row in rng.choice(len(times), 4, replace=False):
        scattered[20 * int(rng.integers(0, VIDEO_S))] = 100 * query[row]
    (false,) = aligned(query, times, 5, scattered)
    assert false.score < 0.6 * true.score


def test_one_frame_in_common_scores_low() -> None:
    query, times = copy_of(world(10, seed=9), 1, 5)
    course = world(VIDEO_S, seed=10)
    course[20 * 30] = 100 * query[8]
    (segment,) = aligned(query, times, 5, course)
    assert segment.score < 0.4


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


def test_key_frames_ten_seconds_apart_still_give_the_place() -> None:
    course = world(300, seed=13, cut_s=5)
    query, times = copy_of(course, 101, 40)
    (segment,) = aligned(query, times, 40, course, video_s=300, video_fps=0.1)
    assert iou(segment, 101, 141) > 0.85


def test_a_library_sampled_more_densely_than_the_query_is_no_trouble() -> None:
    course = world(VIDEO_S, seed=14)
    times = query_times(10, 1.0)
    query = seen(course, 20.4 + times, noise=0.4, seed=1)
    (segment,) = aligned(query, times, 10, course, video_fps=5.0)
    assert iou(segment, 20.4, 30.4) > 0.93


def test_long_videos_are_looked_through_in_blocks() -> None:
    course = world(20, seed=15)
    rng = np.random.default_rng(0)
    video = rng.normal(size=(9000, course.shape[1])).astype(np.float32)
    video /= np.linalg.norm(video, axis=1, keepdims=True)
    video[7000:7020] = seen(course, np.arange(20.0), noise=0.0, seed=0)
    query, times = copy_of(course, 4, 10)
    asked: list[tuple[int, int]] = []

    def columns(start: int, stop: int) -> NDArray[np.float32]:
        asked.append((start, stop))
        return query @ video[start:stop].T

    (segment,) = align(columns, Timing(times, 0, 10), Timing(np.arange(9000.0), 0, 9000))
    assert iou(segment, 7004, 7014) > 0.8
    assert max(stop - start for start, stop in asked) <= 4096


def test_weightless_frames_change_nothing() -> None:
    course = world(VIDEO_S, seed=16)
    query, times = copy_of(course, 20, 6)
    query[:8] = seen(course, 45 + times[:8], noise=0.1, seed=3)
    weights = np.ones(len(times), np.float32)
    weights[:8] = 0
    video = seen(course, np.arange(60.0), noise=0, seed=0)
    timing = Timing(times, 0, 6), Timing(np.arange(60.0), 0, 60)
    (segment,) = align(matrix_columns(query @ video.T), *timing, weights=weights)
    assert iou(segment, 20, 26) > 0.8


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


def test_a_video_of_one_picture_matches_the_part_that_shows_it() -> None:
    course, other = world(1, seed=17), world(20, seed=18)
    times = query_times(20)
    query = seen(other, times, noise=0.2, seed=1)
    inside = (times >= 5) & (times < 9)
    query[inside] = seen(course, 0 * times[inside], noise=0.2, seed=1)
    (segment,) = aligned(query, times, 20, course, video_s=1)
    assert (segment.start_s, segment.end_s) == (0.0, 1.0)
    assert temporal_iou((segment.query_start_s, segment.query_end_s), (5, 9)) > 0.9


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


@pytest.mark.parametrize("rate", [-1.0, -1.5, -0.7])
def test_reversed_play_is_found_on_demand(rate: float) -> None:
    ious, rates = [], []
    for seed in range(6):
        course = world(VIDEO_S, seed=seed)
        start = np.random.default_rng(seed).uniform(0, VIDEO_S - 8 * abs(rate))
        times = query_times(8)
        query = seen(course, start + 8 * abs(rate) + rate * times, noise=0.5, seed=1)
        (segment,) = aligned(query, times, 8, course, reversed_play=True)
        assert 0 <= segment.start_s < segment.end_s <= VIDEO_S
        ious.append(iou(segment, start, start + 8 * abs(rate)))
        rates.append(segment.rate)
    assert np.mean(ious) > 0.8
    assert max(rates) < 0


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), noise=st.floats(0, 0.6))
def test_forward_play_stays_forward_when_reversed_play_is_looked_for(seed: int, noise: float) -> None:
    course = world(VIDEO_S, seed=seed, speed=0.3)
    query, times = copy_of(course, 20, 8, noise=noise)
    (segment,) = aligned(query, times, 8, course, reversed_play=True)
    assert segment.rate > 0
    still = np.repeat(course[:1], 20 * VIDEO_S, axis=0)
    query = seen(still, times, noise=noise, seed=1)
    (segment,) = aligned(query, times, 8, still, reversed_play=True)
    assert segment.rate > 0


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


def test_coverage_is_the_share_of_each_whole_side() -> None:
    course = world(VIDEO_S, seed=3)
    query, times = copy_of(course, 20, 12)
    first, second = aligned(query, times, 12, course, max_segments=2)
    assert first.query_coverage == pytest.approx(1.0)
    assert first.video_coverage == pytest.approx(12 / VIDEO_S, rel=0.05)
    assert second.video_coverage == pytest.approx((second.end_s - second.start_s) / VIDEO_S)


def test_a_match_does_not_reach_far_into_a_gap_of_the_query() -> None:
    """Six seconds of a copy, six without information, six of something else."""
    course, other = world(VIDEO_S, seed=4), world(20, seed=5)
    times = query_times(18)
    query = seen(other, times, noise=0.3, seed=2)
    query[times < 6] = seen(course, 20 + times[times < 6], noise=0.3, seed=2)
    counts = (times < 6) | (times >= 12)
    (segment,) = aligned(query[counts], times[counts], 18, course)
    assert segment.query_end_s == pytest.approx(6, abs=0.5)


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
