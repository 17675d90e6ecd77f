"""The picture of a comparison: where things stand, and that every case can be drawn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch.errors import InputError
from vsearch.records import Pairing, Segment
from vsearch.render.explanations import (
    WIDTH,
    Axis,
    Explained,
    Side,
    check_name,
    coloured,
    draw_explanation,
    heat,
    shown_range,
)


def segment(start_s: float, end_s: float, *, rate: float = 1.0) -> Segment:
    return Segment(0.0, abs((end_s - start_s) / rate), start_s, end_s, rate, 0.8, 0.7, 12, 1.0, 0.1)


def explained(
    matrix: NDArray[np.float32], video_s: float, *segments: Segment, still: bool = False, query_s: float = 8.0
) -> Explained:
    m, n = matrix.shape
    lines = [(one, [Pairing(one.query_start_s, one.start_s, 0.8)]) for one in segments]
    return Explained(
        query=Side("query.mp4", np.arange(m) / max(m, 1) * query_s, 0.0, query_s, None),
        video=Side("v1 video.mp4", np.arange(n) / max(n, 1) * video_s, 0.0, video_s, None),
        columns=lambda start, stop: matrix[:, start:stop],
        lines=lines,
        words=["does not match: " + "a long reason " * 30],
        floor=0.6,
        matches=False,
        still=still,
    )


def noise(m: int, n: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.2, 0.9, (m, n)).astype(np.float32)


def test_each_pixel_shows_the_nearest_frame() -> None:
    matrix = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32)
    one = explained(matrix, 3.0)
    pixels = heat(one, Axis(0.0, 8.0, 8), Axis(0.0, 3.0, 30))
    assert np.array_equal(pixels[0, [0, 4, 6, 14, 16, 29]], np.float32([0.1, 0.1, 0.2, 0.2, 0.3, 0.3]))
    assert np.array_equal(pixels[[0, 7], 0], np.float32([0.1, 0.4]))


def test_no_peak_is_lost_where_frames_are_more_than_pixels() -> None:
    matrix = np.zeros((40, 9000), np.float32)
    matrix[17, 5000] = 0.9
    pixels = heat(explained(matrix, 9000.0), Axis(0.0, 8.0, 10), Axis(0.0, 9000.0, 90))
    assert np.argwhere(pixels == np.float32(0.9)).tolist() == [[4, 50]]


def test_gaps_between_frames_stay_empty() -> None:
    one = explained(noise(8, 20), 20.0)
    times = np.concatenate([np.arange(10.0), np.arange(15.0, 20.0)])
    gap = Explained(
        query=one.query,
        video=Side("v", times, 0.0, 20.0, None),
        columns=one.columns,
        lines=(),
        words=("w",),
        floor=0.5,
        matches=False,
        still=False,
    )
    pixels = heat(gap, Axis(0.0, 8.0, 8), Axis(0.0, 20.0, 200))
    assert np.isnan(pixels[:, 110:135]).all()
    assert not np.isnan(pixels[:, :95]).any()


def test_a_short_range_of_a_long_video_is_drawn_close_up() -> None:
    assert shown_range(explained(noise(8, 60), 60.0, segment(20, 28))) == (8.0, 40.0)
    assert shown_range(explained(noise(8, 30), 30.0, segment(10, 18))) == (0.0, 30.0)
    assert shown_range(explained(noise(8, 30), 3000.0)) == (0.0, 3000.0)
    far = shown_range(explained(noise(8, 60), 3000.0, segment(1000, 1008), segment(2000, 2008)))
    assert far == (988.0, 1020.0)


def test_ticks_are_round_and_apart() -> None:
    axis = Axis(3.3, 63.0, 600)
    ticks = axis.ticks(80)
    assert ticks == [10, 20, 30, 40, 50, 60]
    assert all(axis.at(b) - axis.at(a) >= 80 for a, b in pairwise(ticks))


def test_colours_brighten_with_the_cosine_and_gaps_have_their_own() -> None:
    image = np.asarray(coloured(np.array([[0.0, 0.5, 1.0, np.nan]], np.float32))).astype(int)
    light = image.sum(axis=2)[0]
    assert light[0] < light[1] < light[2]
    assert image[0, 3].tolist() == [40, 43, 50]


@pytest.mark.parametrize(
    "one",
    [
        explained(noise(32, 60), 60.0, segment(20, 28), segment(40, 44, rate=-0.5)),
        explained(noise(1, 40), 40.0, segment(5, 6), still=True, query_s=1.0),
        explained(noise(1, 1), 0.0, segment(0, 0)),
        explained(noise(0, 0), 4.0),
        explained(noise(4, 5), 5.0),
        explained(noise(4, 4000), 4000.0, segment(3000, 3008)),
    ],
    ids=["lines", "picture", "a frame each", "nothing", "no line", "long"],
)
def test_everything_can_be_drawn_also_without_pictures(one: Explained) -> None:
    image = draw_explanation(one)
    assert image.width == WIDTH
    assert 100 < image.height < 3000


def test_other_files_than_pictures_are_refused() -> None:
    with pytest.raises(InputError, match=r"\.png or \.webp"):
        check_name(Path("why.jpg"))
