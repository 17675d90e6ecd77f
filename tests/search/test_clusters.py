"""Groups of vectors whose true groups are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsearch.errors import InputError
from vsearch.search.clusters import METHODS, Grouping, clip_vector, group


def blobs(
    sizes: list[int], *, noise: float = 0.35, d: int = 64, seed: int = 0
) -> tuple[NDArray[np.float32], list[int]]:
    """Unit vectors around random directions, shuffled, and the blob of each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), d))
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = centres[labels] + noise * rng.normal(size=(len(labels), d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels.tolist()


def agreement(grouping: Grouping, truth: list[int]) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    labels = np.full(len(truth), -1)
    for number, one in enumerate(grouping.groups):
        labels[list(one.members)] = number
    return float(adjusted_mutual_info_score(truth, labels))


@pytest.mark.parametrize("method", METHODS)
def test_clear_groups_are_found_without_being_told_how_many(method: str) -> None:
    vectors, truth = blobs([40, 25, 12, 9, 6, 5, 4])
    found = group(vectors, method=method)
    assert [len(one.members) for one in found.groups] == [40, 25, 12, 9, 6, 5, 4]
    assert agreement(found, truth) == pytest.approx(1.0)


def test_many_small_groups_are_found() -> None:
    vectors, truth = blobs([4] * 33)
    found = group(vectors)
    assert 28 <= len(found.groups) <= 38
    assert agreement(found, truth) > 0.95


def test_overlapping_groups_are_mostly_found() -> None:
    vectors, truth = blobs([30] * 8, noise=1.2)
    assert agreement(group(vectors), truth) > 0.85


def test_a_given_number_is_made() -> None:
    vectors, _ = blobs([20] * 5)
    for n in (1, 3, 5, 9):
        assert len(group(vectors, n=n).groups) == n
    assert len(group(vectors[:4], n=9).groups) == 4


def test_every_vector_is_in_one_place_most_central_first() -> None:
    vectors, _ = blobs([10, 20, 5])
    for method in METHODS:
        found = group(vectors, method=method)
        everything = [member for one in found.groups for member in one.members] + list(found.outliers)
        assert sorted(everything) == list(range(len(vectors)))
        for one in found.groups:
            assert list(one.centrality) == sorted(one.centrality, reverse=True)


def test_what_lies_alone_is_an_outlier_of_hdbscan() -> None:
    vectors, _ = blobs([20, 20])
    alone = np.eye(64, dtype=np.float32)[:1]
    found = group(np.concatenate([vectors, alone]), method="hdbscan")
    assert found.outliers == (40,)


def test_one_mass_is_one_group() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(200, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert len(group(vectors).groups) == 1


@pytest.mark.parametrize("m", [0, 1, 2, 3])
def test_few_vectors_are_grouped_without_fuss(m: int) -> None:
    vectors = np.eye(8, dtype=np.float32)[:m]
    for method in METHODS:
        found = group(vectors, method=method)
        assert sum(len(one.members) for one in found.groups) + len(found.outliers) == m


def test_equal_vectors_are_no_trouble() -> None:
    vectors = np.repeat(np.eye(8, dtype=np.float32)[:2], 10, axis=0)
    assert [len(one.members) for one in group(vectors).groups] == [10, 10]
    assert len(group(vectors[:10], n=3).groups) >= 1


def test_grouping_is_repeatable() -> None:
    vectors, _ = blobs([15] * 6, noise=0.8)
    assert group(vectors) == group(vectors)


def test_a_clips_vector_is_the_mean_of_its_informative_frames() -> None:
    frames = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(clip_vector(frames, np.array([False, False, True])), [0.5**0.5, 0.5**0.5, 0])
    assert clip_vector(frames, np.ones(3, bool)) is None


def test_bad_requests_are_named() -> None:
    vectors, _ = blobs([5, 5])
    with pytest.raises(InputError, match="spectral"):
        group(vectors, method="spectral")
    with pytest.raises(InputError, match="0 groups"):
        group(vectors, n=0)
    with pytest.raises(InputError, match="hdbscan"):
        group(vectors, n=3, method="hdbscan")
