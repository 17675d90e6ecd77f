"""`python -m benchmarks`: the table of programs, and runs of them over a small corpus."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import PROGRAMS, main
from benchmarks.datasets import corpus_folder, dev_videos, listed, one_per_kind
from benchmarks.report import BenchmarkError
from tests import archives
from tests.benchmarks.small_corpus import write_corpus


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), groups=4, seconds=4.0, copies=[1])


def measured(name: str, corpus: Path, output: Path, *more: str) -> dict[str, Any]:
    """Run a program with the tiny models and read what it wrote."""
    codec, head = archives.tiny_folders()
    common = ["--corpus", corpus, "--output", output, "--codec", codec, "--head", head]
    assert main([name, *map(str, common), *more]) == 0
    result: dict[str, Any] = json.loads(output.read_text())
    return result


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([name, "--help"])
    assert exit_.value.code == 0
    assert "--output" in capsys.readouterr().out
    assert import_module(PROGRAMS[name].partition(":")[0]).__doc__


@pytest.mark.parametrize(("argv", "status"), [([], 2), (["nothing"], 2), (["--help"], 0)])
def test_without_a_known_name_the_programs_are_listed(
    argv: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == status
    told = capsys.readouterr()
    assert "clusters, copies, duplicates, excerpts, gpu, long" in told.out + told.err


@pytest.mark.parametrize(
    "name", ["clusters", "copies", "excerpts", "long", "previews", "query", "rate_distortion", "size", "speed"]
)
def test_without_the_corpus_one_line_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VSEARCH_CORPUS", str(tmp_path))
    assert main([name, "--output", str(tmp_path / "x.json")]) == 1
    message = capsys.readouterr().err
    assert str(tmp_path) in message
    assert "$VSEARCH_CORPUS" in message
    assert not (tmp_path / "x.json").exists()


def test_the_manifest_and_lists_are_read(small_corpus: Path, tmp_path: Path) -> None:
    videos = dev_videos(corpus_folder(small_corpus))
    assert [video.group for video in videos] == ["g0", "g1", "g1", "g2", "g3"]
    names = tmp_path / "names.txt"
    names.write_text("dev/003a.mp4\ndev/000a.mp4\n")
    assert [video.group for video in listed(videos, names)] == ["g3", "g0"]
    assert [video.kind for video in one_per_kind(videos, 5)] == ["kind 0", "kind 1"]
    names.write_text("dev/nothing.mp4\n")
    with pytest.raises(BenchmarkError, match="nothing"):
        listed(videos, names)


def test_a_manifest_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dev.jsonl").write_text('{"file": "dev/1.mp4"}\n')
    with pytest.raises(BenchmarkError, match="line 1"):
        dev_videos(tmp_path)


def test_growth_is_measured_and_its_parts_add_up(small_corpus: Path, tmp_path: Path) -> None:
    found = measured("size", small_corpus, tmp_path / "size.json")
    figures, parts = found["figures"], found["figures"]["bytes"]
    assert figures["videos"] == 5
    assert figures["seconds_of_video"] == pytest.approx(20.0, rel=0.02)
    assert parts["latents"] + parts["embeddings"] + parts["metadata"] == parts["all told"]
    assert all(n_bytes > 0 for n_bytes in parts.values())
    assert found["data"]["videos"] == 5
    assert len(found["data"]["manifest_sha256"]) == 64


def test_previews_are_compared_with_the_frames_and_with_stills(small_corpus: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("dev/000a.mp4\ndev/001a.mp4\n")
    found = measured("previews", small_corpus, tmp_path / "previews.json", "--list", str(names), "--frames", "2")
    figures = found["figures"]
    assert (figures["previews"]["videos"], figures["previews"]["frames"]) == (2, 4)
    assert 8 < figures["previews"]["psnr_db"] < 40
    assert set(figures["by_kind"]) == {"kind 0", "kind 1"}
    assert {name.split()[0] for name in figures["peers"]} == {"JPEG", "WebP", "AVIF"}
    assert set(figures["videos"]) == {"dev/000a.mp4", "dev/001a.mp4"}
