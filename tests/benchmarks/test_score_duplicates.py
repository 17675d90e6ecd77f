"""How pairs are judged, and libraries that never were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.bench_duplicates import slopes
from benchmarks.datasets import SHOWS_AGAIN
from benchmarks.edited_copies import EDITS, choose_sources
from benchmarks.large_libraries import HEAD, mixed_library
from benchmarks.report import BenchmarkError
from benchmarks.score_duplicates import Known, judge, score_pairs
from tests import archives
from tests.benchmarks.small_corpus import video, write_corpus
from vsearch.search.gallery import Gallery

FILES = [
    Known("a", "g1", "s1"),
    Known("a2", "g1", "s1"),
    Known("grey of a", "g1", "s1", "grey"),
    Known("b", "g2", "s1"),
    Known("c", "g3", "s3"),
]
SOURCES = {"grey of a": "a"}


def test_pairs_of_a_group_are_right_lookalikes_count_neither_way_others_are_wrong() -> None:
    score = score_pairs(FILES, [("grey of a", "a"), ("b", "a"), ("c", "b"), ("a", "a2")], SOURCES)
    assert (score.right, score.wrong, score.neutral) == (2, 1, 1)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 3)
    assert (score.wanted, score.found) == ({"grey": 1, "others of one group": 2}, {"grey": 1, "others of one group": 1})
    assert score.missed == [("a2", "grey of a")]
    assert score.false == [("b", "c")]


def test_a_video_that_shows_another_one_again_counts_neither_way_with_it_alone() -> None:
    again, shown = (Known(name, name, name) for name in SHOWS_AGAIN)
    copy = Known(f"grey of {SHOWS_AGAIN[1]}", SHOWS_AGAIN[1], SHOWS_AGAIN[1], "grey")
    assert (judge(again, shown), judge(again, copy)) == ("neutral", "neutral")
    assert judge(again, Known("c", "g3", "s3")) == "wrong"
    assert judge(shown, copy) == "right"


def test_saying_nothing_is_precise_and_finds_nothing() -> None:
    score = score_pairs(FILES, [], SOURCES)
    assert (score.precision, score.recall) == (1.0, 0.0)


def test_sources_are_of_different_groups() -> None:
    videos = [video(f"{number}.mp4", group=f"g{number // 2}") for number in range(10)]
    sources = choose_sources(videos, 5, seed=1)
    assert len({source.group for source in sources}) == 5
    assert sources == choose_sources(videos, 5, seed=1)
    with pytest.raises(BenchmarkError, match="5 groups"):
        choose_sources(videos, 6, seed=1)
    assert "middle half" in EDITS


def test_a_mixed_library_has_its_copies_near_and_its_strangers_apart() -> None:
    rng = np.random.default_rng(0)
    tracks = [rng.normal(size=32) + rng.normal(size=(20, 32)) for _ in range(12)]
    tracks = [track / np.linalg.norm(track, axis=1, keepdims=True) for track in tracks]
    library = mixed_library([track.astype(np.float32) for track in tracks], 4000, seed=1)
    assert library.frames == sum(len(block.vectors) for block in library.blocks) >= 4000
    assert library.copies
    means = {
        track.video_id: track.vectors for track in Gallery(library, HEAD).tracks(range(1, len(library.blocks) + 1))
    }
    for original, copy in library.copies:
        best = (means[copy] @ means[original].T).max(axis=1)
        assert best.mean() == pytest.approx(0.85, abs=0.03)
    strangers = [means[one] @ means[one + 2].T for one in range(1, 60)]
    assert np.mean([cosines.mean() for cosines in strangers]) < 0.4


def test_growth_is_an_exponent() -> None:
    cost = [
        {"frames": 10, "cpu_seconds": 1.0},
        {"frames": 100, "cpu_seconds": 100.0},
        {"frames": 200, "cpu_seconds": 200},
    ]
    assert slopes(cost) == pytest.approx([2.0, 1.0])


def test_duplicates_of_generated_videos_are_found(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg program")
    corpus = write_corpus(tmp_path / "corpus", groups=6, copies=[0])
    codec, head = archives.tiny_folders()
    output = tmp_path / "duplicates.json"
    named = ["--corpus", corpus, "--codec", codec, "--head", head, "--output", output]
    assert main(["duplicates", "--copies", "6", "--frames", "300,900", *map(str, named)]) == 0
    figures = json.loads(output.read_text())["figures"]
    assert figures["quality"]["score"]["found"]["re-encoded"] == 1
    assert figures["quality"]["relations"]["re-encoded"] == {"same": 1}
    assert figures["quality"]["score"]["recall"] > 0.5
    assert [size["frames"] >= 300 for size in figures["cost"]["sizes"]] == [True, True]
    assert len(figures["cost"]["exponents"]) == 1
