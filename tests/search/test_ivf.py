"""Approximate indexes: what they find of what exact search finds, filters, changes without building anew, readers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsearch.errors import AnnError, InputError
from vsearch.metrics import ann_recall_at_k
from vsearch.search.ann import INDEXES, ivf
from vsearch.search.ann.base import AnnIndex
from vsearch.search.ann.faiss_package import faiss
from vsearch.search.ann.files import read_index
from vsearch.search.ann.lists import list_of, loaded_lists, mapped_lists
from vsearch.search.ann.measure import ExactNeighbours, turned

D = 32
N = 6000
APPROXIMATE = [kind for kind in INDEXES.names() if kind != "flat"]


def clustered(n: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors about a hundred directions, as shots are about scenes."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(5).normal(size=(100, D))
    vectors = centres[rng.integers(100, size=n)] + 0.5 * rng.normal(size=(n, D))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def exact(ids: NDArray[np.int64], vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.int64]:
    return ids[np.argsort(-(queries @ vectors.T), axis=1)[:, :10]]


IDS = np.arange(N) + (7 << 24)
VECTORS = clustered(N, seed=0)
QUERIES = turned(clustered(100, seed=1), clustered(100, seed=2), 0.9)


def built(kind: str) -> AnnIndex:
    index: AnnIndex = INDEXES.load(kind)(D)
    index.train(VECTORS)
    index.add(IDS, VECTORS)
    index.tune(QUERIES, exact(IDS, VECTORS, QUERIES), wanted=0.97)
    return index


@pytest.fixture(params=APPROXIMATE)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved index of each kind, to be loaded and changed by whoever likes."""
    folder = tmp_path_factory.mktemp("indexes")
    for kind in APPROXIMATE:
        built(kind).save(folder / kind, stamp={})
    return {kind: folder / kind for kind in APPROXIMATE}


@pytest.fixture
def index(kind: str, files: dict[str, Path]) -> AnnIndex:
    loaded: AnnIndex = INDEXES.load(kind).load(files[kind])
    return loaded


def test_tuning_looks_into_few_cells_and_finds_what_was_wanted(index: AnnIndex) -> None:
    _, found = index.search(QUERIES, 10)
    assert ann_recall_at_k(found, exact(IDS, VECTORS, QUERIES)) >= 0.97
    assert index.facts["ann_recall_at_10"] >= 0.97
    assert index.facts["nprobe"] < index.facts["cells"] / 2


def test_looking_into_one_cell_finds_less(index: AnnIndex) -> None:
    _, found = index.search(QUERIES, 10, params={"nprobe": 1})
    assert ann_recall_at_k(found, exact(IDS, VECTORS, QUERIES)) < 0.9


def test_scores_are_the_exact_cosines_of_what_was_found(index: AnnIndex) -> None:
    scores, found = index.search(QUERIES, 10)
    true = np.einsum("qd,qkd->qk", QUERIES, VECTORS[found - IDS[0]])
    np.testing.assert_allclose(scores, true, atol=1e-3)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_without_a_second_comparison_scores_are_still_near_the_cosines(index: AnnIndex) -> None:
    scores, found = index.search(QUERIES, 10, params={"refine": 0})
    true = np.einsum("qd,qkd->qk", QUERIES, VECTORS[found - IDS[0]])
    assert np.abs(scores - true).mean() < 0.03


def test_recall_stays_when_a_tenth_goes_and_as_much_comes(index: AnnIndex) -> None:
    gone, new_ids, new = IDS[::10], IDS[-1] + 1 + np.arange(N // 10), clustered(N // 10, seed=9)
    index.remove(gone)
    index.add(new_ids, new)
    ids = np.concatenate([np.setdiff1d(IDS, gone), new_ids])
    vectors = np.concatenate([VECTORS[~np.isin(IDS, gone)], new])
    _, found = index.search(QUERIES, 10)
    assert ann_recall_at_k(found, exact(ids, vectors, QUERIES)) >= 0.96
    assert not np.isin(found, gone).any()
    assert index.pending == len(new)


def test_changes_are_merged_into_the_file_and_rows_stand_in_the_order_of_ids(
    index: AnnIndex, kind: str, tmp_path: Path
) -> None:
    index.remove(IDS[100:300])
    index.add(IDS[150:200], VECTORS[150:200])  # comes back under the same ids
    index.add(np.array([5, 3]), VECTORS[:2])
    before = index.search(QUERIES, 10)
    index.save(tmp_path / "x", stamp={})
    merged: AnnIndex = INDEXES.load(kind).load(tmp_path / "x")
    assert merged.pending == 0
    assert (np.diff(merged.ids()) > 0).all()
    assert set(merged.ids().tolist()) == {3, 5, *IDS[:100].tolist(), *IDS[150:200].tolist(), *IDS[300:].tolist()}
    for ours, theirs in zip(before, merged.search(QUERIES, 10), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(deadline=None, max_examples=40)
@given(kind=st.sampled_from(APPROXIMATE), share=st.floats(0.0, 1.0), seed=st.integers(0, 1000), k=st.integers(1, 20))
def test_small_filtered_sets_are_compared_exactly(
    files: dict[str, Path], kind: str, share: float, seed: int, k: int
) -> None:
    index: AnnIndex = INDEXES.load(kind).load(files[kind])
    index.remove(IDS[:500])
    index.add(IDS[:250], VECTORS[:250])
    rng = np.random.default_rng(seed)
    allowed = IDS[rng.random(N) < share]
    queries = turned(clustered(3, seed=seed), clustered(3, seed=seed + 1), 0.9)
    scores, found = index.search(queries, k, allowed=np.append(allowed, 3))
    there = np.isin(IDS, allowed) & ~((IDS[250] <= IDS) & (IDS[500] > IDS))
    best = -np.sort(-np.where(there, queries @ VECTORS.T, -np.inf), axis=1)[:, :k]
    np.testing.assert_allclose(scores, best, atol=1e-3)
    assert np.isin(found[found >= 0], IDS[there]).all()


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_large_filtered_sets_are_probed_and_nothing_outside_is_found(
    index: AnnIndex, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ivf, "EXACT_ROWS", 100)
    index.remove(IDS[:500])
    index.add(IDS[:250], VECTORS[:250])
    allowed = IDS[np.random.default_rng(3).random(N) < share]
    _, found = index.search(QUERIES, 10, allowed=allowed)
    there = np.isin(IDS, allowed) & ~((IDS[250] <= IDS) & (IDS[500] > IDS))
    assert np.isin(found, IDS[there]).all()
    assert ann_recall_at_k(found, exact(IDS[there], VECTORS[there], QUERIES)) >= 0.95


def test_readers_on_many_threads_get_what_one_alone_gets(index: AnnIndex) -> None:
    alone = index.search(QUERIES, 10)
    narrow = index.search(QUERIES, 10, params={"nprobe": 1, "refine": 0})
    allowed = IDS[::3]
    filtered = index.search(QUERIES, 10, allowed=allowed)

    def ask(number: int) -> None:
        calls = (
            (alone, {}),
            (narrow, {"params": {"nprobe": 1, "refine": 0}}),
            (filtered, {"allowed": allowed}),
        )
        expected, options = calls[number % 3]
        for ours, theirs in zip(index.search(QUERIES, 10, **options), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(60)))


def test_vectors_cannot_be_added_before_training(kind: str) -> None:
    with pytest.raises(AnnError, match="trained"):
        INDEXES.load(kind)(D).add(IDS[:1], VECTORS[:1])


def test_an_index_that_holds_vectors_is_not_trained_again(index: AnnIndex) -> None:
    with pytest.raises(AnnError, match="new one"):
        index.train(VECTORS)


@pytest.mark.parametrize("params", [{"nprobe": 0}, {"refine": -1}])
def test_parameters_that_mean_nothing_are_refused(index: AnnIndex, params: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least"):
        index.search(QUERIES, 1, params=params)


def test_more_neighbours_than_there_are_vectors_may_be_asked_for(index: AnnIndex) -> None:
    scores, found = index.search(QUERIES[:2], 2 * N, params={"nprobe": 10_000})
    assert ((found >= 0).sum(axis=1) == N).all()
    assert np.isneginf(scores[:, N:]).all()


def test_lists_are_the_same_mapped_and_in_memory(kind: str, files: dict[str, Path]) -> None:
    header, arrays = read_index(files[kind], kind=kind)
    sizes, code_size = arrays["sizes"], INDEXES.load(kind).code_bytes(D)
    offset, opened = header.arrays["lists"][2], files[kind].stat()
    mapped = mapped_lists(files[kind], opened=opened, offset=offset, sizes=sizes, code_size=code_size)
    loaded = loaded_lists(arrays["lists"], sizes=sizes, code_size=code_size)
    for cell in range(len(sizes)):
        for ours, theirs in zip(list_of(mapped, cell), list_of(loaded, cell), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_where_files_cannot_be_mapped_the_lists_are_loaded(
    kind: str, files: dict[str, Path], index: AnnIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(faiss, "OnDiskInvertedLists")
    loaded: AnnIndex = INDEXES.load(kind).load(files[kind])
    for ours, theirs in zip(index.search(QUERIES, 10), loaded.search(QUERIES, 10), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_open_index_survives_its_file_being_replaced(
    kind: str, files: dict[str, Path], index: AnnIndex, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    index.save(path, stamp={})
    opened: AnnIndex = INDEXES.load(kind).load(path)
    before = opened.search(QUERIES, 10)
    (tmp_path / "y").write_bytes(b"other")
    (tmp_path / "y").replace(path)
    for ours, theirs in zip(opened.search(QUERIES, 10), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_that_was_exchanged_while_it_was_opened_is_refused(
    kind: str, files: dict[str, Path], tmp_path: Path
) -> None:
    header, arrays = read_index(files[kind], kind=kind)
    other = tmp_path / "other"
    other.write_bytes(files[kind].read_bytes())
    with pytest.raises(AnnError, match="replaced"):
        mapped_lists(
            files[kind],
            opened=other.stat(),
            offset=header.arrays["lists"][2],
            sizes=arrays["sizes"],
            code_size=INDEXES.load(kind).code_bytes(D),
        )


def test_row_numbers_that_a_damaged_list_makes_up_are_never_followed(
    kind: str, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large files are not checked whole."""
    from vsearch.search.ann import files as files_module

    header, _ = read_index(files[kind], kind=kind)
    _, (size,), offset = header.arrays["lists"]
    data = bytearray(files[kind].read_bytes())
    data[offset : offset + size] = os.urandom(size)
    (tmp_path / "x").write_bytes(data)
    monkeypatch.setattr(files_module, "CHECKED_BYTES", 0)
    index: AnnIndex = INDEXES.load(kind).load(tmp_path / "x")
    _, found = index.search(QUERIES, 10, params={"nprobe": 10_000})
    assert np.isin(found, np.append(IDS, -1)).all()
    _, found = index.search(QUERIES, 10, allowed=IDS[:3000])
    assert np.isin(found, np.append(IDS, -1)).all()
    with pytest.raises(AnnError, match="damaged"):
        index.save(tmp_path / "y", stamp={})


def test_the_true_neighbours_are_the_same_in_one_piece_and_in_many() -> None:
    whole, pieces = ExactNeighbours(VECTORS), ExactNeighbours(VECTORS)
    whole.see(IDS, VECTORS)
    for start in range(0, N, 700):
        pieces.see(IDS[start : start + 700], VECTORS[start : start + 700])
    np.testing.assert_array_equal(whole.ids, exact(IDS, VECTORS, whole.queries))
    np.testing.assert_array_equal(pieces.ids, whole.ids)


def test_turned_vectors_have_the_cosine_that_was_asked_for() -> None:
    ours = turned(VECTORS[:50], VECTORS[50:100], 0.8)
    np.testing.assert_allclose(np.sum(ours * VECTORS[:50], axis=1), 0.8, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
