"""The query benchmark on a generated corpus: a library that is filled up stays a real one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from tests import archives
from tests.benchmarks.small_corpus import write_corpus
from vsearch.library import Library

WITH_TINY_MODELS = "import runpy, tests.tiny_models; runpy.run_module('vsearch', run_name='__main__')"


@pytest.mark.slow
def test_queries_are_timed_in_a_library_that_was_filled_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "corpus", groups=3, seconds=12.0)
    codec, head = archives.tiny_folders()
    output, library = tmp_path / "query.json", tmp_path / "library"
    monkeypatch.setattr("benchmarks.bench_query.VSEARCH", (sys.executable, "-c", WITH_TINY_MODELS))
    named = ["--corpus", corpus, "--codec", codec, "--head", head, "--output", output, "--library", library]
    assert main(["query", "--frames", "2000", "--queries", "2", *map(str, named)]) == 0
    figures = json.loads(output.read_text())["figures"]
    assert figures["queries"] == figures["right"] == 2
    assert figures["running_s"]["median"] < figures["command_s"]["median"]
    with Library.open(library) as opened:
        listed = opened.list()
        assert len(listed) == 3 + 3
        assert sum(entry["duration_seconds"] > 800 for entry in listed) == 3
        assert opened.info("v4")["state"] == "ok"
