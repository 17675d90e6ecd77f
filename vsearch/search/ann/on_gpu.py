"""Vectors of the exact index on a GPU, compared by matrix products of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsearch.errors import UnavailableError

_PIECE = 1 << 18  # vectors that come back to the host at a time
_SCORES = 1 << 26  # float32 that are there at a time: 256 MiB
_ROWS = 1 << 22  # compared at a time, however few the queries are: what is copied out for a filter stays bounded, too
_QUERIES = 1 << 10  # asked at a time


class TorchRows:
    """Implements `flat.Rows` on a torch device: all vectors as float16, and queries rounded to it as they were.

    Products are summed in float32, and scores stay float32. They are made for some queries and some rows at a time,
    at most `_SCORES` of them (256 MiB); the best k are merged with the best so far, which takes at most 24 bytes for
    each answer of those queries (so many that their answers are at most `_SCORES`, too). A filter copies the rows that
    it allows, at most `_ROWS` at a time. Of equal scores any may come first, and any may be the ones left out.

    Raises UnavailableError when the device has no room for it.
    """

    VALUE_BYTES = 2

    def __init__(self, d: int, device: torch.device | str = "cuda") -> None:
        self._device = torch.device(device)
        self._none = torch.empty((0, d), dtype=torch.float16, device=self._device)
        self._pieces: list[Tensor] = []

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def append(self, halves: NDArray[np.float16]) -> None:
        with _room_needed():
            self._pieces.append(torch.from_numpy(halves).to(self._device, copy=True))

    def keep(self, mask: NDArray[np.bool_]) -> None:
        with _room_needed():
            self._pieces = [self._vectors()[torch.from_numpy(mask).to(self._device)]]

    def halves(self) -> Iterator[NDArray[np.float16]]:
        vectors = self._vectors()
        for start in range(0, len(vectors), _PIECE):
            yield vectors[start : start + _PIECE].cpu().numpy()

    def search(
        self, queries: NDArray[np.float32], k: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        step = max(1, min(_QUERIES, _SCORES // k))
        with torch.inference_mode(), _room_needed():
            allowed = None if among is None else torch.from_numpy(among).to(self._device)
            for start in range(0, len(queries), step):
                asked = torch.tensor(queries[start : start + step], dtype=torch.float16, device=self._device)
                best, found = self._nearest(asked, k, allowed)
                there = slice(start, start + step), slice(found.shape[1])
                scores[there], rows[there] = best.cpu().numpy(), found.cpu().numpy()
        return scores, rows

    def _nearest(self, queries: Tensor, k: int, among: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores (q, <= k) float32 and rows (q, <= k) int64 of the best, best first. queries: (q, d) float16."""
        vectors = self._vectors()
        best = queries.new_empty((len(queries), 0), dtype=torch.float32)
        rows = queries.new_empty((len(queries), 0), dtype=torch.int64)
        step = max(1, min(_ROWS, _SCORES // len(queries)))
        for start in range(0, len(vectors) if among is None else len(among), step):
            piece = slice(start, start + step)
            compared = vectors[piece] if among is None else vectors.index_select(0, among[piece])
            scores, places = _products(queries, compared).topk(min(k, len(compared)))
            scores, rows = torch.cat([best, scores], 1), torch.cat([rows, places + start], 1)
            best, order = scores.topk(min(k, scores.shape[1]))
            rows = rows.gather(1, order)
        return best, rows if among is None else among[rows]

    def _vectors(self) -> Tensor:
        """(n, d) float16. Readers that come at once may each join the pieces; whichever is kept is the same."""
        pieces = self._pieces
        if not pieces:
            return self._none
        if len(pieces) > 1:
            self._pieces = pieces = [torch.cat(pieces)]
        return pieces[0]


def _products(queries: Tensor, rows: Tensor) -> Tensor:
    """Inner products (q, n) float32 of queries (q, d) and rows (n, d), both float16, summed in float32.

    A product of float16 is float16 otherwise: steps of 5e-4 near 1, in which near neighbours become ties. Only CUDA
    has the one with a wider result; elsewhere the factors are widened, which is slower and gives the same.
    """
    if rows.is_cuda:
        return torch.mm(queries, rows.T, out_dtype=torch.float32)
    return queries.float() @ rows.float().T


@contextmanager
def _room_needed() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UnavailableError("the GPU has no room for the index; use --device cpu") from error
