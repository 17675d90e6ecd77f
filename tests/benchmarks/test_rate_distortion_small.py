"""`python -m benchmarks rate_distortion` over a small corpus with the tiny codec: every coder, real bytes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.bench_rate_distortion import AVIF_BARE, bd_goals
from benchmarks.codec_rates import Setting, same
from benchmarks.moving import MOVING, MovingCoder
from benchmarks.peers import PEERS, PointShelf
from benchmarks.report import BenchmarkError
from benchmarks.score_rates import MEASURES, Comparison
from tests import archives, videos
from tests.benchmarks.small_corpus import write_corpus
from vsearch.metrics import psnr
from vsearch.models import load_codec

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), groups=2, seconds=3.0)


def measured(corpus: Path, output: Path, *more: str) -> dict[str, Any]:
    codec, _ = archives.tiny_folders()
    named = ["--corpus", str(corpus), "--codec", str(codec), "--output", str(output), "--frames", "2"]
    assert main(["rate_distortion", *named, *more]) == 0
    result: dict[str, Any] = json.loads(output.read_text())
    return result


@needs_ffmpeg
@pytest.mark.slow
@pytest.mark.timeout(900)  # minutes on a machine that has other work
def test_every_coder_is_measured_and_points_are_kept(
    small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--work", str(tmp_path / "work"), "--plot", str(tmp_path / "curves.png")]
    first = measured(small_corpus, tmp_path / "first.json", *more)
    figures = first["figures"]
    assert set(figures["curves"]) == {"vsearch", AVIF_BARE, *(peer.name for peer in PEERS.values())}
    assert all(len(rows) == 8 for name, rows in figures["curves"].items() if name != "vsearch")
    assert figures["levels"] == [0, 1, 2]
    assert figures["chunks_that_did_not_unpack_exactly"] == 0
    assert figures["bytes_an_hour"]["high"]["under 10 s"]["videos"] == 2
    assert all(figures["held_over_still"][tier]["mean"] >= 1 for tier in ("low", "default", "high"))
    assert set(figures["videos"]) == {"dev/000a.mp4", "dev/001a.mp4"}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

    capsys.readouterr()
    again = measured(small_corpus, tmp_path / "again.json", *more)
    assert "0 of 12 curves are not kept yet" in capsys.readouterr().err
    assert again["figures"] == figures

    assert main(["rate_distortion", "--table", str(tmp_path / "first.json")]) == 0
    table = capsys.readouterr().out
    assert "| tier | MB an hour |" in table
    assert "| JPEG |" in table


def test_a_subset_of_parts_and_peers_is_measured_alone(small_corpus: Path, tmp_path: Path) -> None:
    names = tmp_path / "one.txt"
    names.write_text("dev/001a.mp4\n")
    found = measured(small_corpus, tmp_path / "x.json", "--peers", "jpeg", "--parts", "curves", "--list", str(names))
    assert set(found["figures"]["curves"]) == {"vsearch", "JPEG"}
    assert set(found["figures"]["bd_rate"]["ssim"]) == {"JPEG"}
    assert "bytes_an_hour" not in found["figures"]


@pytest.mark.slow
def test_speed_is_measured_beside_avif(small_corpus: Path, tmp_path: Path) -> None:
    speed = measured(small_corpus, tmp_path / "x.json", "--parts", "speed", "--quick")["figures"]["speed"]
    assert all(rate["median"] > 0 for rate in speed["frames_a_second"].values())
    assert speed["encode and pack over AVIF encode"] > 0


@pytest.mark.parametrize("wrong", [("--peers", "gif"), ("--parts", "all"), ("--parts", "static", "--plot", "x.png")])
def test_unknown_names_are_usage_errors(wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["rate_distortion", *wrong])
    assert exit_.value.code == 2
    assert "choose from" in capsys.readouterr().err or "--plot" in wrong


def test_an_effort_that_the_codec_does_not_offer_is_an_error(small_corpus: Path, tmp_path: Path) -> None:
    codec, _ = archives.tiny_folders()
    named = ["--corpus", str(small_corpus), "--codec", str(codec), "--output", str(tmp_path / "x.json")]
    assert main(["rate_distortion", *named, "--effort", "heroic"]) == 1


@needs_ffmpeg
@pytest.mark.slow
@pytest.mark.parametrize("coder", MOVING, ids=lambda coder: coder.name)
def test_every_video_coder_gives_better_pictures_for_more_bytes(coder: MovingCoder) -> None:
    frames = np.stack(list(videos.scene_frames(3, 4, (80, 128), noise=4.0)))
    poor_bytes, poor = coder.code(frames, 55 if coder.encoder == "libsvtav1" else 45)
    good_bytes, good = coder.code(frames, 20)
    assert poor.shape == good.shape == frames.shape
    assert poor_bytes < good_bytes
    assert psnr(frames, poor) < psnr(frames, good) - 3
    assert psnr(frames, good) > 30


@needs_ffmpeg
def test_what_ffmpeg_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((1, 3, 64, 64), np.uint8)
    with pytest.raises(BenchmarkError, match="ffmpeg failed"):
        MovingCoder("none", "no-such-encoder", "h264", ()).encode(frames, 30)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchmarkError, match="ffmpeg is missing"):
        MOVING[0].encode(frames, 30)


def test_without_matplotlib_a_plot_is_refused_before_anything_is_measured(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["rate_distortion", "--corpus", str(small_corpus), "--plot", str(tmp_path / "x.png")]) == 1
    assert capsys.readouterr().err == (
        "benchmarks: error: --plot needs matplotlib: pip install 'vsearch[train]', or leave --plot out\n"
    )


def test_points_are_kept_by_all_that_they_depend_on(tmp_path: Path) -> None:
    shelf, frames = PointShelf(tmp_path), np.stack([videos.texture(1, (48, 64))])
    path, point = shelf.path(PEERS["jpeg"], frames), PEERS["jpeg"].point(frames, 30)
    others = [shelf.path(PEERS["webp"], frames), shelf.path(PEERS["jpeg"], frames[:, :, :, ::-1])]
    assert len({path, *others}) == 3
    assert shelf.read(path) == {}
    shelf.write(path, {30: point})
    assert shelf.read(path) == {30: point}
    path.write_text('[{"quality": 30}]')
    with pytest.raises(BenchmarkError, match="delete it"):
        shelf.read(path)


def test_goals_are_held_against_the_mean_over_videos() -> None:
    rates = {measure: {"JPEG": Comparison({"a": -90.0, "b": -60.0}, 28.0, 30.0, 0.5, 0)} for measure in MEASURES}
    assert [(goal.measured, goal.met) for goal in bd_goals(rates)] == [(-75.0, True)] * 2
    assert bd_goals({measure: {"JPEG": None} for measure in MEASURES}) == []


def test_latents_of_another_level_are_not_the_same() -> None:
    codec = load_codec(archives.tiny_folders()[0])
    frames = np.stack([videos.texture(1, (48, 64))] * 40)
    chunks = Setting(codec).chunks(frames, 1)
    assert [len(latents) for latents, _ in chunks] == [32, 8]
    latents, data = chunks[1]
    assert same(latents, codec.unpack(data))
    assert not same(latents, codec.encode(frames[32:], level=2))
