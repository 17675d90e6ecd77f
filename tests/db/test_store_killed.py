"""Whatever kills a writer, the library is good: it opens, is complete, and the next writer goes on."""

import multiprocessing
import random
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np

from tests.db.compare import assert_stored
from tests.db.samples import HEAD, indexed, sighting
from tests.db.writer_program import write_for_ever
from vsearch.db.store import Store

ROUNDS = 8

processes = multiprocessing.get_context("forkserver")  # imports once, not for each process
processes.set_forkserver_preload(["tests.db.writer_program", "vsearch.db.migrate"])


def kill_while_writing(location: Path | str, seed: int, *, step: int, after_s: float) -> None:
    """SIGKILL, so long after a step was begun."""
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=write_for_ever, args=(location, seed, theirs))
    process.start()
    theirs.close()
    while ours.recv() < step:
        continue
    time.sleep(after_s)
    process.kill()
    process.join()
    ours.close()
    assert process.exitcode == -signal.SIGKILL


def assert_complete(store: Store) -> None:
    """No video is half there, no row is left over, and sums agree."""
    frames = 0
    for record in store.videos():
        assert len(record.paths) == 1
        timeline, chunks = store.timeline(record.id), store.chunks(record.id)
        assert len(timeline.pts) == record.n_frames
        assert sum(chunk.n_frames for chunk in chunks) == record.n_frames
        assert sum(len(chunk.data) for chunk in chunks) == record.bytes_latents
        assert len(store.shots(record.id)) == record.n_shots
        assert len(store.clips(record.id)) == record.n_clips
        assert len(store.embeddings_of(record.id, HEAD)[0]) == record.n_frames
        frames += record.n_frames
    totals = store.totals()
    assert totals.frames == frames == sum(len(one.block.vectors) for one in store.embedding_blocks(HEAD))
    assert totals.videos == totals.paths == len(store.video_ids())
    newest = max((one.generation for one in store.embedding_blocks(HEAD)), default=0)
    assert newest <= store.meta().generation


def test_a_killed_writer_leaves_a_good_library(location: Path | str) -> None:
    choose = random.Random(5)
    generation = 0
    for seed in range(ROUNDS):
        kill_while_writing(location, seed, step=choose.randint(0, 12), after_s=choose.uniform(0.0, 0.02))
        with Store.open(location, writable=False) as store:
            assert_complete(store)
            assert store.meta().generation >= generation
            generation = store.meta().generation
    with Store.open(location, writable=True) as store:
        video_id = store.add_video(indexed("after"), sighting(b"after"))
        assert_stored(store, video_id, indexed("after"))
        assert_complete(store)
    assert generation > 0
    if isinstance(location, Path):
        raw = sqlite3.connect(location / "library.db")
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        raw.close()


def test_a_library_whose_making_was_killed_can_be_made(tmp_path: Path) -> None:
    """At moments from before the first byte to after the last."""
    for number, after_s in enumerate(np.linspace(0.0, 0.3, ROUNDS)):
        folder = tmp_path / str(number)
        kill_while_writing(folder, 1, step=-1, after_s=after_s)
        with Store.open(folder, writable=True, create=True) as store:
            assert_complete(store)
