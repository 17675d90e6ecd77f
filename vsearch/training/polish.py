"""The second codec's decoder, fine-tuned on what the writer chose.

The pixel networks are trained on the nearest integers, the writer takes others where they cost fewer bits
(`models.dyadic_writer`): its latents are a little quieter than those that the decoder knows. Only the decoder changes
here, so no byte of any chunk does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vsearch.models.dyadic import DyadicCodec
from vsearch.models.dyadic_layers import LEVELS_AN_ANCHOR, DyadicNetworks, anchor_weights
from vsearch.training.checkpoints import Average
from vsearch.training.chunks import as_pixels
from vsearch.training.data import CPU
from vsearch.training.loop import scheduled_rate
from vsearch.training.losses import distortion

LOSS_SCALE = math.sqrt(0.0015)  # of no consequence but for what the log says
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One frame as it was and as it was written. values: (C, h, w) int16; down: (C,) what the codec multiplies them by
    before it decodes them; frame: (3, H, W) uint8.
    """

    values: NDArray[np.int16]
    down: NDArray[np.float32]
    frame: NDArray[np.uint8]
    level: int


def written(codec: DyadicCodec, chunks: Iterable[tuple[NDArray[np.uint8], int]]) -> list[list[Picture]]:
    """Pictures of chunks (frames, level), those of one size together."""
    sizes: dict[tuple[int, ...], list[Picture]] = {}
    for frames, level in chunks:
        values, down = codec.encode(frames, level=level).values, codec.down(level)
        pictures = [Picture(v, down, f, level) for v, f in zip(values, frames, strict=True)]
        sizes.setdefault(frames.shape[2:], []).extend(pictures)
    return list(sizes.values())


def draw(pictures: Sequence[Sequence[Picture]], batch: int, rng: np.random.Generator) -> Batch:
    """Latents as the decoder sees them, pixels and levels of a random batch of one size."""
    counts = np.array([len(alike) for alike in pictures], np.float64)
    alike = pictures[int(rng.choice(len(pictures), p=counts / counts.sum()))]
    taken = [alike[i] for i in rng.integers(len(alike), size=batch)]
    return (
        torch.from_numpy(np.stack([p.values * p.down[:, None, None] for p in taken])),
        as_pixels(np.stack([p.frame for p in taken])),
        torch.tensor([p.level for p in taken]),
    )


def decoder_loss(networks: DyadicNetworks, batch: Batch, lambdas: Sequence[float], *, structure: float = 0.0) -> Tensor:
    """Distortion times the square root of each rate's lambda, so that every rate pulls about as hard."""
    latents, pixels, level = batch
    weights = anchor_weights(level.float() / LEVELS_AN_ANCHOR, networks.shape.anchors)
    rate_lambda = torch.exp(weights @ torch.tensor(lambdas, device=level.device).log())
    shown = networks.decoder(latents.contiguous(memory_format=torch.channels_last), weights)
    weighed, _ = distortion(shown, pixels, structure=structure)
    loss: Tensor = (weighed * rate_lambda.sqrt()).mean() * LOSS_SCALE
    return loss


def polish_decoder(
    networks: DyadicNetworks,
    pictures: Sequence[Sequence[Picture]],
    lambdas: Sequence[float],
    *,
    steps: int,
    seed: int,
    precision: str,
    structure: float = 0.0,
    learning_rate: float = 2e-4,
    batch: int = 6,
    device: torch.device = CPU,
) -> Iterator[tuple[int, float]]:
    """Train the decoder; yields (step, mean loss over the last hundred steps). At the end it has its averaged weights,
    on the CPU.

    precision: of the decoder's network, float32 or bfloat16, as in `loop`; structure: see `losses.distortion`.
    """
    decoder = networks.decoder.to(device).requires_grad_(True)
    average = Average(decoder)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    total = torch.zeros((), device=device)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = scheduled_rate(step, peak=learning_rate, steps=steps, warmup_steps=100, floor=0.01)
        latents, pixels, level = (x.to(device) for x in draw(pictures, batch, np.random.default_rng([seed, step])))
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = decoder_loss(networks, (latents, pixels, level), lambdas, structure=structure)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimiser.step()
        average.update(step)
        total += loss.detach()
        if (step + 1) % 100 == 0:
            yield step + 1, float(total) / 100
            total.zero_()
    decoder.load_state_dict(average.network.state_dict())
    decoder.cpu().requires_grad_(False)
