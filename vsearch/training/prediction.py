"""The second codec's prediction network, trained on what the writer knew and chose for every frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import LEVELS_AN_ANCHOR, DyadicNetworks, PredictionNetwork, anchor_weights
from vsearch.models.dyadic_writer import EFFORTS, LUMA, ChunkWriter
from vsearch.models.entropy import LATENT_LIMIT
from vsearch.models.exact import LARGEST_ERROR, ExactPrediction
from vsearch.models.layers import N_SCALES, squash
from vsearch.models.motion import PREDICTION_STEPS
from vsearch.models.order import rounds
from vsearch.models.shifts import palettes
from vsearch.training.data import CPU
from vsearch.training.losses import latent_bits


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Coded frames of one size. values: (n, C, h, w) int16; predicted, spread: the same in 1 / PREDICTION_STEPS; flags:
    (n, FLAGS, h, w) float32; level: (n,); channels: (n,) how many channels are coded, the first ones; held:
    (n, h, w), the blocks of which nothing is coded.
    """

    values: NDArray[np.int16]
    predicted: NDArray[np.int16]
    flags: NDArray[np.float32]
    level: NDArray[np.int64]
    channels: NDArray[np.int64]
    held: NDArray[np.bool_]
    spread: NDArray[np.int16]

    def coded(self, rows: NDArray[np.intp] | slice) -> NDArray[np.bool_]:
        """Which latents of some frames are coded, (n, C, h, w)."""
        channels = np.arange(self.values.shape[1]) < self.channels[rows][:, None]
        return np.asarray(channels[:, :, None, None] & ~self.held[rows][:, None])


def observe(codec: DyadicCodec, frames: NDArray[np.uint8], level: int, *, free: bool) -> Seen:
    """What the writer knew and chose for every frame of one chunk. free: as it encodes; else the nearest integers."""
    rate = codec.rate(level)
    wanted = np.clip(codec.analyse(frames) * codec.up(level), -LATENT_LIMIT, LATENT_LIMIT)
    luma = np.einsum("tchw,c->thw", frames.astype(np.float32), LUMA)
    entries = palettes(luma, rounds(len(frames)), EFFORTS["default"])
    writer = ChunkWriter(wanted if free else np.rint(wanted), rate, entries, codec.shape.layout, free=free)
    values = writer.write(b"\0\0\0\0").values
    predictions = [writer.predictions[i] for i in range(len(frames))]
    ends = np.cumsum(codec.shape.groups)
    return Seen(
        values.transpose(0, 3, 1, 2),
        _shorts([p.values for p in predictions]),
        np.stack([p.flags for p in predictions]).transpose(0, 3, 1, 2).astype(np.float32),
        np.full(len(frames), level),
        np.array([ends[-1 - writer.left_out.get(i, 0)] for i in range(len(frames))]),
        np.stack([p.held for p in predictions]),
        _shorts([p.spread for p in predictions]),
    )


def _shorts(values: Sequence[NDArray[np.int32]]) -> NDArray[np.int16]:
    """Predictions of frames (h, w, C) as (n, C, h, w)."""
    limit = 2 * LATENT_LIMIT * PREDICTION_STEPS
    return np.clip(np.stack(values), -limit, limit).transpose(0, 3, 1, 2).astype(np.int16)


def by_size(seen: Sequence[Seen]) -> list[Seen]:
    """Everything of one size together."""
    sizes: dict[tuple[int, ...], list[Seen]] = {}
    for one in seen:
        sizes.setdefault(one.values.shape[2:], []).append(one)
    return [
        Seen(*(np.concatenate([getattr(one, name) for one in alike]) for name in Seen.__dataclass_fields__))
        for alike in sizes.values()
    ]


Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def draw(seen: Sequence[Seen], batch: int, rng: np.random.Generator) -> Batch:
    """Latents, predictions, flags and levels of a random batch of one size, which latents are coded, and how far apart
    two sources are.
    """
    counts = np.array([len(one.values) for one in seen], np.float64)
    one = seen[int(rng.choice(len(seen), p=counts / counts.sum()))]
    rows = rng.integers(len(one.values), size=batch)
    return (
        torch.from_numpy(one.values[rows]).float(),
        torch.from_numpy(one.predicted[rows]).float() / PREDICTION_STEPS,
        torch.from_numpy(one.flags[rows]),
        torch.from_numpy(one.level[rows]),
        torch.from_numpy(one.coded(rows)),
        torch.from_numpy(one.spread[rows]).float() / PREDICTION_STEPS,
    )


def prediction_bits(networks: DyadicNetworks, batch: Batch) -> Tensor:
    """Bits of each frame, (N,)."""
    values, predicted, flags, level, coded, spread = batch
    weights = anchor_weights(level.float() / LEVELS_AN_ANCHOR, networks.shape.anchors)
    means, scales = networks.prediction.as_read(values, predicted, flags, weights, spread)
    return (latent_bits(values, means, scales) * coded).sum((1, 2, 3))


def train_prediction(
    networks: DyadicNetworks,
    seen: Sequence[Seen],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    batch: int = 16,
    device: torch.device = CPU,
) -> Iterator[tuple[int, float]]:
    """Fit the prediction network; yields (step, mean bits a frame over the last hundred steps). At the end it is on the
    CPU again.
    """
    networks.prediction.to(device)
    optimiser = torch.optim.AdamW(networks.prediction.parameters(), lr=learning_rate, weight_decay=0.0)
    total = 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 50)
            group["lr"] = learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        drawn = draw(seen, batch, np.random.default_rng([seed, step]))
        values, predicted, flags, level, coded, spread = (x.to(device) for x in drawn)
        bits = prediction_bits(networks, (values, predicted, flags, level, coded, spread))
        # Logarithms, so that frames of few bits count as much as those of many: what is saved is a share.
        loss = torch.log(bits + 200).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(networks.prediction.parameters(), 1.0)
        optimiser.step()
        total += float(bits.detach().mean())
        if (step + 1) % 100 == 0:
            yield step + 1, total / 100
            total = 0.0
    networks.prediction.cpu()


@torch.no_grad()
def prediction_tensors(network: PredictionNetwork, at_levels: Tensor) -> dict[str, Tensor]:
    """What `exact.ExactPrediction` or `whole.WholePrediction` reads: rate and finer at levels, (levels, anchors)
    weights. The rest is as it is, or where it is whole numbers, those in float16, which holds them.
    """
    interpolated = {"rate.at": "rate", "finer.at": "finer"}
    tensors = {
        interpolated.get(name, name): at_levels @ value if name in interpolated else value
        for name, value in network.state_dict().items()
    }
    return tensors | {name: value.half() for name, value in network.rounded().items()}


ROUNDS_OF_SHRINKING = 20  # what is taken from weights goes to biases, whose errors count as well


@torch.no_grad()
def within_bound(networks: DyadicNetworks, seen: Sequence[Seen], *, limit: float = 0.97 * LARGEST_ERROR) -> int:
    """Shrink what a few outputs make of the hidden features, towards its mean on what was `seen`, until their rounding
    errors stay within `limit`; returns how many outputs that were. Networks of whole numbers have no such errors.
    """
    network = networks.prediction
    if networks.shape.whole:
        return 0
    hidden = _mean_hidden(networks, draw(seen, 32, np.random.default_rng(0)))
    shrunk = [torch.zeros(2 * (plan.end - plan.start), dtype=torch.bool) for plan in network.plans]
    for _ in range(ROUNDS_OF_SHRINKING):
        errors = _errors(networks)
        if max(float(e.max()) for e in errors) <= limit:
            break
        for number, step in enumerate(network.steps):
            factor = (0.99 * limit / errors[number]).clamp_max(1.0)
            weight, bias = (dict(step.named_parameters())[f"choose.{name}"] for name in ("weight", "bias"))
            bias.add_((1 - factor) * (weight[:, :, 0, 0] @ hidden[number]))
            weight.mul_(factor[:, None, None, None])
            shrunk[number] |= factor < 0.99
    return int(sum(one.sum() for one in shrunk))


def _errors(networks: DyadicNetworks) -> list[Tensor]:
    """The largest errors of every step's outputs, means before scales, at any of the anchors."""
    anchors = torch.eye(networks.shape.anchors)
    tensors = {k: v.numpy() for k, v in prediction_tensors(networks.prediction, anchors).items()}
    exact = [
        ExactPrediction(tensors, networks.shape.groups, N_SCALES, level, bounded=False) for level in range(len(anchors))
    ]
    steps = range(len(networks.prediction.plans))
    return [torch.from_numpy(np.max([np.concatenate(e.errors(i)) for e in exact], 0)).float() for i in steps]


def _mean_hidden(networks: DyadicNetworks, batch: Batch) -> list[Tensor]:
    """What each step's hidden features are on average, (width,) each."""
    found: list[Tensor] = []
    modules = [module for name, module in networks.prediction.named_modules() if name.endswith(".hidden")]
    hooks = [m.register_forward_hook(lambda _m, _i, out: found.append(squash(out).mean((0, 2, 3)))) for m in modules]
    try:
        prediction_bits(networks, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found
