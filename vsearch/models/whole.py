"""The prediction network of `dyadic_layers` in whole numbers: exact on every machine by construction.

Weights and what they are multiplied by are integers of 8 bits (times powers of two), so a sum of at most `MOST_TERMS`
products stays below 2**24 and is the same in whatever order it is taken, in float32 or in integers. Nothing has to be
bounded, and a chunk lists no corrections but of what its certain tables leave out. (Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018; powers of two instead of their
factors.)

What the network computes, in exact arithmetic:

- inputs are predictions, latents and flags as integers in `1 / INPUT_STEPS`, clamped to 127;
- features are sums of inputs times weights; they are rounded to `1 / FEATURE_STEPS` (halves up) and clamped to 0..127
  of those steps wherever they go on, and so are hidden features;
- scale indices are such sums, rounded; means are such sums, cut off to `1 / (LINEAR_STEPS * MEAN_STEPS)`, and
  predictions times numbers in `1 / LINEAR_STEPS`, rounded together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsearch.errors import LatentError
from vsearch.models.entropy import LATENT_LIMIT, MEAN_STEPS
from vsearch.models.exact import Choice, Floats, Grid, StepPlan, Tensors, step_plans
from vsearch.models.motion import FLAGS, PREDICTION_STEPS

LIMIT = 127  # of weights and inputs, either way
MOST_TERMS = (1 << 24) // LIMIT**2  # of a sum that float32 holds
INPUT_STEPS = PREDICTION_STEPS  # a unit of what features are made of
FLAG_STEPS = 16  # a unit of a flag: what the network sees is twice the flag
FEATURE_STEPS = 16  # a unit of features, which end at 127 / 16
LINEAR_BITS = 8
LINEAR_STEPS = 1 << LINEAR_BITS  # a unit of what predictions are multiplied by
WIDEST = 64.0  # times the smallest step of a feature's weights: its largest
LARGEST_LATENT = LATENT_LIMIT * PREDICTION_STEPS
LARGEST_PREDICTION = 2 * LARGEST_LATENT
LARGEST_FACTOR = 4096.0  # that predictions are multiplied by
EXCEEDS = 2.0**31  # sums stay below
LEAST = 2.0**-12  # what the largest weight of an output counts as at least, so that biases of any use fit beside it
ROWS = 4096  # of a product of 8-bit matrices at most: each number of rows is prepared for, which takes milliseconds


def weight_steps(weights: Sequence[Tensor]) -> list[Tensor]:
    """The powers of two in whose multiples (up to 127) matrices that add up to the same outputs are written: (out,) of
    each matrix (out, ...). None is less than the largest / `WIDEST`, nor than what `LEAST` has.
    """
    most = torch.stack([weight.detach().flatten(1).abs().amax(1) for weight in weights])
    mantissa, exponent = torch.frexp(most.clamp_min(LEAST) / LIMIT)
    steps = power_of_two(exponent - (mantissa == 0.5).int()).float()
    return list(torch.maximum(steps, steps.amax(0) / WIDEST))


def power_of_two(exponent: Tensor) -> Tensor:
    """2.0 ** exponent (-1022 to 1023), float64, from its bits: `exp2` may be off by the last one."""
    return ((exponent.long() + 1023) << 52).view(torch.float64)


def logarithm(power: Tensor) -> Tensor:
    """The exponent of a power of two, int32."""
    return torch.frexp(power).exponent - 1


def whole(weight: Tensor, step: Tensor) -> Tensor:
    """A weight (out, ...) in integers: multiples of `step` (out,)."""
    return (weight / step.view(-1, *[1] * (weight.ndim - 1))).round().clamp(-LIMIT, LIMIT)


def rounded(weight: Tensor, step: Tensor) -> Tensor:
    """A weight on its grid; gradients pass as if it had not been rounded (Bengio et al. 2013)."""
    factor = step.view(-1, *[1] * (weight.ndim - 1))
    return weight + (whole(weight, step) * factor - weight).detach()


def stepped(x: Tensor, steps: int) -> Tensor:
    """x in multiples of 1 / steps, halves up; gradients pass as if it had not been rounded."""
    return x + (torch.floor(x * steps + 0.5) / steps - x).detach()


@cache
def multiplies_bytes() -> bool:
    """Whether this machine multiplies matrices of 8-bit integers without saturating: some add pairs of products in 16
    bits (`vpmaddubsw`). Tried on the largest products of either sign.
    """
    try:
        for a, b in ((LIMIT, LIMIT), (-LIMIT, LIMIT), (LIMIT, -LIMIT), (-LIMIT, -LIMIT)):
            left, right = torch.full((64, 576), a, dtype=torch.int8), torch.full((576, 64), b, dtype=torch.int8)
            if not bool((torch._int_mm(left, right) == 576 * a * b).all()):
                return False
    except (AttributeError, RuntimeError):
        return False
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Multiplication with a matrix of 8-bit integers. weights: (K, out) int8, or float32 where that is what the machine
    is fast at; shifts: (out,) int32, how many powers of two the outputs' step is above that of the sum that they go to.
    """

    weights: Tensor
    shifts: Tensor | None = None

    @classmethod
    def of(cls, weights: Tensor, shifts: Tensor | None = None) -> Product:
        """weights: (K, out) whole numbers. Raises LatentError when sums of so many products may not be exact."""
        if len(weights) > MOST_TERMS:
            raise LatentError(f"sums of {len(weights)} products of the codec's weights are not exact in float32")
        shifts = None if shifts is None or not bool(shifts.any()) else shifts
        return cls(weights.to(torch.int8 if multiplies_bytes() else torch.float32).contiguous(), shifts)

    def __call__(self, rows: Tensor) -> Tensor:
        """rows: (n, K) int8 -> (n, out) int32."""
        if self.weights.dtype == torch.float32:
            out = (rows.float() @ self.weights).int()
        else:
            parts = [torch._int_mm(_filled(part), self.weights)[: len(part)] for part in torch.split(rows, ROWS)]
            out = parts[0] if len(parts) == 1 else torch.cat(parts)
        return out if self.shifts is None else out.bitwise_left_shift_(self.shifts)


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """A product whose outputs become features again. bias: (out,) int32 in the sum's steps, halves included; shifts:
    (out,) from those steps to `1 / FEATURE_STEPS`.
    """

    product: Product
    bias: Tensor
    shifts: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        return squashed(self.product(rows).add_(self.bias), self.shifts)


def _filled(rows: Tensor) -> Tensor:
    """Rows (n, K) and zeros, so many that they are the next power of two, or three quarters of it."""
    n = len(rows)
    above = max(64, 1 << (n - 1).bit_length())
    size = above * 3 // 4 if n <= above * 3 // 4 else above
    if n == size:
        return rows
    filled = rows.new_empty(size, rows.shape[1])
    filled[:n] = rows
    filled[n:] = 0
    return filled


def squashed(sums: Tensor, shifts: Tensor) -> Tensor:
    """Sums (n, out) int32, halves added already, as features: int8, 0 to 127. The sums are lost."""
    return sums.bitwise_right_shift_(shifts).clamp_(0, LIMIT).to(torch.int8)


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One coding step. half: what a checkerboard's first half adds to features; choose: (k, 2 out) and what is added
    to its sums and then cut off them, (2 out,) int32: means come out in 1 / (LINEAR_STEPS * MEAN_STEPS), scale indices
    whole; trust: (out,) and same: (9, out) or None, int32 in 1 / LINEAR_STEPS.
    """

    plan: StepPlan
    half: Product | None
    hidden: tuple[_Layer, ...]
    choose: Product
    bias: Tensor
    shifts: Tensor
    trust: Tensor
    same: Tensor | None


class WholePrediction:
    """What `exact.ExactPrediction` is for other networks: the same methods, features in int32.

    tensors: the state dict of `PredictionNetwork`, with `rate` (levels, width) and `finer` (levels, C) already
    interpolated; spread, layers: see `dyadic_layers.DyadicShape`. Raises LatentError for weights whose sums may not
    be exact.
    """

    def __init__(
        self, tensors: Tensors, groups: Sequence[int], n_scales: int, level: int, *, spread: bool, layers: int
    ) -> None:
        self.groups, self.n_scales = tuple(groups), n_scales
        self.plans = step_plans(groups)
        weights = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in tensors.items()}
        try:
            self._read(weights, level, spread=spread, layers=layers)
        except (KeyError, IndexError) as error:
            raise LatentError(f"the codec's weights lack {error}") from error

    def _read(self, t: Mapping[str, Tensor], level: int, *, spread: bool, layers: int) -> None:
        if not all(bool(torch.isfinite(value).all()) for value in t.values()):
            raise LatentError("the codec's weights are not all numbers")
        names = ["near.weight", "rest.weight", *(["spread.weight"] if spread else [])]
        names += [f"gather.{i}.weight" for i in range(len(self.groups) - 1)]
        names += [f"steps.{i}.from_half.weight" for i, plan in enumerate(self.plans) if plan.half == 1]
        steps = weight_steps([t[name] for name in names])
        finest = torch.stack(steps).amin(0)
        products = {
            name: Product.of(_taps(whole(t[name], step)), logarithm(step / finest))
            for name, step in zip(names, steps, strict=True)
        }
        unit = finest.double() / INPUT_STEPS
        self._shifts = _shifts(unit * FEATURE_STEPS)
        # What is added before the last bits are cut off, so that halves are rounded up, is part of the bias.
        self._bias = _bias((t["near.bias"] + t["rate"][level]).double(), unit, self._shifts)
        most = sum(_largest(products[name]) for name in names) + self._bias.abs().double()
        if not bool((most < EXCEEDS).all()):
            raise LatentError("sums of the codec's features may exceed 32 bits")
        self.predicted = t["near.weight"].shape[1] - FLAGS
        self._near, self._rest = products["near.weight"], products["rest.weight"]
        self._spread = products.get("spread.weight")
        self._gather = tuple(products[f"gather.{i}.weight"] for i in range(len(self.groups) - 1))
        finer = t["finer"][level]
        self._steps = tuple(
            _step(t, i, plan, products, finer[plan.channels], layers) for i, plan in enumerate(self.plans)
        )

    def begin(self, grid: Grid, values: NDArray[np.int32], flags: Floats, spread: NDArray[np.int32]) -> Tensor:
        """Features of the prediction alone, (blocks, width). values, spread: (n, h, w, C) in 1 / PREDICTION_STEPS;
        flags: (n, h, w, FLAGS).
        """
        near = np.concatenate([_bytes(values[..., : self.predicted]), (flags * FLAG_STEPS).astype(np.int8)], 3)
        features = self._near(grid.around(near, slice(None)).flatten(1))
        features += self._rest(torch.from_numpy(_bytes(values[grid.coded, self.predicted :])))
        if self._spread is not None:
            features += self._spread(torch.from_numpy(_bytes(spread[grid.coded])))
        features += self._bias
        return features

    def gather(self, group: int, grid: Grid, features: Tensor, latents: NDArray[np.int16]) -> Tensor:
        """Features that know one more group, the first of which is 0. latents: (n, h, w, its channels)."""
        known = _bytes(latents * np.int16(INPUT_STEPS))
        return features + self._gather[group](grid.around(known, slice(None)).flatten(1))

    def choose(
        self,
        number: int,
        grid: Grid,
        features: Tensor,
        values: NDArray[np.int32],
        unmoved: NDArray[np.bool_],
        half: NDArray[np.int32] | None,
    ) -> Choice:
        """See `exact.ExactPrediction.choose`."""
        step = self._steps[number]
        rows = grid.rows(step.plan.half)
        inner = features[rows] if step.plan.half is not None else features.clone()
        if step.half is not None and half is not None:
            inner += step.half(grid.around(_bytes(half), rows).flatten(1))
        hidden = squashed(inner, self._shifts)
        for layer in step.hidden:
            hidden = layer(hidden)
        sums = step.choose(hidden)
        sums += step.bias
        sums.bitwise_right_shift_(step.shifts)
        means, scales = sums[:, : values.shape[1]], sums[:, values.shape[1] :]
        factors = torch.where(torch.from_numpy(unmoved)[:, None], LINEAR_STEPS, step.trust)
        means += factors.mul_(torch.from_numpy(values))
        if step.same is not None and half is not None:
            means += (grid.around(half, rows) * step.same).sum(1, dtype=torch.int32)
        means.bitwise_right_shift_(LINEAR_BITS)
        limit = LATENT_LIMIT * MEAN_STEPS
        return Choice(means.clamp_(-limit, limit).numpy(), scales.clamp_(0, self.n_scales - 1).numpy())


def _bytes(x: NDArray[np.generic]) -> NDArray[np.int8]:
    """Integers as inputs."""
    return np.asarray(np.clip(x, -LIMIT, LIMIT), np.int8)


def _taps(weight: Tensor) -> Tensor:
    """A convolution's (k, C, 3, 3) or (k, C, 1, 1) as (taps * C, k)."""
    return weight.permute(2, 3, 1, 0).reshape(-1, len(weight))


def _linear(weight: Tensor) -> Tensor:
    """What predictions are multiplied by, int32."""
    if float(weight.abs().max()) > LARGEST_FACTOR:
        raise LatentError("the codec's weights are too large to be added up in whole numbers")
    return torch.round(weight.double() * LINEAR_STEPS).int()


def _bias(bias: Tensor, unit: Tensor, shifts: Tensor) -> Tensor:
    """A bias (out,) in whole units, and half of what the shifts cut off."""
    return (torch.round(bias / unit) + power_of_two(shifts - 1)).clamp(-(2.0**30), 2.0**30).int()


def _largest(product: Product) -> Tensor:
    """The largest sum that each output may have, (out,)."""
    shifts = torch.zeros(product.weights.shape[1], dtype=torch.int32) if product.shifts is None else product.shifts
    return product.weights.double().abs().sum(0) * LIMIT * power_of_two(shifts)


def _step(
    t: Mapping[str, Tensor], number: int, plan: StepPlan, products: Mapping[str, Product], finer: Tensor, layers: int
) -> _Step:
    def tensor(name: str) -> Tensor:
        return t[f"steps.{number}.{name}"]

    names = ["hidden", *(f"more.{i}" for i in range(layers - 1))]
    weight, odd = tensor("choose.weight"), plan.half == 1
    (step,) = weight_steps([weight])
    unit = step.double() / FEATURE_STEPS
    # Means in parts of an index, so that what the prediction says can be added; scale indices as they are.
    parts = torch.where(torch.arange(len(weight)) < len(finer), LINEAR_STEPS * MEAN_STEPS, 1)
    left = (1 + logarithm(unit * parts)).clamp_min(0)  # where sums are coarser than that
    unit = unit / power_of_two(left)
    shifts = _shifts(unit * parts)
    bias = tensor("choose.bias").double() + torch.cat([torch.full_like(finer, 0.5 / MEAN_STEPS), finer])
    found = _Step(
        plan=plan,
        half=products[f"steps.{number}.from_half.weight"] if odd else None,
        hidden=tuple(_layer(tensor(f"{name}.weight"), tensor(f"{name}.bias")) for name in names),
        choose=Product.of(_taps(whole(weight, step)), left),
        bias=_bias(bias, unit, shifts),
        shifts=shifts,
        trust=_linear(tensor("trust")),
        same=_linear(tensor("from_neighbours.weight").reshape(-1, 9).T) if odd else None,
    )
    _check_sums(found)
    return found


def _check_sums(step: _Step) -> None:
    """Raises LatentError where what a step chooses may exceed 32 bits."""
    chosen = _largest(step.choose) + step.bias.abs().double()
    factors = step.trust.abs().clamp_min(LINEAR_STEPS).double()
    means = chosen[: len(factors)] * 0.5 + LARGEST_PREDICTION * factors
    if step.same is not None:
        means = means + (LARGEST_PREDICTION + LARGEST_LATENT) * step.same.abs().sum(0).double()
    if not bool((chosen < EXCEEDS).all() and (means < EXCEEDS).all()):
        raise LatentError("the codec's weights are too large to be added up in whole numbers")


def _layer(weight: Tensor, bias: Tensor) -> _Layer:
    """A layer from features to features."""
    (step,) = weight_steps([weight])
    unit = step.double() / FEATURE_STEPS
    shifts = _shifts(unit * FEATURE_STEPS)
    return _Layer(Product.of(_taps(whole(weight, step))), _bias(bias.double(), unit, shifts), shifts)


def _shifts(part: Tensor) -> Tensor:
    """How many powers of two make a whole of such a part, (out,) int32. Raises LatentError where it is no part."""
    shifts = -logarithm(part)
    if int(shifts.min()) < 1:
        raise LatentError("the codec's weights are too large to be added up in whole numbers")
    return shifts
