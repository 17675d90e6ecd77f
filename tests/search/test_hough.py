"""Lines by votes: the whole of a long video is looked at, and frames in order count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.search.alignments import VIDEO_S, aligned, copy_of, iou
from tests.search.shelves import seen, world
from vsearch.search.align import align
from vsearch.search.hough import strongest_cells, voted_lines
from vsearch.search.pair import AlignSettings, Pair, Timing, matrix_columns


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


def test_the_line_of_a_copy_is_among_the_few_that_are_voted_for() -> None:
    course = world(VIDEO_S, seed=3, speed=0.5)
    query, times = copy_of(course, 20, 10, rate=1.5)
    video_times = np.arange(float(VIDEO_S))
    pair = Pair(
        matrix_columns(query @ seen(course, video_times, noise=0.0, seed=0).T),
        Timing(times, 0.0, 10.0),
        Timing(video_times, 0.0, float(VIDEO_S)),
        np.ones(len(times)),
        AlignSettings(),
        all_query_s=10.0,
        all_video_s=float(VIDEO_S),
        asked_s=10.0,
    )
    strongest, background = strongest_cells(pair)
    assert strongest.frames.shape == strongest.values.shape == (len(times), AlignSettings().votes)
    assert strongest.values.max() > background
    lines = voted_lines(pair, strongest, background=background)
    assert len(lines) <= AlignSettings().proposals
    assert min(abs(float(line.video_times(5.0)) - 27.5) + abs(line.rate - 1.5) for line in lines) < 1.0
