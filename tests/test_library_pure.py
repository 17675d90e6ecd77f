"""Indexing one video is a pure function: any worker can compute it, the library commits it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from tests import archives
from tests.equal_libraries import assert_equal_libraries
from vsearch.config import IndexConfig
from vsearch.db.records import ModelRecord
from vsearch.db.store import Store
from vsearch.indexer.scan import scan
from vsearch.models import load_codec, load_head
from vsearch.records import IndexedVideo

ROOT = Path(__file__).resolve().parents[1]


def computed_elsewhere(path: bytes) -> IndexedVideo:
    """The record of one file, from a process that knows no database."""
    codec, head = archives.tiny_folders()
    output = subprocess.run(
        [sys.executable, "-m", "tests.extract_elsewhere", str(codec), str(head), os.fsdecode(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout
    video: IndexedVideo = pickle.loads(output)  # noqa: S301 - from a program of our own, seconds ago
    return video


def test_records_computed_in_another_process_make_the_same_library(tmp_path: Path) -> None:
    archive = archives.make_archive(tmp_path / "videos", ["a.mp4", "b.mkv", "c.mp4"])
    with archives.open_tiny(tmp_path / "usual") as usual:
        usual.index([archive], IndexConfig(workers=1))
    codec, head = load_codec(archives.tiny_folders()[0]), load_head(archives.tiny_folders()[1])
    with Store.open(tmp_path / "committed", writable=True, create=True) as store:
        store.put_model(ModelRecord(codec.model_id, "codec", codec_id=codec.codec_id))
        store.put_model(ModelRecord(head.model_id, "head", dimensions=head.d))
        store.set_active(codec=codec.model_id, head=head.model_id)
        for candidate in scan([bytes(archive)]).candidates:
            store.add_video(computed_elsewhere(candidate.absolute), candidate.sighting)
    assert_equal_libraries(tmp_path / "committed", tmp_path / "usual")
