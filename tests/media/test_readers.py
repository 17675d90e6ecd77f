"""The contract of readers, over each entry of the table: same times, same pictures."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.videos import counted, counting_frames, scene_frames, write_stream
from vsearch.config import ReadConfig
from vsearch.errors import MediaError
from vsearch.media import READERS, open_video
from vsearch.media.base import LUMA_SIZE
from vsearch.media.source import SourceFile

TOLERANCE = 4.0  # mean difference in levels: decord upsamples chroma before the area filter sees it

CASES = {
    "B-frames": {"fps": Fraction(30000, 1001), "options": {"bf": "3"}},
    "variable rate": {"pts": [0, 1, 2, 30, 31, 70, 71, 72, 73, 100, 101, 200], "time_base": Fraction(1, 100)},
    "late start": {"pts": range(250, 262)},
    "rotated": {"rotation": 90},
    "wide pixels": {"pixel_aspect": Fraction(2)},
    "full range": {"color_range": 2, "colorspace": 1},
}


@pytest.fixture(params=READERS.names())
def reader(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def frames_of(path: Path, reader: str, size: tuple[int, int], **config: object) -> list[tuple[int, np.ndarray]]:
    settings = ReadConfig(reader=reader, **config)  # type: ignore[arg-type]
    with SourceFile(os.fsencode(path)) as source, open_video(source, settings) as opened:
        assert opened.name == reader
        found = []
        for frame in opened.frames():
            assert frame.luma.shape == LUMA_SIZE
            found.append((frame.pts, frame.picture(size)))
        assert opened.problem is None
        return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_readers_agree_about_times_and_pictures(tmp_path: Path, case: str, suffix: str, reader: str) -> None:
    if suffix == "mkv" and case == "rotated":
        pytest.skip("the muxer writes no display matrix here")
    path = write_stream(tmp_path / f"v.{suffix}", scene_frames(1, 12, (256, 256)), **CASES[case])  # type: ignore[arg-type]
    reference = frames_of(path, "pyav", (256, 256))
    found = frames_of(path, reader, (256, 256))
    assert [pts for pts, _ in found] == [pts for pts, _ in reference]
    for (_, picture), (_, expected) in zip(found, reference, strict=True):
        assert picture.shape == (3, 256, 256)
        assert np.abs(picture.astype(int) - expected).mean() < TOLERANCE


def test_each_frame_is_the_one_its_time_says(tmp_path: Path, reader: str) -> None:
    path = write_stream(tmp_path / "n.mp4", counting_frames(30, (64, 256)), options={"bf": "2", "g": "7"})
    found = frames_of(path, reader, (64, 256))
    assert [counted(picture) for _, picture in found] == list(range(30))


def test_ranges_and_key_frames_mean_the_same(tmp_path: Path, reader: str) -> None:
    path = write_stream(tmp_path / "n.mp4", counting_frames(60, (64, 256)), options={"g": "10", "sc_threshold": "0"})
    assert [counted(p) for _, p in frames_of(path, reader, (64, 256), start_s=1.0, end_s=1.2)] == [25, 26, 27, 28, 29]
    keys = frames_of(path, reader, (64, 256), sampling="keyframes")
    assert [counted(p) for _, p in keys] == list(range(0, 60, 10))


def test_decord_leaves_what_it_cannot_do_to_pyav(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "v.avi", counting_frames(5), codec="mpeg4")
    with pytest.raises(MediaError, match="pyav"):
        frames_of(path, "decord", (64, 256))
