"""Exact search: every vector is compared. The reference that other structures are measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError, InputError
from vsearch.search.ann import ROWS
from vsearch.search.ann.device import uses_gpu
from vsearch.search.ann.files import Facts, Stamp, Stream, read_index, write_index

KIND = "flat"


class Rows(Protocol):
    """Vectors by row number, kept to float16's precision. Readers may share them; a writer needs them for itself."""

    VALUE_BYTES: ClassVar[int]  # of each dimension, where the vectors are

    def __len__(self) -> int: ...

    def append(self, halves: NDArray[np.float16]) -> None:
        """More rows (m, d), after the others."""
        ...

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Only the rows where mask (n,) is True; gaps are closed, the order stays."""
        ...

    def halves(self) -> Iterator[NDArray[np.float16]]:
        """All rows in their order, some (m, d) at a time."""
        ...

    def search(
        self, queries: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k rows with the largest inner products for each of queries (q, d): scores (q, k) float32, best first, and
        rows (q, k) int64, -1 where there are fewer. among: (m,), ascending, the only rows that may be found.
        """
        ...


class FlatIndex:
    """Inner products with every vector, by FAISS, or by PyTorch on a GPU.

    Rounding to float16 moves a cosine by about 1e-5, a hundredth of what storing embeddings as int8 does; it halves the
    file, and makes an index that was just built answer exactly as one that was loaded.
    """

    def __init__(self, d: int, *, device: str = "cpu") -> None:
        self.d = d
        self.facts: Facts = {}
        self._rows: Rows = ROWS.load("gpu" if uses_gpu(device) else "cpu")(d)
        self._ids = np.empty(0, np.int64)  # of each row

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def pending(self) -> int:
        return 0

    def ids(self) -> NDArray[np.int64]:
        return self._ids

    def train(self, vectors: NDArray[np.float32], *, n: int | None = None) -> None:
        """Nothing to learn."""

    def tune(self, queries: NDArray[np.float32], nearest: NDArray[np.int64], *, wanted: float) -> None:
        """Nothing to choose."""

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self._check(vectors)
        if ids.shape != vectors.shape[:1]:
            raise AnnError(f"{len(vectors)} vectors cannot have {len(ids)} ids")
        if not _all_differ(ids) or self._any_known(ids):
            raise AnnError("an id is in the index already")
        self._rows.append(vectors.astype(np.float16))
        self._ids = np.concatenate([self._ids, ids.astype(np.int64)])

    def remove(self, ids: NDArray[np.int64]) -> int:
        gone = np.isin(self._ids, ids)
        if not gone.any():
            return 0
        self._rows.keep(~gone)
        self._ids = self._ids[~gone]
        return int(gone.sum())

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        *,
        allowed: NDArray[np.int64] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self._check(vectors)
        if params:
            raise InputError(f"the exact index has no parameters, not {', '.join(params)}")
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        queries = np.ascontiguousarray(vectors, np.float32)
        if len(queries) == 0 or len(self) == 0:
            return np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
        among = None if allowed is None else self._rows_of(allowed)
        scores, rows = self._rows.search(queries, k, among)
        missing = rows < 0
        if missing.any():
            scores[missing] = -np.inf
            return scores, np.where(missing, -1, self._ids[rows])
        return scores, self._ids[rows]

    def faiss_index(
        self, allowed_rows: NDArray[np.bool_] | None = None
    ) -> tuple[Any, Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        on_cpu = ROWS.load("cpu")
        rows = self._rows if isinstance(self._rows, on_cpu) else on_cpu(self.d, self._rows.halves())
        found: tuple[Any, Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = rows.faiss_index(allowed_rows)
        return found

    def memory_bytes(self, n: int) -> int:
        return n * (self.d * self._rows.VALUE_BYTES + 8)

    def save(self, path: Path, *, stamp: Stamp) -> None:
        vectors = Stream("<f2", (len(self), self.d), self._rows.halves())
        write_index(path, kind=KIND, d=self.d, stamp=stamp, arrays={"ids": self._ids, "vectors": vectors})

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Self:
        header, arrays = read_index(path, kind=KIND)
        d = header.d
        ids, vectors = arrays.get("ids"), arrays.get("vectors")
        if ids is None or vectors is None or d < 1 or ids.dtype != np.int64 or vectors.dtype != np.float16:
            raise AnnError(f"{path}: ids or vectors are missing: the file is damaged")
        if vectors.shape != (len(ids), d) or not _all_differ(ids):
            raise AnnError(f"{path}: {ids.shape} ids do not fit {vectors.shape} vectors of {d} dimensions")
        index = cls(d, device=device)
        index._rows.append(vectors)
        index._ids = ids
        return index

    def _check(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.d:
            raise AnnError(f"the index holds vectors of {self.d} dimensions, these are {vectors.shape}")

    def _rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows, ascending, of those ids that are here."""
        wanted = ids if _ascend(ids) else np.unique(ids)
        return np.flatnonzero(np.isin(self._ids, wanted, assume_unique=True))

    def _any_known(self, ids: NDArray[np.int64]) -> bool:
        if len(ids) == 0 or len(self._ids) == 0 or ids.min() > self._ids.max():
            return False  # the usual case: a new video's ids are above all others
        return bool(np.isin(ids, self._ids).any())


def _ascend(ids: NDArray[np.int64]) -> bool:
    """Whether each id is above the one before, as they mostly come: told in a hundredth of the time of np.unique."""
    return bool((ids[1:] > ids[:-1]).all())


def _all_differ(ids: NDArray[np.int64]) -> bool:
    return _ascend(ids) or len(np.unique(ids)) == len(ids)
