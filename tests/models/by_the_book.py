"""Which table codes a latent, as docs/format.md says it under "The same in whole numbers": in fractions, place by
place, without a look at how vsearch does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[Any]  # Fractions


def steps_of(weight: NDArray[Any]) -> list[Fraction]:
    """The step of each output (out, ...)."""
    found = []
    for row in weight:
        most, step = max(abs(Fraction(float(x))) for x in row.ravel()), Fraction(1, 1 << 18)
        while most > 127 * step:
            step *= 2
        found.append(step)
    return found


def byte(x: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.clip(x, -127, 127)


def rounded(x: Fraction) -> int:
    return floor(x + Fraction(1, 2))


def bias_of(value: Fraction, unit: Fraction, rounds_to: Fraction) -> Fraction:
    """A bias as the sum has it that is then rounded to `rounds_to`."""
    half = rounds_to / 2 / unit
    return (max(-(2**30), min(2**30, round(value / unit) + half)) - half) * unit


class Reader:
    """tensors: as a model folder has them, without `prediction.`."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], groups: Sequence[int], scales: int, layers: int) -> None:
        self.t, self.groups, self.scales, self.layers = tensors, groups, scales, layers
        self.plans: list[tuple[int, int, int | None, int]] = []
        start = 0
        for number, width in enumerate(groups):
            self.plans += [(start, start + width, half, number) for half in ((0, 1) if number < 2 else (None,))]
            start += width
        odd = [i for i, plan in enumerate(self.plans) if plan[2] == 1]
        names = ["near", "rest", *(["spread"] if "spread.weight" in tensors else [])]
        names += [f"gather.{i}" for i in range(len(groups) - 1)] + [f"steps.{i}.from_half" for i in odd]
        steps = {name: steps_of(tensors[f"{name}.weight"]) for name in names}
        self.width = len(tensors["near.weight"])
        for out in range(self.width):
            least = max(steps[name][out] for name in names) / 64
            for name in names:
                steps[name][out] = max(steps[name][out], least)
        self.units = [min(steps[name][out] for name in names) / 8 for out in range(self.width)]

    def _around(self, name: str, x: NDArray[np.int64], at: tuple[int, int, int]) -> Whole:
        """A cross-correlation of inputs (n, h, w, C) at one place, (out,)."""
        weight = self.t[f"{name}.weight"].astype(np.float64)
        reach = weight.shape[2] // 2
        n, y, x0 = at
        padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        window = padded[n, y : y + 2 * reach + 1, x0 : x0 + 2 * reach + 1].transpose(2, 0, 1)
        return np.array([Fraction(float((row * window).sum())) for row in weight], object)  # exact: below 2**53

    def _layer(self, name: str, x: Whole) -> Whole:
        weight = self.t[f"{name}.weight"][:, :, 0, 0].astype(np.float64)
        return np.array([Fraction(float((row * x.astype(np.float64)).sum())) for row in weight], object)

    def choose(self, known: Mapping[str, NDArray[Any]], level: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Mean and scale indices of every step, (places, out)."""
        t = self.t
        p, latents = known["predicted"].astype(np.int64), known["values"].astype(np.int64)
        predicted = t["near.weight"].shape[1] - 4
        near = np.concatenate([byte(p[..., :predicted]), (16 * known["flags"]).astype(np.int64)], 3)
        sums = t["near.bias"].astype(np.float32) + t["rate"][level].astype(np.float32)  # in float32
        found = []
        for number, (start, end, half, group) in enumerate(self.plans):
            step, out, means, scales = f"steps.{number}", end - start, [], []
            even = (np.add.outer(np.arange(p.shape[1]), np.arange(p.shape[2])) % 2 == 0)[None, :, :, None]
            other = (8 * latents[..., start:end] - p[..., start:end]) * even
            for at in [tuple(place) for place in np.argwhere(known["coded"])]:
                if half is not None and (at[1] + at[2]) % 2 != half:
                    continue
                total = self._around("near", near, at) + self._around("rest", byte(p[..., predicted:]), at)
                if "spread.weight" in t:
                    total += self._around("spread", byte(known["spread"].astype(np.int64)), at)
                for before in range(group):
                    begin = sum(self.groups[:before])
                    channels = byte(8 * latents[..., begin : begin + self.groups[before]])
                    total += self._around(f"gather.{before}", channels, at)
                if half == 1:
                    total += self._around(f"{step}.from_half", byte(other), at)
                features = np.array(
                    [
                        max(0, min(127, rounded(16 * (x / 8 + bias_of(Fraction(float(b)), unit, Fraction(1, 16))))))
                        for x, b, unit in zip(total, sums, self.units, strict=True)
                    ],
                    object,
                )
                for name in [f"{step}.hidden", *(f"{step}.more.{i}" for i in range(self.layers - 1))]:
                    units = [unit / 16 for unit in steps_of(t[f"{name}.weight"])]
                    biases = [
                        bias_of(Fraction(float(b)), unit, Fraction(1, 16))
                        for b, unit in zip(t[f"{name}.bias"], units, strict=True)
                    ]
                    features = self._layer(name, features) / 16 + np.array(biases, object)
                    features = np.array([max(0, min(127, rounded(16 * x))) for x in features], object)
                mean, scale = self._tables(step, features, start, out, level)
                trust = [
                    256 if known["flags"][at][3] > 0 else round(Fraction(float(x)) * 256) for x in t[f"{step}.trust"]
                ]
                linear = np.array(trust, object) * p[at][start:end]
                if half == 1:
                    weight = np.array(
                        [round(Fraction(float(x)) * 256) for x in t[f"{step}.from_neighbours.weight"].ravel()]
                    )
                    padded = np.pad(other, ((0, 0), (1, 1), (1, 1), (0, 0)))
                    window = padded[at[0], at[1] : at[1] + 3, at[2] : at[2] + 3].transpose(2, 0, 1).reshape(out, 9)
                    linear = linear + (weight.reshape(out, 9) * window).sum(1)
                means.append([max(-8184, min(8184, int(a + b) // 256)) for a, b in zip(mean, linear, strict=True)])
                scales.append(scale)
            found.append((np.array(means).reshape(-1, out), np.array(scales).reshape(-1, out)))
        return found

    def _tables(self, step: str, features: Whole, start: int, out: int, level: int) -> tuple[list[int], list[int]]:
        """2048ths of means without what is predicted, and scale indices."""
        t, sums = self.t, self._layer(f"{step}.choose", features) / 16
        units = [unit / 16 for unit in steps_of(t[f"{step}.choose.weight"])]
        biases = [Fraction(float(b)) for b in t[f"{step}.choose.bias"]]
        means, scales = [], []
        for c in range(out):
            to = Fraction(1, 2048)
            means.append(rounded(2048 * (sums[c] + bias_of(biases[c] + Fraction(1, 16), min(units[c], to / 2), to))))
        for c in range(out, 2 * out):
            finer = Fraction(float(t["finer"][level][start + c - out]))
            scale = rounded(sums[c] + bias_of(biases[c] + finer, min(units[c], Fraction(1, 2)), Fraction(1)))
            scales.append(max(0, min(self.scales - 1, scale)))
        return means, scales
