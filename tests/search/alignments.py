"""Pairs whose offset, rate and ranges are known, for tests of aligning."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.search.shelves import seen
from vsearch.metrics import temporal_iou
from vsearch.records import Segment
from vsearch.search.align import align
from vsearch.search.pair import AlignSettings, Timing, matrix_columns

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
