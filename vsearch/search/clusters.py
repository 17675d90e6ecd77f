"""Groups of clips that show alike material."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import InputError

SAMPLE = 2000  # vectors that are joined to groups; of more the others go to the group whose centre is nearest
MOST_GROUPS = 256  # that are tried when no number is given
SCALE_NEIGHBOUR = 4  # whose distance is the scale of where a vector is
LEAST_SCALE = 0.02  # of a vector with copies
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


def group(vectors: NDArray[np.float32], *, n: int | None = None, method: str = "linkage", seed: int = 0) -> Grouping:
    """Divide unit vectors (m, d) float32 into groups; the same for the same vectors and seed.

    n: how many ("linkage" only; at most m, and `SAMPLE`, are made); None: as many as give the best silhouette, one if
    none is good.
    method: "linkage" puts every vector into a group, "hdbscan" leaves out what lies alone. Raises InputError for
    another method or for an n that cannot be.
    """
    if method not in METHODS:
        raise InputError(f"the method must be one of {', '.join(METHODS)}, not {method!r}")
    if n is not None and (n < 1 or method != "linkage"):
        raise InputError(f"{method} cannot make {n} groups")
    if len(vectors) == 0:
        return Grouping((), ())
    return _grouping(vectors, METHODS[method](vectors, n, seed))


def _linkage(vectors: NDArray[np.float32], n: int | None, seed: int) -> Labels:
    """Joined by average linkage, the nearest first."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    rng = np.random.default_rng(seed)
    some = np.arange(len(vectors))
    if len(vectors) > SAMPLE:
        some = np.sort(rng.choice(len(vectors), SAMPLE, replace=False))
    if len(some) < 2:
        return np.zeros(len(vectors), np.int64)
    distances = _distances(vectors[some])
    tree = linkage(squareform(_scaled(distances), checks=False), "average")
    labels = _best_cut(tree, distances) if n is None else _cut(tree, n)
    if len(some) == len(vectors):
        return labels
    centres = np.stack([vectors[some[labels == label]].mean(axis=0) for label in range(labels.max() + 1)])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    everywhere: Labels = (vectors @ centres.T).argmax(axis=1).astype(np.int64)
    everywhere[some] = labels
    return everywhere


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(m, m): 1 less the cosines."""
    distances = np.maximum(1.0 - vectors.astype(np.float64) @ vectors.T, 0.0)
    np.fill_diagonal(distances, 0.0)
    return np.asarray((distances + distances.T) / 2)


def _scaled(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances by the scale of where both are (Zelnik-Manor and Perona, NIPS 2004), half as much as they have it:
    shots of a talk lie closer together than those of a journey.
    """
    place = min(SCALE_NEIGHBOUR, len(distances) - 1)
    scales = np.maximum(np.partition(distances, place, axis=1)[:, place], LEAST_SCALE) ** 0.25
    scaled: NDArray[np.float64] = distances / scales / scales[:, None]
    return scaled


def _cut(tree: NDArray[np.float64], n: int) -> Labels:
    """The labels 0, 1 and so on of `n` groups, or of as many as there are vectors."""
    from scipy.cluster.hierarchy import cut_tree

    labels: Labels = cut_tree(tree, n_clusters=min(n, len(tree) + 1))[:, 0].astype(np.int64)
    return labels


def _best_cut(tree: NDArray[np.float64], distances: NDArray[np.float64]) -> Labels:
    """The cut with the best mean silhouette (Rousseeuw 1987): by coarse steps, then fine."""
    largest = min(len(tree), MOST_GROUPS)
    tried: dict[int, float] = {1: LEAST_SILHOUETTE}  # what others must be better than

    def try_numbers(numbers: NDArray[np.int64]) -> int:
        for number in np.unique(np.clip(numbers, 1, largest)).tolist():
            if number not in tried:
                tried[number] = _silhouette(distances, _cut(tree, number))
        return max(tried, key=lambda number: (tried[number], -number))

    best = try_numbers(np.round(np.geomspace(2, max(2, largest), 14)).astype(np.int64))
    best = try_numbers(np.round(best * np.linspace(0.75, 1.33, 8)).astype(np.int64))
    return _cut(tree, try_numbers(best + np.arange(-2, 3)))


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


METHODS: dict[str, Callable[[NDArray[np.float32], int | None, int], Labels]] = {
    "linkage": _linkage,
    "hdbscan": _hdbscan,
}


def _silhouette(distances: NDArray[np.float64], labels: Labels) -> float:
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
