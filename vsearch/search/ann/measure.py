"""How much of exact search an approximate index finds: the true neighbours of a sample, taken while it is filled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsearch.search.ann.faiss_package import faiss

QUERIES = 256
NEIGHBOURS = 10
QUERY_COSINE = 0.85  # of a query with the vector that it stands for: about what an edited copy keeps


class ExactNeighbours:
    """The nearest of all vectors that were seen, for queries made of some of them.

    queries: (q, d) float32, unit vectors of a sample, each turned towards another one as an edit would turn it. ids:
    (q, 10) int64, their nearest so far by inner product, best first; -1 where there are fewer.
    """

    def __init__(self, sample: NDArray[np.float32], *, seed: int = 0) -> None:
        """sample: (n, d) float32 unit vectors, n >= 1."""
        rng = np.random.default_rng(seed)
        chosen = sample[rng.permutation(len(sample))[:QUERIES]]
        self.queries = turned(chosen, sample[rng.integers(len(sample), size=len(chosen))], QUERY_COSINE)
        self.ids = np.full((len(chosen), NEIGHBOURS), -1)
        self._scores = np.full((len(chosen), NEIGHBOURS), -np.inf, np.float32)

    def see(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """More vectors (m, d) float32 and their ids (m,)."""
        if len(ids) == 0:
            return
        k = min(NEIGHBOURS, len(ids))
        scores, places = faiss.knn(self.queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
        scores, found = np.concatenate([self._scores, scores], 1), np.concatenate([self.ids, ids[places]], 1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
        self._scores, self.ids = np.take_along_axis(scores, best, 1), np.take_along_axis(found, best, 1)


def turned(
    vectors: NDArray[np.float32], towards: NDArray[np.float32], cosine: float | NDArray[np.float32]
) -> NDArray[np.float32]:
    """Unit vectors (n, d) at `cosine` from unit vectors (n, d), in the plane that each spans with another."""
    across = towards - np.sum(vectors * towards, axis=1, keepdims=True) * vectors
    length = np.linalg.norm(across, axis=1, keepdims=True)
    across = np.divide(across, length, out=np.zeros_like(across), where=length > 1e-6)
    mixed = cosine * vectors + np.sqrt(1 - np.square(cosine)) * across
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)
