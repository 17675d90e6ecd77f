"""What of the query belongs to a match, and what a match of little support is worth."""

from __future__ import annotations

import numpy as np
import pytest

from tests.search.alignments import VIDEO_S, aligned, copy_of, iou, query_times
from tests.search.shelves import seen, world
from vsearch.metrics import temporal_iou
from vsearch.search.align import align
from vsearch.search.pair import Timing, matrix_columns


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


def test_one_frame_in_common_scores_low() -> None:
    query, times = copy_of(world(10, seed=9), 1, 5)
    course = world(VIDEO_S, seed=10)
    course[20 * 30] = 100 * query[8]
    (segment,) = aligned(query, times, 5, course)
    assert segment.score < 0.4


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


def test_a_video_of_one_picture_matches_the_part_that_shows_it() -> None:
    course, other = world(1, seed=17), world(20, seed=18)
    times = query_times(20)
    query = seen(other, times, noise=0.2, seed=1)
    inside = (times >= 5) & (times < 9)
    query[inside] = seen(course, 0 * times[inside], noise=0.2, seed=1)
    (segment,) = aligned(query, times, 20, course, video_s=1)
    assert (segment.start_s, segment.end_s) == (0.0, 1.0)
    assert temporal_iou((segment.query_start_s, segment.query_end_s), (5, 9)) > 0.9


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
