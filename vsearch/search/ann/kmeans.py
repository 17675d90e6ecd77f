"""k-means on the sphere, by FAISS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsearch.search.ann.faiss_package import faiss


def spherical_kmeans(
    vectors: NDArray[np.float32], n: int, *, seed: int = 0, iterations: int = 25
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels (m,) int64 and unit centroids (n, d) float32 of unit vectors (m, d); 1 <= n <= m.

    Starts from centroids drawn apart from each other (greedy k-means++, Arthur and Vassilvitskii 2007): with random
    ones, several small groups would share a centroid. Raises ValueError for an n that cannot be.
    """
    if not 1 <= n <= len(vectors):
        raise ValueError(f"cannot make {n} groups of {len(vectors)} vectors")
    points = np.ascontiguousarray(vectors, np.float32)
    kmeans = faiss.Kmeans(
        points.shape[1],
        n,
        niter=iterations,
        spherical=True,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=1 << 16,
    )
    kmeans.train(points, init_centroids=_spread(points, n, np.random.default_rng(seed)))
    _, labels = kmeans.index.search(points, 1)
    return labels[:, 0].astype(np.int64), np.asarray(kmeans.centroids, np.float32).reshape(n, -1)


def _spread(points: NDArray[np.float32], n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """n of the points: of a few drawn with chances that grow with their distance from the last, the most useful."""
    draws = 2 + int(np.log(n))
    chosen = [int(rng.integers(len(points)))]
    distance = _distances(points, points[chosen])[0]
    while len(chosen) < n:
        total = float(distance.sum())
        if total <= 0:  # everything left equals a point that was chosen
            chosen.append(int(np.setdiff1d(np.arange(len(points)), chosen)[0]))
            continue
        drawn = rng.choice(len(points), size=draws, p=distance / total)
        left = np.minimum(distance, _distances(points, points[drawn]))
        best = int(left.sum(axis=1).argmin())
        chosen.append(int(drawn[best]))
        distance = left[best]
        distance[chosen] = 0.0
    return points[chosen]


def _distances(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float64]:
    """(c, m) squared Euclidean distances of unit vectors."""
    return np.maximum(2.0 - 2.0 * (centres @ points.T).astype(np.float64), 0.0)
