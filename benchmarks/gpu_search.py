"""Exact search on a device, beside a bare matrix product there and FAISS on the processor, over the same vectors.

The vectors are invented: shots of a few frames around a direction of their own, so that near neighbours are near each
other. How long comparing everything takes does not depend on them; how often rounding swaps neighbours does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.report import say
from vsearch.errors import UnavailableError
from vsearch.metrics import ann_recall_at_k
from vsearch.search.ann.flat import FlatIndex

K = 10
BATCH = 40  # a query of ten seconds, at four frames a second
QUERIES = 400
EDITS = (0.7, 0.95)  # cosines of an edited copy's frame with the original
SHOT_FRAMES = 8
WANDER = 0.5  # the length of what a frame differs by from its shot's direction, beside the 1 of that
PIECE = 1 << 18  # vectors made at a time
FAISS_FRAMES = 1_000_000  # up to here FAISS is asked as well
TIMED = {1: 200, BATCH: 100}  # calls with so many queries
TIMED_FAISS = {1: 20, BATCH: 10}
WARM_UP = 3

Answers = tuple[NDArray[np.float32], NDArray[np.int64]]
Search = Callable[[NDArray[np.float32]], Answers]


@dataclass(frozen=True, slots=True)
class Invented:
    """n unit vectors of d dimensions that a seed decides, made on a device whenever they are needed."""

    n: int
    d: int
    seed: int
    device: torch.device

    def pieces(self) -> Iterator[tuple[int, Tensor]]:
        """(first row, (m, d) float32) of all vectors, some at a time."""
        random = torch.Generator(self.device).manual_seed(self.seed)
        for start in range(0, self.n, PIECE):
            m = min(PIECE, self.n - start)
            shots = self._unit(-(-m // SHOT_FRAMES), random).repeat_interleave(SHOT_FRAMES, 0)[:m]
            yield start, torch.nn.functional.normalize(shots + WANDER * self._unit(m, random))

    def queries(self) -> NDArray[np.float32]:
        """(QUERIES, d) some of the vectors, each turned towards another direction as far as edits turn frames."""
        random = torch.Generator(self.device).manual_seed(self.seed + 1)
        _, first = next(self.pieces())
        picked = first[torch.randint(len(first), (QUERIES,), generator=random, device=self.device)]
        across = self._unit(QUERIES, random)
        across = torch.nn.functional.normalize(across - (across * picked).sum(1, keepdim=True) * picked)
        low, high = EDITS
        cosine = low + (high - low) * torch.rand((QUERIES, 1), generator=random, device=self.device)
        turned: NDArray[np.float32] = (cosine * picked + (1 - cosine**2).sqrt() * across).cpu().numpy()
        return turned

    def _unit(self, n: int, random: torch.Generator) -> Tensor:
        return torch.nn.functional.normalize(torch.randn((n, self.d), generator=random, device=self.device))


def measure_search(vectors: Invented) -> dict[str, Any]:
    """Everything about exact search among so many vectors; milliseconds of calls, from host to host."""
    say(f"searching {vectors.n:,} vectors")
    queries = vectors.queries()
    truth = nearest(vectors, queries)
    before = allocated(vectors.device)
    started = time.perf_counter()
    index = filled(vectors, str(vectors.device))
    index.search(queries[:1], K)
    figures: dict[str, Any] = {"frames": vectors.n, "d": vectors.d, "fill_seconds": time.perf_counter() - started}
    figures["memory"] = memory(vectors.device, before, lambda: index.search(queries[:BATCH], K))
    asked = {"ours": (lambda some: index.search(some, K)), "bare": bare_search(vectors)}
    found = {name: search(queries)[1] for name, search in asked.items()}
    figures["recall_at_10"] = {name: ann_recall_at_k(rows, truth) for name, rows in found.items()}
    figures["calls"] = {f"{size}": timed(asked, queries, size=size, times=times) for size, times in TIMED.items()}
    if vectors.n <= FAISS_FRAMES:
        figures["faiss_on_cpu"] = on_processor(vectors, queries)
    return figures


def nearest(vectors: Invented, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """(q, K) the rows of the true neighbours: float32 vectors, never rounded, all compared in float32."""
    asked = torch.from_numpy(queries).to(vectors.device)
    best = torch.empty((len(queries), 0), device=vectors.device)
    rows = torch.empty((len(queries), 0), dtype=torch.int64, device=vectors.device)
    for start, piece in vectors.pieces():
        scores, places = (asked @ piece.T).topk(min(K, len(piece)))
        rows = torch.cat([rows, places + start], 1)
        best, order = torch.cat([best, scores], 1).topk(min(K, rows.shape[1]))
        rows = rows.gather(1, order)
    found: NDArray[np.int64] = rows.cpu().numpy()
    return found


def filled(vectors: Invented, device: str) -> FlatIndex:
    """An index of all vectors under their row numbers. Raises UnavailableError without FAISS on the CPU."""
    index = FlatIndex(vectors.d, device=device)
    for start, piece in vectors.pieces():
        index.add(np.arange(start, start + len(piece)), piece.cpu().numpy())
    return index


def bare_search(vectors: Invented) -> Search:
    """`torch.matmul` and `topk` over the same float16 matrix, all scores at once: float16, as PyTorch gives them."""
    matrix = torch.cat([piece.half() for _, piece in vectors.pieces()]).T

    def search(queries: NDArray[np.float32]) -> Answers:
        scores, rows = torch.matmul(torch.from_numpy(queries).to(vectors.device).half(), matrix).topk(K)
        return scores.float().cpu().numpy(), rows.cpu().numpy()

    return search


def on_processor(vectors: Invented, queries: NDArray[np.float32]) -> dict[str, Any] | None:
    """Milliseconds of FAISS's `IndexFlatIP` on all cores, through the same class; None without FAISS."""
    try:
        index = filled(vectors, "cpu")
    except UnavailableError:
        return None
    asked: dict[str, Search] = {"faiss": lambda some: index.search(some, K)}
    return {f"{size}": timed(asked, queries, size=size, times=times) for size, times in TIMED_FAISS.items()}


def timed(
    asked: Mapping[str, Search], queries: NDArray[np.float32], *, size: int, times: int
) -> dict[str, dict[str, float]]:
    """Milliseconds of calls with `size` queries, p50 and p99 of each search, asked in turns for the same queries."""
    spent: dict[str, list[float]] = {name: [] for name in asked}
    for turn in range(times + WARM_UP):
        start = turn * size % max(len(queries) - size, 1)
        for name, search in list(asked.items())[:: 1 if turn % 2 else -1]:
            began = time.perf_counter()
            search(queries[start : start + size])  # answers are on the host: nothing is left to wait for
            spent[name].append((time.perf_counter() - began) * 1e3)
    return {name: percentiles(values[WARM_UP:]) for name, values in spent.items()}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": float(np.percentile(values, p)) for p in (50, 99)}


def allocated(device: torch.device) -> int:
    """Bytes of tensors on a GPU now; 0 elsewhere, where nobody counts."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def memory(device: torch.device, before: int, search: Callable[[], object]) -> dict[str, int] | None:
    """Bytes on the GPU: of the index, and what a search takes at most beside it; None elsewhere."""
    if device.type != "cuda":
        return None
    held = allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    search()
    return {"index_bytes": held - before, "search_bytes": torch.cuda.max_memory_allocated(device) - held}
