"""Fitted lines: how exactly a copy is placed, at which rate, and when another rate than 1 is believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.search.alignments import VIDEO_S, aligned, assert_sane, copy_of, iou, query_times
from tests.search.shelves import seen, world


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
