"""Embedding again: what is computed, when the library changes to it, and what can't be embedded."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import videos
from tests.archives import make_video, open_tiny, tiny_folders
from tests.equal_libraries import contents
from tests.reembed_library import make_library
from tests.tiny_models import write_tiny_models
from vsearch.config import IndexConfig
from vsearch.db.records import EmbeddingState
from vsearch.db.store import Store
from vsearch.errors import InputError, LatentError, NotALibraryError
from vsearch.indexer.embedding import Batch, Embedder, EmbeddingPool, LocalEmbedder, embedding_process
from vsearch.indexer.reembed import make_plan
from vsearch.library import Library
from vsearch.models import read_model_id, shipped_codec, shipped_head
from vsearch.models.weights import ModelFiles, write_model
from vsearch.records import CodedChunk
from vsearch.workers.pairs import PairProcess
from vsearch.workers.process import ProcessDiedError

ROOT = Path(__file__).resolve().parents[2]
FILMS = 6


@pytest.fixture(scope="module")
def other_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another tiny head than that of `tiny_folders`."""
    return write_tiny_models(tmp_path_factory.mktemp("other"), seed=1)[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "library"
    make_library(folder, tiny_folders(), videos=FILMS)
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture(scope="module")
def with_other_head(other_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same videos, embedded by the other head from the beginning."""
    folder = tmp_path_factory.mktemp("expected") / "library"
    make_library(folder, (tiny_folders()[0], other_head), videos=FILMS)
    return folder


def embeddings(library: Path, head_id: str) -> dict[tuple[int, int], tuple[bytes, float, list[bool]]]:
    with Store.open(library, writable=False) as store:
        return {
            (b.video_id, b.block.first_frame): (
                b.block.vectors.tobytes(),
                b.block.scale,
                b.block.low_information.tolist(),
            )
            for b in store.embedding_blocks(head_id)
        }


def active_head(library: Path) -> str | None:
    with Store.open(library, writable=False) as store:
        return store.meta().active_head


def test_embedding_again_gives_what_indexing_with_that_head_would_have(
    library: Path, with_other_head: Path, other_head: Path
) -> None:
    old, new = read_model_id(tiny_folders()[1]), read_model_id(other_head)
    with Library.open(library) as opened:
        before = opened.info()
        report = opened.reembed(head=other_head)
        after = opened.info()
    assert (report.videos, report.frames, report.switched, report.exit_status) == (FILMS, 70 * FILMS, True, 0)
    assert embeddings(library, new) == embeddings(with_other_head, new) != {}
    assert embeddings(library, old) == {}
    assert (before["active_head"], after["active_head"]) == (old, new)
    assert after["bytes_embeddings"] == before["bytes_embeddings"] > 0
    assert (library / "models" / new / "weights.safetensors").is_file()


def test_what_is_embedded_already_is_left_alone_but_for_named_videos(library: Path, other_head: Path) -> None:
    new = read_model_id(other_head)
    with Library.open(library) as opened:
        opened.reembed(head=other_head)
        generation = Store.open(library, writable=False).meta().generation
        again = opened.reembed(head=other_head)
        assert (again.videos, again.unchanged, again.switched, again.exit_status) == (0, FILMS, False, 0)
        assert Store.open(library, writable=False).meta().generation == generation
        whole = embeddings(library, new)
        damage(library, "UPDATE embedding_block SET vectors = zeroblob(length(vectors)) WHERE video_id = 2")
        assert embeddings(library, new) != whole
        named = opened.reembed(["v2"], head=other_head)
    assert (named.videos, named.waiting, named.exit_status) == (1, 0, 0)
    assert embeddings(library, new) == whole


def test_the_library_changes_when_the_last_video_is_embedded(library: Path, other_head: Path) -> None:
    old, new = read_model_id(tiny_folders()[1]), read_model_id(other_head)
    whole = embeddings(library, old)
    with Library.open(library) as opened:
        first = opened.reembed(["v1", "v2"], head=other_head)
        assert (first.videos, first.waiting, first.switched, first.active_head) == (2, FILMS - 2, False, old)
        assert embeddings(library, old) == whole
        rest = opened.reembed(head=other_head)
    assert (rest.videos, rest.unchanged, rest.switched) == (FILMS - 2, 2, True)
    assert active_head(library) == new


def damage(library: Path, change: str) -> None:
    with closing(sqlite3.connect(library / "library.db")) as database, database:
        assert database.execute(change).rowcount > 0


DAMAGES = {
    "without pictures": ("DELETE FROM chunk WHERE video_id = 3", "without pictures"),
    "a changed byte": (
        "UPDATE chunk SET data = zeroblob(length(data)) WHERE video_id = 3 AND first_frame = 32",
        "damaged (checksum)",
    ),
    "a lost chunk": ("DELETE FROM chunk WHERE video_id = 3 AND first_frame = 32", "missing"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_video_that_cannot_be_embedded_is_named_and_nothing_changes(
    name: str, library: Path, other_head: Path
) -> None:
    old, new = read_model_id(tiny_folders()[1]), read_model_id(other_head)
    change, reason = DAMAGES[name]
    damage(library, change)
    whole = embeddings(library, old)
    with Library.open(library) as opened:
        report = opened.reembed(head=other_head)
        assert (report.switched, report.exit_status, report.active_head) == (False, 1, old)
        (left,) = report.left
        assert left.video_id == 3
        assert left.path == b"/mnt/archive/films/2.mp4"
        assert reason in left.reason
        assert embeddings(library, old) == whole
        forced = opened.reembed(head=other_head, leave_out=True)
    assert (forced.switched, forced.exit_status, active_head(library)) == (True, 0, new)
    kept = embeddings(library, old)
    assert kept == {key: block for key, block in whole.items() if key[0] == 3}  # nothing else is left of it
    assert {video_id for video_id, _ in embeddings(library, new)} == {1, 2, 4, 5, 6}


def test_a_head_of_another_codec_is_refused_and_nothing_is_changed(library: Path) -> None:
    before = contents(library)
    with Library.open(library) as opened:
        with pytest.raises(InputError, match="reads latents of codec"):
            opened.reembed(head=shipped_head())
        with pytest.raises(LatentError, match="not an embedding head"):
            opened.reembed(head=tiny_folders()[0])
        with pytest.raises(InputError, match="v99"):
            opened.reembed(["v99"])
    assert contents(library) == before


def test_an_empty_library_and_none_say_so(tmp_path: Path) -> None:
    with open_tiny(tmp_path / "none") as opened, pytest.raises(NotALibraryError):
        opened.reembed()
    assert not (tmp_path / "none" / "library.db").exists()
    Store.open(tmp_path / "empty", writable=True, create=True).close()
    with Library.open(tmp_path / "empty") as opened, pytest.raises(InputError, match="index some first"):
        opened.reembed()


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([(), ("ours",), ("theirs",), ("ours", "theirs")]))),
    st.none() | st.sets(st.integers(0, 5)),
)
def test_every_video_is_planned_once(videos_: list[tuple[bool, tuple[str, ...]]], named: set[int] | None) -> None:
    states = [EmbeddingState(i, 10, 100, codecs, embedded) for i, (embedded, codecs) in enumerate(videos_)]
    plan = make_plan(states, codec_id="ours", named_videos=named)
    assert len(plan.todo) + len(plan.left) + plan.unchanged + sum(
        state.embedded for state in states if named is not None and state.video_id not in named
    ) + plan.waiting == len(states)
    assert all(state.codecs == ("ours",) for state in plan.todo)
    for state in states:
        if named is None and not state.embedded:
            assert (state.video_id in plan.left) == (state.codecs != ("ours",))


# ----------------------------------------------------------------------------------------------------------- searching


def test_a_search_under_way_goes_on_with_the_new_head(tmp_path: Path, other_head: Path) -> None:
    films = [make_video(tmp_path / "videos" / f"{i}.mp4", 10 * i) for i in range(3)]
    with open_tiny(tmp_path / "library") as library:
        library.index([tmp_path / "videos"])
        results = library.search([*films, *films], k=1)
        first = [next(results) for _ in films]
        with Library.open(tmp_path / "library") as writer:
            assert writer.reembed(head=other_head).switched
        second = list(results)
    assert [r.hits[0].video for r in first] == [r.hits[0].video for r in second] == [str(film) for film in films]
    assert len(list((tmp_path / "library" / "cache").glob("*.index"))) == 1  # the old head's is gone


# -------------------------------------------------------------------------------------------------------------- killed


@pytest.mark.timeout(300)
def test_killed_at_any_moment_it_goes_on_and_ends_as_if_undisturbed(
    library: Path, with_other_head: Path, other_head: Path
) -> None:
    old, new = read_model_id(tiny_folders()[1]), read_model_id(other_head)
    whole = embeddings(library, old)
    chance = random.Random(3)
    for kill in range(8):
        process = start(library, other_head)
        wait_for(library, new, min(kill, FILMS), process)
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        if active_head(library) == old:
            assert embeddings(library, old) == whole  # searched as before
    _, errors = start(library, other_head).communicate(timeout=120)
    assert active_head(library) == new, errors
    assert embeddings(library, new) == embeddings(with_other_head, new)
    assert embeddings(library, old) == {}


def start(library: Path, head: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.reembed_library", str(library), str(head)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def wait_for(library: Path, head_id: str, n: int, process: subprocess.Popen[str]) -> None:
    """Until `n` videos have embeddings of the head, or the process has ended."""
    while process.poll() is None:
        with Store.open(library, writable=False) as store:
            if sum(state.embedded for state in store.embedding_states(head_id)) >= n:
                return
        time.sleep(0.005)


# ----------------------------------------------------------------------------------------------------------- processes


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of one short video, with the shipped models."""
    folder = tmp_path_factory.mktemp("real")
    videos.cuts_video(folder / "film.mp4", [(i, 20) for i in range(2)], fps=10, size=(80, 128))
    with Library.open(folder / "library", create=True) as library:
        library.index([folder / "film.mp4"], IndexConfig(quality_check=False, workers=1, device="cpu"))
    return folder / "library"


def stored_chunks(library: Path) -> tuple[CodedChunk, ...]:
    with Store.open(library, writable=False) as store:
        return store.chunks(1)


def test_processes_and_this_process_give_the_vectors_that_indexing_gave(real: Path) -> None:
    models = shipped_codec(), shipped_head()
    batches = [Batch(1, stored_chunks(real))] * 5
    with EmbeddingPool(lambda: embedding_process(*models, "cpu"), 2) as pool:
        theirs = [vectors for _, vectors in pool.embed(batches)]
    ours = LocalEmbedder(*models, "cpu").embed(batches[0].chunks)
    assert all(np.array_equal(vectors, ours) for vectors in theirs)
    whole = embeddings(real, read_model_id(models[1]))
    with Library.open(real) as library:
        assert library.reembed(["v1"], workers=2, device="cpu").videos == 1
    assert embeddings(real, read_model_id(models[1])) == whole != {}


def test_a_damaged_chunk_is_told_by_the_process_which_goes_on(real: Path) -> None:
    (chunk,) = stored_chunks(real)
    broken = CodedChunk(0, chunk.n_frames, 1, chunk.codec_id, chunk.model_id, chunk.data[:-9], b"")
    embedder = embedding_process(shipped_codec(), shipped_head(), "cpu")
    try:
        with pytest.raises(LatentError):
            embedder.embed([broken])
        assert len(embedder.embed([chunk])) == chunk.n_frames
    finally:
        embedder.close()


def test_a_killed_process_is_replaced_and_its_batch_done_again(real: Path, caplog: pytest.LogCaptureFixture) -> None:
    processes: list[PairProcess] = []

    def make() -> Embedder:
        processes.append(PairProcess(shipped_codec(), shipped_head(), device="cpu"))
        processes[-1].wait_ready()
        return processes[-1]

    batch = Batch(1, stored_chunks(real))
    with EmbeddingPool(make, 1) as pool:
        (first,) = (vectors for _, vectors in pool.embed([batch]))
        os.kill(processes[0].pid, signal.SIGKILL)
        (second,) = (vectors for _, vectors in pool.embed([batch]))
        assert np.array_equal(first, second)
        assert len(processes) == 2
        assert "died" in caplog.text


def test_a_batch_that_processes_die_of_is_an_error(real: Path) -> None:
    processes: list[PairProcess] = []

    def make() -> Embedder:
        processes.append(PairProcess(shipped_codec(), shipped_head(), device="cpu"))
        processes[-1].wait_ready()
        os.kill(processes[-1].pid, signal.SIGKILL)
        return processes[-1]

    with EmbeddingPool(make, 1) as pool, pytest.raises(ProcessDiedError):
        list(pool.embed([Batch(1, stored_chunks(real))]))
    assert len(processes) == 2


def test_models_that_cannot_be_loaded_are_told_by_the_process(tmp_path: Path) -> None:
    with pytest.raises(LatentError, match="not a model folder"):
        embedding_process(tmp_path, shipped_head(), "cpu")


def test_info_tells_of_a_newer_head_until_the_library_has_it(real: Path, tmp_path: Path) -> None:
    files = ModelFiles.read(shipped_head())
    tensors = files.numpy()
    tensors["project.bias"] = tensors["project.bias"] + np.float32(0.01)
    older = tmp_path / "older"
    write_model(older, kind="head", family=files.family, decode=files.decode, training={}, tensors=tensors)
    with Library.open(real) as library:
        assert library.info()["newer_head"] is None
        library.reembed(head=older)
        assert library.info()["newer_head"] == files.model_id
        assert library.reembed().head == files.model_id
        assert library.info()["newer_head"] is None


def test_a_library_of_another_codec_has_no_newer_head(library: Path) -> None:
    with Library.open(library) as opened:
        assert opened.info()["newer_head"] is None
        assert json.loads(json.dumps(opened.reembed().as_json()))["head"] == opened.info()["active_head"]
