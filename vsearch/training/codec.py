"""Training of the latent codec: rate + lambda * distortion over pairs of frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vsearch.models.entropy import LATENT_LIMIT
from vsearch.models.layers import BLOCK, CodecShape, ContextNetwork, Decoder, Encoder, placed
from vsearch.models.weights import ModelFiles
from vsearch.progress import Progress
from vsearch.training.data import PackedFrames, PairBatches
from vsearch.training.finetune import fine_tune, load_weights
from vsearch.training.loop import Objective, Values, float_outputs, prepare, run_loop, scheduled_rate
from vsearch.training.losses import latent_bits, round_straight_through


@dataclass(frozen=True, slots=True)
class CodecRecipe:
    """One training run. `rate_lambda` weighs squared error (0..255 scale) against bits a pixel."""

    frames: str
    steps: int
    seed: int = 1
    batch: int = 12
    side: int = 128
    photos: float = 0.4
    rate_lambda: float = 0.0015
    intra_weight: float = 0.3
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    threads: int = 2
    device: str = "cpu"
    precision: str = "float32"
    quantiser_step: float = 100.0
    checkpoint_every: int = 250
    validate_every: int = 500


class CodecNetworks(nn.Module):
    """The three networks that make a codec."""

    def __init__(self, shape: CodecShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.context = ContextNetwork(shape)


@torch.no_grad()
def initialise_with_klt(networks: CodecNetworks, pixels: Tensor, *, quantiser_step: float) -> None:
    """Make the linear paths the Karhunen-Loeve transform of 16x16 blocks of `pixels` (N, 3, H, W), quantised in even
    steps.
    """
    blocks = (
        pixels.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * BLOCK * BLOCK)
    )
    covariance = (blocks.double().T @ blocks.double()) / len(blocks)
    _, vectors = torch.linalg.eigh(covariance)
    basis = vectors.flip(1)[:, : networks.shape.channels].T.float().reshape(-1, 3, BLOCK, BLOCK)
    gain = 255.0 / quantiser_step
    for parameter in (*networks.encoder.linear.parameters(), *networks.decoder.linear.parameters()):
        nn.init.zeros_(parameter)
    networks.encoder.linear.weight.copy_(basis * gain)
    networks.decoder.linear.weight.copy_(basis / gain)


@dataclass(frozen=True, slots=True)
class CodecLoss:
    """Means over a batch: bits a pixel of first and following frames, squared error on the 0..255 scale, and their
    sum.
    """

    total: Tensor
    intra_bpp: Tensor
    inter_bpp: Tensor
    mse: Tensor


def codec_loss(
    networks: CodecNetworks, first: Tensor, second: Tensor, recipe: CodecRecipe, *, noise: bool
) -> CodecLoss:
    """first, second: (N, 3, H, W) in [-0.5, 0.5], consecutive frames."""
    n = len(first)
    pixels = torch.cat([first, second]).contiguous(memory_format=torch.channels_last)
    latents = networks.encoder(pixels).clamp(-LATENT_LIMIT, LATENT_LIMIT)
    rounded = round_straight_through(latents)
    valued = latents + torch.rand_like(latents) - 0.5 if noise else rounded
    previous = torch.cat([torch.zeros_like(rounded[:n]), rounded[:n]])
    has_previous = torch.cat([torch.zeros(n, 1, 1, 1), torch.ones(n, 1, 1, 1)]).to(latents)
    means, scales = networks.context(rounded, previous, has_previous)
    bits = latent_bits(valued, means, scales).sum((1, 2, 3)) / (pixels.shape[2] * pixels.shape[3])
    intra, inter = bits[:n].mean(), bits[n:].mean()
    mse = (networks.decoder(rounded) - pixels).square().mean() * 255.0**2
    rate = recipe.intra_weight * intra + (1 - recipe.intra_weight) * inter
    return CodecLoss(total=rate + recipe.rate_lambda * mse, intra_bpp=intra, inter_bpp=inter, mse=mse)


def learning_rate_at(step: int, recipe: CodecRecipe) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    return scheduled_rate(
        step,
        peak=recipe.learning_rate,
        steps=recipe.steps,
        warmup_steps=recipe.warmup_steps,
        floor=0.01,
        fall_from=recipe.warmup_steps,
    )


def train(
    recipe: CodecRecipe,
    shape: CodecShape,
    output: Path,
    *,
    resume: bool,
    start: ModelFiles | None = None,
    progress: Progress | None = None,
) -> CodecNetworks:
    """Run (or go on with) a training; returns the averaged networks. See `loop.run_loop` for what goes to `output`.

    It begins with the weights of `start`, whose gain is then written as well, or else as a plain transform coder.
    `progress` follows the unpacking of the frames.
    """
    device = prepare(recipe)
    packed = PackedFrames(Path(recipe.frames), progress)
    batches = PairBatches(packed, side=recipe.side, batch=recipe.batch, photos=recipe.photos)
    held_out = PairBatches(packed, side=recipe.side, batch=recipe.batch, photos=recipe.photos, held_out=True)
    networks = placed(CodecNetworks(shape), device)
    float_outputs(networks.encoder, networks.decoder, networks.context)
    if start:
        load_weights(networks, start, beside=("tables.",))
    else:
        start_rng = np.random.default_rng(recipe.seed)
        crops = torch.cat([batches.draw(start_rng)[0] for _ in range(40)])
        initialise_with_klt(networks, crops, quantiser_step=recipe.quantiser_step)

    def batch(networks: CodecNetworks, step: int) -> Values:
        first, second = batches.draw(np.random.default_rng([recipe.seed, step]))
        loss = codec_loss(networks, first.to(device), second.to(device), recipe, noise=True)
        return loss.total, loss.intra_bpp, loss.inter_bpp, psnr_of(loss.mse)

    objective = Objective(
        columns=("loss", "intra_bpp", "inter_bpp", "psnr_db"),
        batch=batch,
        validation=lambda networks: validate(networks, held_out, recipe, device),
        rate=lambda step: learning_rate_at(step, recipe),
    )
    if start:
        return fine_tune(networks, objective, recipe, output, resume=resume, start=start)
    return run_loop(networks, objective, recipe, output, resume=resume)


def psnr_of(mse: Tensor) -> Tensor:
    return 10 * torch.log10(255.0**2 / mse.clamp_min(1e-9))


@torch.no_grad()
def validate(
    networks: CodecNetworks, batches: PairBatches, recipe: CodecRecipe, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean loss, bits a pixel (first, following) and PSNR on 12 fixed batches of held-out sources."""
    losses = []
    for i in range(12):
        first, second = batches.draw(np.random.default_rng([77, i]))
        losses.append(codec_loss(networks, first.to(device), second.to(device), recipe, noise=False))
    totals = [torch.stack([getattr(x, name) for x in losses]).mean() for name in ("total", "intra_bpp", "inter_bpp")]
    return totals[0], totals[1], totals[2], torch.stack([psnr_of(x.mse) for x in losses]).mean()
