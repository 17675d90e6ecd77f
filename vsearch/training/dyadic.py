"""What the second codec needs beside its pixel networks: linear maps, what errors cost, and the prediction network.

The pixel networks are trained first (`training.transform`). Everything here is fitted to latents that are fixed by
then: the maps by least squares, the costs by perturbing latents, the prediction network by gradient descent on what the
writer really saw, so that it costs minutes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vsearch.media.sampling import preview_size
from vsearch.models.dyadic import CODEC_ID, DyadicCodec
from vsearch.models.dyadic_layers import LEVELS, LEVELS_AN_ANCHOR, DyadicNetworks, anchor_weights
from vsearch.models.dyadic_writer import EFFORTS, LUMA, ChunkWriter
from vsearch.models.entropy import LATENT_LIMIT
from vsearch.models.layers import N_SCALES
from vsearch.models.motion import BLOCK, BLOCK_VALUES, PREDICTION_STEPS
from vsearch.models.order import rounds
from vsearch.models.shifts import palettes
from vsearch.models.weights import ModelFiles, write_model
from vsearch.progress import Progress, SilentProgress
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.losses import latent_bits
from vsearch.training.tables import laplace_pair

logger = logging.getLogger(__name__)

PREVIEW_PIXELS = 36864
YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def level_weights(level: int, anchors: int) -> Tensor:
    """(1, anchors): how much each trained rate has of a level."""
    return anchor_weights(torch.tensor([level / LEVELS_AN_ANCHOR]), anchors)


def previews(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (T, 3, H, W) at the size that a library keeps."""
    size = preview_size(frames.shape[3] / frames.shape[2], PREVIEW_PIXELS)
    pixels = torch.from_numpy(np.array(frames)).float()
    scaled = F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
    return scaled.round().clamp(0, 255).byte().numpy()


def chunk_frames(packed: PackedFrames, entry: PackedEntry, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Up to 32 frames of one source at about one a second, beginning anywhere in its first second."""
    frames = packed.frames(entry)
    every = max(1, round(entry.fps))
    begin = int(rng.integers(min(every, len(frames))))
    taken = frames[begin::every]
    first = int(rng.integers(max(1, len(taken) - 31)))
    return previews(taken[first : first + 32])


def as_pixels(frames: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(frames).float() / 255.0 - 0.5


def proxy_blocks(pixels: Tensor) -> Tensor:
    """(N, 3, H, W) in [-0.5, 0.5] -> (N * h * w, 384) as `motion` lays them out, about -128 to 127."""
    ycbcr = torch.einsum("ij,njhw->nihw", torch.tensor(YCBCR), pixels) * 255.0
    luma = F.unfold(ycbcr[:, :1], BLOCK, stride=BLOCK)
    chroma = F.unfold(F.avg_pool2d(ycbcr[:, 1:], 2), BLOCK // 2, stride=BLOCK // 2)
    return torch.cat([luma, chroma], 1).transpose(1, 2).reshape(-1, BLOCK_VALUES)


@torch.no_grad()
def fit_maps(networks: DyadicNetworks, chunks: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Least squares: synthesis (C, 384) from scaled latents to what the decoder makes of them; analysis (384, C) from
    those proxies back to latents before their gain.
    """
    c = networks.shape.channels
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    for number, frames in enumerate(chunks):
        weights = level_weights(number * 7 % LEVELS, networks.shape.anchors)
        up, down = networks.gains(weights)
        latents = networks.encoder(as_pixels(frames))
        scaled = (latents * up).round() * down
        shown = networks.decoder(scaled, weights).clamp(-0.5, 0.5)
        flat = [x.permute(0, 2, 3, 1).reshape(-1, c).double() for x in (scaled, latents)]
        rows.append((flat[0], proxy_blocks(shown).double(), flat[1]))
    scaled, blocks, latents = (torch.cat(x) for x in zip(*rows, strict=True))
    synthesis = torch.linalg.solve(scaled.T @ scaled + 1e-3 * len(scaled) * torch.eye(c), scaled.T @ blocks)
    proxies = (scaled @ synthesis).round().clamp(-128, 127)
    gram = proxies.T @ proxies + 0.5 * len(proxies) * torch.eye(BLOCK_VALUES)
    analysis = torch.linalg.solve(gram, proxies.T @ latents)
    return synthesis.float().numpy(), analysis.float().numpy()


@torch.no_grad()
def error_costs(networks: DyadicNetworks, frames: NDArray[np.uint8], lambdas: Sequence[float]) -> NDArray[np.float32]:
    """(LEVELS, C): bits that a squared error of 1 in a rounded latent is worth, at each level.

    Measured at the anchors by moving one channel at a time by 1 at random places, and interpolated between them.
    """
    shape = networks.shape
    generator = torch.Generator().manual_seed(0)
    at_anchors = torch.zeros(shape.anchors, shape.channels)
    for anchor, rate_lambda in enumerate(lambdas):
        weights = anchor_weights(torch.tensor([float(anchor)]), shape.anchors)
        up, down = networks.gains(weights)
        rounded = (networks.encoder(as_pixels(frames)) * up).round()
        before = networks.decoder(rounded * down, weights)
        for channel in range(shape.channels):
            moved = rounded.clone()
            where = torch.rand(moved[:, channel].shape, generator=generator) < 0.15
            sign = torch.where(torch.rand(where.shape, generator=generator) < 0.5, 1.0, -1.0)
            moved[:, channel] += where * sign
            difference = (networks.decoder(moved * down, weights) - before).square().sum() / where.sum()
            at_anchors[anchor, channel] = rate_lambda * 255.0**2 / 3 * difference
    quality = torch.arange(LEVELS) / LEVELS_AN_ANCHOR
    return torch.exp(anchor_weights(quality, shape.anchors) @ at_anchors.clamp_min(1e-6).log()).numpy()


@torch.no_grad()
def export_dyadic(
    networks: DyadicNetworks,
    folder: Path,
    *,
    maps: tuple[NDArray[Any], NDArray[Any]],
    costs: NDArray[np.float32],
    tiers: dict[str, int],
    training: dict[str, Any],
    tables: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None,
) -> ModelFiles:
    """Write a trained codec as a model folder, every level's numbers included. tables: narrow and wide probability
    tables (None: Laplace ones).

    Raises LatentError when it cannot be exact.
    """
    shape = networks.shape
    at_levels = anchor_weights(torch.arange(LEVELS) / LEVELS_AN_ANCHOR, shape.anchors)
    gained = networks.gains(at_levels)
    narrow, wide = tables or laplace_pair()
    tensors: dict[str, Any] = {
        name: value for name, value in networks.state_dict().items() if not name.startswith(("gains.", "prediction."))
    }
    for name, value in networks.prediction.state_dict().items():
        interpolated = {"rate.at": "rate", "finer.at": "finer"}.get(name)
        tensors[f"prediction.{interpolated or name}"] = at_levels @ value if interpolated else value
    tensors |= {
        "levels.up": gained[0][:, :, 0, 0],
        "levels.down": gained[1][:, :, 0, 0],
        "levels.distortion": costs,
        "maps.synthesis": maps[0],
        "maps.analysis": maps[1],
    }
    decode = {
        "codec_id": CODEC_ID,
        "groups": list(shape.groups),
        "context_width": shape.context_width,
        "predicted": shape.predicted,
        "anchors": shape.anchors,
        "encoder_widths": list(shape.encoder_widths),
        "decoder_widths": list(shape.decoder_widths),
    }
    files = write_model(
        folder,
        kind="codec",
        family="dyadic",
        decode=decode,
        search={"tiers": tiers},
        training=training,
        tensors={
            **{name: np.ascontiguousarray(np.asarray(value, np.float32)) for name, value in tensors.items()},
            "tables.narrow": narrow,
            "tables.wide": wide,
        },
    )
    DyadicCodec(files)  # refuses weights that cannot be exact
    return files


# The prediction network, on what the writer sees


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Coded frames of one size. values: (n, C, h, w) int16; predicted: the same in 1 / PREDICTION_STEPS; flags:
    (n, FLAGS, h, w) float32; level: (n,).
    """

    values: NDArray[np.int16]
    predicted: NDArray[np.int16]
    flags: NDArray[np.float32]
    level: NDArray[np.int64]


def observe(codec: DyadicCodec, frames: NDArray[np.uint8], level: int, *, free: bool) -> Seen:
    """What the writer knew and chose for every frame of one chunk. free: as it encodes; else the nearest integers."""
    rate = codec.rate(level)
    wanted = np.clip(codec.analyse(frames) * codec.up(level), -LATENT_LIMIT, LATENT_LIMIT)
    luma = np.einsum("tchw,c->thw", frames.astype(np.float32), LUMA)
    entries = palettes(luma, rounds(len(frames)), EFFORTS["default"])
    writer = ChunkWriter(wanted if free else np.rint(wanted), rate, entries, free=free)
    values = writer.write(b"\0\0\0\0").values
    predictions = [writer.predictions[i] for i in range(len(frames))]
    limit = 2 * LATENT_LIMIT * PREDICTION_STEPS
    return Seen(
        values.transpose(0, 3, 1, 2),
        np.stack([np.clip(p.values, -limit, limit) for p in predictions]).transpose(0, 3, 1, 2).astype(np.int16),
        np.stack([p.flags for p in predictions]).transpose(0, 3, 1, 2).astype(np.float32),
        np.full(len(frames), level),
    )


def by_size(seen: Sequence[Seen]) -> list[Seen]:
    """Everything of one size together."""
    sizes: dict[tuple[int, ...], list[Seen]] = {}
    for one in seen:
        sizes.setdefault(one.values.shape[2:], []).append(one)
    return [
        Seen(*(np.concatenate([getattr(one, name) for one in alike]) for name in Seen.__dataclass_fields__))
        for alike in sizes.values()
    ]


def draw(seen: Sequence[Seen], batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents, predictions, flags and levels of a random batch of one size."""
    counts = np.array([len(one.values) for one in seen], np.float64)
    one = seen[int(rng.choice(len(seen), p=counts / counts.sum()))]
    rows = rng.integers(len(one.values), size=batch)
    return (
        torch.from_numpy(one.values[rows]).float(),
        torch.from_numpy(one.predicted[rows]).float() / PREDICTION_STEPS,
        torch.from_numpy(one.flags[rows]),
        torch.from_numpy(one.level[rows]),
    )


def prediction_bits(networks: DyadicNetworks, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Bits of each frame, (N,)."""
    values, predicted, flags, level = batch
    weights = anchor_weights(level.float() / LEVELS_AN_ANCHOR, networks.shape.anchors)
    means, scales = networks.prediction(values, predicted, flags, weights)
    return latent_bits(values, means, scales).sum((1, 2, 3))


def train_prediction(
    networks: DyadicNetworks, seen: Sequence[Seen], *, steps: int, learning_rate: float, seed: int, batch: int = 16
) -> Iterator[tuple[int, float]]:
    """Fit the prediction network; yields (step, mean bits a frame over the last hundred steps)."""
    optimiser = torch.optim.AdamW(networks.prediction.parameters(), lr=learning_rate, weight_decay=0.0)
    total = 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 50)
            group["lr"] = learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        bits = prediction_bits(networks, draw(seen, batch, np.random.default_rng([seed, step])))
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


# All of it


@dataclass(frozen=True, slots=True)
class PredictionRecipe:
    """How a codec is finished. steps, learning_rates: of the passes; in the first the writer takes the nearest
    integers, in the others it chooses with the network of the pass before. tiers: the levels that are offered by name.
    """

    steps: tuple[int, ...] = (2400, 2400)
    learning_rates: tuple[float, ...] = (2e-3, 1e-3)
    batch: int = 16
    levels_a_video: int = 2
    photos_every: int = 4
    seed: int = 1
    low: int = 8
    default: int = 20
    high: int = 40


def finish(
    networks: DyadicNetworks,
    packed: PackedFrames,
    lambdas: Sequence[float],
    recipe: PredictionRecipe,
    folder: Path,
    *,
    training: dict[str, Any],
    progress: Progress | None = None,
) -> ModelFiles:
    """From trained pixel networks to a model folder: maps, costs, the prediction network. Minutes on two cores."""
    networks.eval()
    training_sources = [entry for entry in packed.entries if not entry.held_out]
    videos = [entry for entry in training_sources if entry.fps > 0]
    photos = [entry for entry in training_sources if entry.fps == 0]
    rng = np.random.default_rng(recipe.seed)
    chunks = [chunk_frames(packed, e, rng)[:6] for e in videos[::5]] + [
        previews(packed.frames(e)) for e in photos[::60]
    ]
    maps = fit_maps(networks, chunks)
    some = [chunk[:1] for chunk in chunks if chunk.shape == chunks[0].shape][:4]
    costs = error_costs(networks, np.concatenate(some), lambdas)
    start_scales(networks)
    tiers = {"low": recipe.low, "default": recipe.default, "high": recipe.high}
    files = export_dyadic(networks, folder, maps=maps, costs=costs, tiers=tiers, training=training)
    for number, (steps, rate) in enumerate(zip(recipe.steps, recipe.learning_rates, strict=True)):
        codec = DyadicCodec(files)
        seen = gather(codec, packed, [*videos, *photos[:: recipe.photos_every]], recipe, number, progress)
        for step, bits in train_prediction(
            networks, seen, steps=steps, learning_rate=rate, seed=recipe.seed + number, batch=recipe.batch
        ):
            logger.info("pass %d, step %d of %d: %.0f bytes a frame", number + 1, step, steps, bits / 8)
        files = export_dyadic(networks, folder, maps=maps, costs=costs, tiers=tiers, training=training)
    return files


@torch.no_grad()
def start_scales(networks: DyadicNetworks) -> None:
    """Finer latents are larger by their gain: let scale indices begin accordingly."""
    up = networks.gains.up.at
    steps_a_unit = (N_SCALES - 1) / 5.95  # see layers.scale_of_index
    networks.prediction.finer.at.copy_((up - up.mean(0)) * steps_a_unit)


def gather(
    codec: DyadicCodec,
    packed: PackedFrames,
    entries: Sequence[PackedEntry],
    recipe: PredictionRecipe,
    number: int,
    progress: Progress | None,
) -> list[Seen]:
    """What the writer sees of all sources, each at some random levels."""
    progress = progress or SilentProgress()
    progress.start(f"writing chunks, pass {number + 1}", total_files=len(entries))
    rng = np.random.default_rng([recipe.seed, number])
    seen = []
    for entry in entries:
        progress.file(entry.file)
        frames = chunk_frames(packed, entry, rng)
        for level in rng.choice(LEVELS, recipe.levels_a_video if len(frames) > 1 else 1, replace=False):
            seen.append(observe(codec, frames, int(level), free=number > 0))
        progress.advance(files=1)
    progress.finish()
    return by_size(seen)
