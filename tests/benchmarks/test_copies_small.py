"""Small versions of the copies and long benchmarks: generated videos with the tiny models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.asking import ask, ask_side_by_side
from benchmarks.copies import COPY
from benchmarks.datasets import dev_videos
from benchmarks.edited_queries import Query, QuerySet
from benchmarks.edits import EDITS
from benchmarks.film import FPS, clip_at, plan_film
from benchmarks.report import BenchmarkError
from tests import archives
from tests.benchmarks.small_corpus import video, write_corpus
from vsearch.library import Library

SHOWN = "vsearch, hits shown by default"
PEER = "colour layout 8x8"


def measured(program: str, folder: Path, corpus: Path, *more: str) -> dict[str, Any]:
    codec, head = archives.tiny_folders()
    output = folder / f"{program}.json"
    named = ["--corpus", corpus, "--codec", codec, "--head", head, "--output", output, "--work", folder / "work"]
    assert main([program, *map(str, named), "--peers", "layout", "--workers", "1", *more]) == 0
    result: dict[str, Any] = json.loads(output.read_text())
    return result


@pytest.mark.slow
def test_copies_of_generated_videos_are_measured_beside_a_peer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=8, copies=[0, 5])
    found = measured("copies", tmp_path, corpus, "--copies", "1", "--strangers", "6")
    systems = found["figures"]["systems"]
    assert set(systems) == {"vsearch", SHOWN, PEER}
    for figures in systems.values():
        assert set(figures["edits"]) == set(EDITS)
        assert figures["all"]["queries"] == len(EDITS)
        assert figures["edits"]["re-encoded"]["recall_at_1"] == 1
        assert figures["all"]["recall_at_1"] > 0.5
    ours = systems["vsearch"]
    assert systems[PEER]["all"]["recall_at_1"] < 1
    assert ours["edits"]["re-encoded"]["temporal_iou"] > 0.8
    (floor,) = ours["thresholds"]
    assert (floor["threshold"], floor["least"], floor["strangers"]) == ("default floor", 0.6, 6)
    assert {goal["what"] for goal in found["goals"]} >= {"uAP over all edits"}
    capsys.readouterr()
    assert main(["copies", "--table", str(tmp_path / "copies.json")]) == 0
    table = capsys.readouterr().out
    assert f"| | vsearch | {SHOWN} | {PEER} |" in table
    assert 0.5 < systems[SHOWN]["all"]["recall_at_1"] < ours["all"]["recall_at_1"]
    assert "| recall@1, mirror |" in table


@pytest.mark.slow
def test_excerpts_of_a_generated_film_are_placed(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=12)
    found = measured("long", tmp_path, corpus, "--quick", "--seconds", "60", "--excerpts", "4")
    ours = found["figures"]["systems"]["vsearch"]
    assert found["data"]["film_clips"] == 9
    assert found["data"]["film_seconds"] >= 60
    assert ours["queries"] == 4
    plain = next(answer for answer in ours["answers"] if answer["edit"] == "re-encoded")
    assert abs(plain["start_error_s"]) < 0.5


def test_a_film_shows_all_of_dev_once_and_fills_up_with_train() -> None:
    dev = [video(f"dev/{i}", group=f"g{i // 2}", duration_s=10.0 + 5 * i) for i in range(6)]
    train = [video(f"train/{i}", duration_s=20.0) for i in range(5)]
    clips = plan_film(dev, train, seconds=400, seed=1)
    assert clips == plan_film(dev, train, seconds=400, seed=1)
    own = [clip for clip in clips if clip.video.name.startswith("dev")]
    assert {clip.video.name for clip in own} == {"dev/0", "dev/2", "dev/4"}
    places = [(clip.video.name, clip.start_s) for clip in own]
    assert len(set(places)) == len(places)
    assert not any(clip.mirrored for clip in own)
    assert any(clip.mirrored for clip in clips)
    ends = [clip.at_s + clip.length_s for clip in clips]
    assert [clip.at_s for clip in clips[1:]] == pytest.approx(ends[:-1])
    assert 400 <= ends[-1] < 412
    assert all(abs(clip.at_s * FPS - round(clip.at_s * FPS)) < 1e-6 for clip in clips)
    assert clip_at(clips, clips[3].at_s + 0.5) == clips[3]
    assert clip_at(clips, ends[-1] + 1) is None


def test_a_film_without_enough_footage_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="s too short for a film of 400 s"):
        plan_film([video("dev/0", duration_s=20)], [], seconds=400, seed=1)


@pytest.mark.slow
def test_several_processes_answer_as_one_does(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=3)
    videos = dev_videos(corpus)
    queries = [Query(one.path.name, COPY, one.name, "re-encoded", 0.0, 8.0, 0.0, 8.0, False) for one in videos]
    asked = QuerySet(corpus / "dev", tuple(queries))
    sources, known = {one.name: one for one in videos}, {str(one.path): one for one in videos}
    with Library.open(tmp_path / "library", create=True) as library:
        library.index([videos[0].path, videos[1].path])
        answers, _ = ask(library, asked, sources, known)
    beside, elapsed_s = ask_side_by_side(tmp_path / "library", asked, sources, known, processes=2)
    assert beside == answers
    assert [answer.hits[0].video.name for answer in answers[:2]] == [one.name for one in videos[:2]]
    assert min(elapsed_s) > 0
