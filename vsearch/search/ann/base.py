"""What a vector index is, whatever structure stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class AnnIndex(Protocol):
    """Vectors under 64-bit ids, found by inner product. Readers may share one index; one writer at a time."""

    d: int

    def __len__(self) -> int: ...

    def train(self, vectors: NDArray[np.float32]) -> None:
        """Learn the structure from (n, d) vectors; an exact index needs none."""
        ...

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """ids: (n,) int64, not in the index yet; vectors: (n, d) float32, unit length."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Take ids out; unknown ones are ignored. How many were removed."""
        ...

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.int64] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k best for each of (q, d) vectors: scores (q, k) float32, higher is better, and ids (q, k) int64.

        Where fewer than k were found, id -1 and score -inf. `allowed`: only these ids may be found. `params`: settings of
        this search alone; the index itself is never written to.
        """
        ...

    def memory_bytes(self, n: int) -> int:
        """About how much memory n vectors would take."""
        ...

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path) -> AnnIndex:
        """Raises AnnError when the file is damaged or of another kind."""
        ...
