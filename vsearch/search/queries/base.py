"""What is asked with: the embeddings of a query's frames and when they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class QueryFrames:
    """The frames of one query, in seconds from the query file's time zero.

    vectors: (m, d) float32, unit length. times_s: (m,) float64, ascending. weights: (m,) float32, how much each frame
    counts: 0 for one without information, which is never matched. [start_s, end_s): what was asked for. still:
    a picture, whose times mean nothing. view: how the query had to be looked at, "" as it is.
    """

    vectors: NDArray[np.float32]
    times_s: NDArray[np.float64]
    weights: NDArray[np.float32]
    start_s: float
    end_s: float
    still: bool
    view: str = ""

    def __post_init__(self) -> None:
        m = len(self.vectors)
        if self.vectors.ndim != 2 or self.times_s.shape != (m,) or self.weights.shape != (m,):
            shapes = f"{self.vectors.shape}, {self.times_s.shape}, {self.weights.shape}"
            raise ValueError(f"vectors, times and weights must be (m, d), (m,) and (m,), not {shapes}")
        if (np.diff(self.times_s) <= 0).any() or not self.start_s <= self.end_s:
            raise ValueError("times must ascend, and a query cannot end before it starts")

    def __repr__(self) -> str:
        kind = "still" if self.still else f"[{self.start_s:.3f} s, {self.end_s:.3f} s)"
        return f"QueryFrames({kind}, {len(self.vectors)} frames, {int((self.weights > 0).sum())} with information)"

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    def informative(self) -> QueryFrames:
        """Only the frames that count."""
        keep = self.weights > 0
        return replace(self, vectors=self.vectors[keep], times_s=self.times_s[keep], weights=self.weights[keep])
