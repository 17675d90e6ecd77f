"""Tables of what a codec retouches pictures by (`models.retouch`), counted on what its writer finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_writer import bit_costs
from vsearch.models.entropy import MEAN_STEPS, WIDE_REACH, Tables
from vsearch.models.retouch import COUNTS, DIAGONAL, DIAGONALS, DetailTables, Integers, count_lengths, passes
from vsearch.models.retoucher import Sample, best_retouching, sampled_frames

ROUNDS = 3  # what is coded cheaply is chosen more often
LEAST_SEEN = 300  # coefficients of a kind that say how they are spread
MEANS = range(17)  # eighths, of a block's length before any neighbour is known

Tensors = dict[str, NDArray[np.uint8]]


def plain_detail() -> Tensors:
    """What to begin with: larger coefficients where a block has many, smaller ones at higher frequencies."""
    lengths, diagonals = np.arange(1, COUNTS)[:, None], np.arange(DIAGONALS)[None, :]
    scales = np.clip(13 + 0.7 * lengths - diagonals * np.maximum(0, 2 - 0.3 * lengths), 1, None)
    return {
        "retouch.blocks": np.array([[10, 14, 12, 1]] * 2, np.uint8),
        "retouch.scales": np.stack([np.rint(scales)] * 2).astype(np.uint8),
    }


def counted_detail(codec: DyadicCodec, chunks: Iterable[tuple[NDArray[np.uint8], int]]) -> Tensors:
    """chunks: frames (n, 3, H, W) uint8 RGB and the level to code them at; two MB each are kept. The codec need not
    retouch anything yet. What never changes is counted as well: it is few of many, and tables are the same for all.
    """
    samples = [_sample(codec, frames, level) for frames, level in chunks]
    tensors = plain_detail()
    for _ in range(ROUNDS):
        coding = DetailTables.of(codec.tables, tensors)
        counted = _Counts.of(codec.tables)
        for sample, bits in samples:
            for number, plane in enumerate(best_retouching(sample, bits, coding).planes):
                counted.add(plane, int(number > 0))
        tensors = counted.tensors(plain_detail())
    return tensors


def _sample(codec: DyadicCodec, frames: NDArray[np.uint8], level: int) -> tuple[Sample, int]:
    """What a writer looks at for it, and the bits of the chunk without."""
    latents = codec.encode(frames, level=level)
    which, stands_for = sampled_frames(frames)
    shown = codec.decode(replace(latents, values=latents.values[which], retouching=b""))
    bits = 8 * (len(codec.pack(latents)) - len(latents.retouching))
    return Sample.of(frames[which], shown, stands_for), bits


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Bits of what was seen under every scale index: `coefficients` (2, lengths, diagonals, scales), how many there
    were, and `lengths` (2, 3 passes, means, scales), of which the first pass alone has more means than one.
    """

    bits: NDArray[np.float32]
    coefficients: NDArray[np.float64]
    seen: Integers
    lengths: NDArray[np.float64]

    @classmethod
    def of(cls, tables: Tables) -> _Counts:
        n = tables.n_scales
        bits = bit_costs(tables).bits.reshape(n, MEAN_STEPS, -1)
        return cls(
            bits,
            np.zeros((2, COUNTS - 1, DIAGONALS, n)),
            np.zeros((2, COUNTS - 1, DIAGONALS), np.int64),
            np.zeros((2, 3, len(MEANS), n)),
        )

    def add(self, plane: Integers, chroma: int) -> None:
        lengths = count_lengths(plane)
        for number, (where, means, _) in enumerate(passes(lengths, np.zeros(4, np.int64))):
            for place, mean in enumerate(MEANS if number == 0 else (0,)):
                eighths = np.full(int(where.sum()), mean) if number == 0 else means[where]
                self.lengths[chroma, number, place] += self._bits(lengths[where], eighths)
        for length in range(1, COUNTS):
            blocks = plane[lengths == length]
            for diagonal in range(DIAGONALS if len(blocks) else 0):
                values = blocks[:, diagonal == DIAGONAL].ravel()
                cell = chroma, length - 1, diagonal
                self.coefficients[cell] += self._bits(values, np.zeros(len(values), np.int64))
                self.seen[cell] += len(values)

    def _bits(self, values: Integers, means: Integers) -> NDArray[np.float64]:
        """(scales,): of values under every scale, about means in eighths."""
        shift, fraction = np.divmod(means, MEAN_STEPS)
        symbols = np.clip(values - shift, -WIDE_REACH, WIDE_REACH) + WIDE_REACH
        return np.asarray(self.bits[:, fraction, symbols].sum(1, np.float64))

    def tensors(self, otherwise: Mapping[str, NDArray[np.uint8]]) -> Tensors:
        """The cheapest scales; `otherwise` where too little was seen."""
        enough = self.seen >= LEAST_SEEN
        scales = np.where(enough, np.maximum(self.coefficients.argmin(-1), 1), otherwise["retouch.scales"])
        blocks = otherwise["retouch.blocks"].copy()
        for chroma in range(2):
            if self.lengths[chroma].any():
                mean = int(self.lengths[chroma, 0].min(-1).argmin())
                first = self.lengths[chroma, 0, mean].argmin()
                blocks[chroma] = [first, *self.lengths[chroma, 1:, 0].argmin(-1), MEANS[mean]]
        return {"retouch.blocks": blocks.astype(np.uint8), "retouch.scales": scales.astype(np.uint8)}
