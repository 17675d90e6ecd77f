"""Latents <-> bytes, exactly the same on every machine (product decision 2a: double precision with guard bands).

Which probability table codes a latent is chosen by a network that sees integers which writer and reader both know. The
network runs in float64 with add, multiply and clamp only. Its outputs are rounded to table indices. Two machines may
sum in
different orders, so their outputs differ by at most twice `error_bound`, which is computed from the weights for *any*
order
of summation. The writer lists each index whose output lies within `GUARD` of a rounding boundary; the reader obeys that
list and never tests the guard itself. A network whose bound exceeds a hundredth of the guard is refused.

The first codec's network is numpy alone. Sums are explicit matrix products (no Winograd or FFT convolution, whose
errors the bound would not cover).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import constriction
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vsearch.bitstream import read_varints, unzigzag, write_varints, zigzag
from vsearch.errors import LatentError

GUARD = 2.0**-18
UNIT_ROUNDOFF = 2.0**-53
MEAN_BITS = 3
MEAN_STEPS = 1 << MEAN_BITS  # predicted means are rounded to this many steps a unit
MAX_ACTIVATION = 8.0
CONTEXT_LIMIT = 16.0  # latents are clamped to this where they feed hidden features
LATENT_LIMIT = 1023
NARROW_REACH, WIDE_REACH = 10, 100
PROBABILITY_BITS = 16

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Index = TypeVar("Index", np.int32, np.int64)


def laplace_tables(scales: Sequence[float], reach: int) -> NDArray[np.int32]:
    """Integer probabilities of residuals -reach..reach and an escape, for each scale and each fraction of the mean.

    Returns (len(scales) * MEAN_STEPS, 2 * reach + 2) int32, rows summing to 2**PROBABILITY_BITS, every entry at least
    1. Made once, when a model is exported: the tables are part of the weights, never computed by a reader.
    """
    rows = []
    edges = np.arange(-reach, reach + 2) - 0.5
    for scale in scales:
        for step in range(MEAN_STEPS):
            x = edges - step / MEAN_STEPS
            tail = 0.5 * np.exp(-np.abs(x) / scale)
            cumulative = np.where(x < 0, tail, 1 - tail)
            probabilities = np.append(np.diff(cumulative), cumulative[0] + 1 - cumulative[-1])
            counts = np.maximum(1, np.floor(probabilities * (2**PROBABILITY_BITS - len(probabilities)))).astype(
                np.int64
            )
            counts[np.argmax(counts)] += 2**PROBABILITY_BITS - counts.sum()
            rows.append(counts)
    return np.array(rows, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Probability tables as float32 multiples of 2**-16 (exact): narrow ones for the small scales, wide ones for the
    rest.
    """

    narrow: NDArray[np.float32]
    wide: NDArray[np.float32]

    @classmethod
    def from_counts(cls, narrow: NDArray[np.int32], wide: NDArray[np.int32]) -> Tables:
        """Raises LatentError when rows do not sum to 2**16."""
        for counts, reach in ((narrow, NARROW_REACH), (wide, WIDE_REACH)):
            whole = counts.ndim == 2 and counts.shape[1] == 2 * reach + 2 and len(counts) % MEAN_STEPS == 0
            if not whole or (counts < 1).any() or (counts.sum(1) != 2**PROBABILITY_BITS).any():
                raise LatentError("the model's probability tables are malformed")
        factor = np.float32(2.0**-PROBABILITY_BITS)
        return cls(narrow.astype(np.float32) * factor, wide.astype(np.float32) * factor)

    @property
    def n_scales(self) -> int:
        return (len(self.narrow) + len(self.wide)) // MEAN_STEPS


def gamma(terms: int) -> float:
    """Largest relative error of a float64 sum of products of so many terms, in any order (Higham 2002, section 3.1)."""
    return terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)


def columns_3x3(x: Floats) -> Floats:
    """(N, h, w, C) -> (N * h * w, C * 9): each position's neighbourhood, zero outside."""
    n, h, w, c = x.shape
    padded = np.zeros((n, h + 2, w + 2, c))
    padded[:, 1:-1, 1:-1] = x
    return sliding_window_view(padded, (3, 3), axis=(1, 2)).reshape(n * h * w, c * 9)


@dataclass(frozen=True, slots=True, eq=False)
class StepWeights:
    """One coding step's weights in float64. Shapes: known (C*9, k) or None; hidden (k, k); choose (k, 2*out); the
    rest (out, 9).
    """

    channels: slice
    known_channels: int
    known: Floats | None
    hidden: Floats
    hidden_bias: Floats
    choose: Floats
    choose_bias: Floats
    previous: Floats
    same: Floats | None


def depthwise_3x3(x: Floats, weights: Floats) -> Floats:
    """x: (N, h, w, C); weights: (C, 9) -> (N, h, w, C)."""
    n, h, w, c = x.shape
    padded = np.zeros((n, h + 2, w + 2, c))
    padded[:, 1:-1, 1:-1] = x
    out = np.zeros_like(x)
    for tap in range(9):
        row, column = divmod(tap, 3)
        out += padded[:, row : row + h, column : column + w] * weights[:, tap]
    return out


class ExactContext:
    """The context network of `layers.ContextNetwork`, in float64 and numpy, with its error bound.

    tensors: the network's state dict as numpy float32 arrays. Raises LatentError when the bound exceeds GUARD / 100.
    """

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], groups: Sequence[int], n_scales: int) -> None:
        self.groups = tuple(groups)
        self.n_scales = n_scales
        weight = tensors["temporal.weight"].astype(np.float64)
        self._temporal = weight.reshape(len(weight), -1).T
        self._temporal_bias = tensors["temporal.bias"].astype(np.float64)
        first, second, third = self.groups
        slices = (
            slice(0, first),
            slice(0, first),
            slice(first, first + second),
            slice(first + second, first + second + third),
        )
        self.steps = tuple(self._step(tensors, i, channels) for i, channels in enumerate(slices))
        self.error_bound = max(self._bound(step) for step in self.steps)
        if not self.error_bound * 100 <= GUARD:
            raise LatentError(
                f"the model's rounding error may reach {self.error_bound:.2e}: more than a hundredth of {GUARD:.2e}"
            )

    @staticmethod
    def _step(tensors: Mapping[str, NDArray[np.float32]], number: int, channels: slice) -> StepWeights:
        def tensor(name: str) -> Floats | None:
            value = tensors.get(f"steps.{number}.{name}")
            return None if value is None else value.astype(np.float64)

        def required(name: str) -> Floats:
            value = tensor(name)
            if value is None:
                raise LatentError(f"the model lacks the weights steps.{number}.{name}")
            return value

        known, same = tensor("known.weight"), tensor("same.weight")
        hidden, choose, previous = required("hidden.weight"), required("choose.weight"), required("previous.weight")
        return StepWeights(
            channels=channels,
            known_channels=0 if known is None else known.shape[1],
            known=None if known is None else known.reshape(len(known), -1).T,
            hidden=hidden[:, :, 0, 0].T,
            hidden_bias=required("hidden.bias"),
            choose=choose[:, :, 0, 0].T,
            choose_bias=required("choose.bias"),
            previous=previous.reshape(len(previous), 9),
            same=None if same is None else same.reshape(len(same), 9),
        )

    def _bound(self, step: StepWeights) -> float:
        """Largest error of a step's outputs, in units of table indices, for any order of summation."""
        absolute = np.abs(self._temporal).sum(0) * CONTEXT_LIMIT + np.abs(self._temporal_bias)
        terms = len(self._temporal) + 2
        if step.known is not None:
            absolute = absolute + np.abs(step.known).sum(0) * CONTEXT_LIMIT
            terms += len(step.known) + 1
        error = gamma(terms) * absolute
        magnitude = np.full(len(absolute), MAX_ACTIVATION)
        for weights, bias in ((step.hidden, step.hidden_bias), (step.choose, step.choose_bias)):
            absolute = magnitude @ np.abs(weights) + np.abs(bias)
            error = error @ np.abs(weights) + gamma(len(weights) + 2) * (absolute + error @ np.abs(weights))
            magnitude = np.full(weights.shape[1], MAX_ACTIVATION)
        linear = LATENT_LIMIT * np.abs(step.previous).sum(1)
        if step.same is not None:
            linear = linear + LATENT_LIMIT * np.abs(step.same).sum(1)
        out = step.previous.shape[0]
        means = error[:out] + gamma(24) * (linear + absolute[:out])
        return float(max(MEAN_STEPS * means.max(), error[out:].max()))

    def features(self, previous: Floats, has_previous: Floats) -> Floats:
        """previous: (N, h, w, C); has_previous: (N,), 1 or 0 -> temporal features (N * h * w, k), before their
        clamp.
        """
        flag = np.broadcast_to(has_previous[:, None, None, None], (*previous.shape[:3], 1))
        inputs = np.concatenate([np.clip(previous, -CONTEXT_LIMIT, CONTEXT_LIMIT), flag], 3)
        return columns_3x3(inputs) @ self._temporal + self._temporal_bias

    def outputs(self, number: int, features: Floats, previous: Floats, coded: Floats) -> tuple[Floats, Floats]:
        """Step `number`'s means, in MEAN_STEPS, and scales, in indices: (N, h, w, out) each, not rounded.

        coded: (N, h, w, C), of which only what earlier steps coded may be non-zero or is looked at.
        """
        step = self.steps[number]
        n, h, w, _ = previous.shape
        out = step.previous.shape[0]
        if step.known is not None:
            known = np.clip(coded[..., : step.known_channels], -CONTEXT_LIMIT, CONTEXT_LIMIT)
            features = features + columns_3x3(known) @ step.known
        hidden = np.clip(np.clip(features, 0, MAX_ACTIVATION) @ step.hidden + step.hidden_bias, 0, MAX_ACTIVATION)
        chosen = (hidden @ step.choose + step.choose_bias).reshape(n, h, w, 2 * out)
        means = chosen[..., :out] + depthwise_3x3(previous[..., step.channels], step.previous)
        if step.same is not None:
            means = means + depthwise_3x3(coded[..., step.channels], step.same)
        return means * MEAN_STEPS, chosen[..., out:]

    def indices(self, means: Floats, scales: Floats) -> tuple[Integers, Integers]:
        """Table indices of unrounded outputs."""
        limit = LATENT_LIMIT * MEAN_STEPS
        mean_index = np.floor(np.clip(means, -limit, limit) + 0.5).astype(np.int64)
        scale_index = np.floor(np.clip(scales, 0, self.n_scales - 1) + 0.5).astype(np.int64)
        return mean_index, scale_index

    def near_boundary(self, means: Floats, scales: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which outputs lie within GUARD of where their index changes (half-integers)."""
        return _within_guard(means), _within_guard(np.clip(scales, 0, self.n_scales - 1))


def _within_guard(x: Floats) -> NDArray[np.bool_]:
    shifted = x + 0.5
    return np.asarray(np.abs(shifted - np.rint(shifted)) <= GUARD)


def step_positions(number: int, h: int, w: int) -> NDArray[np.bool_]:
    """(h, w): where step `number` codes. The first two share a checkerboard; the others code everywhere."""
    even = (np.arange(h)[:, None] + np.arange(w)[None, :]) % 2 == 0
    return even if number == 0 else ~even if number == 1 else np.ones((h, w), bool)


def _flag_model(probability: float) -> object:
    table = np.array([1 - probability, probability], np.float32)
    return constriction.stream.model.Categorical(table, perfect=False)


def table_rows(mean_index: NDArray[Index], scale_index: NDArray[Index]) -> NDArray[Index]:
    """Which row of all tables codes a latent, of indices of one shape; it is coded about `mean_index >> MEAN_BITS`."""
    return np.asarray((scale_index << MEAN_BITS) + (mean_index & (MEAN_STEPS - 1)))


class SymbolWriter:
    """Writes latents of one chunk, table by table."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._family = constriction.stream.model.Categorical(perfect=False)
        self._coder = constriction.stream.queue.RangeEncoder()

    def write(self, values: NDArray[Index], mean_index: NDArray[Index], scale_index: NDArray[Index]) -> None:
        """All of shape (n,): the symbols of one step, in order."""
        shift, rows = mean_index >> MEAN_BITS, table_rows(mean_index, scale_index)
        residual = values - shift
        split = len(self._tables.narrow)
        for mask, table, offset, reach in (
            (rows < split, self._tables.narrow, 0, NARROW_REACH),
            (rows >= split, self._tables.wide, split, WIDE_REACH),
        ):
            if mask.any():
                r = residual[mask]
                symbols = np.where(np.abs(r) <= reach, r + reach, 2 * reach + 1).astype(np.int32)
                self._coder.encode(symbols, self._family, table[rows[mask] - offset])
                escaped = r[np.abs(r) > reach]
                if len(escaped):
                    wide = constriction.stream.model.Uniform(1 << 16)
                    self._coder.encode((escaped + (1 << 15)).astype(np.int32), wide)

    def uniform(self, values: Integers, size: int) -> None:
        """Numbers below `size`, all equally likely."""
        if len(values) and size > 1:
            self._coder.encode(values.astype(np.int32), constriction.stream.model.Uniform(size))

    def flags(self, values: NDArray[np.bool_], probability: float) -> None:
        """Truth values, true with `probability` (a multiple of 2**-9, so that it is the same everywhere)."""
        self._coder.encode(values.astype(np.int32), _flag_model(probability))

    def bytes(self) -> bytes:
        return np.asarray(self._coder.get_compressed()).astype("<u4").tobytes()


class SymbolReader:
    """Reads what a SymbolWriter wrote."""

    def __init__(self, tables: Tables, payload: bytes) -> None:
        if len(payload) % 4:
            raise LatentError("a chunk's payload is cut off: the library is damaged there")
        self._tables = tables
        self._family = constriction.stream.model.Categorical(perfect=False)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(payload, "<u4").astype(np.uint32))

    def read(self, mean_index: Integers, scale_index: Integers) -> Integers:
        """The symbols of one step, (n,). Raises LatentError when the payload cannot be of this model."""
        shift, rows = mean_index >> MEAN_BITS, table_rows(mean_index, scale_index)
        residual = np.zeros(len(rows), np.int64)
        split = len(self._tables.narrow)
        for mask, table, offset, reach in (
            (rows < split, self._tables.narrow, 0, NARROW_REACH),
            (rows >= split, self._tables.wide, split, WIDE_REACH),
        ):
            if mask.any():
                r = self._decode(self._family, table[rows[mask] - offset]).astype(np.int64) - reach
                escaped = r == reach + 1
                if escaped.any():
                    wide = constriction.stream.model.Uniform(1 << 16)
                    r[escaped] = self._decode(wide, int(escaped.sum())).astype(np.int64) - (1 << 15)
                residual[mask] = r
        values = residual + shift
        if (np.abs(values) > LATENT_LIMIT).any():
            raise LatentError("a chunk decodes to impossible latents: the library is damaged there")
        return values

    def uniform(self, n: int, size: int) -> Integers:
        """`n` numbers below `size`."""
        if not n or size < 2:
            return np.zeros(n, np.int64)
        return self._decode(constriction.stream.model.Uniform(size), n).astype(np.int64)

    def flags(self, n: int, probability: float) -> NDArray[np.bool_]:
        """`n` truth values."""
        return self._decode(_flag_model(probability), n).astype(bool)

    def _decode(self, model: object, argument: object) -> NDArray[np.int32]:
        try:
            return np.asarray(self._coder.decode(model, argument))
        except (AssertionError, ValueError) as error:
            raise LatentError("a chunk's latents cannot be decoded: the library is damaged there") from error


@dataclass(frozen=True, slots=True)
class Correction:
    """An index that the reader takes from the list instead of from its own network.

    position: number of the latent within the chunk, (frame, row, column, channel) order; is_scale: which of the two
    indices.
    """

    position: int
    is_scale: bool
    index: int


def write_corrections(corrections: Sequence[Correction]) -> bytes:
    """Ascending by position: the distance from the one before, then which index it is and its value."""
    numbers, last = [], 0
    for item in corrections:
        numbers += [item.position - last, zigzag(item.index) * 2 + item.is_scale]
        last = item.position
    return write_varints(numbers)


def read_corrections(data: bytes) -> list[Correction]:
    """Raises LatentError when the list is malformed."""
    numbers = list(read_varints(data))
    if len(numbers) % 2:
        raise LatentError("a chunk's list of corrections is cut off: the library is damaged there")
    corrections, position = [], 0
    for distance, coded in zip(numbers[::2], numbers[1::2], strict=True):
        position += distance
        corrections.append(Correction(position, bool(coded & 1), unzigzag(coded >> 1)))
    return corrections
