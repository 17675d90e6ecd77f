"""Parts of pictures: cut where they are displayed, from frames at full size."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import videos
from tests.db.samples import INFO
from vsearch.config import ReadConfig, Region
from vsearch.errors import InputError
from vsearch.media.reading import read_file
from vsearch.media.sampling import framing
from vsearch.records import MediaInfo

PLAIN = replace(INFO, rotation=0, width=1920, height=1080, display_aspect=Fraction(16, 9))


def cut(path: Path, region: Region | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The first sampled picture (3, H, W) of a file."""
    with read_file(bytes(path), ReadConfig(region=region), identify=False) as reading:
        return np.asarray(next(iter(reading)).frames[0])


def quarters(height: int, width: int) -> videos.Picture:
    """Red, green above blue, white."""
    picture = np.zeros((3, height, width), np.uint8)
    picture[0, : height // 2, : width // 2] = 255
    picture[1, : height // 2, width // 2 :] = 255
    picture[2, height // 2 :, : width // 2] = 255
    picture[:, height // 2 :, width // 2 :] = 255
    return picture


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("320,180,640,360", Region(320, 180, 640, 360)),
        (" 10%, 20.5%,50%,50% ", Region(10, 20.5, 50, 50, percent=True)),
    ],
)
def test_regions_are_read_and_written(text: str, region: Region) -> None:
    assert Region.parse(text) == region
    assert Region.parse(str(region)) == region


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "10%,20%,30,40", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "0,0,nan,5", "0,0,inf,5"]
)
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="region"):
        Region.parse(text)


def test_a_region_beyond_the_edges_or_of_a_few_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="1920x1080"):
        framing(PLAIN, 36_864, Region(1800, 0, 200, 100))
    with pytest.raises(InputError, match="beyond"):
        framing(PLAIN, 36_864, Region(60, 0, 50, 50, percent=True))
    with pytest.raises(InputError, match="too small"):
        framing(PLAIN, 36_864, Region(0, 0, 100, 7))


def test_without_a_region_a_frame_is_scaled_once_and_not_cut() -> None:
    whole = framing(PLAIN, 36_864)
    assert whole.size == whole.whole == (144, 256)
    assert whole.box == (0, 0, 144, 256)


def test_a_large_region_is_cut_after_one_scaling_and_a_small_one_before_it() -> None:
    large = framing(PLAIN, 36_864, Region(960, 540, 960, 540))
    assert (large.size, large.whole, large.box) == ((144, 256), (288, 512), (144, 256, 144, 256))
    small = framing(PLAIN, 36_864, Region(960, 540, 96, 54))
    assert (small.size, small.whole, small.box) == ((144, 256), (1080, 1920), (540, 960, 54, 96))


@given(
    info=st.sampled_from(
        [PLAIN, replace(PLAIN, rotation=90, display_aspect=Fraction(9, 16)),
         replace(PLAIN, width=720, height=576, display_aspect=Fraction(4, 3))]
    ),
    x=st.floats(0, 95), y=st.floats(0, 95), width=st.floats(3, 100), height=st.floats(3, 100),
)  # fmt: skip
def test_the_box_lies_inside_the_frame_and_keeps_its_shape(
    info: MediaInfo, x: float, y: float, width: float, height: float
) -> None:
    region = Region(x, y, min(width, 100 - x), min(height, 100 - y), percent=True)
    made = framing(info, 36_864, region)
    top, left, rows, columns = made.box
    assert 0 <= top <= made.whole[0] - rows
    assert 0 <= left <= made.whole[1] - columns
    share = (rows / made.whole[0]) / (region.height / 100), (columns / made.whole[1]) / (region.width / 100)
    assert share == pytest.approx((1, 1), rel=0.06)
    assert float(made.display_aspect) == pytest.approx(
        float(info.display_aspect) * region.width / region.height, rel=0.15
    )


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_region_is_that_of_the_displayed_picture(tmp_path: Path, rotation: int) -> None:
    """Each quarter of the displayed picture has one colour, whatever way the file stores it."""
    shown = quarters(240, 320) if rotation % 180 == 0 else quarters(320, 240)
    stored = np.ascontiguousarray(np.rot90(shown, rotation // 90, axes=(1, 2)))
    path = videos.write_stream(
        tmp_path / "a.mp4", [stored] * 3, rotation=rotation, codec="libx264", options={"crf": "1"}
    )
    height, width = shown.shape[1:]
    for row in (0, 1):
        for column in (0, 1):
            region = Region(column * width // 2 + 4, row * height // 2 + 4, width // 2 - 8, height // 2 - 8)
            seen = cut(path, region).mean(axis=(1, 2))
            meant = shown[:, row * (height - 1), column * (width - 1)]
            assert seen == pytest.approx(meant, abs=16), (row, column)


def test_wide_pixels_count_as_they_are_displayed(tmp_path: Path) -> None:
    path = videos.write_stream(tmp_path / "a.mp4", [quarters(240, 320)] * 3, pixel_aspect=Fraction(2))
    picture = cut(path, Region(324, 4, 312, 112))  # the displayed picture is 640x240
    assert picture.mean(axis=(1, 2)) == pytest.approx((0, 255, 0), abs=20)
    assert picture.shape[2] / picture.shape[1] == pytest.approx(312 / 112, rel=0.1)


def test_a_region_shows_more_than_the_same_part_of_a_preview(tmp_path: Path) -> None:
    """A fine pattern that scaling the whole frame would average away."""
    fine = np.zeros((3, 720, 1280), np.uint8)
    fine[:, :, ::2] = 255
    path = videos.write_stream(tmp_path / "a.mp4", [fine] * 2, options={"crf": "1"}, pixel_format="yuv444p")
    assert cut(path, Region(640, 360, 256, 144)).std() > 100
    assert cut(path, None).std() < 30
