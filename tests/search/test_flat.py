"""Every kind of index under one contract, with exhaustive numpy search as the truth; index files that were damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch.errors import AnnError, InputError, UnavailableError
from vsearch.search.ann import INDEXES
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.files import read_stamp

D = 32
TOLERANCE = 1e-3  # float16 storage moves a cosine by about 1e-5


def unit(n: int, seed: int = 0, d: int = D) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def filled(kind: str, n: int = 500) -> tuple[AnnIndex, NDArray[np.int64], NDArray[np.float32]]:
    ids = np.random.default_rng(1).choice(1 << 40, n, replace=False).astype(np.int64)
    vectors = unit(n)
    index: AnnIndex = INDEXES.load(kind)(D)
    index.train(vectors)
    index.add(ids, vectors)
    return index, ids, vectors


@pytest.fixture(params=INDEXES.names())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_is_an_index(kind: str) -> None:
    assert isinstance(INDEXES.load(kind)(D), AnnIndex)


def test_search_finds_what_comparing_everything_finds(kind: str) -> None:
    index, ids, vectors = filled(kind)
    queries = unit(20, seed=2)
    scores, found = index.search(queries, 10)
    exact = queries @ vectors.T
    order = np.argsort(-exact, axis=1)[:, :10]
    assert scores.shape == found.shape == (20, 10)
    assert scores.dtype == np.float32
    assert found.dtype == np.int64
    np.testing.assert_allclose(scores, np.take_along_axis(exact, order, axis=1), atol=TOLERANCE)
    assert (found == ids[order]).mean() > 0.95  # near ties may swap


def test_an_empty_index_finds_nothing(kind: str) -> None:
    index: AnnIndex = INDEXES.load(kind)(D)
    scores, found = index.search(unit(3), 4)
    assert (found == -1).all()
    assert np.isneginf(scores).all()
    assert len(index) == 0


def test_places_that_cannot_be_filled_say_so(kind: str) -> None:
    index, _, _ = filled(kind, n=3)
    scores, found = index.search(unit(2), 5)
    assert (found[:, :3] >= 0).all()
    assert (found[:, 3:] == -1).all()
    assert np.isneginf(scores[:, 3:]).all()


def test_removed_vectors_are_never_found_again(kind: str) -> None:
    index, ids, vectors = filled(kind)
    gone = ids[::3]
    assert index.remove(np.append(gone, -5)) == len(gone)
    assert index.remove(gone) == 0
    assert len(index) == len(ids) - len(gone)
    assert set(index.ids().tolist()) == set(ids.tolist()) - set(gone.tolist())
    _, found = index.search(vectors[:50], 20)
    assert not np.isin(found, gone).any()
    kept = ~np.isin(ids, gone)
    _, found = index.search(vectors[kept][:50], 1)
    assert (found[:, 0] == ids[kept][:50]).all()


def test_vectors_can_be_added_after_a_removal(kind: str) -> None:
    index, ids, vectors = filled(kind)
    index.remove(ids[:100])
    index.add(ids[:100], vectors[:100])
    _, found = index.search(vectors, 1)
    assert (found[:, 0] == ids).all()


def test_an_id_cannot_be_there_twice(kind: str) -> None:
    index, ids, vectors = filled(kind)
    with pytest.raises(AnnError, match="already"):
        index.add(ids[:1], vectors[:1])
    with pytest.raises(AnnError, match="already"):
        index.add(np.array([7, 7]), vectors[:2])


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 1), k=st.integers(1, 30), seed=st.integers(0, 1000), ordered=st.booleans())
def test_the_filter_gives_what_filtering_all_answers_gives(share: float, k: int, seed: int, ordered: bool) -> None:
    index, ids, vectors = filled("flat", n=200)
    allowed = ids[np.random.default_rng(seed).random(len(ids)) < share]
    queries = unit(4, seed=seed + 1)
    named = np.unique(allowed) if ordered else np.append(allowed, [3, *allowed[:2]])
    scores, found = index.search(queries, k, allowed=named)
    exact = np.where(np.isin(ids, allowed), queries @ vectors.T, -np.inf)
    best = -np.sort(-exact, axis=1)[:, :k]
    np.testing.assert_allclose(scores, best, atol=TOLERANCE)
    assert np.isin(found[found >= 0], allowed).all()
    assert ((found >= 0).sum(axis=1) == min(k, len(allowed))).all()


def test_other_dimensions_are_refused(kind: str) -> None:
    index, _, _ = filled(kind)
    with pytest.raises(AnnError, match="32 dimensions"):
        index.search(unit(1, d=16), 1)
    with pytest.raises(AnnError, match="32 dimensions"):
        index.add(np.array([1]), unit(1, d=16))


def test_unknown_parameters_are_refused(kind: str) -> None:
    index, _, _ = filled(kind)
    with pytest.raises(InputError, match="no_such_parameter"):
        index.search(unit(1), 1, params={"no_such_parameter": 3})


def test_a_saved_index_answers_exactly_as_before(kind: str, tmp_path: Path) -> None:
    index, ids, _ = filled(kind)
    index.remove(ids[:7])
    index.save(tmp_path / "x", stamp={"library": "u", "generation": 3})
    loaded: AnnIndex = INDEXES.load(kind).load(tmp_path / "x")
    queries = unit(20, seed=2)
    for ours, theirs in zip(index.search(queries, 10), loaded.search(queries, 10), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert read_stamp(tmp_path / "x") == {"library": "u", "generation": 3}
    loaded.add(ids[:7], unit(7, seed=3))
    assert len(loaded) == len(ids)


def test_a_file_damaged_anywhere_is_refused(kind: str, tmp_path: Path) -> None:
    index, _, _ = filled(kind, n=50)
    path = tmp_path / "x"
    index.save(path, stamp={})
    sound = path.read_bytes()
    load = INDEXES.load(kind).load
    places = [0, 7, 9, 15, 40, 200, len(sound) // 2, len(sound) - 1]
    damaged = [sound[:at] + bytes([sound[at] ^ 0x55]) + sound[at + 1 :] for at in places]
    for data in [*damaged, b"", sound[:5], sound[:100], sound[:-1], sound + b"x", os.urandom(300)]:
        path.write_bytes(data)
        with pytest.raises(AnnError):
            load(path)


def test_an_index_asked_for_on_a_missing_gpu_says_what_is_missing(kind: str) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UnavailableError, match="CUDA"):
        INDEXES.load(kind)(D, device="cuda")
    assert len(INDEXES.load(kind)(D, device="auto")) == 0


def test_an_index_for_the_processor_does_not_load_torch() -> None:
    program = (
        "import sys\n"
        "from vsearch.search.ann import INDEXES\n"
        "for kind in INDEXES.names(): INDEXES.load(kind)(8, device='cpu')\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_faiss_one_line_says_which_extra_to_install() -> None:
    program = (
        "import sys; sys.modules['faiss'] = None\n"
        "from vsearch.errors import UnavailableError\n"
        "from vsearch.search.ann import INDEXES\n"
        "try: INDEXES.load('flat')(8)\n"
        "except UnavailableError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "vsearch[cpu]" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_importing_the_search_layer_imports_no_heavy_package() -> None:
    program = (
        "import sys, vsearch.search, vsearch.search.ann, vsearch.search.align, vsearch.search.rank\n"
        "import vsearch.search.cache, vsearch.search.engine, vsearch.search.clusters\n"
        "print(sorted({'faiss', 'scipy', 'sklearn', 'torch', 'av', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
