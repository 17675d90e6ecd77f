"""The prediction network of `dyadic_layers`, in float64, with its error bound (product decision 2a).

Which table codes a latent must come out alike on every machine, and float64 sums depend on their order. So outputs are
rounded to table indices, the writer lists those that lie within `GUARD` of a boundary, and a bound on the error for
*any* order of summation is computed from the weights: docs/format.md has the proof. Sums are explicit matrix products
(no Winograd or FFT convolution, whose errors the bound would not cover).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
class Choice:
    """Which tables code some latents: indices of their means (in 1 / MEAN_STEPS) and scales, (rows, out) int32.
    unrounded: both before they were rounded, where another order of summation might round them elsewhere.
    """

    means: NDArray[np.int32]
    scales: NDArray[np.int32]
    unrounded: tuple[Floats, Floats] | None = None

    def of(self, some: NDArray[np.bool_]) -> Choice:
        """The same for some of the rows."""
        unrounded = None if self.unrounded is None else (self.unrounded[0][some], self.unrounded[1][some])
        return Choice(self.means[some], self.scales[some], unrounded)


class TableNetwork(Protocol):
    """What `ExactPrediction` and `whole.WholePrediction` are: which tables code a frame, step by step. Features are
    theirs alone: rows that may be taken some of.
    """

    groups: tuple[int, ...]
    plans: tuple[StepPlan, ...]

    def begin(self, grid: Grid, values: NDArray[np.int32], flags: Floats, spread: NDArray[np.int32]) -> Any: ...

    def gather(self, group: int, grid: Grid, features: Any, latents: NDArray[np.int16]) -> Any: ...

    def choose(
        self,
        number: int,
        grid: Grid,
        features: Any,
        values: NDArray[np.int32],
        unmoved: NDArray[np.bool_],
        half: NDArray[np.int32] | None,
    ) -> Choice: ...


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
    """The blocks of some frames that are coded, and sums over the 3x3 neighbourhoods of those alone.

    coded: (n, h, w). What is computed has a row for each coded block: frame after frame, in row order. frames, y, x:
    where each is.
    """

    def __init__(self, coded: NDArray[np.bool_]) -> None:
        n, h, w = coded.shape
        self.coded = coded
        self.frames, self.y, self.x = np.nonzero(coded)
        self._padded = (n, h + 2, w + 2)  # with a border of zeros, where every block has all its neighbours
        middle = (self.frames * (h + 2) + self.y + 1) * (w + 2) + self.x + 1
        shifts = [dy * (w + 2) + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        self._around = torch.from_numpy(middle[:, None] + np.array(shifts))

    def __len__(self) -> int:
        return len(self.frames)

    def rows(self, half: int | None) -> NDArray[np.intp] | slice:
        """The rows of one half of the checkerboard, or all."""
        return slice(None) if half is None else np.flatnonzero((self.y + self.x) % 2 == half)

    def some(self, frames: NDArray[np.bool_]) -> Grid:
        """The same of some of the frames."""
        return Grid(self.coded[frames])

    def around(self, x: NDArray[np.generic], rows: NDArray[np.intp] | slice) -> Tensor:
        """What (n, h, w, C) holds around some rows, zeros outside the picture: (rows, 9, C)."""
        padded = np.zeros((*self._padded, x.shape[-1]), x.dtype)
        padded[:, 1:-1, 1:-1] = x
        flat = torch.from_numpy(padded).view(-1, x.shape[-1])
        where = self._around[rows]
        return flat.index_select(0, where.reshape(-1)).view(len(where), 9, x.shape[-1])

    def convolve(self, x: NDArray[np.generic], weights: Floats, rows: NDArray[np.intp] | slice) -> Floats:
        """x: (n, h, w, C); weights: (9, C, k) -> (rows, k)."""
        around = self.around(x.astype(np.float64), rows)
        result: Floats = (around.flatten(1) @ torch.from_numpy(weights).flatten(0, 1)).numpy()
        return result

    def depthwise(self, x: NDArray[np.generic], weights: Floats, rows: NDArray[np.intp] | slice) -> Floats:
        """x: (n, h, w, C); weights: (9, C) -> (rows, C)."""
        result: Floats = (self.around(x.astype(np.float64), rows) * torch.from_numpy(weights)).sum(1).numpy()
        return result


class ExactPrediction:
    """The network from what is known to table choices, exactly alike everywhere within its error bound.

    tensors: the state dict of `PredictionNetwork` as float32 arrays, with `rate` (levels, width) and `finer`
    (levels, C) already interpolated. bounded: whether to raise LatentError when the bound exceeds GUARD / 100.
    """

    def __init__(
        self, tensors: Tensors, groups: Sequence[int], n_scales: int, level: int, *, bounded: bool = True
    ) -> None:
        self.groups, self.n_scales = tuple(groups), n_scales
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

    def begin(self, grid: Grid, values: NDArray[np.int32], flags: Floats, spread: NDArray[np.int32]) -> Floats:
        """Features of the prediction alone, (blocks, width). values: (n, h, w, C) in 1 / PREDICTION_STEPS; flags: (n,
        h, w, FLAGS); spread: not looked at.
        """
        near = np.concatenate([_seen(values[..., : self.predicted]), flags], 3)
        features = grid.convolve(near, self._near, slice(None))
        features += _seen(values[grid.coded, self.predicted :]) @ self._rest
        features += self._bias
        return features

    def gather(self, group: int, grid: Grid, features: Floats, latents: NDArray[np.int16]) -> Floats:
        """Features that know one more group, the first of which is 0. latents: (n, h, w, its channels)."""
        known = np.clip(latents, -CONTEXT_LIMIT, CONTEXT_LIMIT)
        return features + grid.convolve(known, self._gather[group], slice(None))

    def choose(
        self,
        number: int,
        grid: Grid,
        features: Floats,
        values: NDArray[np.int32],
        unmoved: NDArray[np.bool_],
        half: NDArray[np.int32] | None,
    ) -> Choice:
        """Tables of step `number` for the blocks that it codes, which are `grid.rows` of its half.

        values: (rows, out) the prediction of its channels there; unmoved: (rows,), where it comes from unshifted frames
        and is the mean as it is; half: (n, h, w, out) the latents of the checkerboard's first half less their
        prediction, zero elsewhere. Both in 1 / PREDICTION_STEPS.
        """
        unrounded = self.outputs(number, grid, features, values, unmoved, half)
        return Choice(*indices(*unrounded, self.n_scales), unrounded)

    def outputs(
        self,
        number: int,
        grid: Grid,
        features: Floats,
        values: NDArray[np.int32],
        unmoved: NDArray[np.bool_],
        half: NDArray[np.int32] | None,
    ) -> tuple[Floats, Floats]:
        """Like `choose`: means in 1 / MEAN_STEPS and scale indices before they are rounded, (rows, out)."""
        step = self._steps[number]
        rows = grid.rows(step.plan.half)
        predicted = np.clip(values * (1.0 / PREDICTION_STEPS), -MAX_PREDICTION, MAX_PREDICTION)
        linear = np.where(unmoved[:, None], predicted, predicted * step.trust)
        inner = features[rows]
        if step.half is not None and step.same is not None and half is not None:
            known = half * (1.0 / PREDICTION_STEPS)
            inner = inner + grid.convolve(np.clip(known, -CONTEXT_LIMIT, CONTEXT_LIMIT), step.half, rows)
            linear += grid.depthwise(known, step.same, rows)
        hidden = np.clip(inner, 0, MAX_ACTIVATION) @ step.hidden
        hidden += step.hidden_bias
        np.clip(hidden, 0, MAX_ACTIVATION, out=hidden)
        chosen = hidden @ step.choose
        chosen += step.choose_bias
        out = values.shape[1]
        linear += chosen[:, :out]
        linear *= MEAN_STEPS
        return linear, chosen[:, out:] + self._finer[step.plan.channels]

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


def indices(means: Floats, scales: Floats, n_scales: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Table indices of unrounded outputs."""
    limit = LATENT_LIMIT * MEAN_STEPS
    mean_index = np.floor(np.clip(means, -limit, limit) + 0.5).astype(np.int32)
    scale_index = np.floor(np.clip(scales, 0, n_scales - 1) + 0.5).astype(np.int32)
    return mean_index, scale_index


def _seen(values: NDArray[np.int32]) -> Floats:
    """A prediction as the features see it."""
    return np.asarray(np.clip(values * (1.0 / PREDICTION_STEPS), -CONTEXT_LIMIT, CONTEXT_LIMIT))


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
