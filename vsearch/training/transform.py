"""Training of the second codec's pixel networks: rate + lambda * distortion over pairs of frames, at all rates at once.

It starts from a trained first codec, whose channels keep their meaning (so a head needs little to follow); the new
channels begin as the Karhunen-Loeve basis of what that codec leaves. What the real entropy model will see is not known
yet, so a stand-in predicts each frame from the one before; `training.dyadic` fits the real one afterwards. A second
codec that is trained further brings its own.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vsearch.errors import InputError
from vsearch.models.dyadic import shape_of
from vsearch.models.dyadic_layers import (
    LEVELS,
    LEVELS_AN_ANCHOR,
    DyadicNetworks,
    DyadicShape,
    Interpolated,
    PredictionNetwork,
    anchor_weights,
    checkerboard_like,
)
from vsearch.models.entropy import CONTEXT_LIMIT, LATENT_LIMIT
from vsearch.models.layers import CodecShape, Step, placed
from vsearch.models.motion import FLAGS, UNMOVED
from vsearch.models.temporal import shape_of as shape_of_first
from vsearch.models.weights import ModelFiles
from vsearch.training.codec import psnr_of
from vsearch.training.data import PackedFrames, PairBatches
from vsearch.training.dyadic import networks_state
from vsearch.training.finetune import fine_tune, load_found, read_start
from vsearch.training.loop import Objective, Values, prepare, run_loop, scheduled_rate
from vsearch.training.losses import distortion, latent_bits, round_straight_through
from vsearch.training.widen import AT_ANCHORS, add_channels, expect_channels, relocated, wider

ANCHORS = (LEVELS - 1) // LEVELS_AN_ANCHOR + 1


@dataclass(frozen=True, slots=True)
class TransformRecipe:
    """One training run.

    lambdas: of each anchor, weighing squared error (0..255 scale) against bits a pixel. first: the folder of the first
    codec that it starts from; first_lambda: what that was trained with; new_channels: what it gets more; context_width,
    predicted: see `DyadicShape`. A second codec that is trained further brings all of these itself but the lambdas;
    widen: the channels of a group that it gets more. structure: the share of 1 - SSIM in the distortion
    (`losses.distortion`). usual: the rates are drawn evenly between the first anchor (0) and this one (3 is the last),
    but for 15 in 100 that lie above it. contrast: see `data.PairBatches`.

    Raises InputError for another number of rates than levels are made for.
    """

    frames: str
    steps: int
    first: str = ""
    first_lambda: float = 0.0015
    new_channels: int = 64
    widen: int = 0
    context_width: int = 64
    predicted: int = 48
    seed: int = 1
    batch: int = 12
    side: int = 128
    photos: float = 0.4
    zoom: tuple[float, float] = (0.5, 0.85)
    lambdas: tuple[float, ...] = (0.0004, 0.00137, 0.00468, 0.016)
    intra_weight: float = 0.3
    structure: float = 0.0
    usual: float = float(ANCHORS - 1)
    contrast: float = 0.0
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    average: float = 0.999
    precision: str = "bfloat16"
    threads: int = 2
    device: str = "cpu"
    checkpoint_every: int = 500
    validate_every: int = 1000

    def __post_init__(self) -> None:
        rising = all(0 < one < other for one, other in pairwise(self.lambdas))
        if len(self.lambdas) != ANCHORS or not rising:
            raise InputError(f"[dyadic] needs {ANCHORS} lambdas, the smallest first, not {list(self.lambdas)}")
        if self.widen < 0 or not 0 <= self.structure <= 1:
            raise InputError("[dyadic] widen cannot be negative, and structure is between 0 and 1")
        if not 0 < self.usual <= ANCHORS - 1 or not 0 <= self.contrast <= 1:
            raise InputError(f"[dyadic] usual is between 0 and {ANCHORS - 1}, contrast between 0 and 1")

    def qualities(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(batch,): a rate for every pair, on the scale of the anchors."""
        last = ANCHORS - 1
        if self.usual == last:
            return rng.uniform(0, last, self.batch).astype(np.float32)
        above = rng.random(self.batch) < 0.15
        return np.where(
            above, rng.uniform(self.usual, last, self.batch), rng.uniform(0, self.usual, self.batch)
        ).astype(np.float32)


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


class OwnPrediction(nn.Module):
    """The prediction network of a finished codec where a stand-in would be: the frame before predicts, unmoved."""

    def __init__(self, network: PredictionNetwork) -> None:
        super().__init__()
        self.network = deepcopy(network)

    def forward(
        self, latents: Tensor, previous: Tensor, has_previous: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Like `StandIn`."""
        # The flags of `motion.Prediction`: predicted, from one frame, at a distance whose logarithm is 0, unmoved.
        flags = torch.zeros(len(latents), FLAGS, *latents.shape[-2:], device=latents.device)
        flags[:, [0, UNMOVED]] = has_previous.to(flags)
        outputs: tuple[Tensor, Tensor] = self.network.as_read(latents, previous, flags, weights)
        return outputs


class TransformNetworks(nn.Module):
    """What is trained: the codec's networks (its prediction network waits) and what stands for that meanwhile."""

    def __init__(self, codec: DyadicNetworks, stand_in: StandIn | OwnPrediction) -> None:
        super().__init__()
        self.codec = codec
        self.codec.prediction.requires_grad_(False)
        self.stand_in = stand_in


def shape_after(first: CodecShape, recipe: TransformRecipe) -> DyadicShape:
    """The second codec that a first one grows into. Raises InputError when it would predict more than it has."""
    shape = DyadicShape(
        groups=(*first.groups, recipe.new_channels),
        context_width=recipe.context_width,
        predicted=recipe.predicted,
        anchors=ANCHORS,
        encoder_widths=first.encoder_widths,
        decoder_widths=first.decoder_widths,
    )
    if not 0 < shape.predicted < shape.channels:
        raise InputError(f"[dyadic] predicted must be 1 to {shape.channels - 1}, not {shape.predicted}")
    return shape


@torch.no_grad()
def start_from_first(networks: DyadicNetworks, first: ModelFiles, pixels: Tensor, recipe: TransformRecipe) -> None:
    """Copy a first codec's pixel networks; new channels take what it leaves of `pixels` (N, 3, H, W)."""
    old = first.torch()
    encoder, decoder = networks.encoder, networks.decoder
    for gains, sign in ((networks.gains.up, 1), (networks.gains.down, -1)):
        logs = torch.tensor([0.5 * math.log(x / recipe.first_lambda) for x in recipe.lambdas])
        gains.at.copy_(sign * logs[:, None].expand_as(gains.at))
    _copy(encoder.state_dict(), old, "encoder.branch.", "branch.", {1: 1, 3: 3, 4: 4, 6: 6, 7: 7, 9: 10})
    _copy(decoder.state_dict(), old, "decoder.branch.", "branch.", {1: 0, 3: 3, 5: 5, 7: 7, 9: 9, 11: 11})
    channels = len(old["encoder.linear.weight"])
    for new, name in ((encoder.linear, "encoder.linear."), (decoder.linear, "decoder.linear.")):
        new.weight.zero_()
        new.weight[:channels] = old[name + "weight"]
        bias = dict(new.named_parameters())["bias"]
        bias.zero_()
        bias[: len(old[name + "bias"])] = old[name + "bias"]
    decoder.first.weight.zero_()
    decoder.first.weight[:, :channels] = old["decoder.branch.0.weight"]
    dict(decoder.first.named_parameters())["bias"].copy_(old["decoder.branch.0.bias"])
    lambdas = recipe.lambdas
    quality = (ANCHORS - 1) * math.log(recipe.first_lambda / lambdas[0]) / math.log(lambdas[-1] / lambdas[0])
    add_channels(networks, channels, pixels, quality)


def _copy(
    target: dict[str, Tensor], source: dict[str, Tensor], prefix: str, new_prefix: str, layers: dict[int, int]
) -> None:
    for old, new in layers.items():
        for name, value in source.items():
            head = f"{prefix}{old}."
            if name.startswith(head):
                tensor = target[f"{new_prefix}{new}.{name[len(head) :]}"]
                tensor[: len(value)] = value


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
    weighed, mse = distortion(shown, pixels, structure=recipe.structure)
    share = torch.cat([torch.full((n,), recipe.intra_weight), torch.full((n,), 1 - recipe.intra_weight)]).to(bits)
    # Over the square root of lambda, so that every rate pulls about as hard as the others.
    total = ((2 * share * bits + rate_lambda * weighed) / rate_lambda.sqrt()).mean() * math.sqrt(recipe.first_lambda)
    return TransformLoss(total=total, intra_bpp=bits[:n].mean(), inter_bpp=bits[n:].mean(), mse=mse.mean())


def train(
    recipe: TransformRecipe,
    packed: PackedFrames,
    output: Path,
    *,
    resume: bool,
    start: ModelFiles | None = None,
) -> DyadicNetworks:
    """Run (or go on with) a training; returns the averaged networks of the codec. See `loop.run_loop` for what goes to
    `output`. start: a second codec to begin with instead of the recipe's first one; its gain is then written as well.
    """
    device = prepare(recipe)
    batches, held_out = (
        PairBatches(
            packed,
            side=recipe.side,
            batch=recipe.batch,
            photos=recipe.photos,
            zoom=recipe.zoom,
            held_out=held_out,
            contrast=0.0 if held_out else recipe.contrast,
            device=device,
        )
        for held_out in (False, True)
    )
    networks = placed(grown(recipe, batches) if start is None else taken_over(start, recipe, batches), device)
    objective = _objective(recipe, batches, held_out, device)
    if start is None:
        trained = run_loop(networks, objective, recipe, output, resume=resume, average_decay=recipe.average)
    else:
        trained = fine_tune(
            networks, objective, recipe, output, resume=resume, start=start, average_decay=recipe.average
        )
    codec = trained.codec
    if isinstance(trained.stand_in, OwnPrediction):  # it went along with the pixel networks
        codec.prediction.load_state_dict(trained.stand_in.network.state_dict())
    return codec


def _objective(
    recipe: TransformRecipe, batches: PairBatches, held_out: PairBatches, device: torch.device
) -> Objective[TransformNetworks]:
    def batch(networks: TransformNetworks, step: int) -> Values:
        first, second = batches.draw(np.random.default_rng([recipe.seed, step]))
        quality = torch.from_numpy(recipe.qualities(np.random.default_rng([recipe.seed + 1, step]))).to(device)
        loss = transform_loss(networks, first, second, quality, recipe, noise=True)
        return loss.total, loss.intra_bpp, loss.inter_bpp, psnr_of(loss.mse)

    return Objective(
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
    )


def read_first(recipe: TransformRecipe) -> ModelFiles:
    """The first codec that a recipe names. Raises InputError when it names none, or another model."""
    if not recipe.first:
        raise InputError(
            "[dyadic] needs `first`, the folder of a first codec to start from (or --from, with that of a second)"
        )
    return read_start(Path(recipe.first), kind="codec", family="temporal")


def grown(recipe: TransformRecipe, batches: PairBatches) -> TransformNetworks:
    """Networks to train that know what the recipe's first codec knows."""
    first = read_first(recipe)
    shape = shape_after(shape_of_first(first.decode), recipe)
    networks = TransformNetworks(DyadicNetworks(shape), StandIn(shape))
    rng = np.random.default_rng(recipe.seed)
    pixels = torch.cat([batches.draw(rng)[0].cpu() for _ in range(40)])
    start_from_first(networks.codec, first, pixels, recipe)
    return networks


def lambdas_of(files: ModelFiles) -> tuple[float, ...]:
    """What a second codec was trained for, as its card says it; empty when it does not."""
    notes = files.training
    places = (notes, notes.get("recipe", {}), notes.get("pixel_networks", {}))  # older cards have it elsewhere
    found = next((place["lambdas"] for place in places if "lambdas" in place), ())
    return tuple(float(value) for value in found)


def taken_over(start: ModelFiles, recipe: TransformRecipe, batches: PairBatches | None = None) -> TransformNetworks:
    """Networks to train that are those of an exported second codec, as wide and for such rates as the recipe says.
    batches: what new channels, if any, are fitted to.

    Raises InputError when its weights do not fit.
    """
    shape, state = shape_of(start.decode), networks_state(start)
    load_found(DyadicNetworks(shape), state, start.folder)
    old = lambdas_of(start) or recipe.lambdas
    if old != recipe.lambdas:
        state = {k: relocated(v, old, recipe.lambdas) if k.startswith(AT_ANCHORS) else v for k, v in state.items()}
    codec = wider(state, shape, recipe.widen)
    if recipe.widen:
        if batches is None:
            raise ValueError("new channels are fitted to batches")
        rng = np.random.default_rng(recipe.seed)
        pixels = torch.cat([batches.draw(rng)[0].cpu() for _ in range(40)])
        add_channels(codec, shape.channels, pixels, len(recipe.lambdas) - 1.0)
        expect_channels(codec, shape.channels, pixels[:96])
    return TransformNetworks(codec, OwnPrediction(codec.prediction))


def validate(
    networks: TransformNetworks, batches: PairBatches, recipe: TransformRecipe, device: torch.device
) -> tuple[float, ...]:
    """Mean loss, bits a pixel (first, following) and PSNR over all anchors, on fixed batches of held-out sources."""
    rows = []
    for anchor in range(len(recipe.lambdas)):
        for number in range(6):
            first, second = batches.draw(np.random.default_rng([77, number]))
            quality = torch.full((len(first),), float(anchor), device=device)
            loss = transform_loss(networks, first, second, quality, recipe, noise=False)
            rows.append(torch.stack([loss.total, loss.intra_bpp, loss.inter_bpp, psnr_of(loss.mse)]))
    return tuple(torch.stack(rows).mean(0).tolist())
