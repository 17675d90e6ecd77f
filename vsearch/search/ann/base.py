"""What a vector index is, whatever structure stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class AnnIndex(Protocol):
    """Vectors under 64-bit ids, found by inner product. Readers may share one index; a writer needs it for itself.

    An implementation is made as `Index(d, device=...)` and listed in `vsearch.search.ann.INDEXES`. It never changes
    during a search: whatever one query wants different goes into `params`.
    """

    d: int
    facts: Mapping[str, str | int | float]  # how it is built and what was measured of it, JSON-ready; kept in its file

    def __init__(self, d: int, *, device: str = "cpu") -> None:
        """An empty index for `d` dimensions. device: "auto" | "cpu" | "cuda"; UnavailableError if it is not there."""
        ...

    def __len__(self) -> int: ...

    def ids(self) -> NDArray[np.int64]:
        """(n,) int64, every id in the index, in no particular order; not to be written to."""
        ...

    @property
    def pending(self) -> int:
        """Rows that lie in memory until `save` and `load` put them on disk; 0 for a structure that lives in memory."""
        ...

    def train(self, vectors: NDArray[np.float32], *, n: int | None = None) -> None:
        """Learn the structure from a sample (m, d), before any is added; an exact index needs none.

        n: how many vectors it is going to hold (None: about as many as the sample).
        """
        ...

    def tune(self, queries: NDArray[np.float32], nearest: NDArray[np.int64], *, wanted: float) -> None:
        """Choose how searches look so that they find `wanted` of the true neighbours; recall goes into `facts`.

        queries: (q, d) float32; nearest: (q, k) int64, the ids that exact search gives, -1 where there are fewer.
        """
        ...

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """ids: (n,) int64; vectors: (n, d) float32, unit length. Raises AnnError for an id twice, or for another d."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Take ids out; unknown ones are ignored. How many were removed. One pass over the index: call it once."""
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

        Where fewer than k were found, id -1 and score -inf. `allowed`: only these ids may be found. `params`: settings
        of this search alone; the index itself is never written to. Raises AnnError for another d, InputError for a
        parameter that the structure does not know.
        """
        ...

    def faiss_index(
        self, allowed_rows: NDArray[np.bool_] | None = None
    ) -> tuple[Any, Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        """To measure against: FAISS's own index over what was loaded, search parameters, and what makes its queries.

        Labels are rows in the order of `ids()`. allowed_rows: (n,) bool, the only ones that may be found.
        """
        ...

    def memory_bytes(self, n: int) -> int:
        """About how much memory n vectors would take; what is only mapped for now and then is not counted."""
        ...

    def save(self, path: Path, *, stamp: Mapping[str, str | int]) -> None:
        """Write everything to one file, synchronised to disk. `stamp` says what it was built from (`files.read_stamp`).

        Raises OSError: the caller knows what the file is for.
        """
        ...

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Self:
        """Raises AnnError when the file is damaged or of another kind, OSError when it cannot be read."""
        ...
