"""A small version of the excerpts benchmark: generated videos with the tiny models, real ones with the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from tests import archives
from tests.benchmarks.small_corpus import write_corpus
from vsearch.models import shipped_codec


def test_excerpts_of_generated_videos_are_found_in_their_place(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=8, copies=[0, 5])
    codec, head = archives.tiny_folders()
    output = tmp_path / "excerpts.json"
    named = ["--corpus", corpus, "--codec", codec, "--head", head, "--output", output]
    assert main(["excerpts", "--inside", "4", "--outside", "3", *map(str, named)]) == 0
    figures = json.loads(output.read_text())["figures"]
    assert figures["inside"]["recall_at_1"] >= 0.75
    assert figures["inside"]["temporal_iou_mean"] > 0.5
    assert figures["outside"]["queries"] == 3
    right, strange = (
        figures[side][key]["median"]
        for side, key in (("inside", "right_similarity_without_floor"), ("outside", "best_similarity_without_floor"))
    )
    assert right > strange


@pytest.mark.corpus
@pytest.mark.slow
def test_excerpts_of_real_videos_are_found_in_their_place(corpus: Path, tmp_path: Path) -> None:
    if not shipped_codec().is_dir():
        pytest.skip("no models come with this checkout")
    output = tmp_path / "excerpts.json"
    assert main(["excerpts", "--quick", "--corpus", str(corpus), "--output", str(output)]) == 0
    figures = json.loads(output.read_text())["figures"]
    assert figures["inside"]["recall_at_1"] >= 0.75
    assert figures["inside"]["temporal_iou_mean"] > 0.5
    assert figures["outside"]["false_hits_at_default_floor"] <= 1
