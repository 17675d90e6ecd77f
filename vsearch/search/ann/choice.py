"""Which structure a library's index has: exact while that is fast, then cells, coded as the memory allows. Pure."""

from __future__ import annotations

from math import log2, sqrt

from vsearch.search.ann import INDEXES

EXACT_FRAMES = 200_000  # up to here comparing everything takes some ten milliseconds for a query of 40 frames
GPU_EXACT_FRAMES = 20_000_000
OUTGROWN = 2.0  # times what a structure was chosen, or its cells learnt, for: then it is built anew
TRAINED_PER_CELL = 32
MOST_CELLS = 1 << 16


def cells_for(n: int) -> int:
    """How many cells n vectors are divided into: a power of two near 2.6 times the root.

    More would cost more to learn and to fill than they save: the nearest cells are found by comparing with all centres.
    """
    return min(1 << round(log2(max(2.6 * sqrt(n), 1.0))), MOST_CELLS)


def training_size(n: int) -> int:
    """How many of n vectors a structure should learn from."""
    return TRAINED_PER_CELL * cells_for(n)


def choose_kind(n: int, *, d: int, memory_bytes: int, on_gpu: bool = False) -> str:
    """The kind of index for n vectors of d dimensions that should take at most so much memory (on_gpu: the GPU's).

    The coarsest coding is taken where none fits: its lists are mapped, so it works, as fast as the disk. Raises
    UnavailableError without FAISS.
    """
    if _exact_on_gpu(n, d, memory_bytes) if on_gpu else n <= EXACT_FRAMES and _fits("flat", n, d, memory_bytes):
        return "flat"
    return "ivf" if _fits("ivf", n, d, memory_bytes) else "ivfpq"


def outgrown(kind: str, n: int, *, n_then: int, d: int, memory_bytes: int, on_gpu: bool = False) -> bool:
    """Whether an index that was built of n_then vectors should be built anew now that it holds n."""
    if kind == choose_kind(n, d=d, memory_bytes=memory_bytes, on_gpu=on_gpu):
        return kind != "flat" and n > OUTGROWN * n_then
    return kind != choose_kind(int(n / OUTGROWN), d=d, memory_bytes=memory_bytes, on_gpu=on_gpu)


def _exact_on_gpu(n: int, d: int, memory_bytes: int) -> bool:
    return n <= GPU_EXACT_FRAMES and n * (2 * d + 8) <= memory_bytes  # float16, and ids on the host


def _fits(kind: str, n: int, d: int, memory_bytes: int) -> bool:
    return bool(INDEXES.load(kind)(d).memory_bytes(n) <= memory_bytes)
