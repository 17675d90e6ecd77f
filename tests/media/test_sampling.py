from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsearch.media.sampling import SamplingGrid, clips_of_shots, preview_size
from vsearch.records import Shot


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (Fraction(16, 9), (144, 256)),
        (Fraction(9, 16), (256, 144)),
        (Fraction(4, 3), (160, 208)),
        (Fraction(1), (192, 192)),
        (Fraction(256), (16, 4096)),
        (Fraction(100_000), (16, 4096)),
        (Fraction(1, 100_000), (4096, 16)),
    ],
)
def test_preview_size_follows_its_definition(aspect: Fraction, size: tuple[int, int]) -> None:
    assert preview_size(aspect, 36864) == size


@given(st.fractions(min_value=Fraction(1, 50), max_value=Fraction(50)), st.integers(4096, 1 << 20))
def test_preview_sides_are_multiples_of_sixteen(aspect: Fraction, pixels: int) -> None:
    height, width = preview_size(aspect, pixels)
    assert height % 16 == width % 16 == 0
    assert min(height, width) >= 16


def taken(pts: list[int], fps: Fraction, base: Fraction) -> list[int]:
    grid = SamplingGrid(pts[0], fps, base)
    return [time for time in pts if grid.takes(time)]


def test_grid_takes_the_first_frame_at_or_after_each_second() -> None:
    base = Fraction(1, 30000)
    pts = [7000 + 1001 * number for number in range(100)]
    assert taken(pts, Fraction(1), base) == [7000 + 1001 * number for number in (0, 30, 60, 90)]


def test_grid_does_not_fill_gaps_and_stays_on_the_global_seconds() -> None:
    assert taken([0, 40, 5500, 5900, 6000, 6040], Fraction(1), Fraction(1, 1000)) == [0, 5500, 6000]


def test_grid_takes_every_frame_of_a_slow_video() -> None:
    assert taken([0, 10, 20, 30], Fraction(1), Fraction(1)) == [0, 10, 20, 30]


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True).map(sorted), st.fractions("1/7", 60))
def test_grid_agrees_with_the_definition(pts: list[int], fps: Fraction) -> None:
    base = Fraction(1, 1000)
    cells = [(time - pts[0]) * base * fps // 1 for time in pts]
    expected = [time for number, time in enumerate(pts) if number == 0 or cells[number] > cells[number - 1]]
    assert taken(pts, fps, base) == expected


def shot(start: int, end: int) -> Shot:
    return Shot(start_pts=start, end_pts=end, kind="cut", strength=1.0)


def test_clips_cut_a_shot_into_equal_parts() -> None:
    clips = clips_of_shots([shot(0, 25_000)], range(0, 25_000, 1000), Fraction(10), Fraction(1, 1000))
    assert [(clip.start_pts, clip.end_pts) for clip in clips] == [(0, 8333), (8333, 16666), (16666, 25000)]


def test_a_part_without_a_sampled_frame_joins_the_part_before_it() -> None:
    clips = clips_of_shots([shot(0, 40_000)], [0, 35_000], Fraction(10), Fraction(1, 1000))
    assert [(clip.start_pts, clip.end_pts) for clip in clips] == [(0, 30_000), (30_000, 40_000)]


def test_a_first_part_without_a_sampled_frame_joins_the_next() -> None:
    clips = clips_of_shots([shot(0, 20_000)], [15_000], Fraction(10), Fraction(1, 1000))
    assert [(clip.start_pts, clip.end_pts) for clip in clips] == [(0, 20_000)]


@given(
    st.lists(st.integers(1, 60_000), min_size=1, max_size=6),
    st.lists(st.integers(0, 200_000), max_size=40, unique=True).map(sorted),
)
def test_clips_tile_their_shots_and_hold_a_frame_each(lengths: list[int], extra: list[int]) -> None:
    edges = [0]
    for length in lengths:
        edges.append(edges[-1] + length)
    shots = [shot(a, b) for a, b in pairwise(edges)]
    pts = sorted({*edges[:-1], *(time for time in extra if time < edges[-1])})
    clips = clips_of_shots(shots, pts, Fraction(10), Fraction(1, 1000))
    assert (clips[0].start_pts, clips[-1].end_pts) == (0, edges[-1])
    assert all(a.end_pts == b.start_pts for a, b in pairwise(clips))
    for clip in clips:
        assert any(clip.start_pts <= time < clip.end_pts for time in pts)
        assert edges[clip.shot] <= clip.start_pts < clip.end_pts <= edges[clip.shot + 1]
