"""The vectors of the exact index on a torch device answer as those of FAISS do: here on the processor, and on a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch.errors import UnavailableError
from vsearch.search.ann import INDEXES, on_gpu
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.flat import Rows
from vsearch.search.ann.on_cpu import FaissRows
from vsearch.search.ann.on_gpu import TorchRows

CLOSE = 1e-5  # float32 sums of unit vectors in another order
D = 32


def unit(rng: np.random.Generator, n: int, d: int) -> NDArray[np.float16]:
    """(n, d) unit vectors, some of them twice."""
    vectors = rng.normal(size=(n, d))
    vectors = vectors[rng.integers(n, size=n)] if n and rng.random() < 0.5 else vectors
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def everything(rows: Rows, d: int) -> NDArray[np.float16]:
    return np.concatenate([np.empty((0, d), np.float16), *rows.halves()])


def assert_alike(
    ours: Rows, theirs: Rows, queries: NDArray[np.float32], k: int, among: NDArray[np.int64] | None
) -> None:
    """The same scores, each that of its row, no row twice, none that is not allowed; of equal scores any row."""
    vectors = everything(theirs, queries.shape[1]).astype(np.float32)
    (scores, rows), (wanted, _) = (one.search(queries, k, among) for one in (ours, theirs))
    assert (scores.shape, rows.shape) == ((len(queries), k),) * 2
    assert (scores.dtype, rows.dtype) == (np.float32, np.int64)
    there = min(k, len(vectors) if among is None else len(among))
    assert (rows[:, there:] == -1).all()
    assert np.isneginf(scores[:, there:]).all()
    np.testing.assert_allclose(scores[:, :there], wanted[:, :there], atol=CLOSE)
    for query, found, said in zip(queries, rows[:, :there], scores[:, :there], strict=True):
        np.testing.assert_allclose(said, vectors[found] @ query, atol=CLOSE)
        assert len(set(found)) == there
        assert among is None or np.isin(found, among).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    d=st.integers(1, 40),
    k=st.integers(1, 90),
    n_queries=st.integers(1, 9),
    removed=st.floats(0, 1),
    allowed=st.one_of(st.none(), st.floats(0, 1)),
    scores=st.integers(1, 400),
    most=st.tuples(st.integers(1, 50), st.integers(1, 5)),
)
def test_any_device_finds_what_faiss_finds(
    seed: int,
    sizes: list[int],
    d: int,
    k: int,
    n_queries: int,
    removed: float,
    allowed: float | None,
    scores: int,
    most: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    ours, theirs = TorchRows(d, torch.device("cpu")), FaissRows(d)
    for size in sizes:
        piece = unit(rng, size, d)
        for rows in (ours, theirs):
            rows.append(piece)
    mask = rng.random(len(ours)) >= removed
    for rows in (ours, theirs):
        rows.keep(mask)
    more = unit(rng, 3, d)
    for rows in (ours, theirs):
        rows.append(more)
    assert len(ours) == len(theirs) == mask.sum() + 3
    np.testing.assert_array_equal(everything(ours, d), everything(theirs, d))
    among = None if allowed is None else np.flatnonzero(rng.random(len(ours)) < allowed)
    queries = unit(rng, n_queries, d).astype(np.float32)
    with pytest.MonkeyPatch.context() as limits:  # as if there were more than fits
        limits.setattr(on_gpu, "_SCORES", scores)
        limits.setattr(on_gpu, "_ROWS", most[0])
        limits.setattr(on_gpu, "_QUERIES", most[1])
        assert_alike(ours, theirs, queries, k, among)


def test_an_index_on_a_device_takes_two_bytes_a_dimension() -> None:
    assert (TorchRows.VALUE_BYTES, FaissRows.VALUE_BYTES) == (2, 4)


def test_what_is_appended_is_copied_and_may_change() -> None:
    rows = TorchRows(4, torch.device("cpu"))
    halves = np.ones((2, 4), np.float16)
    rows.append(halves)
    halves[:] = 0
    np.testing.assert_array_equal(everything(rows, 4), np.ones((2, 4)))


def test_read_only_queries_can_be_asked() -> None:
    rows = TorchRows(4, torch.device("cpu"))
    rows.append(np.eye(4, dtype=np.float16))
    queries = np.eye(4, dtype=np.float32)
    queries.flags.writeable = False
    assert rows.search(queries, 1)[1][:, 0].tolist() == [0, 1, 2, 3]


def test_a_device_without_room_is_one_line() -> None:
    with pytest.raises(UnavailableError, match="--device cpu") as told, on_gpu._room_needed():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...\nmany lines")
    assert "\n" not in str(told.value)


def test_an_index_on_a_gpu_needs_no_faiss() -> None:
    program = (
        "import sys; sys.modules['faiss'] = None\n"
        "from vsearch.search.ann import INDEXES, ROWS\n"
        "INDEXES.load('flat')\n"
        "print(len(ROWS.load('gpu')(8, 'cpu')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


@pytest.mark.gpu
def test_the_gpu_finds_what_the_processor_finds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng, 5000, D).astype(np.float32), unit(rng, 50, D).astype(np.float32)
    ids = rng.permutation(1 << 20)[: len(vectors)]
    flat = INDEXES.load("flat")
    indexes: list[AnnIndex] = [flat(D, device=device) for device in ("cpu", "cuda")]
    for index in indexes:
        index.add(ids[:3000], vectors[:3000])
        index.remove(ids[:100])
        index.add(ids[3000:], vectors[3000:])
    indexes[1].save(tmp_path / "index", stamp={})
    indexes += [flat.load(tmp_path / "index", device=device) for device in ("cpu", "cuda")]
    for allowed in (None, ids[::3]):
        wanted, _ = indexes[0].search(queries, 20, allowed=allowed)
        for index in indexes:
            scores, found = index.search(queries, 20, allowed=allowed)
            np.testing.assert_allclose(scores, wanted, atol=CLOSE)
            assert not np.isin(found, ids[:100]).any()
            assert allowed is None or np.isin(found, allowed).all()
