"""`python -m benchmarks side_by_side`: the frames that were named, by each coder, at nearest bytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import main
from benchmarks.bench_side_by_side import Panel, draw, frame_named, still_of
from benchmarks.report import BenchmarkError
from benchmarks.stills import JPEG
from tests import archives, videos
from tests.benchmarks.small_corpus import video, write_corpus


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_frame_is_drawn_beside_what_each_coder_makes_of_it(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=1, seconds=3.0)
    codec, _ = archives.tiny_folders()
    named = ["--corpus", corpus, "--codec", codec, "--output", tmp_path / "x.json", "--pictures", tmp_path / "drawn"]
    assert main(["side_by_side", "dev/000a.mp4@1", "--tier", "high", *map(str, named)]) == 0
    original, *others = json.loads((tmp_path / "x.json").read_text())["figures"]["dev/000a.mp4@1"]
    assert original["n_bytes"] is None
    assert [panel["name"].split()[0].rstrip(",") for panel in others] == ["vsearch", "AVIF", "SVT-AV1", "JPEG"]
    with Image.open(tmp_path / "drawn" / "000a-1s.png") as sheet:
        assert sheet.width > 3 * 2 * 192


def test_the_still_of_nearest_bytes_is_taken() -> None:
    frame = next(videos.scene_frames(3, 1, (80, 128), noise=4.0))
    sizes = [len(JPEG.save(frame, quality)) for quality in JPEG.qualities]
    name, n_bytes, _ = still_of(JPEG, frame, sizes[39] + 1)
    assert (name, n_bytes) == ("JPEG, quality 40", sizes[39])
    assert still_of(JPEG, frame, 1.0)[0] == "JPEG, quality 1"


@pytest.mark.parametrize("text", ["a.mp4@11", "a.mp4@-1", "a.mp4", "b.mp4@1", "a.mp4@start"])
def test_what_names_no_frame_is_an_error(text: str) -> None:
    with pytest.raises(BenchmarkError, match="names no frame"):
        frame_named(text, [video("a.mp4", duration_s=10.0)])


def test_a_frame_is_named_by_its_video_and_second() -> None:
    found = frame_named("dir/a.mp4@2.5", [video("dir/a.mp4", duration_s=10.0)])
    assert (found.seconds, found.file_name) == (2.5, "a-2.5s.png")


def test_pixels_are_repeated_and_not_smoothed(tmp_path: Path) -> None:
    frame = videos.texture(1, (48, 64))
    draw([(Panel("original", None, 60.0, 1.0), frame)] * 5, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as sheet:
        drawn = np.asarray(sheet).transpose(2, 0, 1)
    assert np.array_equal(drawn[:, 52 : 52 + 96, 8 : 8 + 128], frame.repeat(2, axis=1).repeat(2, axis=2))
