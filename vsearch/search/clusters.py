"""Groups of clips that show alike material."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import InputError

SAMPLE = 2000  # vectors on which the number of groups is chosen
MOST_GROUPS = 256  # that are tried when no number is given
STRAY_SHARE = 0.5  # of the median cosine with the group's centre: below, a vector is not of the group
LEAST_SILHOUETTE = 0.1  # below, no division is better than none

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Numbers of the vectors in one group, the most central first, and each one's cosine with the group's centre."""

    members: tuple[int, ...]
    centrality: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups, the largest first (then by first member), and the numbers of the vectors that belong to none."""

    groups: tuple[Group, ...]
    outliers: tuple[int, ...]


def clip_vector(vectors: NDArray[np.float32], low_information: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """A clip's vector (d,) float32, unit length: the normalised mean of its informative frames; None without any.

    vectors: (n, d) float32 unit vectors of the clip's frames; low_information: (n,) bool.
    """
    mean = vectors[~low_information].sum(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length, np.float32) if length > 1e-6 else None


def group(vectors: NDArray[np.float32], *, n: int | None = None, method: str = "kmeans", seed: int = 0) -> Grouping:
    """Divide unit vectors (m, d) float32 into groups; the same for the same vectors and seed.

    n: how many (k-means only; at most m are made); None: as many as give the best silhouette, one if none is good.
    method: "kmeans" puts every vector into a group, "hdbscan" leaves out what lies alone. Raises InputError for another
    method or for an n that cannot be, UnavailableError for k-means without FAISS.
    """
    if method not in METHODS:
        raise InputError(f"the method must be one of {', '.join(METHODS)}, not {method!r}")
    if n is not None and (n < 1 or method != "kmeans"):
        raise InputError(f"{method} cannot make {n} groups")
    if len(vectors) == 0:
        return Grouping((), ())
    return _grouping(vectors, METHODS[method](vectors, n, seed))


def _kmeans(vectors: NDArray[np.float32], n: int | None, seed: int) -> Labels:
    from vsearch.search.ann.kmeans import spherical_kmeans

    if n is None:
        n = _best_number(vectors, seed)
    return spherical_kmeans(vectors, min(n, len(vectors)), seed=seed)[0]


def _hdbscan(vectors: NDArray[np.float32], n: int | None, seed: int) -> Labels:
    from sklearn.cluster import HDBSCAN

    if len(vectors) < 3:
        return np.zeros(len(vectors), np.int64)
    # on unit vectors the Euclidean distance orders pairs as the cosine does, and has fast trees
    labels = HDBSCAN(min_cluster_size=2, min_samples=2, copy=True).fit_predict(vectors.astype(np.float64))
    return _without_strays(vectors, np.asarray(labels, np.int64))


def _without_strays(vectors: NDArray[np.float32], labels: Labels) -> Labels:
    """Labels with -1 for members that are far from their group: HDBSCAN gives a lone vector to a dense one."""
    kept = labels.copy()
    for label in np.unique(labels[labels >= 0]).tolist():
        members = np.flatnonzero(labels == label)
        centrality = _centrality(vectors[members])
        kept[members[centrality < STRAY_SHARE * np.median(centrality)]] = -1
    return kept


METHODS: dict[str, Callable[[NDArray[np.float32], int | None, int], Labels]] = {"kmeans": _kmeans, "hdbscan": _hdbscan}


def _best_number(vectors: NDArray[np.float32], seed: int) -> int:
    """The number of groups with the best mean silhouette (Rousseeuw 1987) on a sample: by coarse steps, then fine."""
    from vsearch.search.ann.kmeans import spherical_kmeans

    rng = np.random.default_rng(seed)
    sample = vectors if len(vectors) <= SAMPLE else vectors[np.sort(rng.choice(len(vectors), SAMPLE, replace=False))]
    largest = min(len(sample) - 1, MOST_GROUPS)
    if largest < 2:
        return 1
    distances = np.maximum(1.0 - sample @ sample.T, 0.0)
    np.fill_diagonal(distances, 0.0)
    tried: dict[int, float] = {}

    def try_numbers(numbers: NDArray[np.int64]) -> int:
        for number in np.unique(np.clip(numbers, 2, largest)).tolist():
            if number not in tried:
                tried[number] = _silhouette(distances, spherical_kmeans(sample, number, seed=seed)[0])
        return max(tried, key=lambda number: (tried[number], -number))

    best = try_numbers(np.round(np.geomspace(2, largest, 14)).astype(np.int64))
    best = try_numbers(np.round(best * np.linspace(0.75, 1.33, 8)).astype(np.int64))
    best = try_numbers(best + np.arange(-2, 3))
    return best if tried[best] >= LEAST_SILHOUETTE else 1


def _silhouette(distances: NDArray[np.float32], labels: Labels) -> float:
    from sklearn.metrics import silhouette_score

    n_labels = len(np.unique(labels))
    if not 2 <= n_labels < len(labels):
        return -1.0
    return float(silhouette_score(distances, labels, metric="precomputed"))


def _grouping(vectors: NDArray[np.float32], labels: Labels) -> Grouping:
    groups = []
    for label in np.unique(labels[labels >= 0]).tolist():
        members = np.flatnonzero(labels == label)
        centrality = _centrality(vectors[members])
        order = np.argsort(-centrality, kind="stable")
        groups.append(Group(tuple(members[order].tolist()), tuple(centrality[order].astype(float).tolist())))
    groups.sort(key=lambda one: (-len(one.members), min(one.members)))
    return Grouping(tuple(groups), tuple(np.flatnonzero(labels < 0).tolist()))


def _centrality(members: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each member's cosine with the mean of all (n, d)."""
    centre = members.sum(axis=0)
    return np.asarray(members @ (centre / max(float(np.linalg.norm(centre)), 1e-12)), np.float32)
