"""Exact search: every vector is compared. The reference that other structures are measured against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import AnnError, InputError
from vsearch.search.ann.faiss_package import faiss, uses_gpu
from vsearch.search.ann.files import Facts, Stamp, read_index, write_index

KIND = "flat"
GPU_MAX_K = 2048
_PIECE = 1 << 16  # vectors converted at a time
_GATHER_SHARE = 0.25  # up to this share of the index, allowed vectors are copied out and searched without a selector


class FlatIndex:
    """Inner products with every vector by FAISS. Vectors are kept to float16's precision, in memory as in the file.

    Rounding to float16 moves a cosine by about 1e-5, a hundredth of what storing embeddings as int8 does; it halves the
    file, and makes an index that was just built answer exactly as one that was loaded. In memory (on a CPU) they lie as
    float32, which the matrix product needs.
    """

    def __init__(self, d: int, *, device: str = "cpu") -> None:
        self.d = d
        self.facts: Facts = {}
        self._on_gpu = uses_gpu(device)
        self._index = faiss.IndexFlatIP(d)
        self._ids = np.empty(0, np.int64)  # of each dense row
        self._gpu_copy: Any = None

    def __len__(self) -> int:
        return int(self._index.ntotal)

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
        if len(np.unique(ids)) != len(ids) or self._any_known(ids):
            raise AnnError("an id is in the index already")
        self._add_rows(vectors.astype(np.float16))
        self._ids = np.concatenate([self._ids, ids.astype(np.int64)])
        self._gpu_copy = None

    def remove(self, ids: NDArray[np.int64]) -> int:
        gone = np.isin(self._ids, ids)
        if not gone.any():
            return 0
        # FAISS closes the gaps and keeps the order, so the side array shrinks by the same mask
        removed = self._index.remove_ids(_selector(gone))
        self._ids = self._ids[~gone]
        self._gpu_copy = None
        return int(removed)

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
        scores, rows = self._search_rows(queries, k) if allowed is None else self._search_among(queries, k, allowed)
        missing = rows < 0
        if missing.any():
            scores[missing] = -np.inf
            return scores, np.where(missing, -1, self._ids[rows])
        return scores, self._ids[rows]

    def faiss_index(
        self, allowed_rows: NDArray[np.bool_] | None = None
    ) -> tuple[Any, Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        params = None if allowed_rows is None else faiss.SearchParameters(sel=_selector(allowed_rows))
        return self._index, params, np.asarray

    def memory_bytes(self, n: int) -> int:
        return n * (self.d * 4 + 8)

    def save(self, path: Path, *, stamp: Stamp) -> None:
        halves = np.empty((len(self), self.d), np.float16)
        rows = self._rows()
        for start in range(0, len(rows), _PIECE):
            halves[start : start + _PIECE] = rows[start : start + _PIECE]
        write_index(path, kind=KIND, d=self.d, stamp=stamp, arrays={"ids": self._ids, "vectors": halves})

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Self:
        header, arrays = read_index(path, kind=KIND)
        d = header.d
        ids, vectors = arrays.get("ids"), arrays.get("vectors")
        if ids is None or vectors is None or d < 1 or ids.dtype != np.int64 or vectors.dtype != np.float16:
            raise AnnError(f"{path}: ids or vectors are missing: the file is damaged")
        if vectors.shape != (len(ids), d) or len(np.unique(ids)) != ids.size:
            raise AnnError(f"{path}: {ids.shape} ids do not fit {vectors.shape} vectors of {d} dimensions")
        index = cls(d, device=device)
        index._add_rows(vectors)
        index._ids = ids
        return index

    def _check(self, vectors: NDArray[np.float32]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.d:
            raise AnnError(f"the index holds vectors of {self.d} dimensions, these are {vectors.shape}")

    def _any_known(self, ids: NDArray[np.int64]) -> bool:
        if len(ids) == 0 or len(self._ids) == 0 or ids.min() > self._ids.max():
            return False  # the usual case: a new video's ids are above all others
        return bool(np.isin(ids, self._ids).any())

    def _add_rows(self, halves: NDArray[np.float16]) -> None:
        for start in range(0, len(halves), _PIECE):
            self._index.add(halves[start : start + _PIECE].astype(np.float32))

    def _rows(self) -> NDArray[np.float32]:
        """(n, d) the vectors themselves, not a copy: invalid after the next change."""
        if len(self) == 0:
            return np.empty((0, self.d), np.float32)
        rows = faiss.rev_swig_ptr(self._index.get_xb(), len(self) * self.d)
        return np.asarray(rows, np.float32).reshape(len(self), self.d)

    def _search_rows(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        index = self._gpu() if self._on_gpu and k <= GPU_MAX_K else self._index
        scores, rows = index.search(queries, k)
        return scores, rows

    def _search_among(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        mask = np.isin(self._ids, allowed)
        rows = np.flatnonzero(mask)
        if len(rows) > _GATHER_SHARE * len(self):
            # with a selector FAISS compares pair by pair instead of by matrix product: only worth it for large shares
            scores, places = self._index.search(queries, k, params=faiss.SearchParameters(sel=_selector(mask)))
            return scores, places
        scores, places = faiss.knn(queries, self._rows()[rows], k, metric=faiss.METRIC_INNER_PRODUCT)
        return scores, np.where(places < 0, -1, rows[places]) if len(rows) else places

    def _gpu(self) -> Any:
        if self._gpu_copy is None:
            options = faiss.GpuClonerOptions()
            options.useFloat16 = True  # loses nothing: the vectors were rounded when they were added
            self._gpu_copy = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, self._index, options)
        return self._gpu_copy


def _selector(mask: NDArray[np.bool_]) -> Any:
    """The rows where `mask` is True, as FAISS wants them."""
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
