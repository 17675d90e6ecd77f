"""Frames as a scale, and parts of a pair."""

from __future__ import annotations

import numpy as np

from vsearch.search.pair import AlignSettings, Pair, Timing, matrix_columns

MATRIX = np.arange(20, dtype=np.float32).reshape(4, 5) / 20


def pair(weights: tuple[float, ...] = (1, 1, 1, 1)) -> Pair:
    return Pair(
        matrix_columns(MATRIX),
        Timing(np.arange(4.0), 0.0, 4.0),
        Timing(np.arange(5.0), 0.0, 5.0),
        np.array(weights, np.float64),
        AlignSettings(),
        all_query_s=4.0,
        all_video_s=5.0,
        asked_s=4.0,
    )


def test_times_are_read_off_the_frames_beside_them() -> None:
    scale = Timing(np.array([0.0, 1.0, 2.0]), 0.0, 3.0).scale
    left, right, share = scale.between(np.array([0.25, 1.5, 2.0, 9.0]))
    assert left.tolist() == [0, 1, 1, 1]
    assert right.tolist() == [1, 2, 2, 2]
    assert share.tolist() == [0.25, 0.5, 1.0, 1.0]


def test_frames_say_nothing_of_the_middle_of_a_gap() -> None:
    scale = Timing(np.array([0.0, 1.0, 2.0, 8.0, 9.0]), 0.0, 10.0).scale
    assert scale.covers(np.array([-2.0, -0.5, 0.5, 2.5, 5.0, 7.5, 9.5, 11.0])).tolist() == [
        False, True, True, True, False, True, True, False,
    ]  # fmt: skip


def test_one_frame_is_a_scale_as_well() -> None:
    timing = Timing(np.array([1.0]), 0.0, 4.0)
    assert timing.interval_s == 4.0
    left, right, share = timing.scale.between(np.array([0.0, 1.0, 3.0]))
    assert left.tolist() == right.tolist() == [0, 0, 0]
    assert share.tolist() == [0.0, 0.0, 0.0]


def test_a_part_holds_the_similarities_of_its_own_frames() -> None:
    part = pair().part((1.0, 3.0), (2.0, 5.0))
    assert part is not None
    assert part.query.times_s.tolist() == [1.0, 2.0]
    assert part.video.times_s.tolist() == [2.0, 3.0, 4.0]
    assert np.array_equal(part.columns(0, 99), MATRIX[1:3, 2:5])
    assert np.array_equal(part.columns(1, 2), MATRIX[1:3, 3:4])
    assert (part.all_query_s, part.all_video_s, part.asked_s) == (4.0, 5.0, 4.0)


def test_there_is_no_part_without_frames_that_count() -> None:
    assert pair().part((1.2, 1.8), (0.0, 5.0)) is None
    assert pair().part((0.0, 4.0), (4.5, 5.0)) is None
    assert pair((0, 0, 1, 1)).part((0.0, 2.0), (0.0, 5.0)) is None
