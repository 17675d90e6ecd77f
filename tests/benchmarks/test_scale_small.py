"""The imitated library behaves like a store, imitates what it should, and truth is what comparing everything gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.bench_scale import compare, edited, filtered, nearest
from benchmarks.imitated import HEAD, VIDEO_FRAMES, ImitatedLibrary, Imitation, frame_ids
from tests.search.shelves import seen, world
from vsearch.search.cache import open_index
from vsearch.search.gallery import Gallery

CLIPS = [seen(world(20, seed=number), np.arange(20.0), noise=0, seed=0) for number in range(6)]
N = 4 * VIDEO_FRAMES


@pytest.fixture
def library(tmp_path: Path) -> ImitatedLibrary:
    return ImitatedLibrary(Imitation(CLIPS), N, file=tmp_path / "vectors", spare=VIDEO_FRAMES, seed=3)


def test_imitated_frames_are_near_their_neighbours_and_real_directions() -> None:
    made = Imitation(CLIPS).video(np.random.default_rng(0), 500)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    beside = np.sum(made[1:] * made[:-1], axis=1)
    assert np.median(beside) > 0.6
    assert np.quantile(np.abs(made @ made.T), 0.5) < 0.5
    assert not any(np.allclose(made[0], real) for clip in CLIPS for real in clip)


def test_an_index_follows_the_imitated_library(library: ImitatedLibrary, tmp_path: Path) -> None:
    gallery = Gallery(library, HEAD)
    assert len(open_index(gallery, tmp_path / "cache", d=library.d)) == len(library) == N
    assert library.change(0.25, np.random.default_rng(0)) == (1, 1)
    index = open_index(gallery, tmp_path / "cache", d=library.d)
    np.testing.assert_array_equal(np.sort(index.ids()), frame_ids(library.video_ids()))
    assert len(index) == N


def test_true_neighbours_are_those_of_the_frames_a_filter_leaves(library: ImitatedLibrary) -> None:
    rng = np.random.default_rng(0)
    queries, allowed = edited(library, rng)[:20], filtered(library, 0.1, rng)
    ids, vectors = (np.concatenate(arrays) for arrays in zip(*library.frames(), strict=True))
    everything, inside = nearest(library, queries, [None, allowed])
    scores = queries @ vectors.T
    np.testing.assert_array_equal(everything, ids[np.argsort(-scores, axis=1, kind="stable")[:, :10]])
    assert len(allowed) == round(0.1 * N)
    scores[:, ~np.isin(ids, allowed)] = -np.inf
    np.testing.assert_array_equal(inside, ids[np.argsort(-scores, axis=1, kind="stable")[:, :10]])


def test_three_times_the_work_takes_longer(library: ImitatedLibrary) -> None:
    queries = edited(library, np.random.default_rng(0))
    vectors = np.random.default_rng(1).normal(size=(20_000, library.d)).astype(np.float32)

    def once(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return some @ vectors.T, np.empty(0)

    def thrice(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return once(some), once(some), once(some)  # type: ignore[return-value]

    figures = compare((thrice, queries), (once, queries), size=10, times=15)
    assert figures["ratio_cpu_p50"] > 1.5
