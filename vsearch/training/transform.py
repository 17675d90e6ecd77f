"""Training of the second codec's pixel networks: rate + lambda * distortion over pairs of frames, at all rates at once.

It starts from a trained first codec, whose 64 channels keep their meaning (so a head needs little to follow); the new
channels begin as the Karhunen-Loeve basis of what that codec leaves. What the real entropy model will see is not known
yet, so a stand-in predicts each frame from the one before; `training.dyadic` fits the real one afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsearch.errors import InputError
from vsearch.models.dyadic_layers import (
    LEVELS_AN_ANCHOR,
    DyadicNetworks,
    DyadicShape,
    Interpolated,
    anchor_weights,
    checkerboard_like,
)
from vsearch.models.entropy import CONTEXT_LIMIT, LATENT_LIMIT
from vsearch.models.layers import BLOCK, Step, placed
from vsearch.models.weights import ModelFiles
from vsearch.progress import Progress
from vsearch.training.codec import psnr_of
from vsearch.training.data import PackedFrames, PairBatches
from vsearch.training.loop import Objective, Values, prepare, run_loop, scheduled_rate
from vsearch.training.losses import latent_bits, round_straight_through

FIRST_CHANNELS = 64  # of the codec that it starts from
FIRST_LAMBDA = 0.0015  # the rate that it was trained at
LATENTS_A_UNIT = 2.55  # of a Karhunen-Loeve coefficient of pixels in [-0.5, 0.5]


@dataclass(frozen=True, slots=True)
class TransformRecipe:
    """One training run. lambdas: of each anchor, weighing squared error (0..255 scale) against bits a pixel. first: the
    folder of the codec that it starts from.
    """

    frames: str
    first: str
    steps: int
    seed: int = 1
    batch: int = 12
    side: int = 128
    photos: float = 0.4
    zoom: tuple[float, float] = (0.5, 0.85)
    lambdas: tuple[float, ...] = (0.0004, 0.00109, 0.00295, 0.008)
    intra_weight: float = 0.3
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    average: float = 0.999
    precision: str = "bfloat16"
    threads: int = 2
    device: str = "cpu"
    checkpoint_every: int = 500
    validate_every: int = 1000


class StandIn(nn.Module):
    """The entropy model of the first codec with one more group: what the pixel networks are trained against."""

    def __init__(self, shape: DyadicShape, width: int = 48) -> None:
        super().__init__()
        first = shape.groups[0]
        self.temporal = nn.Conv2d(shape.channels + 1, width, 3, padding=1)
        self.rate = Interpolated(shape.anchors, width)
        spans = [(0, 0, first, False), (first, 0, first, True)]
        start = first
        for group in shape.groups[1:]:
            spans.append((start, start, start + group, False))
            start += group
        self._spans = tuple(spans)
        self.steps = nn.ModuleList(Step(known=k, out=end - begin, width=width, same=s) for k, begin, end, s in spans)

    def forward(
        self, latents: Tensor, previous: Tensor, has_previous: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Means and scale indices (N, C, h, w) of latents that are known already."""
        flag = has_previous.expand(-1, 1, *previous.shape[-2:])
        seen = torch.clamp(previous, -CONTEXT_LIMIT, CONTEXT_LIMIT)
        features = self.temporal(torch.cat([seen, flag], 1)) + self.rate(weights)
        even = checkerboard_like(latents)
        outputs = []
        for step, (known, start, end, same) in zip(self.steps, self._spans, strict=True):
            half = latents[:, start:end] * even if same else None
            coded = half if half is not None else latents[:, :known] if known else None
            outputs.append(step(features, coded, previous[:, start:end], half))
        (mean0, scale0), (mean1, scale1), *rest = outputs
        means = torch.cat([mean0 * even + mean1 * (1 - even), *(mean for mean, _ in rest)], 1)
        scales = torch.cat([scale0 * even + scale1 * (1 - even), *(scale for _, scale in rest)], 1)
        return means, scales


class TransformNetworks(nn.Module):
    """What is trained: the codec's networks (its prediction network waits) and the stand-in."""

    def __init__(self, shape: DyadicShape) -> None:
        super().__init__()
        self.codec = DyadicNetworks(shape)
        self.codec.prediction.requires_grad_(False)
        self.stand_in = StandIn(shape)


@torch.no_grad()
def start_from_first(networks: DyadicNetworks, first: Path, pixels: Tensor, lambdas: Sequence[float]) -> None:
    """Copy a first codec's pixel networks; new channels take what it leaves of `pixels` (N, 3, H, W)."""
    old = ModelFiles.read(first).torch()
    encoder, decoder = networks.encoder, networks.decoder
    for gains, sign in ((networks.gains.up, 1), (networks.gains.down, -1)):
        logs = torch.tensor([0.5 * math.log(x / FIRST_LAMBDA) for x in lambdas])
        gains.at.copy_(sign * logs[:, None].expand_as(gains.at))
    _copy(encoder.state_dict(), old, "encoder.branch.", "branch.", {1: 1, 3: 3, 4: 4, 6: 6, 7: 7, 9: 10})
    _copy(decoder.state_dict(), old, "decoder.branch.", "branch.", {1: 0, 3: 3, 5: 5, 7: 7, 9: 9, 11: 11})
    for new, name in ((encoder.linear, "encoder.linear."), (decoder.linear, "decoder.linear.")):
        new.weight.zero_()
        new.weight[:FIRST_CHANNELS] = old[name + "weight"]
        bias = dict(new.named_parameters())["bias"]
        bias.zero_()
        bias[: len(old[name + "bias"])] = old[name + "bias"]
    decoder.first.weight.zero_()
    decoder.first.weight[:, :FIRST_CHANNELS] = old["decoder.branch.0.weight"]
    dict(decoder.first.named_parameters())["bias"].copy_(old["decoder.branch.0.bias"])
    _add_channels(networks, pixels, lambdas)


def _copy(
    target: dict[str, Tensor], source: dict[str, Tensor], prefix: str, new_prefix: str, layers: dict[int, int]
) -> None:
    for old, new in layers.items():
        for name, value in source.items():
            head = f"{prefix}{old}."
            if name.startswith(head):
                tensor = target[f"{new_prefix}{new}.{name[len(head) :]}"]
                tensor[: len(value)] = value


def _add_channels(networks: DyadicNetworks, pixels: Tensor, lambdas: Sequence[float]) -> None:
    c = networks.shape.channels
    quality = (len(lambdas) - 1) * math.log(FIRST_LAMBDA / lambdas[0]) / math.log(lambdas[-1] / lambdas[0])
    weights = anchor_weights(torch.full((len(pixels),), quality), len(lambdas))
    latents = networks.encoder(pixels)
    latents[:, FIRST_CHANNELS:] = 0
    left = _blocks(pixels - networks.decoder(latents.round(), weights))
    _, vectors = torch.linalg.eigh(left.T @ left)
    basis = vectors.flip(1)[:, : c - FIRST_CHANNELS]
    coefficients = _blocks(pixels) @ basis * LATENTS_A_UNIT
    gram = coefficients.T @ coefficients + 1e-3 * torch.eye(c - FIRST_CHANNELS)
    back = torch.linalg.solve(gram, coefficients.T @ left)
    networks.encoder.linear.weight[FIRST_CHANNELS:] = (basis.T * LATENTS_A_UNIT).float().reshape(-1, 3, BLOCK, BLOCK)
    networks.decoder.linear.weight[FIRST_CHANNELS:] = back.float().reshape(-1, 3, BLOCK, BLOCK)


def _blocks(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) -> (m, 768) float64."""
    return F.unfold(pixels, BLOCK, stride=BLOCK).transpose(1, 2).reshape(-1, 3 * BLOCK * BLOCK).double()


@dataclass(frozen=True, slots=True)
class TransformLoss:
    """Means over a batch: what is minimised, bits a pixel of first and following frames, squared error (0..255)."""

    total: Tensor
    intra_bpp: Tensor
    inter_bpp: Tensor
    mse: Tensor


def transform_loss(
    networks: TransformNetworks, first: Tensor, second: Tensor, quality: Tensor, recipe: TransformRecipe, *, noise: bool
) -> TransformLoss:
    """first, second: (N, 3, H, W) in [-0.5, 0.5], consecutive frames; quality: (N,) in [0, anchors - 1]."""
    n = len(first)
    pixels = torch.cat([first, second]).contiguous(memory_format=torch.channels_last)
    weights = anchor_weights(torch.cat([quality, quality]), len(recipe.lambdas))
    rate_lambda = torch.exp((weights * torch.tensor(recipe.lambdas, device=weights.device).log()).sum(1))
    latents = networks.codec.encoder(pixels)
    with torch.autocast(pixels.device.type, enabled=False):  # only the pixel networks run in reduced precision
        up, down = networks.codec.gains(weights)
        latents = (latents * up).clamp(-LATENT_LIMIT, LATENT_LIMIT)
        rounded = round_straight_through(latents)
        valued = latents + torch.rand_like(latents) - 0.5 if noise else rounded
        previous = torch.cat([torch.zeros_like(rounded[:n]), rounded[:n]])
        has_previous = torch.cat([torch.zeros(n, 1, 1, 1), torch.ones(n, 1, 1, 1)]).to(latents)
        means, scales = networks.stand_in(rounded, previous, has_previous, weights)
        bits = latent_bits(valued, means, scales).sum((1, 2, 3)) / (pixels.shape[2] * pixels.shape[3])
    shown = networks.codec.decoder(rounded * down, weights)
    mse = (shown - pixels).square().mean((1, 2, 3)) * 255.0**2
    share = torch.cat([torch.full((n,), recipe.intra_weight), torch.full((n,), 1 - recipe.intra_weight)]).to(bits)
    # Over the square root of lambda, so that every rate pulls about as hard as the others.
    total = ((2 * share * bits + rate_lambda * mse) / rate_lambda.sqrt()).mean() * math.sqrt(FIRST_LAMBDA)
    return TransformLoss(total=total, intra_bpp=bits[:n].mean(), inter_bpp=bits[n:].mean(), mse=mse.mean())


def train(
    recipe: TransformRecipe,
    shape: DyadicShape,
    output: Path,
    *,
    resume: bool,
    progress: Progress | None = None,
    start: Path | None = None,
) -> DyadicNetworks:
    """Run (or go on with) a training; returns the averaged pixel networks. See `loop.run_loop` for what goes to
    `output`. start: a second codec to begin with instead of the recipe's first one.
    """
    device = prepare(recipe)
    packed = PackedFrames(Path(recipe.frames), progress)
    batches, held_out = (
        PairBatches(
            packed, side=recipe.side, batch=recipe.batch, photos=recipe.photos, zoom=recipe.zoom, held_out=held_out
        )
        for held_out in (False, True)
    )
    networks = TransformNetworks(shape)
    if start is None:
        rng = np.random.default_rng(recipe.seed)
        pixels = torch.cat([batches.draw(rng)[0] for _ in range(40)])
        start_from_first(networks.codec, Path(recipe.first), pixels, recipe.lambdas)
    else:
        start_from_second(networks.codec, start)
    placed(networks, device)
    last = len(recipe.lambdas) - 1

    def batch(networks: TransformNetworks, step: int) -> Values:
        first, second = batches.draw(np.random.default_rng([recipe.seed, step]))
        quality = np.random.default_rng([recipe.seed + 1, step]).uniform(0, last, len(first)).astype(np.float32)
        loss = transform_loss(
            networks, first.to(device), second.to(device), torch.from_numpy(quality).to(device), recipe, noise=True
        )
        return loss.total, loss.intra_bpp, loss.inter_bpp, psnr_of(loss.mse)

    trained = run_loop(
        networks,
        Objective(
            columns=("loss", "intra_bpp", "inter_bpp", "psnr_db"),
            batch=batch,
            validation=lambda networks: validate(networks, held_out, recipe, device),
            rate=lambda step: scheduled_rate(
                step,
                peak=recipe.learning_rate,
                steps=recipe.steps,
                warmup_steps=recipe.warmup_steps,
                floor=0.01,
                fall_from=recipe.warmup_steps,
            ),
        ),
        recipe,
        output,
        resume=resume,
        average_decay=recipe.average,
    )
    return trained.codec


@torch.no_grad()
def start_from_second(networks: DyadicNetworks, folder: Path) -> None:
    """Take over the pixel networks and gains of an exported second codec. Raises InputError for other widths."""
    known = ModelFiles.read(folder).torch()
    for name, tensor in networks.state_dict().items():
        if name.startswith(("encoder.", "decoder.")):
            if name not in known or known[name].shape != tensor.shape:
                raise InputError(f"{folder}: not a codec of this shape ({name})")
            tensor.copy_(known[name])
    for gains, name in ((networks.gains.up, "levels.up"), (networks.gains.down, "levels.down")):
        gains.at.copy_(known[name][::LEVELS_AN_ANCHOR].log())


def validate(
    networks: TransformNetworks, batches: PairBatches, recipe: TransformRecipe, device: torch.device
) -> tuple[float, ...]:
    """Mean loss, bits a pixel (first, following) and PSNR over all anchors, on fixed batches of held-out sources."""
    rows = []
    for anchor in range(len(recipe.lambdas)):
        for number in range(6):
            first, second = batches.draw(np.random.default_rng([77, number]))
            quality = torch.full((len(first),), float(anchor), device=device)
            loss = transform_loss(networks, first.to(device), second.to(device), quality, recipe, noise=False)
            rows.append(torch.stack([loss.total, loss.intra_bpp, loss.inter_bpp, psnr_of(loss.mse)]))
    return tuple(torch.stack(rows).mean(0).tolist())
