"""Probability tables as latents really fall, instead of as a Laplace density says.

The writer's choices make zeros and expected values likelier than any smooth density; counting what follows each table
index on the training material costs nothing to a reader and saves bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.models.dyadic_layers import LEVELS_AN_ANCHOR, DyadicNetworks, anchor_weights
from vsearch.models.entropy import MEAN_STEPS, NARROW_REACH, PROBABILITY_BITS, WIDE_REACH, laplace_tables
from vsearch.models.exact import indices
from vsearch.models.layers import N_SCALES, scale_of_index
from vsearch.models.motion import PREDICTION_STEPS
from vsearch.training.prediction import Seen

NARROW_SCALES = 20
PRIOR = 20_000.0  # how many latents the Laplace table counts for


def laplace_pair() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The narrow and the wide tables of a model that has seen nothing yet."""
    scales = scale_of_index(torch.arange(N_SCALES).double()).tolist()
    narrow = laplace_tables(scales[:NARROW_SCALES], NARROW_REACH)
    return narrow, laplace_tables(scales[NARROW_SCALES:], WIDE_REACH)


@torch.no_grad()
def counted_pair(networks: DyadicNetworks, seen: Sequence[Seen]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The same after counting what was `seen`: integers out of 2**PROBABILITY_BITS, every entry at least 1."""
    narrow, wide = laplace_pair()
    counts = narrow * (PRIOR / 2**PROBABILITY_BITS), wide * (PRIOR / 2**PROBABILITY_BITS)
    for one in seen:
        for start in range(0, len(one.values), 32):
            rows, symbols = _symbols(networks, one, slice(start, start + 32))
            split = len(narrow)
            for table, offset, reach in ((counts[0], 0, NARROW_REACH), (counts[1], split, WIDE_REACH)):
                mine = (rows >= offset) & (rows < offset + len(table))
                columns = np.where(np.abs(symbols[mine]) <= reach, symbols[mine] + reach, 2 * reach + 1)
                np.add.at(table, (rows[mine] - offset, columns), 1)
    return whole_counts(counts[0]), whole_counts(counts[1])


def _symbols(networks: DyadicNetworks, seen: Seen, part: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Table number and symbol of every latent of some frames that is coded, flat."""
    values = torch.from_numpy(seen.values[part]).float()
    predicted = torch.from_numpy(seen.predicted[part]).float() / PREDICTION_STEPS
    weights = anchor_weights(torch.from_numpy(seen.level[part]).float() / LEVELS_AN_ANCHOR, networks.shape.anchors)
    spread = torch.from_numpy(seen.spread[part]).float() / PREDICTION_STEPS
    flags = torch.from_numpy(seen.flags[part])
    outputs = networks.prediction.as_read(values, predicted, flags, weights, spread)
    means, scales = indices(outputs[0].double().numpy() * MEAN_STEPS, outputs[1].double().numpy(), N_SCALES)
    coded = (scales > 0) & seen.coded(part)
    rows = scales[coded].astype(np.int64) * MEAN_STEPS + means[coded] % MEAN_STEPS
    return rows, seen.values[part][coded].astype(np.int64) - means[coded] // MEAN_STEPS


def whole_counts(counts: NDArray[np.float64]) -> NDArray[np.int32]:
    """(rows, symbols) weights -> integers that add up to 2**PROBABILITY_BITS in every row, each at least 1."""
    total = 2**PROBABILITY_BITS
    share = counts / counts.sum(1, keepdims=True)
    whole = np.maximum(1, np.floor(share * (total - counts.shape[1]))).astype(np.int64)
    whole[np.arange(len(whole)), whole.argmax(1)] += total - whole.sum(1)
    return np.asarray(whole, np.int32)
