"""The clusters benchmark on a generated corpus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.bench_clusters import Part, agreement, choose_cuts, labels_of, vector_of
from benchmarks.frame_peers import Described
from tests import archives
from tests.benchmarks.small_corpus import video, write_corpus


def parts(*scenes: str) -> list[Part]:
    return [Part(Path(f"{number}.mp4"), scene, 0.0, 4.0) for number, scene in enumerate(scenes)]


def test_every_scene_gives_as_many_excerpts_in_places_that_lie_apart() -> None:
    videos = [
        video("a", scene="s", duration_s=100.0),
        video("b", scene="s", duration_s=50.0),
        video("c", scene="other", duration_s=40.0),
    ]
    cuts = choose_cuts(videos, 4, 4.0, seed=1)
    assert [cut.video.scene for cut in cuts] == ["other"] * 4 + ["s"] * 4
    assert sorted(cut.video.name for cut in cuts) == ["a", "a", "b", "b", "c", "c", "c", "c"]
    starts = [cut.start_s for cut in cuts if cut.video.name == "c"]
    assert all(9 * i <= start <= 9 * (i + 1) for i, start in enumerate(starts))


def test_the_same_division_scores_one_and_one_group_scores_nothing() -> None:
    told = parts("a", "a", "b", "b")
    assert agreement(told, ["1", "1", "2", "2"])["adjusted_mutual_information"] == pytest.approx(1)
    assert agreement(told, ["1"] * 4)["adjusted_mutual_information"] == pytest.approx(0)
    left_out = agreement(told, ["1", "1", "none", "none"])
    assert left_out["without_group"] == 2
    assert left_out["adjusted_mutual_information"] < 1


def test_a_peer_describes_the_frames_of_a_clip_alone() -> None:
    seen = Described(np.eye(3, dtype=np.float32), np.array([0.0, 1.0, 4.0]), 5.0)
    vector = vector_of(parts("a")[0], seen)
    assert vector is not None
    assert vector.tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0.0])
    assert vector_of(Part(Path("x"), "a", 2.0, 3.0), seen) is None
    assert labels_of([None, vector, vector])[0] == "none"


def test_clips_of_generated_scenes_come_together(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=4, seconds=6.0)
    codec, head = archives.tiny_folders()
    output = tmp_path / "clusters.json"
    named = ["--corpus", corpus, "--codec", codec, "--head", head, "--output", output]
    told = ["--peers", "layout", "--excerpts", "2", "--seconds", "2", "--page", tmp_path / "page.html"]
    assert main(["clusters", *map(str, named), *map(str, told)]) == 0
    whole = json.loads(output.read_text())
    assert whole["data"]["excerpts"] == 8
    layout = whole["figures"]["systems"]["colour layout 8x8"]
    assert layout["adjusted_mutual_information"] > 0.3
    assert -0.2 <= whole["figures"]["systems"]["vsearch"]["adjusted_mutual_information"] <= 1
    assert (tmp_path / "page.html").exists()
