"""The prediction network of `dyadic_layers`, in float64, with its error bound (product decision 2a).

Which table codes a latent must come out alike on every machine, and float64 sums depend on their order. So outputs are
rounded to table indices, the writer lists those that lie within `GUARD` of a boundary, and a bound on the error for
*any* order of summation is computed from the weights: docs/format.md has the proof. Sums are explicit matrix products
(no Winograd or FFT convolution, whose errors the bound would not cover).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.models.entropy import CONTEXT_LIMIT, GUARD, LATENT_LIMIT, MAX_ACTIVATION, MEAN_STEPS, gamma
from vsearch.models.motion import FLAGS, PREDICTION_STEPS

Floats = NDArray[np.float64]
Tensors = Mapping[str, NDArray[np.float32]]
HALVED = 2  # groups that every coded frame has, in the halves of a checkerboard
LARGEST_ERROR = GUARD / 100  # that a model's sums may have, whatever their order
MAX_PREDICTION = 2.0 * LATENT_LIMIT  # what a prediction is clamped to


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One coding step: channels [start, end), at the even (0) or odd (1) half of a checkerboard or everywhere (None).

    group: which group of channels they are; after: the last whole group that it knows, -1 for none.
    """

    start: int
    end: int
    half: int | None
    group: int

    @property
    def after(self) -> int:
        return self.group - 1

    @property
    def channels(self) -> slice:
        return slice(self.start, self.end)

    def where(self, h: int, w: int) -> NDArray[np.bool_]:
        """(h, w): the positions that it codes."""
        if self.half is None:
            return np.ones((h, w), bool)
        odd = (np.arange(h)[:, None] + np.arange(w)[None, :]) % 2
        return np.asarray(odd == self.half)


def step_plans(groups: Sequence[int]) -> tuple[StepPlan, ...]:
    """The coding steps of a frame: the first `HALVED` groups in the halves of a checkerboard, the others at once."""
    plans: list[StepPlan] = []
    start = 0
    for number, width in enumerate(groups):
        for half in (0, 1) if number < HALVED else (None,):
            plans.append(StepPlan(start, start + width, half, number))
        start += width
    return tuple(plans)


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One step's weights in float64. Shapes: half (9, out, k) and same (9, out), or None; hidden (k, k); choose
    (k, 2 * out); trust (out,).
    """

    plan: StepPlan
    half: Floats | None
    same: Floats | None
    hidden: Floats
    hidden_bias: Floats
    choose: Floats
    choose_bias: Floats
    trust: Floats


class Grid:
    """Arrays (n, h, w, C) with a border of zeros, flattened: a 3x3 neighbourhood becomes nine shifted slices, and a
    convolution nine matrix products without a copy.
    """

    def __init__(self, n: int, h: int, w: int) -> None:
        self.shape = (n, h + 2, w + 2)
        self._rows = n * (h + 2) * (w + 2)
        self._shifts = [dy * (w + 2) + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        self._margin = w + 3

    def padded(self, x: NDArray[np.generic]) -> Floats:
        """(n, h, w, C) -> (margin + n (h + 2) (w + 2) + margin, C)."""
        out = np.zeros((self._rows + 2 * self._margin, x.shape[-1]))
        self.inside(out)[:] = x
        return out

    def inside(self, padded: Floats) -> Floats:
        """The (n, h, w, C) view of what `padded` made."""
        middle = padded[self._margin : self._margin + self._rows]
        return middle.reshape(*self.shape, -1)[:, 1:-1, 1:-1]

    def unpadded(self, x: Floats) -> Floats:
        """The (n, h, w, C) view of a convolution's result."""
        return x.reshape(*self.shape, -1)[:, 1:-1, 1:-1]

    def convolve(self, padded: Floats, weights: Floats) -> Floats:
        """weights: (9, C, k) -> (n (h + 2) (w + 2), k); what it says of the border means nothing."""
        rows, taps = torch.from_numpy(padded), torch.from_numpy(weights)
        out = torch.zeros((self._rows, weights.shape[2]), dtype=torch.float64)
        for tap, shift in zip(taps, self._shifts, strict=True):
            start = self._margin + shift
            out.addmm_(rows[start : start + self._rows], tap)
        return out.numpy()

    def at(self, x: Floats, where: NDArray[np.bool_]) -> Floats:
        """Rows of a convolution's result at some positions of every array: (n * positions, k)."""
        n, rows, columns = self.shape
        inside = np.zeros((rows, columns), bool)
        inside[1:-1, 1:-1] = where
        return x.reshape(n, rows * columns, -1)[:, np.flatnonzero(inside)].reshape(-1, x.shape[1])

    def some(self, x: Floats, arrays: NDArray[np.bool_]) -> Floats:
        """A convolution's result of some of the arrays, as a grid of those alone has it."""
        return x.reshape(len(arrays), -1, x.shape[1])[arrays].reshape(-1, x.shape[1])

    def depthwise(self, padded: Floats, weights: Floats) -> Floats:
        """weights: (9, C) -> (n (h + 2) (w + 2), C)."""
        out = np.zeros((self._rows, weights.shape[1]))
        for tap, shift in zip(weights, self._shifts, strict=True):
            start = self._margin + shift
            out += padded[start : start + self._rows] * tap
        return out


class ExactPrediction:
    """The network from what is known to table choices, exactly alike everywhere within its error bound.

    tensors: the state dict of `PredictionNetwork` as float32 arrays, with `rate` (levels, width) and `finer`
    (levels, C) already interpolated. bounded: whether to raise LatentError when the bound exceeds GUARD / 100.
    """

    def __init__(
        self, tensors: Tensors, groups: Sequence[int], n_scales: int, level: int, *, bounded: bool = True
    ) -> None:
        self.groups, self.n_scales = tuple(groups), n_scales
        self.channels = sum(groups)
        self.plans = step_plans(groups)
        t = {name: value.astype(np.float64) for name, value in tensors.items()}
        try:
            self._near = _taps(t["near.weight"])
            self._rest = t["rest.weight"][:, :, 0, 0].T
            self._bias = t["near.bias"] + t["rate"][level]
            self._finer = t["finer"][level]
            self._gather = tuple(_taps(t[f"gather.{i}.weight"]) for i in range(len(self.groups) - 1))
            self._steps = tuple(_step(t, i, plan) for i, plan in enumerate(self.plans))
        except (KeyError, IndexError) as error:
            raise LatentError(f"the codec's weights lack {error}") from error
        self.predicted = self._near.shape[1] - FLAGS
        self.error_bound = max(float(np.max(self.errors(number))) for number in range(len(self.plans)))
        if bounded and not self.error_bound <= LARGEST_ERROR:
            raise LatentError(
                f"the model's rounding error may reach {self.error_bound:.2e}: more than a hundredth of {GUARD:.2e}"
            )

    def begin(self, grid: Grid, values: NDArray[np.int32], flags: Floats) -> Floats:
        """Features of the prediction alone. values: (n, h, w, C) in 1 / PREDICTION_STEPS; flags: (n, h, w, FLAGS)."""
        seen = np.clip(values * (1.0 / PREDICTION_STEPS), -CONTEXT_LIMIT, CONTEXT_LIMIT)
        near = grid.padded(np.concatenate([seen[..., : self.predicted], flags], 3))
        features = grid.convolve(near, self._near)
        grid.unpadded(features)[:] += seen[..., self.predicted :] @ self._rest + self._bias
        return features

    def gather(self, group: int, grid: Grid, features: Floats, latents: NDArray[np.int16]) -> Floats:
        """Features that know one more group, the first of which is 0. latents: (n, h, w, its channels)."""
        known = grid.padded(np.clip(latents, -CONTEXT_LIMIT, CONTEXT_LIMIT))
        return features + grid.convolve(known, self._gather[group])

    def outputs(
        self,
        number: int,
        grid: Grid,
        features: Floats,
        values: NDArray[np.int32],
        unmoved: NDArray[np.bool_],
        half: Floats | None,
    ) -> tuple[Floats, Floats]:
        """Unrounded means in 1 / MEAN_STEPS and scale indices of step `number` where it codes, (n, positions, out).

        values: (n, positions, out) the prediction of its channels there; unmoved: (n, positions), where it comes from
        unshifted frames and is the mean as it is; half: (n, h, w, out) the latents of the checkerboard's first half
        less their prediction, zero elsewhere.
        """
        step = self._steps[number]
        n, positions, out = values.shape
        where = step.plan.where(grid.shape[1] - 2, grid.shape[2] - 2)
        predicted = np.clip(values * (1.0 / PREDICTION_STEPS), -MAX_PREDICTION, MAX_PREDICTION)
        linear = np.where(unmoved[:, :, None], predicted, predicted * step.trust)
        inner = grid.at(features, where)
        if step.half is not None and step.same is not None and half is not None:
            around = grid.padded(np.clip(half, -CONTEXT_LIMIT, CONTEXT_LIMIT))
            inner += grid.at(grid.convolve(around, step.half), where)
            linear += grid.at(grid.depthwise(grid.padded(half), step.same), where).reshape(linear.shape)
        np.clip(inner, 0, MAX_ACTIVATION, out=inner)
        hidden = inner @ step.hidden
        hidden += step.hidden_bias
        np.clip(hidden, 0, MAX_ACTIVATION, out=hidden)
        chosen = (hidden @ step.choose).reshape(n, positions, 2 * out)
        chosen += step.choose_bias
        linear += chosen[..., :out]
        linear *= MEAN_STEPS
        return linear, chosen[..., out:] + self._finer[step.plan.channels]

    def errors(self, number: int) -> tuple[Floats, Floats]:
        """The largest error of each mean and each scale index of step `number`, (out,) each, in units of table indices,
        for any order of summation.
        """
        step = self._steps[number]
        absolute = CONTEXT_LIMIT * (np.abs(self._near).sum((0, 1)) + np.abs(self._rest).sum(0)) + np.abs(self._bias)
        terms = 9 * self._near.shape[1] + len(self._rest) + 2
        for gather in (*self._gather[: step.plan.after + 1], *(() if step.half is None else (step.half,))):
            absolute = absolute + CONTEXT_LIMIT * np.abs(gather).sum((0, 1))
            terms += 9 * gather.shape[1] + 1
        error = gamma(terms) * absolute
        magnitude = np.full(len(absolute), MAX_ACTIVATION)
        for weights, bias in ((step.hidden, step.hidden_bias), (step.choose, step.choose_bias)):
            absolute = magnitude @ np.abs(weights) + np.abs(bias)
            error = error @ np.abs(weights) + gamma(len(weights) + 2) * (absolute + error @ np.abs(weights))
            magnitude = np.full(weights.shape[1], MAX_ACTIVATION)
        out = len(step.trust)
        linear = MAX_PREDICTION * np.maximum(1.0, np.abs(step.trust))
        if step.same is not None:
            linear = linear + 2 * MAX_PREDICTION * np.abs(step.same).sum(0)
        means = error[:out] + gamma(24) * (linear + absolute[:out])
        finer = np.abs(self._finer[step.plan.channels])
        scales = error[out:] + gamma(2) * (absolute[out:] + finer)
        return MEAN_STEPS * means, scales


def _taps(weight: Floats) -> Floats:
    """A convolution's (k, C, 3, 3) as (9, C, k)."""
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(9, weight.shape[1], weight.shape[0]))


def _step(tensors: Mapping[str, Floats], number: int, plan: StepPlan) -> _Step:
    def tensor(name: str) -> Floats:
        return tensors[f"steps.{number}.{name}"]

    odd = plan.half == 1
    return _Step(
        plan=plan,
        half=_taps(tensor("from_half.weight")) if odd else None,
        same=tensor("from_neighbours.weight").reshape(-1, 9).T if odd else None,
        hidden=tensor("hidden.weight")[:, :, 0, 0].T,
        hidden_bias=tensor("hidden.bias"),
        choose=tensor("choose.weight")[:, :, 0, 0].T,
        choose_bias=tensor("choose.bias"),
        trust=tensor("trust"),
    )
