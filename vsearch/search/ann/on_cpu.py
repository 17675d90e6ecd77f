"""Vectors of the exact index in memory, compared by FAISS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsearch.search.ann.faiss_package import faiss

_PIECE = 1 << 16  # vectors converted at a time
_GATHER_SHARE = 0.25  # up to this share of all rows, those allowed are copied out and searched without a selector


class FaissRows:
    """Implements `flat.Rows`. The vectors lie as float32, which the matrix product needs.

    Of equal scores any may come first, and any may be the ones left out.
    """

    VALUE_BYTES = 4

    def __init__(self, d: int, pieces: Iterable[NDArray[np.float16]] = ()) -> None:
        self._d = d
        self._index = faiss.IndexFlatIP(d)
        for piece in pieces:
            self.append(piece)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def append(self, halves: NDArray[np.float16]) -> None:
        for start in range(0, len(halves), _PIECE):
            self._index.add(halves[start : start + _PIECE].astype(np.float32))

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self._index.remove_ids(_selector(~mask))  # closes the gaps and keeps the order

    def halves(self) -> Iterator[NDArray[np.float16]]:
        rows = self._vectors()
        for start in range(0, len(rows), _PIECE):
            yield rows[start : start + _PIECE].astype(np.float16)

    def search(
        self, queries: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if among is None:
            scores, rows = self._index.search(queries, k)
            return scores, rows
        if len(among) > _GATHER_SHARE * len(self):
            # with a selector FAISS compares pair by pair instead of by matrix product: only worth it for large shares
            mask = np.zeros(len(self), np.bool_)
            mask[among] = True
            scores, rows = self._index.search(queries, k, params=faiss.SearchParameters(sel=_selector(mask)))
            return scores, rows
        scores, places = faiss.knn(queries, self._vectors()[among], k, metric=faiss.METRIC_INNER_PRODUCT)
        return scores, np.where(places < 0, -1, among[places]) if len(among) else places

    def faiss_index(
        self, allowed_rows: NDArray[np.bool_] | None
    ) -> tuple[Any, Any, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        """As `AnnIndex.faiss_index`: the very index that `search` asks."""
        params = None if allowed_rows is None else faiss.SearchParameters(sel=_selector(allowed_rows))
        return self._index, params, np.asarray

    def _vectors(self) -> NDArray[np.float32]:
        """(n, d) the vectors themselves, not a copy: invalid after the next change."""
        if len(self) == 0:
            return np.empty((0, self._d), np.float32)
        rows = faiss.rev_swig_ptr(self._index.get_xb(), len(self) * self._d)
        return np.asarray(rows, np.float32).reshape(len(self), self._d)


def _selector(mask: NDArray[np.bool_]) -> Any:
    """The rows where `mask` is True, as FAISS wants them."""
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
